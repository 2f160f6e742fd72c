package memlog_test

import (
	"testing"

	"go.uber.org/goleak"

	"feedd/internal/memlog"
	"feedd/internal/stream"
	"feedd/internal/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The memory engine keeps the promises of package stream.
func TestLog(t *testing.T) {
	streamtest.TestLog(t, streamtest.Subject{
		Open: func(_ string, opts stream.StoreOptions) (stream.Engine, error) { return memlog.Open(opts), nil },
	})
}

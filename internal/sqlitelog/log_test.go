package sqlitelog_test

import (
	"testing"

	"go.uber.org/goleak"

	"feedd/internal/sqlitelog"
	"feedd/internal/stream"
	"feedd/internal/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLog(t *testing.T) {
	streamtest.TestLog(t, streamtest.Subject{
		Open: func(dir string, opts stream.StoreOptions) (stream.Engine, error) {
			return sqlitelog.OpenBusily(dir, opts)
		},
		Durable: true,
	})
}

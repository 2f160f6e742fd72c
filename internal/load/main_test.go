package load

import (
	"flag"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

// Runs wait more than they work, so there may be more of them at the same time
// than processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); err == nil {
		flag.Set("test.parallel", strconv.Itoa(max(n, 4)))
	}
	goleak.VerifyTestMain(m)
}

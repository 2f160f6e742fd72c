package publish_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"feedd/internal/publish"
)

// A probe is proof for a while, and the next check after that probes again.
func TestReadiness_ProbesAtMostOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := publish.NewReadiness(publish.ReadyFor)
		fault, probes := errors.New("a fault"), 0
		check := func(result error) error {
			return r.Check(t.Context(), func(context.Context) error { probes++; return result })
		}
		for range 5 {
			if err := check(fault); err != fault {
				t.Errorf("%v, want the fault", err)
			}
		}
		if probes != 1 {
			t.Errorf("%d probes", probes)
		}
		time.Sleep(publish.ReadyFor)
		for range 5 {
			if err := check(nil); err != nil {
				t.Error(err)
			}
		}
		if probes != 2 {
			t.Errorf("%d probes after the while", probes)
		}
	})
}

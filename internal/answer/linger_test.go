package answer_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"feedd/internal/answer"
)

// A client that is gone altogether is not worked for much longer.
func TestP5_AnAnswerForNobodyIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of, leave := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(of, "GET", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		s := answer.New(time.Second, 1)
		ctx, end := s.Linger(r)
		defer end()
		leave()
		time.Sleep(29 * time.Second)
		if ctx.Err() != nil {
			t.Error("it was given up after less than 30 s")
		}
		time.Sleep(2 * time.Second)
		if ctx.Err() == nil {
			t.Error("it is worked for after more than 30 s")
		}
	})
}

// P6: of very many requests that a client breaks off, only a few are still
// worked on.
func TestP6_FewAreWorkedForWithoutAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := answer.New(time.Second, 1)
		worked := func() (n int) {
			of, leave := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(of, "GET", "/", nil)
			if err != nil {
				t.Fatal(err)
			}
			var all []context.Context
			for range 3 * answer.MaxLingering {
				ctx, end := s.Linger(r)
				defer end()
				all = append(all, ctx)
			}
			leave()
			synctest.Wait()
			for _, ctx := range all {
				if ctx.Err() == nil {
					n++
				}
			}
			return n
		}
		for range 2 { // their places are free again
			if n := worked(); n != answer.MaxLingering {
				t.Errorf("%d are worked for, not %d", n, answer.MaxLingering)
			}
			synctest.Wait()
		}
	})
}

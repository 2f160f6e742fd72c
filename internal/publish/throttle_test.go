package publish_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"feedd/internal/publish"
)

// A client that waits as long as it is told may publish, and not a second
// before; three seconds of one address that does its worst bring what the rate
// says.
func TestStrangers_RetryAfterIsExact(t *testing.T) {
	t.Parallel()
	request := func(addr string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/feeds/f", nil)
		r.RemoteAddr = addr
		return r
	}
	for _, c := range []struct {
		name         string
		limits       publish.Limits
		items, bytes int
	}{
		{"publishes", publish.Limits{MaxAnonymousRate: 20}, 1, 10},
		{"items", publish.Limits{MaxAnonymousItems: 3}, 7, 10},
		{"bytes", publish.Limits{MaxAnonymousBytes: 1000, MaxAnonymousItemBytes: 10_000}, 1, 7_500},
		{"all", publish.Limits{MaxAnonymousRate: 2, MaxAnonymousItems: 3, MaxAnonymousBytes: 100}, 2, 333},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := publish.New(publish.Options{Limits: c.limits})
				r := request("192.0.2.1:1")
				for range 10 {
					wait := 0
					for n := 0; wait == 0; n++ {
						if wait = s.TooFast(r, c.items, c.bytes); n > 1000 {
							t.Fatal("nothing is refused")
						}
					}
					if s.TooFast(request("[2001:db8::1]:1"), 0, 0) != 0 {
						t.Fatal("another address must wait as well")
					}
					if wait > 1 {
						time.Sleep(time.Duration(wait-1) * time.Second)
						if left := s.TooFast(r, c.items, c.bytes); left != 1 {
							t.Fatalf("a second before its %d s are over it is told to wait %d", wait, left)
						}
						wait = 1
					}
					time.Sleep(time.Duration(wait) * time.Second)
					if left := s.TooFast(r, c.items, c.bytes); left != 0 {
						t.Fatalf("after all the time it is told to wait %d more", left)
					}
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := publish.New(publish.Options{Limits: publish.Limits{MaxAnonymousRate: 20, MaxAnonymousItems: 20}})
		r, n := request("192.0.2.1:1"), 0
		for range 3000 {
			if s.TooFast(r, 1, 10) == 0 {
				n++
			}
			time.Sleep(time.Millisecond)
		}
		if n < 150 || n > 160 {
			t.Errorf("three seconds bring %d items, want five seconds' worth and three: 160", n)
		}
	})
}

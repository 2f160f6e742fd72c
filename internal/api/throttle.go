package api

import (
	"net/http"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
)

// throttle bounds how fast those publish who have no credential, each address
// for itself.
type throttle struct {
	mu     sync.Mutex // guards byAddr
	byAddr map[netip.Addr]*rate.Limiter
}

const (
	// throttleBurst is how many seconds' worth may come at once.
	throttleBurst = 10
	// throttledAddresses is how many addresses are remembered before those are
	// forgotten that have their whole burst again.
	throttledAddresses = 10_000
)

// tooFast says that whoever sent the request must wait before it publishes, if
// it must.
func (s *Server) tooFast(r *http.Request) error {
	if s.MaxAnonymousRate <= 0 || !principal(r).Anonymous() {
		return nil
	}
	burst := s.MaxAnonymousRate * throttleBurst
	t := &s.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	addr := addressOf(r)
	l := t.byAddr[addr]
	if l == nil {
		t.forget(burst)
		l = rate.NewLimiter(rate.Limit(s.MaxAnonymousRate), burst)
		t.byAddr[addr] = l
	}
	if l.Allow() {
		return nil
	}
	p := tooManyPublishes.hit("max_anonymous_rate").with("%d a second from one address are allowed without a credential", s.MaxAnonymousRate)
	p.retryAfter = 1 // there is one a second at least
	return p
}

// forget makes room. When all are in use those who publish the most begin anew
// with everybody else, which is no worse than another address.
func (t *throttle) forget(burst int) {
	if t.byAddr == nil {
		t.byAddr = make(map[netip.Addr]*rate.Limiter)
	}
	if len(t.byAddr) < throttledAddresses {
		return
	}
	for addr, l := range t.byAddr {
		if l.Tokens() >= float64(burst) {
			delete(t.byAddr, addr)
		}
	}
	if len(t.byAddr) >= throttledAddresses {
		clear(t.byAddr)
	}
}

package publish

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"feedd/internal/access"
	"feedd/internal/problem"
)

const (
	// throttleBurst is how many seconds' worth of publishes may come at once.
	// Five are enough for a hundred people behind one proxy that come back
	// together, and for the messages that one page sends again. And they are few
	// enough: with the default rate, an address that does its worst for three
	// seconds leaves 40 of a chat's 200 messages.
	throttleBurst = 5
	// throttledAddresses is how many addresses are remembered. Then those are
	// forgotten that have their whole burst again. One takes less than 500 bytes
	// (three limiters of 80, and its place in the map), so all take less than 5
	// MB.
	throttledAddresses = 10_000
)

// throttle bounds how much is published without a credential.
type throttle struct {
	limits Limits

	mu     sync.Mutex // guards byAddr
	byAddr map[netip.Addr]*allowance
}

// allowance is what an address may publish; nil: there is no bound.
type allowance struct {
	publishes, items, bytes *rate.Limiter
}

func newAllowance(o *Limits) *allowance {
	limiter := func(aSecond, least int64) *rate.Limiter {
		if aSecond <= 0 {
			return nil
		}
		burst := min(max(aSecond*throttleBurst, least), math.MaxInt32)
		return rate.NewLimiter(rate.Limit(aSecond), int(burst))
	}
	return &allowance{
		publishes: limiter(int64(o.MaxAnonymousRate), 1),
		items:     limiter(int64(o.MaxAnonymousItems), 1),
		bytes:     limiter(o.MaxAnonymousBytes, o.MaxAnonymousItemBytes), // or a large one could never pass
	}
}

// full reports whether the address has its whole burst again.
func (a *allowance) full(now time.Time) bool {
	for _, l := range []*rate.Limiter{a.publishes, a.items, a.bytes} {
		if l != nil && l.TokensAt(now) < float64(l.Burst()) {
			return false
		}
	}
	return true
}

// tooFast returns an error if the sender of the request must wait before it
// publishes. It is called before the body is read.
func (t *throttle) tooFast(r *http.Request) error {
	if t.limits.MaxAnonymousRate <= 0 || !access.Principal(r).Anonymous() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if wait := lacks(t.of(access.Address(r), now).publishes, now, 1); wait > 0 {
		return throttled("max_anonymous_rate", wait, fmt.Sprintf("%d publishes", t.limits.MaxAnonymousRate))
	}
	return nil
}

// tooMuch is tooFast for the items and bytes of the body, once it was read.
// They are counted only if all of them are allowed.
func (t *throttle) tooMuch(r *http.Request, items, bytes int) error {
	if !access.Principal(r).Anonymous() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	a := t.of(access.Address(r), now)
	for _, c := range []struct {
		setting string
		limiter *rate.Limiter
		n       int
		aSecond string
	}{
		{"max_anonymous_items", a.items, items, fmt.Sprintf("%d items", t.limits.MaxAnonymousItems)},
		{"max_anonymous_bytes", a.bytes, bytes, fmt.Sprintf("%d bytes", t.limits.MaxAnonymousBytes)},
	} {
		if c.limiter != nil && c.n > c.limiter.Burst() {
			p := problem.TooLarge.Hit(c.setting)
			return p.With("%s allows %s a second, and %d at once, without a credential", c.setting, c.aSecond, c.limiter.Burst())
		}
		if wait := short(c.limiter, now, c.n); wait > 0 {
			return throttled(c.setting, wait, c.aSecond)
		}
	}
	lacks(a.items, now, items)
	lacks(a.bytes, now, bytes)
	return nil
}

// short returns how long it takes until there is enough for n.
func short(l *rate.Limiter, now time.Time, n int) time.Duration {
	if l == nil {
		return 0
	}
	missing := float64(n) - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(missing / float64(l.Limit()) * float64(time.Second)))
}

// lacks is short, but takes n if there is enough.
func lacks(l *rate.Limiter, now time.Time, n int) time.Duration {
	wait := short(l, now, n)
	if wait == 0 && l != nil {
		l.AllowN(now, n)
	}
	return wait
}

func throttled(setting string, wait time.Duration, aSecond string) *problem.Problem {
	p := problem.TooManyPublishes.Hit(setting).With("%s a second from one address are allowed without a credential", aSecond)
	p.RetryAfter = int(math.Ceil(wait.Seconds()))
	return p
}

// of returns what an address may publish.
func (t *throttle) of(addr netip.Addr, now time.Time) *allowance {
	a := t.byAddr[addr]
	if a == nil {
		t.forget(now)
		a = newAllowance(&t.limits)
		t.byAddr[addr] = a
	}
	return a
}

// forget makes room for another address. If all are in use, all begin anew with
// their whole burst. That helps a busy sender no more than a second address
// would.
func (t *throttle) forget(now time.Time) {
	if t.byAddr == nil {
		t.byAddr = make(map[netip.Addr]*allowance)
	}
	if len(t.byAddr) < throttledAddresses {
		return
	}
	for addr, a := range t.byAddr {
		if a.full(now) {
			delete(t.byAddr, addr)
		}
	}
	if len(t.byAddr) >= throttledAddresses {
		clear(t.byAddr)
	}
}

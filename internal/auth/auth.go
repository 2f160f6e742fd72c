// Package auth decides what a credential may do (P8). It knows keys and rules
// on feed names; where a credential stands in a request is the caller's
// business.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"strconv"
	"sync/atomic"

	"feedd/internal/selector"
)

// Principal is who asks. The zero Principal is somebody without a credential.
type Principal struct{ admin bool }

// Anonymous reports whether the principal gave no credential.
func (p Principal) Anonymous() bool { return !p.admin }

// Admin reports whether the principal may do everything.
func (p Principal) Admin() bool { return p.admin }

// Name is the same for principals that may do the same.
func (p Principal) Name() string {
	if p.admin {
		return "admin"
	}
	return "anyone"
}

// Rules say which feeds are open to everybody. They may be called from any
// goroutine, with any feed name.
type Rules struct {
	Read    func(feed string) bool
	Publish func(feed string) bool
	// ReadAny says whether some feed that the selection can ever include is
	// open to read.
	ReadAny func(sel selector.Selection) bool
}

// Authority knows the credentials and the rules.
type Authority struct{ now atomic.Pointer[order] }

// order is what is in force until the next Change. It is immutable.
type order struct {
	admin  [sha256.Size]byte
	rules  Rules
	number int // of the change
}

// New returns an authority whose one credential is the admin key, which must
// not be empty.
func New(adminKey string, rules Rules) *Authority {
	a := &Authority{}
	a.Change(adminKey, rules)
	return a
}

// Change puts another key and other rules in force: for who asks from now on,
// not for what was allowed already. Changes must not overlap.
func (a *Authority) Change(adminKey string, rules Rules) {
	if adminKey == "" {
		panic("auth: the admin key is empty")
	}
	next := &order{admin: sha256.Sum256([]byte(adminKey)), rules: rules}
	if old := a.now.Load(); old != nil {
		next.number = old.number + 1
	}
	a.now.Store(next)
}

// Scope is the same for principals that may do the same. It is another one
// after a change.
func (a *Authority) Scope(p Principal) string {
	return p.Name() + "/" + strconv.Itoa(a.now.Load().number)
}

// Changes returns how many changes there were: who was let in before one of them
// may owe that to what is no longer in force.
func (a *Authority) Changes() int { return a.now.Load().number }

// Administrator returns the principal that may do everything, for a caller
// that needs no key, such as the owner of the data directory.
func (a *Authority) Administrator() Principal { return Principal{admin: true} }

// Identify returns whose key it is, false for nobody's.
func (a *Authority) Identify(key string) (Principal, bool) {
	// Digests are of one length, so that the comparison tells nothing.
	sum := sha256.Sum256([]byte(key))
	if subtle.ConstantTimeCompare(sum[:], a.now.Load().admin[:]) == 1 {
		return Principal{admin: true}, true
	}
	return Principal{}, false
}

// MayRead reports whether the principal may read the feed, whether it exists
// or not.
func (a *Authority) MayRead(p Principal, feed string) bool {
	return p.admin || !selector.Internal(feed) && a.now.Load().rules.Read(feed)
}

// MayReadAny reports whether there can be a feed in the selection that the
// principal may read.
func (a *Authority) MayReadAny(p Principal, sel selector.Selection) bool {
	return p.admin || a.now.Load().rules.ReadAny(sel)
}

// MayPublish reports whether the principal may publish to the feed. Feeds of
// feedd's own are nobody's to publish to.
func (a *Authority) MayPublish(p Principal, feed string) bool {
	return !selector.Internal(feed) && (p.admin || a.now.Load().rules.Publish(feed))
}

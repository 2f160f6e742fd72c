// Package auth decides what a credential allows (P8). It knows keys and rules
// on feed names; the caller finds the credential in the request.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"strconv"
	"sync/atomic"

	"feedd/internal/selector"
)

// Principal is the identity behind a request. The zero Principal has no
// credential.
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

// Rules say which feeds are open without a credential. They may be called from any
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

// Change puts another key and other rules in force for requests from now on. It
// does not end what was allowed before. Changes must not overlap. The key must
// not be empty.
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

// Scope is the same for principals that may do the same. After a Change it is
// another one.
func (a *Authority) Scope(p Principal) string {
	return p.Name() + "/" + strconv.Itoa(a.now.Load().number)
}

// Changes returns the number of changes. A request that was allowed before one of
// them may have been allowed by a key or rule that is no longer in force.
func (a *Authority) Changes() int { return a.now.Load().number }

// Administrator returns the principal that may do everything, for a caller
// that needs no key, such as the owner of the data directory.
func (a *Authority) Administrator() Principal { return Principal{admin: true} }

// Identify returns the principal of a key, and false for an unknown key.
func (a *Authority) Identify(key string) (Principal, bool) {
	// Digests all have the same length, so the time of the comparison tells
	// nothing about the key.
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

// MayPublish reports whether the principal may publish to the feed. Only
// feedd itself publishes to feeds of its own.
func (a *Authority) MayPublish(p Principal, feed string) bool {
	return !selector.Internal(feed) && (p.admin || a.now.Load().rules.Publish(feed))
}

package auth

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// SessionAge is how long a session lasts: an operator who looks in each week
	// need not bring the key again, and a forgotten browser does not stay signed in.
	SessionAge = 7 * 24 * time.Hour
	// TicketAge is how long a ticket can be traded for a session: long enough to
	// open the link on another device, and short because links are kept in histories.
	TicketAge = 10 * time.Minute
	// maxSessions and maxTickets bound their number, and so the file of sessions
	// (80 KB) and the memory that a script takes that signs in again and again.
	// They are far more than the administrators of a server need. The one that
	// ends first makes room.
	maxSessions, maxTickets = 1000, 100
)

// Sessions are the browsers that are signed in as the administrator. Each holds
// a token in the place of the key, which no page keeps. A ticket can be traded for
// a session. It may stand in a link, because it works once and not for long.
//
// Tokens and tickets are random, and only their digests are kept. The digests
// depend on the admin key: with another key all sessions have ended. All
// methods may be called from any goroutine.
type Sessions struct {
	store SessionStore
	now   func() time.Time
	seal  atomic.Pointer[seal]

	mu      sync.Mutex // guards the rest, and the store
	open    map[digest]lease
	tickets map[digest]lease
}

// ErrKeyChanged says that the admin key has changed after the request was
// identified.
var ErrKeyChanged = errors.New("the admin key has changed meanwhile")

// lease is how long a session or a ticket is good.
type lease struct {
	until time.Time
	// life ends with a session, for any cause; nil for a ticket.
	life context.Context
	end  context.CancelFunc
}

// seal is what is derived from an admin key.
type seal struct {
	key  []byte
	name string
}

func newSeal(adminKey string) *seal {
	s := &seal{key: []byte(adminKey)}
	d := s.digest("name", "")
	s.name = "feedd_" + hex.EncodeToString(d[:4])
	return s
}

type digest [sha256.Size]byte

// SessionStore keeps sessions over a restart. What it keeps are digests, with
// which one cannot sign in.
type SessionStore interface {
	// Load returns what was saved last, nil if nothing was.
	Load() ([]byte, error)
	// Save replaces all of it, or nothing if it fails.
	Save([]byte) error
}

// OpenSessions returns the sessions in the store. With a nil store they last as
// long as the process. Lines of the store that cannot be read are left out; an
// error is the store's.
func OpenSessions(adminKey string, store SessionStore) (*Sessions, error) {
	s := &Sessions{
		store: store, now: time.Now,
		open: make(map[digest]lease), tickets: make(map[digest]lease),
	}
	s.seal.Store(newSeal(adminKey))
	if store == nil {
		return s, nil
	}
	b, err := store.Load()
	if err != nil {
		return nil, fmt.Errorf("the sessions: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		var sum []byte
		var end int64
		if n, _ := fmt.Sscanf(lines.Text(), "%x %d", &sum, &end); n == 2 && len(sum) == sha256.Size {
			s.open[digest(sum)] = sessionUntil(time.Unix(end, 0))
		}
	}
	return s, nil
}

// ChangeKey ends all sessions and tickets, because they were made with another
// admin key. If saving fails, they have ended all the same, also after a restart:
// their digests are of the old key.
func (s *Sessions) ChangeKey(adminKey string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seal.Store(newSeal(adminKey))
	for _, leases := range []map[digest]lease{s.open, s.tickets} {
		for d := range leases {
			drop(leases, d)
		}
	}
	return s.saveLocked()
}

func (s *Sessions) digest(kind, secret string) digest { return s.seal.Load().digest(kind, secret) }

// digest depends on what is digested, and on the key.
func (s *seal) digest(kind, secret string) digest {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(kind + "\x00" + secret))
	return digest(mac.Sum(nil))
}

// Name returns a word that is the same for all sessions of an admin key, and
// another one for another key. A browser holds one cookie of a name for a host,
// so two servers on different ports need different names.
func (s *Sessions) Name() string { return s.seal.Load().name }

// Begin begins a session and returns its token, and when it ends. The caller
// takes the name from Name before it identifies the administrator.
// ErrKeyChanged means that the key has changed after that, and there is no
// session. With another error the session is not stored, and lasts as long as
// the process, because an administrator must get in even if the disk is full.
func (s *Sessions) Begin(name string) (token string, end time.Time, err error) {
	token = secret()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Name() != name {
		return "", time.Time{}, ErrKeyChanged
	}
	end = s.now().Add(SessionAge).Truncate(time.Second)
	makeRoom(s.open, s.now(), maxSessions)
	s.open[s.digest("session", token)] = sessionUntil(end)
	return token, end, s.saveLocked()
}

// Holds reports whether the token is that of a session. Connections that only the
// session allows must end with its life, whose deadline is the session's end.
func (s *Sessions) Holds(token string) (life context.Context, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.digest("session", token)
	l, ok := s.open[d]
	// After the clock was set back the life may be over before that time.
	return l.life, ok && l.life.Err() == nil && s.now().Before(l.until)
}

// End ends a session. If it fails, the session has ended as long as the process
// lives, but may come back after a restart.
func (s *Sessions) End(token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.digest("session", token)
	if _, ok := s.open[d]; !ok {
		return nil
	}
	drop(s.open, d)
	return s.saveLocked()
}

// Ticket returns a new ticket, and until when it is good. Name and ErrKeyChanged
// are as with Begin; there is no other error.
func (s *Sessions) Ticket(name string) (ticket string, end time.Time, err error) {
	ticket = secret()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Name() != name {
		return "", time.Time{}, ErrKeyChanged
	}
	end = s.now().Add(TicketAge)
	makeRoom(s.tickets, s.now(), maxTickets)
	s.tickets[s.digest("ticket", ticket)] = lease{until: end}
	return ticket, end, nil
}

// Redeem reports whether the ticket is good, and uses it up.
func (s *Sessions) Redeem(ticket string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.digest("ticket", ticket)
	l, ok := s.tickets[d]
	drop(s.tickets, d)
	return ok && s.now().Before(l.until)
}

// saveLocked writes down the sessions that have not ended.
func (s *Sessions) saveLocked() error {
	if s.store == nil {
		return nil
	}
	var b []byte
	for d, l := range s.open {
		if s.now().Before(l.until) {
			b = fmt.Appendf(b, "%x %d\n", d, l.until.Unix())
		}
	}
	if err := s.store.Save(b); err != nil {
		return fmt.Errorf("save the sessions: %w", err)
	}
	return nil
}

// makeRoom takes out the leases that have ended and, if that is not enough, the
// one that ends first.
func makeRoom(leases map[digest]lease, now time.Time, most int) {
	var first digest
	for d, l := range leases {
		if !now.Before(l.until) {
			drop(leases, d)
		} else if f, ok := leases[first]; !ok || l.until.Before(f.until) {
			first = d
		}
	}
	if len(leases) >= most {
		drop(leases, first)
	}
}

// drop takes a lease out, and ends its life.
func drop(leases map[digest]lease, d digest) {
	if end := leases[d].end; end != nil {
		end()
	}
	delete(leases, d)
}

func sessionUntil(end time.Time) lease {
	life, cancel := context.WithDeadline(context.Background(), end)
	return lease{end, life, cancel}
}

// secret returns 256 random bits as text that is safe in a cookie and in a URL.
func secret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

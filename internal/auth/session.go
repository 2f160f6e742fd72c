package auth

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sync"
	"time"
)

const (
	// SessionAge is how long a session lasts.
	SessionAge = 7 * 24 * time.Hour
	// TicketAge is how long a ticket can be traded for a session.
	TicketAge = 10 * time.Minute
	// maxSessions and maxTickets are how many there are at most; the one that
	// ends first makes room.
	maxSessions, maxTickets = 1000, 100
)

// Sessions are the browsers that are signed in as the administrator. Each holds
// a token in the place of the key, which no page keeps. A ticket is a promise
// of a session: it may stand in a link, since it is good once and not for long.
//
// Tokens and tickets are random, and only their digests are kept. The digests
// depend on the admin key: with another key all sessions have ended. All
// methods may be called from any goroutine.
type Sessions struct {
	key   []byte
	name  string
	store SessionStore
	now   func() time.Time

	mu      sync.Mutex // guards the rest, and the store
	open    map[digest]time.Time
	tickets map[digest]time.Time
}

type digest [sha256.Size]byte

// SessionStore keeps sessions over a restart. What it keeps lets nobody in.
type SessionStore interface {
	// Load returns what was saved last, nothing where nothing was.
	Load() ([]byte, error)
	// Save replaces it, whole or not at all.
	Save([]byte) error
}

// OpenSessions returns the sessions in the store, nil for one that lasts as
// long as the process. What it holds and cannot be read is left out.
func OpenSessions(adminKey string, store SessionStore) (*Sessions, error) {
	s := &Sessions{
		key: []byte(adminKey), store: store, now: time.Now,
		open: make(map[digest]time.Time), tickets: make(map[digest]time.Time),
	}
	d := s.digest("name", "")
	s.name = "feedd_" + hex.EncodeToString(d[:4])
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
			s.open[digest(sum)] = time.Unix(end, 0)
		}
	}
	return s, nil
}

// digest depends on what is digested, and on the key.
func (s *Sessions) digest(kind, secret string) digest {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(kind + "\x00" + secret))
	return digest(mac.Sum(nil))
}

// Name returns a word that is the same for all sessions of an admin key, and
// another one for another key: a browser holds one cookie of a name for a host,
// whatever the port.
func (s *Sessions) Name() string { return s.name }

// Begin begins a session and returns its token, and when it ends. It fails when
// the session cannot be stored.
func (s *Sessions) Begin() (token string, end time.Time, err error) {
	token = secret()
	s.mu.Lock()
	defer s.mu.Unlock()
	end = s.now().Add(SessionAge).Truncate(time.Second)
	makeRoom(s.open, s.now(), maxSessions)
	d := s.digest("session", token)
	s.open[d] = end
	if err := s.saveLocked(); err != nil {
		delete(s.open, d)
		return "", time.Time{}, err
	}
	return token, end, nil
}

// Holds reports whether the token is that of a session, and when that ends.
func (s *Sessions) Holds(token string) (end time.Time, ok bool) {
	d := s.digest("session", token)
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok = s.open[d]
	return end, ok && s.now().Before(end)
}

// End ends a session. When it fails, the session has ended as long as the
// process lives.
func (s *Sessions) End(token string) error {
	d := s.digest("session", token)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.open[d]; !ok {
		return nil
	}
	delete(s.open, d)
	return s.saveLocked()
}

// Ticket returns a new ticket, and until when it is good.
func (s *Sessions) Ticket() (ticket string, end time.Time) {
	ticket = secret()
	s.mu.Lock()
	defer s.mu.Unlock()
	end = s.now().Add(TicketAge)
	makeRoom(s.tickets, s.now(), maxTickets)
	s.tickets[s.digest("ticket", ticket)] = end
	return ticket, end
}

// Redeem reports whether the ticket is good. It is not any more after that.
func (s *Sessions) Redeem(ticket string) bool {
	d := s.digest("ticket", ticket)
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.tickets[d]
	delete(s.tickets, d)
	return ok && s.now().Before(end)
}

// saveLocked writes down the sessions that have not ended.
func (s *Sessions) saveLocked() error {
	if s.store == nil {
		return nil
	}
	var b []byte
	for d, end := range s.open {
		if s.now().Before(end) {
			b = fmt.Appendf(b, "%x %d\n", d, end.Unix())
		}
	}
	if err := s.store.Save(b); err != nil {
		return fmt.Errorf("save the sessions: %w", err)
	}
	return nil
}

// makeRoom takes out those that have ended, and where that is not enough the
// one that ends first.
func makeRoom(ends map[digest]time.Time, now time.Time, most int) {
	var first digest
	for d, end := range ends {
		if !now.Before(end) {
			delete(ends, d)
		} else if t, ok := ends[first]; !ok || end.Before(t) {
			first = d
		}
	}
	if len(ends) >= most {
		delete(ends, first)
	}
}

// secret returns 256 random bits as text that is safe in a cookie and in a URL.
func secret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

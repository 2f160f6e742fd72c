package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"feedd/internal/auth"
)

// saved is a store in memory.
type saved struct {
	b    []byte
	fail error
}

func (s *saved) Load() ([]byte, error) { return s.b, nil }

func (s *saved) Save(b []byte) error {
	if s.fail == nil {
		s.b = b
	}
	return s.fail
}

func open(t *testing.T, key string, store auth.SessionStore) *auth.Sessions {
	t.Helper()
	s, err := auth.OpenSessions(key, store)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t *testing.T, s *auth.Sessions) string {
	t.Helper()
	token, _, err := s.Begin(s.Name())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func wantHeld(t *testing.T, s *auth.Sessions, token string, want bool) {
	t.Helper()
	if _, held := s.Holds(token); held != want {
		t.Errorf("the session is held: %t, want %t", held, want)
	}
}

func TestP8_SessionsSurviveARestartAndNothingElse(t *testing.T) {
	store := new(saved)
	first := open(t, "key", store)
	kept, ended := begin(t, first), begin(t, first)
	if err := first.End(ended); err != nil {
		t.Fatal(err)
	}
	again := open(t, "key", store)
	wantHeld(t, again, kept, true)
	wantHeld(t, again, ended, false)
	wantHeld(t, again, "", false)
	wantHeld(t, again, kept+"x", false)
	wantHeld(t, open(t, "another key", store), kept, false)
	if strings.Contains(string(store.b), kept) {
		t.Error("the store holds a token that lets somebody in")
	}
	if first.Name() != again.Name() || first.Name() == open(t, "another key", nil).Name() {
		t.Error("the name is not that of the key")
	}
	store.b = append(store.b, "0123 no line\n\nffff 99999999999\n"...)
	wantHeld(t, open(t, "key", store), kept, true)
}

func TestP8_SessionsAndTicketsRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "key", nil)
		token := begin(t, s)
		ticket, _, _ := s.Ticket(s.Name())
		late, _, _ := s.Ticket(s.Name())
		time.Sleep(auth.TicketAge - time.Second)
		if !s.Redeem(ticket) {
			t.Error("a ticket is not good within its time")
		}
		if s.Redeem(ticket) || s.Redeem("") || s.Redeem(token) {
			t.Error("a ticket is good twice, or something else is one")
		}
		time.Sleep(time.Second)
		if s.Redeem(late) {
			t.Error("a ticket is good after its time")
		}
		time.Sleep(auth.SessionAge - auth.TicketAge - time.Second)
		wantHeld(t, s, token, true)
		time.Sleep(time.Second)
		wantHeld(t, s, token, false)
	})
}

// What a session allows ends with its life, whatever ends it.
func TestP8_TheLifeOfASessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(saved)
		s := open(t, "key", store)
		life := func(token string) context.Context {
			life, held := s.Holds(token)
			if end, ok := life.Deadline(); !held || !ok || life.Err() != nil || !end.Equal(time.Now().Add(auth.SessionAge)) {
				t.Fatalf("held %t, until %v, %v", held, end, life.Err())
			}
			return life
		}
		ended, stays := begin(t, s), begin(t, s)
		one, other := life(ended), life(stays)
		if s.End(ended); one.Err() == nil || other.Err() != nil {
			t.Errorf("after the end of one: %v, %v", one.Err(), other.Err())
		}
		s = open(t, "key", store)
		other = life(stays)
		time.Sleep(auth.SessionAge - time.Nanosecond)
		if synctest.Wait(); other.Err() != nil {
			t.Error("it ends before its time")
		}
		time.Sleep(time.Nanosecond)
		if synctest.Wait(); other.Err() == nil {
			t.Error("it does not run out")
		}
		s = open(t, "key", nil)
		first := life(begin(t, s))
		for range 1000 {
			time.Sleep(time.Second)
			begin(t, s)
		}
		if first.Err() == nil {
			t.Error("one that made room for another goes on")
		}
	})
}

func TestP6_SessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "key", nil)
		var tokens []string
		for range 1002 {
			tokens = append(tokens, begin(t, s))
			time.Sleep(time.Second)
		}
		for i, token := range tokens {
			if _, held := s.Holds(token); held != (i >= 2) {
				t.Fatalf("session %d of %d is held: %t", i, len(tokens), held)
			}
		}
		ticket, _, _ := s.Ticket(s.Name())
		for range 100 {
			time.Sleep(time.Millisecond)
			s.Ticket(s.Name())
		}
		if s.Redeem(ticket) {
			t.Error("the oldest of too many tickets is good")
		}
	})
}

// With a full disk the administrator must get in all the same, to make room.
func TestP8_ASessionThatCannotBeStoredEndsWithTheProcess(t *testing.T) {
	store := &saved{fail: errors.New("no room")}
	s := open(t, "key", store)
	token, _, err := s.Begin(s.Name())
	if !errors.Is(err, store.fail) {
		t.Errorf("nobody is told that the session is not stored: %v", err)
	}
	wantHeld(t, s, token, true)
	wantHeld(t, open(t, "key", store), token, false)
	store.fail = nil
	token = begin(t, s)
	store.fail = errors.New("no room")
	if err := s.End(token); err == nil {
		t.Error("nobody is told that a session may come back")
	}
	wantHeld(t, s, token, false)
}

// P8: what was allowed with a key that is no longer the key ends with it.
func TestAnotherKeyEndsAllSessionsAndTickets(t *testing.T) {
	store := &saved{}
	s := open(t, "old", store)
	token, _, err := s.Begin(s.Name())
	if err != nil {
		t.Fatal(err)
	}
	ticket, _, _ := s.Ticket(s.Name())
	life, _ := s.Holds(token)
	name := s.Name()
	if err := s.ChangeKey("new"); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Holds(token); ok || life.Err() == nil || s.Redeem(ticket) || s.Name() == name || len(store.b) > 0 {
		t.Error("something of the old key is still good")
	}
	if _, _, err := s.Begin(name); !errors.Is(err, auth.ErrKeyChanged) || len(store.b) > 0 {
		t.Errorf("who was looked at under the old key gets a session: %v", err)
	}
	if _, _, err := s.Ticket(name); !errors.Is(err, auth.ErrKeyChanged) {
		t.Errorf("who was looked at under the old key gets a ticket: %v", err)
	}
	token, _, _ = s.Begin(s.Name())
	if _, ok := open(t, "new", store).Holds(token); !ok {
		t.Error("a session of the new key is not kept")
	}
	store.fail = errors.New("disk full")
	if err := s.ChangeKey("third"); err == nil {
		t.Error("the error is not told")
	}
	if _, ok := open(t, "third", store).Holds(token); ok {
		t.Error("what could not be stored lets somebody in later")
	}
}

// Package answer writes answers to clients that may be slow, or gone: each is
// written in parts against a deadline, the memory of all of them together is
// bounded, and an answer whose client seems to be gone is still worked on for a
// while.
package answer

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"feedd/internal/problem"
)

const (
	// small is how large an answer may be that the kernel takes at once, so that
	// nothing waits for the client. A socket's send buffer has at least 16 KiB in
	// practice.
	small = 16 << 10
	// maxUnread is how much memory the larger answers may take together while
	// their clients have not read them: thirty pages of the largest size, which
	// is 4 MiB.
	maxUnread = 128 << 20
	// lingerFor is how long an answer is still worked on after its client seems
	// to be gone. It is as long as a commit may take, so that a client that only
	// ended its sending half gets the answer to anything it asked.
	lingerFor = 30 * time.Second
	// maxLingering is how many such answers there may be at the same time. 64 are
	// far more than clients that only end their sending half need, and bound the
	// work that clients leave behind when they abort requests.
	maxLingering = 64
)

// Answers writes whole answers.
type Answers struct {
	stall     time.Duration
	maxUnread int64
	unread    atomic.Int64 // bytes, see maxUnread
	lingering atomic.Int64 // answers, see maxLingering
}

// New returns Answers that give up on a client that takes nothing for stall, and
// that hold at most unread bytes for clients that have not read them; 0:
// maxUnread.
func New(stall time.Duration, unread int64) *Answers {
	return &Answers{stall: stall, maxUnread: cmp.Or(unread, maxUnread)}
}

// Linger returns the context for what an answer needs of the store. It outlives
// the context of the request, because that also ends when the client ends only
// its sending half, and such a client still reads the answer.
func (a *Answers) Linger(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	stop := context.AfterFunc(r.Context(), func() {
		defer a.lingering.Add(-1)
		if a.lingering.Add(1) > maxLingering {
			cancel()
			return
		}
		select {
		case <-time.After(lingerFor):
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); cancel() }
}

// Lingering returns a handler whose request's context is that of
// [Answers.Linger].
func (a *Answers) Lingering(fn func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := a.Linger(r)
		defer cancel()
		return fn(w, r.WithContext(ctx))
	}
}

// Write writes a whole answer, and gives up on a client that takes nothing of it
// for the stall timeout. Clients that do not read cost no more than maxUnread
// (P6): beyond that the answer is a problem that says to come back.
func (a *Answers) Write(w http.ResponseWriter, status int, b []byte) error {
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if len(b) <= small {
		w.WriteHeader(status)
		w.Write(b)
		return nil
	}
	size := int64(len(b))
	defer a.unread.Add(-size)
	if a.unread.Add(size) > max(a.maxUnread, size) {
		w.Header().Del("Content-Length")
		return problem.TooManyAnswers.With("%d MiB of answers wait for those who asked for them", a.maxUnread>>20)
	}
	w.WriteHeader(status)
	NewOutput(w, a.stall).Send(b) // a client that is gone needs no answer, and the connection ends
	return nil
}

// JSON answers with a value.
func (a *Answers) JSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	SetJSON(w.Header())
	return a.Write(w, status, append(body, '\n'))
}

// SetJSON sets the headers of an answer in JSON.
func SetJSON(h http.Header) {
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
}

package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"feedd/internal/problem"
)

const (
	// smallAnswer is what the kernel takes at once: nobody waits for its reader.
	smallAnswer = 16 << 10
	// unreadBytes is how much memory the larger answers may have, all together,
	// that their clients have not read yet.
	unreadBytes = 128 << 20
	// lingerTimeout is how long an answer is still worked on when its client
	// seems to be gone.
	lingerTimeout = 30 * time.Second
	// maxLingering is how many such answers there may be at the same time: each
	// keeps its connection, and whoever breaks off many has none to keep.
	maxLingering = 64
)

// linger returns the context for what an answer needs of the store. It outlives
// that of the request, which ends as well when the client ends only its sending
// half: then it still reads, and no store has failed.
func (s *Server) linger(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	stop := context.AfterFunc(r.Context(), func() {
		defer s.lingering.Add(-1)
		if s.lingering.Add(1) > maxLingering {
			cancel()
			return
		}
		select {
		case <-time.After(lingerTimeout):
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); cancel() }
}

// lingers is a handler whose request's context is that of [Server.linger].
func (s *Server) lingers(fn func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := s.linger(r)
		defer cancel()
		return fn(w, r.WithContext(ctx))
	}
}

// writeAnswer writes a whole answer, and gives up on a client that takes nothing
// of it for stall_timeout. Clients that do not read cost no more than
// unreadBytes (P6): whoever comes then is told to come back.
func (s *Server) writeAnswer(w http.ResponseWriter, status int, b []byte) error {
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if len(b) <= smallAnswer {
		w.WriteHeader(status)
		w.Write(b)
		return nil
	}
	size := int64(len(b))
	defer s.unread.Add(-size)
	if s.unread.Add(size) > max(unreadBytes, size) {
		w.Header().Del("Content-Length")
		return problem.TooManyAnswers.With("%d MiB of answers wait for those who asked for them", unreadBytes>>20)
	}
	w.WriteHeader(status)
	s.output(w).send(b) // who is gone needs no answer, and the connection ends
	return nil
}

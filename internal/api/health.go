package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"feedd/internal/problem"

	"feedd/internal/stream"
)

// readyFor is how long a commit proves that publishing works, or one that failed
// that it does not. Tests set another.
const readyFor = 5 * time.Second

// readiness knows whether publishing works, from the last commit or the last
// probe.
type readiness struct {
	lasts   time.Duration // see readyFor
	probing sync.Mutex    // held during a probe: there is one at a time

	mu  sync.Mutex // guards the fields below
	at  time.Time  // of the last commit or probe
	err error      // why it failed, or nil
}

// learn notes that a commit or a probe has worked, or why it has failed.
func (r *readiness) learn(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at, r.err = time.Now(), err
}

// doubt forgets what is known: the next who asks probes.
func (r *readiness) doubt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = time.Time{}
}

func (r *readiness) known(now time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Whether the store is in its place is asked each time.
	return now.Sub(r.at) < r.lasts && !errors.Is(r.err, stream.ErrDetached), r.err
}

// check returns nil when publishing works; it probes at most once in readyFor,
// however many ask.
func (r *readiness) check(ctx context.Context, probe func(context.Context) error) error {
	if known, err := r.known(time.Now()); known {
		return err
	}
	r.probing.Lock()
	defer r.probing.Unlock()
	if known, err := r.known(time.Now()); known {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyFor)
	defer cancel()
	err := probe(ctx)
	r.learn(err)
	return err
}

// healthz says that the process is alive.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) error {
	return writeOK(w)
}

// readyz says whether publishing works.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if s.draining() {
		return &problem.Draining
	}
	if s.InPlace != nil {
		// A commit proves nothing for five seconds where its file may be gone.
		if err := s.InPlace(); err != nil {
			return err
		}
	}
	if err := s.ready.check(r.Context(), s.Engine.Probe); err != nil {
		return err
	}
	return writeOK(w)
}

func writeOK(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	io.WriteString(w, "ok\n")
	return nil
}

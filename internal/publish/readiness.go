package publish

import (
	"context"
	"errors"
	"sync"
	"time"

	"feedd/internal/stream"
)

// ReadyFor is how long a commit proves that publishing works, or one that failed
// that it does not: half of the period at which load balancers usually probe, so
// that each of their probes is answered by something new. A probe may take as
// long.
const ReadyFor = 5 * time.Second

// Readiness knows whether publishing works, from the last commit or the last
// probe.
type Readiness struct {
	lasts   time.Duration // see ReadyFor
	probing sync.Mutex    // held during a probe: there is one at a time

	mu  sync.Mutex // guards the fields below
	at  time.Time  // of the last commit or probe
	err error      // why it failed, or nil
}

// NewReadiness returns one for which a commit is proof for so long: see ReadyFor.
func NewReadiness(lasts time.Duration) *Readiness { return &Readiness{lasts: lasts} }

// learn notes that a commit or a probe has worked, or why it has failed.
func (r *Readiness) learn(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at, r.err = time.Now(), err
}

// doubt forgets what is known: the next check probes.
func (r *Readiness) doubt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = time.Time{}
}

func (r *Readiness) known(now time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Whether the store is in its place is asked each time.
	return now.Sub(r.at) < r.lasts && !errors.Is(r.err, stream.ErrDetached), r.err
}

// Check returns nil when publishing works; it probes at most once in ReadyFor,
// however many requests ask.
func (r *Readiness) Check(ctx context.Context, probe func(context.Context) error) error {
	if known, err := r.known(time.Now()); known {
		return err
	}
	r.probing.Lock()
	defer r.probing.Unlock()
	if known, err := r.known(time.Now()); known {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ReadyFor)
	defer cancel()
	err := probe(ctx)
	r.learn(err)
	return err
}

package streamtest

import (
	"errors"
	"sync"
	"testing"
)

// errFault is what a hook fails with.
var errFault = errors.New("a fault of the test's own")

// hooks are the BeforeCommit and AfterCommit of a store, to be set at any time.
type hooks struct {
	mu            sync.Mutex // guards the fields; not held while a hook runs
	before, after func() error
}

func (h *hooks) runBefore() error {
	h.mu.Lock()
	f := h.before
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	return f()
}

func (h *hooks) runAfter() error {
	h.mu.Lock()
	f := h.after
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	return f()
}

func (h *hooks) set(before, after func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before, h.after = before, after
}

// hold is a commit that is kept from happening.
type hold struct {
	entered chan struct{} // closed when the committer has come to the commit
	open    func()        // lets it go on; more than one call does no harm
}

// holdNext keeps the next commit from happening until its open is called, at
// the latest when the case ends. Commits after that one are not held.
func (s *store) holdNext(t *testing.T) *hold {
	t.Helper()
	leave := make(chan struct{})
	h := &hold{entered: make(chan struct{}), open: sync.OnceFunc(func() { close(leave) })}
	t.Cleanup(h.open)
	enter := sync.OnceFunc(func() { close(h.entered) })
	s.hooks.set(func() error {
		enter()
		<-leave
		return nil
	}, nil)
	return h
}

// failBefore makes commits fail before anything is written, until heal.
func (s *store) failBefore() { s.hooks.set(func() error { return errFault }, nil) }

// failAfter makes commits seem to fail after everything was written, until heal.
func (s *store) failAfter() { s.hooks.set(nil, func() error { return errFault }) }

func (s *store) heal() { s.hooks.set(nil, nil) }

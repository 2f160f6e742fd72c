package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"feedd/internal/client"
)

// calm is how long a stream must last so that its next loss is logged although
// the cause is the same. An upstream that comes and goes all the time is logged
// once.
const calm = time.Minute

// opened is called for each stream that began.
func (f *follower) opened() {
	f.stats.connected.Store(true)
	f.stats.began = time.Now()
	f.causes.well(f.logger, "the upstream is connected")
}

// lost is called for each stream that was lost, and each try that failed.
func (f *follower) lost(err error, wait time.Duration) {
	was := f.stats.connected.Swap(false)
	f.stats.reconnects.Add(1)
	var closing *client.ErrClosing
	if errors.Is(err, client.ErrEnded) || errors.As(err, &closing) {
		f.logger.Debug("the upstream ended its stream", "err", err, "wait", wait)
		return
	}
	if was && time.Since(f.stats.began) >= calm {
		f.causes.last = ""
	}
	f.causes.warn(f.logger, "the upstream is not connected", err, "wait", wait)
}

// causes logs a fault when its cause changes, not at each try.
type causes struct {
	last string
	open bool // a fault was logged, but not yet that it has passed
}

func (c *causes) warn(logger *slog.Logger, what string, err error, args ...any) {
	level, cause := slog.LevelDebug, causeOf(err)
	if cause != c.last {
		level, c.last, c.open = slog.LevelWarn, cause, true
	}
	logger.Log(context.Background(), level, what, append([]any{"err", err}, args...)...)
}

func (c *causes) well(logger *slog.Logger, what string) {
	if c.open {
		c.open = false
		logger.Info(what)
	}
}

// causeOf names an error without details that differ with each try, such as the
// local port.
func causeOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// skipEvery is how often skipped events are logged: an operator finds the line,
// and the logger does not write a line for each event of a stream of large ones.
const skipEvery = time.Minute

// atMost allows something at most once in skipEvery.
type atMost struct{ last time.Time }

func (s *atMost) allowed() bool {
	if !s.last.IsZero() && time.Since(s.last) < skipEvery {
		return false
	}
	s.last = time.Now()
	return true
}

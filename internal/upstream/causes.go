package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"feedd/internal/client"
)

// calm is how long a stream must last for its next loss to be told again.
const calm = time.Minute

// opened is told of each stream that began.
func (f *follower) opened() {
	f.stats.connected.Store(true)
	f.stats.began = time.Now()
	f.causes.well(f.log, "the upstream is connected")
}

// lost is told of each loss, and of each try that failed.
func (f *follower) lost(err error, wait time.Duration) {
	was := f.stats.connected.Swap(false)
	f.stats.reconnects.Add(1)
	var closing *client.ErrClosing
	if errors.Is(err, client.ErrEnded) || errors.As(err, &closing) {
		f.log.Debug("the upstream ended its stream", "err", err, "wait", wait)
		return
	}
	if was && time.Since(f.stats.began) >= calm {
		f.causes.last = ""
	}
	f.causes.warn(f.log, "the upstream is not connected", err, "wait", wait)
}

// causes tells of what goes wrong when it changes, not at each try.
type causes struct {
	last string
	told bool // and not yet that it is well again
}

func (c *causes) warn(log *slog.Logger, what string, err error, args ...any) {
	level, cause := slog.LevelDebug, causeOf(err)
	if cause != c.last {
		level, c.last, c.told = slog.LevelWarn, cause, true
	}
	log.Log(context.Background(), level, what, append([]any{"err", err}, args...)...)
}

func (c *causes) well(log *slog.Logger, what string) {
	if c.told {
		c.told = false
		log.Info(what)
	}
}

// causeOf names an error without what differs with each try, such as a port of
// ours.
func causeOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// seldom says yes at most once a minute.
type seldom struct{ last time.Time }

func (s *seldom) now() bool {
	if !s.last.IsZero() && time.Since(s.last) < time.Minute {
		return false
	}
	s.last = time.Now()
	return true
}

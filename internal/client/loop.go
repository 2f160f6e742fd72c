package client

import (
	"context"
	"strconv"
	"time"
)

// loop keeps an event stream open: it connects, hands out the blocks, waits and
// connects again, presenting the position. Follow and FollowURL are this loop.
// It belongs to the goroutine that called run.
type loop struct {
	client  *Client
	url     func() string
	silence time.Duration // after this long without a byte a connection is given up
	most    int           // size of a block, in bytes
	// standard has blocks changed into what the HTML standard makes of them: see
	// blocks.
	standard bool
	// block takes what one block said. An error ends the connection.
	block func(name, id, retry string, data []byte) error
	// opened, if set, is called when a stream began.
	opened func()
	// patience is the longest wait after a refusal that does not pass by itself.
	// 0: such a refusal ends run.
	patience time.Duration

	position string        // to be presented: of the last block that was handled
	wait     Backoff       // its first is what the server last said with retry
	asked    time.Duration // what a closing notice said to wait at least
	failed   error         // what ends run, decided while a stream was read
	began    time.Time     // of the stream, zero: there is none
}

const (
	// minReconnect is the first wait until the server names another with retry.
	// It is also the shortest wait, because a server that says 0 must not be
	// asked without a pause.
	minReconnect = time.Second
	// maxReconnect is the longest wait: after a stop of some hours a server has its
	// readers back within half a minute.
	maxReconnect = 30 * time.Second
)

// run returns when the context ends, when failed is set, or with a refusal for
// good.
func (l *loop) run(ctx context.Context) error {
	l.wait.First = minReconnect
	for {
		l.began = time.Time{}
		err := l.connection(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if l.failed != nil {
			return l.failed
		}
		if !l.began.IsZero() && time.Since(l.began) > maxReconnect {
			l.wait.Reset() // it went well, though perhaps nothing happened on it
		}
		pass, atLeast := passing(err)
		l.wait.Most = maxReconnect
		if !pass {
			if l.patience == 0 {
				return err
			}
			l.wait.Most = l.patience
		}
		d := l.wait.Next(max(atLeast, l.asked))
		l.asked = 0
		l.client.notify(err, d)
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
}

// retry takes over the wait that the server asks its readers for: whole
// milliseconds, digits only (HTML standard, 9.2.6).
func (l *loop) retry(s string) {
	ms, err := strconv.ParseUint(s, 10, 32)
	if err == nil {
		l.wait.First = min(max(time.Duration(ms)*time.Millisecond, minReconnect), maxReconnect)
	}
}

// maxID is the longest id that is presented, in bytes: servers take headers of at
// least 8 KiB in all.
const maxID = 4096

// sendable reports whether an id can be presented as Last-Event-ID. Any other
// would break each reconnect. A header carries any bytes but control
// characters (RFC 9110, section 5.5).
func sendable(id string) bool {
	if len(id) > maxID {
		return false
	}
	for i := range len(id) {
		if id[i] < ' ' && id[i] != '\t' || id[i] == 0x7f {
			return false
		}
	}
	return true
}

package answer

import (
	"errors"
	"net/http"
	"os"
	"time"
)

// Part is how much is written against one deadline, in bytes: a client that
// takes less than this within the stall timeout is cut. Any socket's buffer
// holds as much, so if a part is not taken, the client reads nothing.
const Part = 16 << 10

// Output writes to a client over HTTP that may be slow.
type Output struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	stall   time.Duration
	stalled bool
}

// NewOutput returns an output that gives each part the time stall.
func NewOutput(w http.ResponseWriter, stall time.Duration) *Output {
	return &Output{w: w, rc: http.NewResponseController(w), stall: stall}
}

// Stalled reports whether Send failed because the client made no progress.
func (o *Output) Stalled() bool { return o.stalled }

// Controller returns the controller by which the connection is taken over.
func (o *Output) Controller() *http.ResponseController { return o.rc }

// Send writes b and flushes it. It returns false when the client is gone, or
// does not take it.
func (o *Output) Send(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), Part)
		o.rc.SetWriteDeadline(time.Now().Add(o.stall))
		if _, err := o.w.Write(b[:n]); err != nil {
			o.stalled = errors.Is(err, os.ErrDeadlineExceeded)
			return false
		}
		b = b[n:]
	}
	if err := o.rc.Flush(); err != nil {
		o.stalled = errors.Is(err, os.ErrDeadlineExceeded)
		return false
	}
	// There is no deadline while nothing is written, because a stream may be idle.
	o.rc.SetWriteDeadline(time.Time{})
	return true
}

package publish

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"feedd/internal/problem"
)

const (
	// PaceAfter is how long a body may take to come, beside what bodyRate allows
	// for the bytes that have come. In a minute a small body comes over any
	// connection that works at all.
	PaceAfter = time.Minute
	// bodyRate is how many bytes a second must come after that. It is less than
	// any connection brings over which large bodies are sent.
	bodyRate = 16 << 10
	// firstPart is how much memory a body gets by its declared length before any
	// of it came: a client that declares much and sends nothing must not get
	// much.
	firstPart = 64 << 10
	// LeastRead is the least room that a body of unknown length is read into, in
	// bytes: a small item fits, and for a larger one the room is doubled a few
	// times.
	LeastRead = 512
)

// Pace is how slowly a body may come: no pause may be longer than pause, and
// all of it must come at bodyRate, so that no client holds memory for long by
// sending little.
type Pace struct {
	pause time.Duration
	begin time.Time
	set   time.Time // when deadline was asked for last
}

// Deadline returns until when the next bytes must come after got bytes have
// come. It returns false if the deadline that it returned before may stay; that
// one is up to a tenth of the pause too early.
func (p *Pace) Deadline(now time.Time, got int) (time.Time, bool) {
	if p.begin.IsZero() {
		p.begin = now
	} else if now.Sub(p.set) < p.pause/10 {
		return time.Time{}, false
	}
	p.set = now
	end := p.begin.Add(PaceAfter + time.Duration(got)*time.Second/bodyRate)
	if next := now.Add(p.pause); next.Before(end) {
		return next, true
	}
	return end, true
}

// Pace returns the pace that a body must keep.
func (b *Bodies) Pace() Pace { return Pace{pause: b.pause} }

// Read reads the body of a request into the hold, at most limit bytes, which is
// the limit of the setting ("": a fixed one). A body whose declared length is
// larger is refused without being read, and so is one for which there is no
// memory.
func (h *Hold) Read(w http.ResponseWriter, r *http.Request, limit int64, setting string) ([]byte, error) {
	large := func() *problem.Problem {
		if setting == "" {
			return problem.TooLarge.With("the limit is %d bytes", limit)
		}
		hit := problem.TooLarge.Hit(setting)
		return hit.With("%s allows %d bytes", setting, limit)
	}
	if r.ContentLength > limit {
		return nil, large()
	}
	if r.ContentLength > smallBody {
		// With what it is parsed into. Nothing is kept of that: it counts as it
		// comes.
		if p := h.need(2 * r.ContentLength); p != nil {
			return nil, passOver(w, r, h, limit, p)
		}
		h.shrink(0)
	}
	b, p := h.Grow(nil, 1+int(min(max(r.ContentLength, LeastRead), firstPart, limit)))
	if p != nil {
		return nil, passOver(w, r, h, limit, p)
	}
	rc := http.NewResponseController(w)
	// Afterwards the deadline is removed, for the next request on the connection.
	defer rc.SetReadDeadline(time.Time{})
	in := http.MaxBytesReader(w, r.Body, limit)
	pace := h.bodies.Pace()
	for {
		if len(b) == cap(b) {
			size := min(2*len(b), int(limit)+1)
			if n := int(r.ContentLength); n > 0 { // less to copy, and to collect
				size = min(4*len(b), n+1)
			}
			if b, p = h.Grow(b, size); p != nil {
				return nil, passOver(w, r, h, limit, p)
			}
		}
		if at, changed := pace.Deadline(time.Now(), len(b)); changed {
			rc.SetReadDeadline(at)
		}
		n, err := in.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		var over *http.MaxBytesError
		switch {
		case err == nil:
		case err == io.EOF:
			return b, nil
		case errors.As(err, &over):
			return nil, large()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, h.bodies.TooSlow()
		default:
			return nil, problem.BadRequest.With("the body broke off: %s", err)
		}
	}
}

// passOver reads what is left of a body for which there is no memory, because
// most clients look for an answer only when they have sent everything. It
// returns why the body is refused.
func passOver(w http.ResponseWriter, r *http.Request, h *Hold, limit int64, why *problem.Problem) error {
	h.shrink(0)
	if r.Header.Get("Expect") == "" { // else the client waits for the answer
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.bodies.refused))
		io.CopyN(io.Discard, r.Body, limit)
	}
	return why
}

// TooSlow is the answer to a body that did not keep its pace.
func (b *Bodies) TooSlow() *problem.Problem {
	p := problem.Timeout.Hit("body_timeout")
	return p.With("it may pause for %s, and must come with %d KiB/s after a minute", b.pause, bodyRate>>10)
}

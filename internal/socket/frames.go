package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"feedd/internal/access"
	"feedd/internal/problem"
	"feedd/internal/publish"
	"feedd/internal/selector"
	"feedd/internal/wire"
)

// frameOverhead is how many bytes a client's frame may have beyond the item's
// data: the names of a feed and an event, a ref, a key and the JSON around them
// take a quarter of them.
const frameOverhead = 4 << 10

// readFrames reads what the client sends, publishes it and answers, one frame
// after the other: a client that sends faster finds its connection full. It
// returns what to tell the client, the zero farewell if it is gone.
func (s *Sockets) readFrames(r *http.Request, o *outlet, sel selector.Selection) farewell {
	most := s.publisher.LargestItem(r) + frameOverhead
	o.conn.SetReadLimit(most)
	for {
		if bye, ok := s.readFrame(r, o, sel, int(most)); !ok {
			return bye
		}
	}
}

// readFrame is readFrames for one frame. It returns false if that was the last.
func (s *Sockets) readFrame(r *http.Request, o *outlet, sel selector.Selection, most int) (bye farewell, more bool) {
	h := s.bodies.Hold(r)
	defer h.Give()
	kind, b, err := s.readMessage(r, o, &h, most)
	refused := new(problem.Problem)
	if errors.As(err, &refused) {
		// Whether a client without a key may publish is known when the message is
		// whole. One that
		// has a key keeps its connection, and the answer has no ref: that of the
		// message was not read.
		s.problems.Count(refused)
		if access.Principal(r).Anonymous() {
			return farewell{websocket.StatusTryAgainLater, "too many long messages without a credential"}, false
		}
		return farewell{}, o.answer(func() []byte { return refusal("", refused) })
	}
	switch {
	case err != nil && (websocket.CloseStatus(err) != -1 || isBroken(err)):
		return farewell{}, false
	case err != nil: // the library has told the client what is wrong, but not always
		return farewell{websocket.StatusProtocolError, "a frame is not as RFC 6455 has it"}, false
	case kind != websocket.MessageText:
		return farewell{websocket.StatusUnsupportedData, "frames are text: JSON objects"}, false
	case !utf8.Valid(b): // the library does not look
		return farewell{websocket.StatusInvalidFramePayloadData, "a text frame is not UTF-8"}, false
	}
	return farewell{}, o.answer(func() []byte { return s.publishFrame(o.life, r, sel, b, &h) })
}

// answer sends the answer to a client's frame, in its turn. It returns false if
// the client is gone.
func (o *outlet) answer(message func() []byte) bool {
	select {
	case o.turn <- struct{}{}:
	case <-o.life.Done():
		return false
	}
	ok := o.Send(message())
	o.raw.heard.Add(1)
	<-o.turn
	return ok
}

// readMessage reads a message of at most most bytes. If there is no memory for
// it, the error is a problem; from a client with a credential the rest of the
// message is then read all the same.
func (s *Sockets) readMessage(r *http.Request, o *outlet, h *publish.Hold, most int) (websocket.MessageType, []byte, error) {
	kind, message, err := o.conn.Reader(o.life)
	if err != nil {
		return 0, nil, err
	}
	in := &slowReader{from: message, conn: o.raw, pace: s.bodies.Pace(), late: func() {
		s.problems.Count(s.bodies.TooSlow())
		o.raw.cut()
	}}
	defer in.stop()
	b := make([]byte, 0, publish.LeastRead)
	for {
		if len(b) == cap(b) {
			var p *problem.Problem
			if b, p = h.Grow(b, min(2*cap(b), most+publish.LeastRead)); p != nil {
				if !access.Principal(r).Anonymous() {
					_, err = io.Copy(io.Discard, in)
				}
				if err == nil {
					err = p
				}
				return 0, nil, err
			}
		}
		n, err := in.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return kind, b, nil
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// slowReader reads a message, which may come as slowly as a body.
type slowReader struct {
	from io.Reader
	conn *takenConn
	pace publish.Pace
	got  int
	late func()      // called if it comes too slowly
	cut  *time.Timer // calls it; nil before the first Read
}

// Read implements io.Reader.
func (r *slowReader) Read(b []byte) (int, error) {
	if at, changed := r.pace.Deadline(time.Now(), r.got); changed && r.cut == nil {
		r.cut = time.AfterFunc(time.Until(at), r.late)
	} else if changed {
		r.cut.Reset(time.Until(at))
	}
	n, err := r.from.Read(b)
	r.got += n
	if err == io.EOF && r.conn.ended.Load() { // the library takes the end of the connection for the end of the message
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *slowReader) stop() {
	if r.cut != nil {
		r.cut.Stop()
	}
}

// isBroken reports whether a read failed because there is no connection any
// more, not because of what was read.
func isBroken(err error) bool {
	var fault net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.As(err, &fault)
}

// publishFrame publishes what a client's frame says, and returns the answer.
func (s *Sockets) publishFrame(ctx context.Context, r *http.Request, sel selector.Selection, b []byte, h *publish.Hold) []byte {
	f, id, err := s.publisher.Frame(ctx, r, sel, b, h)
	if err == nil {
		return wire.AppendAnswer(nil, f.Ref, id)
	}
	p := problem.Of(err)
	s.problems.Count(p)
	return refusal(f.Ref, p)
}

func refusal(ref string, p *problem.Problem) []byte {
	return wire.AppendRefusal(nil, ref, p.JSON())
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

const (
	// frameOverhead is what a client's frame may have beyond the item's data.
	frameOverhead = 4 << 10
	// strangersBytes is how much memory the unfinished messages may have, all
	// together, of those who gave no credential: whether they may publish is
	// known when a message is whole. What is not longer than frameOverhead does
	// not count.
	strangersBytes = 64 << 20
)

// errManyStrangers is that there is no memory for a message.
var errManyStrangers = errors.New("too many long messages without a credential")

// readFrames reads what the client sends, publishes it and answers, one frame
// after the other: who sends faster than that finds its connection full. It
// returns what to tell the client, the zero farewell when it is gone.
func (s *Server) readFrames(r *http.Request, o *socket, sel stream.Selection) farewell {
	o.conn.SetReadLimit(s.MaxItemBytes + frameOverhead)
	for {
		kind, b, err := s.readMessage(o, principal(r).Anonymous())
		switch {
		case errors.Is(err, errManyStrangers):
			return farewell{websocket.StatusTryAgainLater, err.Error()}
		case err != nil && (websocket.CloseStatus(err) != -1 || isBroken(err)):
			return farewell{}
		case err != nil: // the library has told the client what is wrong, but not always
			return farewell{websocket.StatusProtocolError, "a frame is not as RFC 6455 has it"}
		case kind != websocket.MessageText:
			return farewell{websocket.StatusUnsupportedData, "frames are text: JSON objects"}
		case !utf8.Valid(b): // the library does not look
			return farewell{websocket.StatusInvalidFramePayloadData, "a text frame is not UTF-8"}
		}
		select {
		case o.turn <- struct{}{}:
		case <-o.life.Done():
			return farewell{}
		}
		ok := o.send(s.publishFrame(o.life, r, sel, b))
		o.raw.heard.Add(1)
		<-o.turn
		if !ok {
			return farewell{}
		}
	}
}

// readMessage reads a message, which may take as long as a body.
func (s *Server) readMessage(o *socket, stranger bool) (websocket.MessageType, []byte, error) {
	kind, in, err := o.conn.Reader(o.life)
	if err != nil {
		return 0, nil, err
	}
	defer time.AfterFunc(bodyTimeout, o.raw.cut).Stop()
	held := int64(0)
	defer func() { s.strangers.Add(-held) }()
	b := make([]byte, 0, 512)
	for {
		if len(b) == cap(b) {
			if stranger && cap(b) >= frameOverhead {
				held += int64(cap(b))
				if s.strangers.Add(int64(cap(b))) > strangersBytes {
					return 0, nil, errManyStrangers
				}
			}
			b = append(make([]byte, 0, 2*cap(b)), b...)
		}
		n, err := in.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			if o.raw.ended.Load() { // the library takes the end of the connection for that of the message
				return 0, nil, io.ErrUnexpectedEOF
			}
			return kind, b, nil
		}
		if err != nil {
			return 0, nil, err
		}
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
func (s *Server) publishFrame(ctx context.Context, r *http.Request, sel stream.Selection, b []byte) []byte {
	f, id, err := s.tryFrame(ctx, r, sel, b)
	if err == nil {
		return wire.AppendAnswer(nil, f.Ref, id)
	}
	p := problemOf(err)
	if p.limit != "" {
		s.metrics.limitHits.WithLabelValues(p.limit).Inc()
	}
	text, err := json.Marshal(p)
	if err != nil {
		text = []byte(`{"type":"internal"}`)
	}
	return wire.AppendRefusal(nil, f.Ref, text)
}

func (s *Server) tryFrame(ctx context.Context, r *http.Request, sel stream.Selection, b []byte) (f wire.ClientFrame, id stream.ID, err error) {
	begin := time.Now()
	if f, err = wire.ParseClientFrame(b); err != nil {
		if syntax := new(wire.SyntaxError); errors.As(err, &syntax) {
			return f, 0, badFrame.at(syntax)
		}
		return f, 0, badFrame.because(err)
	}
	if f.Feed == "" {
		names, plain := sel.Names()
		if !plain || len(names) != 1 {
			return f, 0, badFrame.with("the frame names no feed, and the selector %s is not one feed", sel)
		}
		f.Feed = names[0]
	}
	if err := s.tooFast(r); err != nil {
		return f, 0, err
	}
	receipt, err := s.commit(ctx, r, begin, stream.Batch{Feed: f.Feed, Drafts: []stream.Draft{f.Draft}, Key: f.Key})
	if err != nil {
		return f, 0, fmt.Errorf("publish by a frame: %w", err)
	}
	return f, receipt.First, nil
}

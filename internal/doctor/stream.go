package doctor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"mime"
	"net/http"
	"time"
)

// errLate: nothing came in time.
var errLate = errors.New("nothing came")

// blocksAhead is how many blocks are read before a check asks for them: more than
// the opening and the first heartbeats.
const blocksAhead = 16

// stream is an open answer.
type stream struct {
	resp   *http.Response
	blocks chan block
	ended  error // why blocks is closed
	close  func()
}

// block is what stands between two empty lines of an event stream.
type block struct {
	id    string
	event string
	data  string // its last line
}

// refused is an answer that is no event stream.
type refused struct{ Finding }

func (r *refused) Error() string { return r.Says }

// get asks for the feed as an event stream, with more header fields. The head
// of the answer must come within Prompt, and so must all of an answer that is no
// stream, which is returned as refused.
func (d *doctor) get(parent context.Context, fields ...string) (*stream, error) {
	ctx, cancel := context.WithCancelCause(parent)
	late := time.AfterFunc(d.Prompt, func() { cancel(errLate) })
	defer late.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL.String(), nil)
	if err != nil {
		cancel(err)
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	if d.Key != "" {
		req.Header.Set("Authorization", "Bearer "+d.Key)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := d.Transport.RoundTrip(req)
	if err != nil {
		if context.Cause(ctx) != nil {
			err = context.Cause(ctx)
		}
		cancel(err)
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		defer resp.Body.Close()
		defer cancel(nil)
		return nil, &refused{d.refusal(resp, kind)}
	}
	s := &stream{resp: resp, blocks: make(chan block, blocksAhead)}
	s.close = func() { cancel(context.Canceled); resp.Body.Close() }
	go s.read()
	return s, nil
}

// read splits the stream into blocks until it ends. It leaves out the part of a
// line that the buffer has no room for, because the server may be no feedd.
func (s *stream) read() {
	defer close(s.blocks)
	var b block
	in := bufio.NewReader(s.resp.Body)
	for {
		line, more, err := in.ReadLine()
		if err != nil {
			s.ended = err
			return
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch text := string(bytes.TrimSpace(value)); {
		case len(line) == 0:
			select {
			case s.blocks <- b:
			case <-s.resp.Request.Context().Done():
				s.ended = context.Canceled
				return
			}
			b = block{}
		case string(name) == "id":
			b.id = text
		case string(name) == "event":
			b.event = text
		case string(name) == "data":
			b.data = text
		}
		for more && err == nil {
			_, more, err = in.ReadLine()
		}
	}
}

// next returns the next block, if one comes in time.
func (s *stream) next(within time.Duration) (block, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case b, ok := <-s.blocks:
		if !ok {
			return b, s.ended
		}
		return b, nil
	case <-timer.C:
		return block{}, errLate
	}
}

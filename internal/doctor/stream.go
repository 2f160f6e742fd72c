package doctor

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// errLate: what should have come did not.
var errLate = errors.New("nothing came")

// stream is an open answer.
type stream struct {
	resp   *http.Response
	blocks chan block
	ended  error // why blocks is closed
	close  func()
}

// block is what stands between two empty lines of an event stream.
type block struct {
	id      string
	comment bool // nothing but comments
}

// get asks for the feed as an event stream, with more header fields. The head
// of the answer must come within Prompt.
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
	s := &stream{resp: resp, blocks: make(chan block, 16)}
	s.close = func() { cancel(context.Canceled); resp.Body.Close() }
	go s.read()
	return s, nil
}

// read splits the stream into blocks until it ends.
func (s *stream) read() {
	defer close(s.blocks)
	var b block
	fields := 0
	in := bufio.NewReader(s.resp.Body)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			s.ended = err
			return
		}
		line = strings.TrimRight(line, "\r\n")
		switch id, isID := strings.CutPrefix(line, "id:"); {
		case line == "":
			b.comment = fields == 0
			select {
			case s.blocks <- b:
			case <-s.resp.Request.Context().Done():
				s.ended = context.Canceled
				return
			}
			b, fields = block{}, 0
		case strings.HasPrefix(line, ":"):
		case isID:
			b.id = strings.TrimSpace(id)
			fields++
		default:
			fields++
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

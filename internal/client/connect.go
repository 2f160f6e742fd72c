package client

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/r3labs/sse/v2"
)

// connection makes one connection with a library client of its own and reads
// it to its end, whose cause it returns, never nil.
func (l *loop) connection(parent context.Context) error {
	ctx, end := context.WithCancelCause(parent)
	defer end(nil)

	idle := time.AfterFunc(l.silence, func() { end(errStalled) })
	idle.Stop()
	defer idle.Stop()

	lib := sse.NewClient(l.url(), sse.ClientMaxBufferSize(2*l.most))
	tr := &streamTransport{next: l.client.transport, idle: idle, silence: l.silence, most: l.most, standard: l.standard}
	lib.Connection = &http.Client{Transport: tr, CheckRedirect: l.client.checkRedirect}
	// Without Accept-Encoding any coding may come (RFC 9110, section 12.5.3).
	lib.Headers = map[string]string{"User-Agent": "feedd", "Accept-Encoding": "identity"}
	lib.ReconnectStrategy = once{}
	lib.ResponseValidator = l.validate
	if l.position != "" {
		lib.LastEventID.Store([]byte(l.position))
	}

	var ended error
	err := lib.SubscribeRawWithContext(ctx, func(ev *sse.Event) {
		if ended != nil || parent.Err() != nil {
			return
		}
		ended = l.block(string(ev.Event), string(ev.ID), string(ev.Retry), ev.Data)
		if ended != nil {
			end(ended)
		}
	})
	var refused *Error
	switch {
	case ended != nil:
		return ended
	case errors.As(err, &refused):
		return refused
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case err != nil:
		return bare(err)
	}
	return ErrEnded
}

// once is a strategy of the library that never reconnects: -1 is what the
// strategy's package calls Stop.
type once struct{}

func (once) NextBackOff() time.Duration { return -1 }
func (once) Reset()                     {}

// validate is called by the library with the answer. If it fails, the library
// leaves the body open.
func (l *loop) validate(_ *sse.Client, resp *http.Response) error {
	if err := checkStream(resp); err != nil {
		resp.Body.Close()
		return err
	}
	l.began = time.Now()
	if l.opened != nil {
		l.opened()
	}
	return nil
}

func checkStream(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return refusal(resp, time.Now())
	}
	if !isStream(resp) {
		kind := resp.Header.Get("Content-Type")
		return fmt.Errorf("%w: its Content-Type is %q, not text/event-stream", errNotStream, printable(kind))
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return fmt.Errorf("%w that can be read: its Content-Encoding is %q, which was not asked for", errNotStream, printable(coding))
	}
	return nil
}

func isStream(resp *http.Response) bool {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter)) && kind == "text/event-stream"
}

// streamTransport gives the library bodies that it can read safely, and bounds
// how long an answer may take to begin or, if it is no stream, to end.
type streamTransport struct {
	next     http.RoundTripper
	idle     *time.Timer
	silence  time.Duration
	most     int
	standard bool
}

func (t *streamTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	t.idle.Reset(t.silence)
	resp, err := t.next.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusOK && isStream(resp) {
		t.idle.Stop()
		body := newBlocks(resp.Body, t.idle, t.silence, t.most)
		body.standard = t.standard
		resp.Body = body
	}
	return resp, err
}

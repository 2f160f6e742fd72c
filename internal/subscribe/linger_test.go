package subscribe_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"feedd/internal/api"
	"feedd/internal/selector"
	"feedd/internal/server/servertest"
	"feedd/internal/stream"
)

// tardy is an engine that does nothing for a request before that seems to be
// gone.
type tardy struct {
	stream.Engine
	waits  atomic.Bool
	waited atomic.Int64
}

type goneKey struct{}

// around gives requests the sign that they are gone.
func (e *tardy) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), goneKey{}, r.Context().Done())))
	})
}

func (e *tardy) wait(ctx context.Context) error {
	gone, ok := ctx.Value(goneKey{}).(<-chan struct{})
	if ok && e.waits.Load() {
		<-gone
		e.waited.Add(1)
	}
	return ctx.Err()
}

func (e *tardy) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	if err := e.wait(ctx); err != nil {
		return stream.Page{}, err
	}
	return e.Engine.Read(ctx, q)
}

func (e *tardy) Floor(ctx context.Context, id stream.ID) (stream.ID, error) {
	if err := e.wait(ctx); err != nil {
		return 0, err
	}
	return e.Engine.Floor(ctx, id)
}

func (e *tardy) Feeds(ctx context.Context, sel selector.Selection) ([]stream.FeedInfo, error) {
	if err := e.wait(ctx); err != nil {
		return nil, err
	}
	return e.Engine.Feeds(ctx, sel)
}

func (e *tardy) Delete(ctx context.Context, feed string, id stream.ID) (bool, error) {
	if err := e.wait(ctx); err != nil {
		return false, err
	}
	return e.Engine.Delete(ctx, feed, id)
}

func (e *tardy) SetRetention(ctx context.Context, feed string, r *stream.Retention) error {
	if err := e.wait(ctx); err != nil {
		return err
	}
	return e.Engine.SetRetention(ctx, feed, r)
}

// A client that ends its sending half behind a request still reads the answer,
// and is not told that the store has failed.
func TestBadInput_HalfClosedGetsItsAnswer(t *testing.T) {
	t.Parallel()
	e := new(tardy)
	s := servertest.Start(t, servertest.Deployment{
		Memory: true, Window: 1, Around: e.around, Options: api.Options{Legacy: api.Legacy{Feed: "main"}},
		Wrap: func(inner stream.Engine) stream.Engine { e.Engine = inner; return e },
	})
	first, last := s.Put("main", "one"), s.Put("main", "two")
	e.waits.Store(true)
	for _, c := range []struct{ request, want string }{
		{"GET /feeds/main", last},
		{"GET /feeds/main?before=" + last, first},
		{"GET /feeds/main?since=all", last},
		{"GET /feeds/main?since=" + first, last},
		{"GET /feeds/main?last=1", last},
		{"GET /feeds/main?last=1&wait=1m", last},
		{"GET /feeds/main/items/" + first, first},
		{"GET /feeds", last},
		{"GET /real_time_feed?since=0", "two"},
		{"GET /feeds/main/settings", "max_items"},
		{"PUT /feeds/main/settings\nContent-Length: 2", "max_items"},
		{"DELETE /feeds/main/settings", ""},
		{"DELETE /feeds/main/items/" + first, ""},
	} {
		before := e.waited.Load()
		p := s.Poller()
		p.Ask(c.request + "\nAuthorization: Bearer " + servertest.Key)
		if strings.HasPrefix(c.request, "PUT") {
			io.WriteString(p.Conn, "{}")
		}
		p.Conn.CloseWrite()
		a := p.Answer()
		if a.Status/100 != 2 || !strings.Contains(a.Body, c.want) {
			t.Errorf("%s: got %d %s, not %q", c.request, a.Status, a.Body, c.want)
		}
		if e.waited.Load() == before {
			t.Errorf("%s: the store was not asked", c.request)
		}
	}

	// Streams end with it. A client can do that as often as it likes, so it is
	// nothing for the logger.
	p := s.Poller()
	p.Ask("GET /feeds/main?last=1&format=sse")
	p.Conn.CloseWrite()
	io.Copy(io.Discard, p.Conn)
	if logs := s.Logs.String(); strings.Contains(logs, "level=WARN") {
		t.Errorf("the log has %q", logs)
	}
}

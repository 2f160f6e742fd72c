package clients_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/launchdarkly/eventsource"
	"github.com/tmaxmax/go-sse"

	"feedd/e2e/harness"
	"feedd/internal/client"
)

// readWithOurs is r3labs/sse through our own client. Alone that library ends
// for good at a clean end, and delivers an event that was cut as if it were
// whole: see internal/client, which is what a user would have to write.
func readWithOurs(ctx context.Context, r *reader) {
	u, err := url.Parse(r.url)
	if err != nil {
		r.breaks(err)
		return
	}
	c, err := client.New(client.Config{Server: u.Scheme + "://" + u.Host, Transport: named{u.Query().Get("client")}})
	if err != nil {
		r.breaks(err)
		return
	}
	err = c.Follow(ctx, "news", client.Options{}, func(m client.Message) error {
		if m.Gap != nil {
			r.got(harness.Event{Event: "gap", Data: string(m.Raw)})
			return nil
		}
		r.got(fromEnvelope(m.Item.ID, m.Item.Event, m.Item.Data))
		return nil
	})
	if ctx.Err() == nil {
		r.breaks(err)
	}
}

// named adds the name of the reader to requests.
type named struct{ client string }

func (n named) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	q := req.URL.Query()
	q.Set("client", n.client)
	req.URL.RawQuery = q.Encode()
	return http.DefaultTransport.RoundTrip(req)
}

// readWithGoSSE is tmaxmax/go-sse as it is.
func readWithGoSSE(ctx context.Context, r *reader) {
	req, err := http.NewRequestWithContext(ctx, "GET", r.url, nil)
	if err != nil {
		r.breaks(err)
		return
	}
	conn := sse.NewConnection(req)
	conn.SubscribeToAll(func(e sse.Event) { r.got(harness.Event{ID: e.LastEventID, Event: e.Type, Data: e.Data}) })
	if err := conn.Connect(); ctx.Err() == nil {
		r.breaks(err)
	}
}

// readWithLaunchDarkly is launchdarkly/eventsource, told to go on whatever
// happens, also at the first try.
func readWithLaunchDarkly(ctx context.Context, r *reader) {
	goOn := func(error) (result eventsource.StreamErrorHandlerResult) { return result }
	s, err := eventsource.SubscribeWithURL(r.url,
		eventsource.StreamOptionErrorHandler(goOn), eventsource.StreamOptionCanRetryFirstConnection(-1))
	if err != nil {
		r.breaks(err)
		return
	}
	defer func() {
		s.Close()
		for range s.Events {
		}
	}()
	for {
		select {
		case e, ok := <-s.Events:
			if !ok {
				r.breaks(errors.New("the library gave up"))
				return
			}
			r.got(harness.Event{ID: e.Id(), Event: e.Event(), Data: e.Data()})
		case <-ctx.Done():
			return
		}
	}
}

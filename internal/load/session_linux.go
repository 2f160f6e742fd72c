package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"

	"feedd/internal/load/scan"
)

// session is what the parts of a run have in common. Its fields do not change
// while readers and publishers run.
type session struct {
	*Config
	clock      clock
	id         uint64 // of the run
	anyRun     bool   // nothing is published here, so the items are of another run
	everything int32  // the group of the subscribers to all feeds
	endpoint   *endpoint
	requests   []string     // of subscribers, by group, without the empty line at the end
	polls      []string     // of pollers, but for the first of each
	sources    []netip.Addr // of connections; none: the system chooses
	// measureFrom is when the measurement begins; it is set before anything is
	// published.
	measureFrom atomic.Int64
}

func newSession(ctx context.Context, c *Config) (*session, error) {
	s := &session{
		Config:     c,
		clock:      newClock(),
		id:         rand.Uint64N(scan.MaxRun),
		anyRun:     c.PublishURL == "",
		everything: int32(c.Feeds),
	}
	if c.Subscribers == 0 {
		return s, nil
	}
	var err error
	if s.endpoint, err = newEndpoint(ctx, c.URL, c.AllowRemote); err != nil {
		return nil, fmt.Errorf("the streams: %w", err)
	}
	s.sources = sourcesFor(s.endpoint.addr.Addr(), c.Subscribers)
	return s, s.makeRequests()
}

// makeRequests makes what the subscribers ask.
func (s *session) makeRequests() error {
	accept := map[Format]string{SSE: "text/event-stream", NDJSON: "application/x-ndjson", JSON: "application/json"}[s.Format]
	text, err := fields(http.Header{
		"Host":       {s.endpoint.host},
		"Accept":     {accept},
		"User-Agent": {"feedd-bench"},
	}, s.Header)
	if err != nil {
		return err
	}
	s.requests = make([]string, s.Feeds+1)
	for i := range s.requests {
		name := s.feedName(i)
		if i == s.Feeds {
			name = s.Pattern
		}
		target, err := s.endpoint.requestTarget(name)
		if err != nil {
			return err
		}
		if s.Format == JSON {
			// The first poll is answered at once, with a cursor: that is how one is
			// connected.
			join := "?"
			if strings.Contains(target, "?") {
				join = "&"
			}
			s.polls = append(s.polls, "GET "+target+join+"wait="+s.Wait.String()+" HTTP/1.1\r\n"+text)
			target += join + "since=now"
		}
		s.requests[i] = "GET " + target + " HTTP/1.1\r\n" + text
	}
	return nil
}

// newReaders makes the readers with their subscribers.
func (s *session) newReaders() (list []*reader, err error) {
	defer func() {
		if err != nil {
			for _, r := range list {
				r.close()
			}
		}
	}()
	subs := s.newSubscribers()
	// One for two CPUs: the server needs the others.
	n := min((runtime.GOMAXPROCS(0)+1)/2, max(1, len(subs)))
	for i := range n {
		r, err := newReader(s, subs[i*len(subs)/n:(i+1)*len(subs)/n])
		if err != nil {
			return list, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (s *session) newSubscribers() []subscriber {
	list := make([]subscriber, s.Subscribers)
	pubs := s.Publishers
	if s.anyRun {
		pubs = 0
	}
	next := make([]uint64, len(list)*pubs)
	for i := range next {
		next[i] = 1
	}
	for i := range list {
		sub := &list[i]
		sub.group = int32(i % s.Feeds)
		if s.Pattern != "" {
			sub.group = s.everything
		}
		sub.source = int32(i / perSource)
		sub.stalled = spread(i, s.Stalled, len(list))
		sub.stays = spread(len(list)-1-i, s.Stay, len(list))
		sub.parser.Lines.NDJSON, sub.parser.Lines.Pages = s.Format == NDJSON, s.Format == JSON
		sub.tracker.next = next[i*pubs : (i+1)*pubs : (i+1)*pubs]
	}
	return list
}

// spread reports whether the i-th of n is one of k that are spread evenly.
func spread(i, k, n int) bool { return (i+1)*k/n > i*k/n }

// audience returns how many subscribers are to have the items of each feed.
func (s *session) audience() []int64 {
	list := make([]int64, s.Feeds)
	for i := range s.Subscribers {
		if !spread(i, s.Stalled, s.Subscribers) {
			list[i%s.Feeds]++
		}
	}
	if s.Pattern != "" {
		for i := range list {
			list[i] = int64(s.Subscribers - s.Stalled)
		}
	}
	return list
}

// newPublishers makes the publishers and what they share.
func (s *session) newPublishers(ctx context.Context, abort context.CancelCauseFunc) (*outlet, []*publisher, error) {
	e, err := newEndpoint(ctx, s.PublishURL, s.AllowRemote)
	if err != nil {
		return nil, nil, fmt.Errorf("the publish URL: %w", err)
	}
	text, err := fields(http.Header{
		"Host":           {e.host},
		"User-Agent":     {"feedd-bench"},
		"Content-Type":   {scan.ContentType(s.Batch)},
		"Content-Length": {fmt.Sprint(scan.BodySize(s.Size, s.Batch))},
	}, s.PublishHeader)
	if err != nil {
		return nil, nil, err
	}
	o := &outlet{
		endpoint: e, fields: text, size: s.Size, batch: s.Batch, run: s.id, from: &s.measureFrom, abort: abort,
		audience: s.audience(), ahead: int64(s.Ahead) * int64(s.Subscribers-s.Stalled),
		targets: make([]string, s.Feeds), acked: make([]atomic.Uint64, s.Feeds+1),
	}
	for i := range o.targets {
		if o.targets[i], err = e.requestTarget(s.feedName(i)); err != nil {
			return nil, nil, err
		}
	}
	list := make([]*publisher, s.Publishers)
	for i := range list {
		if list[i], err = newPublisher(o, i); err != nil {
			return nil, nil, err
		}
	}
	return o, list, nil
}

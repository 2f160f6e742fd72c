package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"feedd/internal/client"
	"feedd/internal/stream"
)

// Config is one upstream.
type Config struct {
	// Name is the name under which its last id is stored, unique in a Set.
	Name string
	// URL is its stream's, http or https. It is requested as it is, with the
	// last id as Last-Event-ID once there is one.
	URL string
	// Feed is the feed that gets its items.
	Feed string
	// Token is sent as a bearer token to the origin of URL. "": none.
	Token string
	// Idle is how long a connection may be without a byte before it is given up.
	Idle time.Duration
}

// Options is what all upstreams of a Set have in common. All fields but
// Transport are required.
type Options struct {
	Hub          *stream.Hub
	Logger       *slog.Logger
	MaxItemBytes int
	Transport    http.RoundTripper // nil: one for each upstream
}

// Set is the upstreams of a server. It is a prometheus.Collector of what they
// do.
type Set struct {
	followers []*follower
	running   sync.WaitGroup

	// reading ends first; committing goes on for what was read until then.
	reading, committing       context.Context
	endReading, endCommitting context.CancelFunc
}

// New makes a Set that does nothing yet. The error names the upstream whose
// configuration cannot work.
func New(upstreams []Config, opts Options) (*Set, error) {
	s := new(Set)
	s.reading, s.endReading = context.WithCancel(context.Background())
	s.committing, s.endCommitting = context.WithCancel(context.Background())
	for _, c := range upstreams {
		f := &follower{Config: c, hub: opts.Hub, logger: opts.Logger.With("upstream", c.Name), most: opts.MaxItemBytes}
		check := stream.Batch{Feed: c.Feed, Source: stream.Source{Name: c.Name}}
		if err := check.Check(); err != nil {
			return nil, fmt.Errorf("upstream %s: %w", c.Name, err)
		}
		u, err := url.Parse(c.URL)
		if err == nil {
			f.client, err = client.New(client.Config{
				Server: u.Scheme + "://" + u.Host, Key: c.Token, Transport: opts.Transport, Notify: f.lost,
			})
		}
		if err != nil {
			return nil, fmt.Errorf("upstream %s: %w", c.Name, err)
		}
		s.followers = append(s.followers, f)
	}
	return s, nil
}

// Start begins to follow. It is called once.
func (s *Set) Start() {
	for _, f := range s.followers {
		s.running.Go(func() { f.run(s.reading, s.committing) })
	}
}

// Stop ends reading at once, and commits what was read, until ctx ends. It returns
// when all goroutines have ended. What was not committed then is read again after
// the next start.
func (s *Set) Stop(ctx context.Context) {
	s.endReading()
	stop := context.AfterFunc(ctx, s.endCommitting)
	s.running.Wait()
	stop()
	s.endCommitting()
	for _, f := range s.followers {
		f.client.Close()
	}
}

// errStopped is the cause of a session's end that Stop wanted.
var errStopped = errors.New("stopped")

package load

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"feedd/internal/load/scan"
)

// Format is how a stream is written.
type Format string

const (
	SSE    Format = "sse"    // text/event-stream, as the HTML standard says; lines end in LF or CRLF
	NDJSON Format = "ndjson" // a JSON object a line
	JSON   Format = "json"   // pages, asked for one after the other: long polling
)

// MinSize is the size of the smallest item, in bytes: it must carry its mark.
const MinSize = scan.MinSize

// Config says what Run does. A zero field has the default that is named with
// it; Check fills them in.
type Config struct {
	// URL is the address of the streams. {feed} in it stands for the feed's
	// name, or for Pattern.
	URL string
	// PublishURL is where items are posted, with {feed} too. "": nothing is
	// published, the items come from elsewhere.
	PublishURL string
	// Header and PublishHeader are sent besides the usual fields.
	Header, PublishHeader http.Header

	Feed    string // name; of several feeds, the beginning of their names (bench.0, bench.1). Default: bench
	Feeds   int    // how many feeds subscribers and items are spread over. Default: 1
	Pattern string // a selector of all feeds, which everyone subscribes to; "": each subscribes to one feed
	Format  Format // default: SSE
	// Wait is how long the server may let a poll wait (JSON), and Pause how long
	// a poller rests after a page with items before it asks again. Wait's
	// default: 25 s
	Wait, Pause time.Duration

	Subscribers int // may be 0, to publish only
	Stalled     int // how many of them never read
	// Reconnect drops all subscribers but Stay of them in the middle of the
	// measurement. They connect again together after Away.
	Reconnect bool
	Stay      int
	Away      time.Duration

	Rate float64 // items a second; 0: as many as the publishers can
	// Ahead bounds what is published without a rate: how many items the subscribers
	// may be behind on average. Without a bound (0) a server that answers publishers
	// before it has sent their items gets further and further behind.
	Ahead int
	// Batch is how many items a publish has, for one feed. More than one go as
	// NDJSON (application/x-ndjson). Default: 1
	Batch      int
	Size       int // bytes of an item's data. Default: 128
	Publishers int // how many publishes may be in flight, each on a connection of its own. Default: 8

	Duration time.Duration // of the measurement. Default: 10 s
	Warmup   time.Duration // publishing before it, at the same rate
	// Patience is for how long no item must come until the missing ones count as
	// lost, and no subscriber connect until the missing ones are given up. Default:
	// 5 s
	Patience time.Duration

	PIDs        []int // the server's processes, whose CPU and memory are measured
	AllowRemote bool  // targets that are not on this machine

	// Progress is called a few times a second, from the goroutine that called
	// Run. It may be nil.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Phase       string        // connecting, warming up, measuring, waiting for the rest, ...
	Subscribers int           // that there will be
	Connected   int           // that are there
	Published   uint64        // items
	Deliveries  uint64        // of items to subscribers
	Elapsed     time.Duration // of the phase
	Length      time.Duration // of the phase, 0 if it is not known
}

// ErrUnsupported is Run's answer on systems other than Linux.
var ErrUnsupported = errors.New("the load generator needs Linux (epoll)")

// Check fills in defaults and finds what cannot be done. All that is wrong is
// in the error.
func (c *Config) Check() error {
	c.fill()
	var errs []error
	bad := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.URL == "" && c.Subscribers > 0, "there is no URL to subscribe to")
	bad(c.URL == "" && c.PublishURL == "", "there is nothing to subscribe or publish to")
	bad(c.Format != SSE && c.Format != NDJSON && c.Format != JSON, "the format is sse, ndjson or json, not %q", c.Format)
	bad(c.Format == JSON && c.Stalled > 0, "who polls takes what it asked for: none is stalled")
	bad(c.Format != JSON && (c.Pause > 0 || c.Wait > 0), "only who polls waits, and pauses")
	bad(c.Subscribers < 0, "the number of subscribers is below 0")
	bad(c.Subscribers == 0 && c.PublishURL == "", "there are neither subscribers nor publishers")
	bad(c.Feeds < 1 || c.Feeds > scan.MaxFeeds, "the number of feeds is 1 to %d", scan.MaxFeeds)
	bad(c.Publishers < 1 || c.Publishers > scan.MaxPublishers, "the number of publishers is 1 to %d", scan.MaxPublishers)
	bad(c.Stalled < 0 || c.Stalled > c.Subscribers, "the number of stalled subscribers is 0 to that of all")
	bad(c.Stay < 0 || c.Stay > c.Subscribers, "the number of subscribers that stay is 0 to that of all")
	bad(c.Stay > 0 && !c.Reconnect, "some stay only when the others reconnect")
	bad(c.Rate < 0 || c.Rate > 1e9, "the rate is 0 to 1,000,000,000 items a second")
	bad(c.Ahead < 0, "the number of items ahead is below 0")
	bad(c.Ahead > 0 && (c.Rate > 0 || c.Subscribers == c.Stalled), "only publishing without a rate waits for subscribers, and for those who read")
	bad(c.Batch < 1, "a publish has at least one item")
	bad(c.Size < MinSize, "an item has at least %d bytes, for what it must carry", MinSize)
	bad(c.Duration < 0 || c.Warmup < 0 || c.Patience < 0 || c.Away < 0 || c.Pause < 0 || c.Wait < 0, "a duration is below 0")
	bad(c.Feeds > 1 && c.Pattern == "" && c.Subscribers > 0 && !strings.Contains(c.URL, placeholder),
		"the URL of several feeds must have %s in it", placeholder)
	bad(c.Feeds > 1 && c.PublishURL != "" && !strings.Contains(c.PublishURL, placeholder),
		"the publish URL of several feeds must have %s in it", placeholder)
	return errors.Join(errs...)
}

func (c *Config) fill() {
	if c.Feed == "" {
		c.Feed = "bench"
	}
	if c.Feeds == 0 {
		c.Feeds = 1
	}
	if c.Format == "" {
		c.Format = SSE
	}
	if c.Format == JSON && c.Wait == 0 {
		c.Wait = 25 * time.Second
	}
	if c.Size == 0 {
		c.Size = 128
	}
	if c.Batch == 0 {
		c.Batch = 1
	}
	if c.Publishers == 0 {
		c.Publishers = 8
	}
	if c.Duration == 0 {
		c.Duration = 10 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = 5 * time.Second
	}
}

// feedName returns the name of the i-th feed.
func (c *Config) feedName(i int) string {
	if c.Feeds == 1 {
		return c.Feed
	}
	return c.Feed + "." + strconv.Itoa(i)
}

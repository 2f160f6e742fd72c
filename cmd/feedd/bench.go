package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"feedd/internal/client"
	"feedd/internal/load"
)

// benching holds the values of the flags of feedd bench.
type benching struct {
	target    target
	cfg       load.Config
	format    string
	headers   []string
	pubHeader []string
	noPublish bool
	json      bool
}

func newBenchCmd() *cobra.Command {
	b := &benching{}
	cmd := &cobra.Command{
		Use:   "bench [flags]",
		Short: "Put a server of live streams under load, and measure it",
		Long: `Connect many subscribers, publish items, and account for every item at every
subscriber: what was lost, came twice or out of order, and how long it took.
Latency counts from the time in the schedule, so a server that stands still
cannot hide it. The exit status is 1 when anything was wrong.

It works against every server that sends SSE or NDJSON over plain HTTP and
takes items by POST; with --format json subscribers are pollers, who ask a feedd
for one page after the other, with wait=. In --url and --publish-url, {feed} stands for the name of
the feed; without them the server is a feedd. With --pid the server's CPU and
memory are measured as well; what is measured best is a server just started.

A second bench with --no-publish and the same feeds can take a share of the
subscribers; it knows the numbers in the items. Ctrl-C ends early, with a report.
The items stay in the feed, named bench unless --feed says otherwise.
` + targetHelp,
		Example: `  feedd bench --subscribers 10000 --pid $(pgrep -x feedd)
  feedd bench --subscribers 1000 --rate 1000 --feeds 100 --pattern 'bench.*'
  feedd bench --rate 100 --reconnect --stay 100 --json
  feedd bench --url 'http://127.0.0.1:8080/sub/{feed}' --publish-url 'http://127.0.0.1:8080/pub/{feed}'`,
		RunE: b.run,
	}
	markUsage(cmd, cobra.NoArgs)
	b.target.flags(cmd)
	f, c := cmd.Flags(), &b.cfg
	f.StringVar(&c.URL, "url", "", "subscribe to `URL` (default: the feed on --server)")
	f.StringVar(&c.PublishURL, "publish-url", "", "post items to `URL` (default: the feed on --server)")
	f.StringArrayVar(&b.headers, "header", nil, "send `NAME: VALUE` with each subscription")
	f.StringArrayVar(&b.pubHeader, "publish-header", nil, "send `NAME: VALUE` with each publish")
	f.BoolVar(&b.noPublish, "no-publish", false, "publish nothing: items come from elsewhere")
	f.StringVar(&c.Feed, "feed", "bench", "the feed's `NAME`; several are NAME.0, NAME.1, ...")
	f.IntVar(&c.Feeds, "feeds", 1, "spread subscribers and items over `N` feeds")
	f.StringVar(&c.Pattern, "pattern", "", "all subscribe to `SELECTOR`, which must select all the feeds")
	f.StringVar(&b.format, "format", "sse", "the streams are sse or ndjson; json: they are polled for pages")
	durationFlag(cmd, &c.Wait, "wait", "", 0, "with --format json: a poll waits for `DURATION` at most (default 25s)")
	durationFlag(cmd, &c.Pause, "pause", "", 0, "with --format json: who had items rests for `DURATION` before the next poll")
	f.IntVarP(&c.Subscribers, "subscribers", "n", 1000, "connect `N` subscribers")
	f.Float64VarP(&c.Rate, "rate", "r", 10, "publish `N` items a second; 0: as many as possible")
	f.IntVar(&c.Ahead, "ahead", 0, "with --rate 0: publish while the subscribers have all but `N` items; 0: always")
	f.IntVar(&c.Batch, "batch", 1, "a publish has `N` items, sent as application/x-ndjson")
	f.IntVar(&c.Size, "size", 128, fmt.Sprintf("the data of an item has `BYTES`, at least %d", load.MinSize))
	f.IntVar(&c.Publishers, "publishers", 8, "at most `N` publishes in flight, each on a connection")
	durationFlag(cmd, &c.Duration, "duration", "d", 10*time.Second, "measure for `DURATION`")
	durationFlag(cmd, &c.Warmup, "warmup", "", time.Second, "publish for `DURATION` before, which is not timed")
	durationFlag(cmd, &c.Patience, "patience", "", 5*time.Second, "what has not come when nothing came for `DURATION` is lost")
	f.IntVar(&c.Stalled, "stalled", 0, "`N` of the subscribers never read")
	f.BoolVar(&c.Reconnect, "reconnect", false, "at half time all drop, and come back together with their Last-Event-ID")
	durationFlag(cmd, &c.Away, "away", "", time.Second, "with --reconnect: they come back after `DURATION`")
	f.IntVar(&c.Stay, "stay", 0, "with --reconnect: `N` stay, and are timed meanwhile")
	f.IntSliceVar(&c.PIDs, "pid", nil, "measure the server's processes `PID,...`")
	f.BoolVar(&c.AllowRemote, "allow-remote", false, "the server may be on another machine, which must be yours")
	f.BoolVar(&b.json, "json", false, "print the report as JSON")
	return cmd
}

func (b *benching) run(cmd *cobra.Command, _ []string) error {
	if err := b.complete(); err != nil {
		return err
	}
	line := newLoadLine(cmd.ErrOrStderr())
	b.cfg.Progress = line.show
	report, err := load.Run(cmd.Context(), b.cfg)
	line.clear()
	switch {
	case errors.Is(err, load.ErrRemote):
		return usagef("%w; --allow-remote allows it", err)
	case err != nil:
		return err
	}
	if err := printReport(cmd.OutOrStdout(), report, b.json); err != nil {
		return err
	}
	if problems := report.Problems(); len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n"))
	}
	return nil
}

func printReport(w io.Writer, r *load.Report, asJSON bool) error {
	if !asJSON {
		return r.WriteText(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// complete makes the configuration of the flags.
func (b *benching) complete() error {
	c := &b.cfg
	server, err := client.ParseServer(b.target.server)
	if err != nil {
		return usageError{err}
	}
	c.Format = load.Format(b.format)
	if c.Header, err = parseHeaders(b.headers); err != nil {
		return err
	}
	if c.PublishHeader, err = parseHeaders(b.pubHeader); err != nil {
		return err
	}
	own := server.String() + "/feeds/{feed}"
	switch {
	case b.noPublish && c.PublishURL != "":
		return usagef("--publish-url and --no-publish exclude each other")
	case c.URL != "" && c.PublishURL == "" && !b.noPublish:
		return usagef("with --url, say where items come from: --publish-url or --no-publish")
	case !b.noPublish && c.PublishURL == "":
		c.PublishURL = own
	}
	if c.URL == "" {
		c.URL = own
	}
	if err := c.Check(); err != nil {
		return usageError{err}
	}
	return b.authorize(server)
}

// authorize adds the key, only for the server that it belongs to.
func (b *benching) authorize(server *url.URL) error {
	c := &b.cfg
	reads, writes := sameOrigin(c.URL, server), sameOrigin(c.PublishURL, server)
	if !reads && !writes {
		return nil
	}
	key, err := b.target.key(server)
	if err != nil || key == "" {
		return err
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the key has a space or another character that no key has")
	}
	add := func(h http.Header) {
		if h.Get("Authorization") == "" {
			h.Set("Authorization", "Bearer "+key)
		}
	}
	if reads {
		add(c.Header)
	}
	if writes {
		add(c.PublishHeader)
	}
	return nil
}

// sameOrigin reports whether a URL, perhaps with {feed} in it, leads to the
// server.
func sameOrigin(raw string, server *url.URL) bool {
	u, err := url.Parse(strings.ReplaceAll(raw, "{feed}", "x"))
	return err == nil && strings.EqualFold(u.Scheme, server.Scheme) && strings.EqualFold(u.Host, server.Host)
}

func parseHeaders(list []string) (http.Header, error) {
	h := make(http.Header)
	for _, field := range list {
		name, value, ok := strings.Cut(field, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, usagef("%q is no header field: it must be NAME: VALUE", field)
		}
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return h, nil
}

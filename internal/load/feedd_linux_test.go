package load

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"feedd/internal/config"
	"feedd/internal/selector"
	"feedd/internal/server"
)

// feedd starts the real server on the memory engine, open to all.
func feedd(t *testing.T) (url string) {
	t.Helper()
	all, err := selector.Parse("**", 1)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Listen, cfg.Data, cfg.Store = "127.0.0.1:0", t.TempDir(), config.Memory
	cfg.Feeds = []config.Rule{{Match: config.Match{Selection: all}, Publish: config.Anyone}}
	l := &cfg.Limits
	l.MaxAnonymousRate, l.MaxAnonymousItems, l.MaxAnonymousBytes, l.MaxAnonymousItemBytes = 0, 0, 0, 0
	l.MaxAnonymousBatchItems = l.MaxBatchItems
	s, err := server.New(&cfg, server.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s.URL()
}

func TestFeedd(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  func(c *Config)
	}{
		{"SSE", func(c *Config) {}},
		{"NDJSON", func(c *Config) { c.Format = NDJSON }},
		{"pages", func(c *Config) { c.Format = JSON }},
		{"pages, with pauses", func(c *Config) { c.Format, c.Pause = JSON, 20*time.Millisecond }},
		{"pages whose wait ends", func(c *Config) { c.Format, c.Wait, c.Rate = JSON, 20*time.Millisecond, 10 }},
		{"pages of a pattern, in batches", func(c *Config) { c.Format, c.Feeds, c.Pattern, c.Batch = JSON, 3, "bench.*", 7 }},
		{"pages, storm", func(c *Config) { c.Format, c.Reconnect, c.Away, c.Stay = JSON, true, 100*time.Millisecond, 5 }},
		{"several feeds", func(c *Config) { c.Feeds = 7 }},
		{"a pattern", func(c *Config) { c.Feeds, c.Pattern = 7, "bench.*" }},
		{"storm", func(c *Config) { c.Reconnect, c.Away, c.Stay = true, 100*time.Millisecond, 5 }},
		{"NDJSON storm of a pattern", func(c *Config) {
			c.Reconnect, c.Format, c.Feeds, c.Pattern = true, NDJSON, 3, "bench.*"
		}},
		{"batches", func(c *Config) { c.Batch = 20 }},
		{"batches on several feeds", func(c *Config) { c.Batch, c.Feeds, c.Pattern = 7, 3, "bench.*" }},
		{"unthrottled batches, little ahead", func(c *Config) { c.Rate, c.Batch, c.Ahead, c.Warmup = 0, 50, 100, 0 }},
		{"unthrottled", func(c *Config) { c.Rate, c.Publishers, c.Size = 0, 8, 20_000 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			url := feedd(t)
			c := Config{
				URL: url + "/feeds/{feed}", PublishURL: url + "/feeds/{feed}",
				Subscribers: 30, Rate: 300, Duration: 1500 * time.Millisecond, Warmup: 100 * time.Millisecond,
				Patience: 20 * time.Second, PIDs: []int{os.Getpid()},
			}
			tc.set(&c)
			r := mustRun(t, c)
			for ; r.Publish.Items == 0 && c.Duration < time.Minute; r = mustRun(t, c) {
				c.Duration *= 4 // this machine is too busy to have published anything
			}
			if p := r.Problems(); len(p) > 0 || r.Deliveries.Count == 0 || r.Deliveries.Gaps > 0 {
				t.Errorf("%q, %+v", p, r.Deliveries)
			}
			if s := r.Storm; s != nil && (s.Dropped == 0 || s.Recovered != s.Dropped) {
				t.Errorf("%+v", s)
			}
		})
	}
}

package load

import (
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/internal/config"
	"feedd/internal/memlog"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// feedd starts the real server on the memory engine, open to all.
func feedd(t *testing.T) (url string) {
	t.Helper()
	engine := memlog.Open(stream.StoreOptions{Retention: func(string) stream.Retention { return stream.Retention{} }})
	hub := stream.NewHub(engine, stream.HubOptions{})
	anyone := func(string) bool { return true }
	sessions, err := auth.OpenSessions("key", nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := api.New(api.Options{
		Sessions: sessions, Own: hub, // which nobody asks for
		Hub: hub, Engine: engine, Log: slog.New(slog.DiscardHandler),
		Auth: auth.New("key", auth.Rules{
			Read: anyone, Publish: anyone, ReadAny: func(selector.Selection) bool { return true },
		}),
		Pages:     fs.FS(fstest.MapFS{"index.html": {Data: []byte("feedd")}}),
		Heartbeat: time.Second, StallTimeout: time.Minute,
		MaxItemBytes: 1 << 20, MaxBodyBytes: 1 << 20, MaxBatchItems: 100, MaxSelectorTerms: 10, MaxSubscribers: 1000,
		BodyTimeout: time.Minute, MaxAnonymousBatchItems: 100,
		ParseRetention:  config.ParseSettings,
		FormatRetention: func(r stream.Retention) []byte { return config.AppendSettings(nil, r) },
		BaseRetention:   func(string) stream.Retention { return stream.Retention{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a.Handler())
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		engine.Close()
		hub.Close()
	})
	return server.URL
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

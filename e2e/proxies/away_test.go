package proxies_test

import (
	"feedd/e2e/harness"
	"feedd/e2e/proxies"
	"io"
	"net/http"
	"strings"
	"testing"
)

// While feedd is away, a proxy with our snippet tells an EventSource, which
// would stop for good at an error, to come back; no other client is told that
// all is well. (That it then has everything is what
// TestP1P3P4_clients_of_others shows.)
func TestProxies_WhileFeeddIsAway(t *testing.T) {
	server := harness.LastingAddress(t) // where no server listens
	for _, front := range proxies.Ways[1:] {
		t.Run(front.Name, func(t *testing.T) {
			address := front.Start(t, server)
			for _, c := range []struct {
				name, method, accept, upgrade string
				status                        int
				body                          string // of a stream; "" for anything
			}{
				{"EventSource", "GET", "text/event-stream", "", 200, "retry: 2000\n\n"},
				{"curl", "GET", "*/*", "", 502, ""},
				{"a poller", "GET", "application/json", "", 502, ""},
				{"a reader of lines", "GET", "application/x-ndjson", "", 502, ""},
				{"a page", "GET", "text/html,*/*;q=0.8", "", 502, ""},
				{"WebSocket", "GET", "", "websocket", 502, ""},
				{"a publisher", "POST", "", "", 502, ""},
				{"a publisher who asks for a stream", "POST", "text/event-stream", "", 502, ""},
				{"a purge that asks for a stream", "DELETE", "text/event-stream", "", 502, ""},
			} {
				t.Run(c.name, func(t *testing.T) {
					req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+address+"/feeds/news", strings.NewReader(""))
					if err != nil {
						t.Fatal(err)
					}
					for k, v := range map[string]string{"Accept": c.accept, "Upgrade": c.upgrade, "Last-Event-ID": "1763792000000001"} {
						if v != "" {
							req.Header.Set(k, v)
						}
					}
					if c.upgrade != "" {
						req.Header.Set("Connection", "Upgrade")
					}
					resp, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					body, err := io.ReadAll(resp.Body)
					if err != nil {
						t.Fatal(err)
					}
					if resp.StatusCode != c.status {
						t.Errorf("status %d, want %d", resp.StatusCode, c.status)
					}
					kind := resp.Header.Get("Content-Type")
					if stream := strings.HasPrefix(kind, "text/event-stream"); stream != (c.body != "") {
						t.Errorf("Content-Type is %q", kind)
					}
					if c.body != "" && string(body) != c.body {
						t.Errorf("the stream is %q, want %q", body, c.body)
					}
					if c.body != "" && resp.Header.Get("Cache-Control") != "no-store" {
						t.Error("the stream may be stored")
					}
				})
			}
		})
	}
}

// The largest publish that feedd takes passes our snippets.
func TestProxies_PassTheLargestPublish(t *testing.T) {
	const largest = 16 << 20 // limits.max_body_bytes
	s := harness.Start(t, harness.With("FEEDD_LIMITS_MAX_ITEM_BYTES=16MiB"))
	for _, front := range proxies.Ways {
		t.Run(front.Name, func(t *testing.T) {
			address := front.Start(t, s.Address)
			req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+"/feeds/large", strings.NewReader(strings.Repeat("x", largest)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+s.Key())
			req.Header.Set("Content-Type", "text/plain")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusCreated {
				body, _ := io.ReadAll(resp.Body)
				t.Errorf("the answer is %d %.200s", resp.StatusCode, body)
			}
		})
	}
}

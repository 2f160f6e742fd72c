package subscribe_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"feedd/internal/auth"
	"feedd/internal/server/servertest"
)

// P8: a subscriber that was let in while a rule changed does not stay by the old
// one, however it reads.
func TestP8_WhoIsLetInDuringAChangeIsCut(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string][]string{
		"sse":                   {"Accept: text/event-stream"},
		"ndjson":                {"Accept: application/x-ndjson"},
		"websocket":             nil,
		"poll":                  {"Accept: application/json"},
		"poll that is not kept": {"Accept: application/json", "Connection: close"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 45*time.Second) // less than a poll waits
			defer cancel()
			var s *servertest.Server
			var once sync.Once
			no := func(string) bool { return false }
			s = servertest.Start(t, servertest.Deployment{Memory: true, Readers: func(string) bool {
				// The change comes between the look at the rule and the subscriber.
				once.Do(func() {
					s.Auth.Change(servertest.Key, auth.Rules{Read: no, Publish: no})
					s.Api.Recheck()
				})
				return true
			}})
			if name == "websocket" {
				conn, _, err := s.DialSocket("a", servertest.Anonymous)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.CloseNow()
				for err == nil {
					_, _, err = conn.Read(ctx)
				}
				if ctx.Err() != nil {
					t.Error("it stays")
				}
				return
			}
			resp, err := s.Client.Do(s.Request(ctx, http.MethodGet, "/feeds/a?wait=60s", nil, append(headers, servertest.Anonymous)...))
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if ctx.Err() != nil {
				t.Error("it stays: ", err)
			}
		})
	}
}

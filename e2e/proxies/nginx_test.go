package proxies_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"feedd/e2e/harness"
	"feedd/e2e/proxies"
	"feedd/internal/doctor"
)

// The snippet that the README gives for nginx passes everything, and the doctor
// finds what goes wrong without it.
func TestDoctor_BehindNginx(t *testing.T) {
	s := harness.Start(t, harness.With("FEEDD_HEARTBEAT=2s"))
	for _, c := range []struct {
		name   string
		change func(string) string
		wrong  string // the checks that fail
	}{
		{"as it is", proxies.AsDeployed, ""},
		{"with buffering", func(s string) string { return strings.ReplaceAll(s, "proxy_buffering off;", "") }, ""},
		{"with buffering that nobody may switch off", func(s string) string {
			return strings.ReplaceAll(s, "proxy_buffering off;", "proxy_ignore_headers X-Accel-Buffering;")
		}, "answer"},
		{"without the upgrade", func(s string) string {
			return strings.ReplaceAll(s, "proxy_set_header Upgrade $http_upgrade;", "")
		}, "WebSocket"},
		{"with a short timeout", func(s string) string {
			return strings.ReplaceAll(s, "proxy_read_timeout 1h;", "proxy_read_timeout 1s;")
		}, "idle"},
		{"compressed", func(s string) string {
			return strings.ReplaceAll(s, "gzip off;", "gzip on; gzip_types text/event-stream; gzip_min_length 0; gzip_proxied any;")
		}, "compression"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u, err := doctor.ParseURL("http://" + proxies.Nginx(t, s.Address, c.change) + "/feeds/news")
			if err != nil {
				t.Fatal(err)
			}
			u.Host = "localhost:" + u.Port()
			prompt := time.Minute // of a machine that is busy
			if c.wrong == "answer" {
				prompt = 5 * time.Second
			}
			var wrong []string
			doctor.Run(t.Context(), doctor.Config{URL: u, Idle: 5 * time.Second, Prompt: prompt}, func(f doctor.Finding) {
				t.Logf("%s: %s: %s", f.Check, f.Status, f.Says)
				if f.Status == doctor.Wrong {
					wrong = append(wrong, f.Check)
				}
			})
			if got := strings.Join(wrong, " "); got != c.wrong {
				t.Errorf("wrong is %q, want %q", got, c.wrong)
			}
		})
	}
}

// What the doctor says to set in nginx, nginx takes, and in the end nothing is
// wrong.
func TestDoctor_MendsNginx(t *testing.T) {
	s := harness.Start(t)
	set, mended := "proxy_ignore_headers X-Accel-Buffering;", ""
	bare := func(string) string {
		return fmt.Sprintf("location / { proxy_pass http://%s; %s }", s.Address, set)
	}
	for range 5 {
		u, err := doctor.ParseURL("http://" + proxies.Nginx(t, s.Address, bare) + "/feeds/news")
		if err != nil {
			t.Fatal(err)
		}
		u.Host = "localhost:" + u.Port()
		well := doctor.Run(t.Context(), doctor.Config{URL: u}, func(f doctor.Finding) {
			t.Logf("%s: %s: %s", f.Check, f.Status, f.Says)
			if f.Status == doctor.Wrong {
				mended += f.Check + " "
				set += " " + f.Nginx
			}
		})
		if well {
			if want := "answer WebSocket WebSocket "; mended != want {
				t.Errorf("mended %q, want %q", mended, want)
			}
			return
		}
	}
	t.Errorf("still something is wrong with %s", set)
}

// Behind nginx at a port of its own: a browser that says only its page's origin
// signs in, and opens a WebSocket; a page of another port does not.
func TestNginx_TellsOriginsApart(t *testing.T) {
	s := harness.Start(t, harness.With("FEEDD_HEARTBEAT=2s"))
	address := proxies.Nginx(t, s.Address, proxies.AsDeployed)
	_, port, _ := net.SplitHostPort(address)
	for origin, same := range map[string]bool{"http://localhost:" + port: true, "http://localhost": false, "http://localhost:1": false, "null": false} {
		ask := func(method, path, body string, header http.Header) int {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Host, req.Header = "localhost:"+port, header
			header.Set("Origin", origin)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		signIn := ask("POST", "/session", `{"key":"wrong"}`, http.Header{"Content-Type": {"application/json"}})
		socket := ask("GET", "/feeds/news", "", http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
		})
		if want := map[bool][2]int{true: {401, 101}, false: {403, 403}}[same]; [2]int{signIn, socket} != want {
			t.Errorf("a page of %s is answered %d, %d, want %v", origin, signIn, socket, want)
		}
	}
}

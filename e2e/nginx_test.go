package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"feedd/internal/doctor"
)

// findNginx returns where nginx is, "" for nowhere. Debian has it where only
// root looks.
func findNginx() string {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// asDeployed is the snippet as it is.
func asDeployed(snippet string) string { return snippet }

// startNginx runs Debian's nginx with our snippet before a server, and returns
// its address. Change may change the snippet.
func startNginx(t *testing.T, server string, change func(string) string) string {
	t.Helper()
	snippet, err := os.ReadFile("../deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	location := change(strings.ReplaceAll(string(snippet), "127.0.0.1:8001", server))
	address, said := runNginx(t, t.TempDir(), "server_name localhost; "+location)
	awaitProxy(t, address, said)
	return address
}

// runNginx runs Debian's nginx in a directory, with one server of which it is
// given what is in it, and returns where that listens.
func runNginx(t *testing.T, dir, server string) (address string, said *bytes.Buffer) {
	t.Helper()
	bin := findNginx()
	if bin == "" {
		t.Skip("nginx is not installed")
	}
	address = lastingAddress(t)
	conf := fmt.Sprintf(`daemon off; worker_processes 1; pid nginx.pid; error_log stderr error;
events { worker_connections 256; }
http {
	access_log off;
	client_body_buffer_size 16m; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; scgi_temp_path tmp; uwsgi_temp_path tmp;
	server { listen %s; %s }
}`, address, server)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-p", dir, "-c", "nginx.conf")
	said = new(bytes.Buffer)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	return address, said
}

// awaitProxy waits until somebody answers at an address.
func awaitProxy(t *testing.T, address string, said fmt.Stringer) {
	t.Helper()
	for end := time.Now().Add(pagePatience); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + address + "/readyz")
		if err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the proxy does not get ready: %v\n%s", err, said)
		}
	}
}

// The snippet that the README gives for nginx passes everything, and the doctor
// finds what goes wrong without it.
func TestDoctor_BehindNginx(t *testing.T) {
	s := startReal(t, "FEEDD_HEARTBEAT=2s")
	for _, c := range []struct {
		name   string
		change func(string) string
		wrong  string // the checks that fail
	}{
		{"as it is", asDeployed, ""},
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
			u, err := doctor.ParseURL("http://" + startNginx(t, s.address, c.change) + "/feeds/news")
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
	s := startReal(t)
	set, mended := "proxy_ignore_headers X-Accel-Buffering;", ""
	bare := func(string) string {
		return fmt.Sprintf("location / { proxy_pass http://%s; %s }", s.address, set)
	}
	for range 5 {
		u, err := doctor.ParseURL("http://" + startNginx(t, s.address, bare) + "/feeds/news")
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
	s := startReal(t, "FEEDD_HEARTBEAT=2s")
	address := startNginx(t, s.address, asDeployed)
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

// What the README prints is what the tests run.
func TestREADME_PrintsTheProxySnippets(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nginx.conf", "Caddyfile"} {
		snippet, err := os.ReadFile("../deploy/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(readme, snippet) {
			t.Errorf("the README does not print deploy/%s as it is", name)
		}
	}
}

package doctor_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"feedd/internal/doctor"
)

// feed answers as feedd does, with a heartbeat of 15 s.
func feed(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.Write(r.Context(), websocket.MessageText, []byte(`{"cursor":"7"}`))
		conn.Read(r.Context())
		return
	}
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = "7"
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "retry: 2000\nid: %s\n\n", id)
	for {
		http.NewResponseController(w).Flush()
		select {
		case <-time.After(15 * time.Second):
		case <-r.Context().Done():
			return
		}
		fmt.Fprint(w, ":\n\n")
	}
}

// pipes is a network within one synctest bubble, with one server.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// inBubble runs a test with the transport to a server that has the handler. The
// bubble's time passes when all wait, so what comes late costs nothing, and a
// busy machine makes nothing late.
func inBubble(t *testing.T, name string, handler http.Handler, test func(t *testing.T, tr http.RoundTripper)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
			srv := &http.Server{Handler: handler}
			go srv.Serve(p)
			test(t, &http.Transport{DialContext: p.dial, DisableCompression: true, DisableKeepAlives: true})
			srv.Close()
			synctest.Wait()
		})
	})
}

// What stands before the feed does something to it, and the doctor says what.
func TestDoctor(t *testing.T) {
	sound := map[string]doctor.Status{
		"answer": "ok", "first byte": "ok", "compression": "ok", "HTTP version": "note", "Last-Event-ID": "ok", "WebSocket": "ok", "idle": "ok",
	}
	with := func(changes ...string) map[string]doctor.Status {
		m := make(map[string]doctor.Status)
		for k, v := range sound {
			m[k] = v
		}
		for i := 0; i < len(changes); i += 2 {
			m[changes[i]] = doctor.Status(changes[i+1])
		}
		return m
	}
	for _, c := range []struct {
		name   string
		origin string
		key    string
		proxy  http.HandlerFunc
		want   map[string]doctor.Status
		says   string // one of the findings
		nginx  string
	}{
		{name: "nothing between", proxy: feed, want: sound, says: "an event stream"},
		{name: "a header is taken away", proxy: func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Last-Event-ID")
			feed(w, r)
		}, want: with("Last-Event-ID", "wrong"), says: "does not reach feedd", nginx: "proxy_set_header Last-Event-ID"},
		{name: "no upgrade", proxy: func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Upgrade")
			feed(w, r)
		}, want: with("WebSocket", "wrong"), says: "status 200", nginx: "proxy_set_header Upgrade"},
		{name: "the upgrade of another host", proxy: func(w http.ResponseWriter, r *http.Request) {
			r.Host = "127.0.0.1:1"
			feed(w, r)
		}, want: with("WebSocket", "wrong"), says: "another host name", nginx: "proxy_set_header Host $http_host;"},
		{name: "compressed", proxy: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "" {
				w.Header().Set("Content-Encoding", "gzip")
			}
			feed(w, r)
		}, want: with("compression", "wrong"), says: "(gzip)", nginx: "gzip off;"},
		{name: "the head comes, and nothing else", proxy: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				feed(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, want: with("first byte", "wrong", "Last-Event-ID", "wrong", "idle", "wrong"), says: "collects what is sent", nginx: "proxy_buffering off;"},
		{name: "everything is held back", proxy: func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, want: map[string]doctor.Status{"answer": "wrong"}, says: "no answer within", nginx: "proxy_buffering off;"},
		{name: "cut when idle", proxy: func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), 40*time.Second)
			defer cancel()
			feed(w, r.WithContext(ctx))
		}, want: with("idle", "wrong"), says: "was cut after", nginx: "proxy_read_timeout"},
		{name: "another site", proxy: func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") },
			want: map[string]doctor.Status{"answer": "wrong"}, says: "something else answers"},
		{name: "nobody behind", proxy: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) },
			want: map[string]doctor.Status{"answer": "wrong"}, says: "does not reach feedd"},
		{name: "somebody answers for feedd", proxy: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "retry: 2000\n\n")
		}, want: map[string]doctor.Status{"answer": "ok", "first byte": "wrong"}, says: "feedd that is away"},
		{name: "the stream ends at once", proxy: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
		}, want: with("first byte", "wrong", "Last-Event-ID", "wrong", "WebSocket", "wrong", "idle", "wrong"), says: "ended at its opening"},
		{name: "feedd has no room", proxy: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "retry: 2000\nevent: closing\ndata: {\"reason\":\"too-many-subscribers\"}\n\n")
		}, want: map[string]doctor.Status{"answer": "ok", "first byte": "wrong"}, says: "too-many-subscribers"},
		{name: "room for one", proxy: func() http.HandlerFunc {
			var asked atomic.Int32
			return func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					feed(w, r)
					return
				}
				w.Header().Set("Content-Type", "text/event-stream")
				w.WriteHeader(503)
				fmt.Fprint(w, "id: 1\n\n")
			}
		}(), want: with("first byte", "wrong", "compression", "wrong", "Last-Event-ID", "wrong", "WebSocket", "wrong", "idle", "wrong"), says: "status 503 Service Unavailable: id: 1"},
		{name: "a refusal that does not end", proxy: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			fmt.Fprint(w, "half of")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, want: map[string]doctor.Status{"answer": "wrong"}, says: "status 500 Internal Server Error: half of"},
		{name: "a page of an error", proxy: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(404)
			fmt.Fprint(w, "<html>")
		}, want: map[string]doctor.Status{"answer": "wrong"}, says: "status 404 Not Found"},
		{name: "elsewhere", proxy: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.com/feeds/news", http.StatusMovedPermanently)
		}, want: map[string]doctor.Status{"answer": "wrong"}, says: "status 301: it sends to https://example.com/feeds/news"},
		{name: "a host that feedd does not know", proxy: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(421) },
			want: map[string]doctor.Status{"answer": "wrong"}, says: "(127.0.0.1, unless a proxy changes it)"},
		{name: "closed", proxy: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer k" {
				w.WriteHeader(401)
			}
		}, want: map[string]doctor.Status{"answer": "wrong"}, says: "needs a key"},
		{name: "open with the key", key: "k", proxy: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer k" {
				w.WriteHeader(401)
				return
			}
			feed(w, r)
		}, want: sound, says: "opens"},
		{name: "pages elsewhere may not", origin: "https://www.example.com", proxy: feed,
			want: with("CORS", "wrong"), says: "no Access-Control-Allow-Origin", nginx: "add_header"},
		{name: "pages elsewhere may", origin: "https://www.example.com", proxy: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			feed(w, r)
		}, want: with("CORS", "ok"), says: "may read it"},
	} {
		inBubble(t, c.name, c.proxy, func(t *testing.T, tr http.RoundTripper) {
			u, err := doctor.ParseURL("http://127.0.0.1/feeds/news")
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]doctor.Status)
			said, fixed := false, c.nginx == ""
			well := doctor.Run(t.Context(), doctor.Config{
				URL: u, Key: c.key, Origin: c.origin, Idle: time.Minute, Transport: tr,
			}, func(f doctor.Finding) {
				got[f.Check] = f.Status
				if strings.Contains(f.Says, "<html>") {
					t.Errorf("%s says %q", f.Check, f.Says)
				}
				said = said || strings.Contains(f.Says, c.says)
				fixed = fixed || f.Status == doctor.Wrong && strings.Contains(f.Nginx, c.nginx)
			})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("findings (-want +got)\n%s", diff)
			}
			wrong := false
			for _, status := range got {
				wrong = wrong || status == doctor.Wrong
			}
			if well == wrong {
				t.Errorf("Run returns %v", well)
			}
			if !said || !fixed {
				t.Errorf("nothing says %q, or mends it with %q", c.says, c.nginx)
			}
		})
	}
}

// Without a transport of the caller's it makes connections as a browser does, to a
// real server.
func TestDoctor_OwnTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(feed))
	defer server.Close()
	u, err := doctor.ParseURL(server.URL + "/feeds/news")
	if err != nil {
		t.Fatal(err)
	}
	if !doctor.Run(t.Context(), doctor.Config{URL: u, Prompt: time.Minute}, func(f doctor.Finding) {
		if f.Status == doctor.Wrong {
			t.Errorf("%s: %s", f.Check, f.Says)
		}
	}) {
		t.Error("it finds faults")
	}
}

func TestDoctor_NobodyThere(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	u, err := doctor.ParseURL(server.URL + "/feeds/news")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if doctor.Run(t.Context(), doctor.Config{URL: u}, func(doctor.Finding) { n++ }) || n != 1 {
		t.Errorf("%d findings, want one that is wrong", n)
	}
	for _, s := range []string{"", "news", "ftp://x/feeds/news", "http:///feeds/news", "http://x y/", "http://u:p@x/feeds/news"} {
		if _, err := doctor.ParseURL(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	for s, host := range map[string]string{
		"https://x:443/feeds/news": "x", "http://[::1]:80/feeds/news": "[::1]", "http://x:443/feeds/news": "x:443", "https://x:8443/feeds/news": "x:8443",
	} {
		if u, err := doctor.ParseURL(s); err != nil || u.Host != host {
			t.Errorf("the host of %s is %v, want %s; %v", s, u, host, err)
		}
	}
}

func TestCheckOrigin(t *testing.T) {
	for _, s := range []string{"https://www.example.com", "http://localhost:8080", "http://[::1]:1"} {
		if err := doctor.CheckOrigin(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"https://www.example.com/", "www.example.com", "https://WWW.example.com", "ftp://x", "https://x?y", "https://u@x", "https://", "null", "*"} {
		if doctor.CheckOrigin(s) == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

// zeros is a body of one line.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// Of a line that is longer than any of feedd's only the beginning is held.
func TestDoctor_LongLine(t *testing.T) {
	const line = 256 << 20
	u, err := doctor.ParseURL("http://127.0.0.1/feeds/news")
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	doctor.Run(t.Context(), doctor.Config{URL: u, Prompt: time.Minute, Transport: transport(func(r *http.Request) (*http.Response, error) {
		body := io.MultiReader(io.LimitReader(zeros{}, line), strings.NewReader("\nid: 1\n\n"))
		return &http.Response{
			StatusCode: 200, Proto: "HTTP/1.1", Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(body), Request: r,
		}, nil
	})}, func(f doctor.Finding) {
		if f.Check == "first byte" || f.Check == "Last-Event-ID" {
			if f.Status != doctor.OK {
				t.Errorf("%s: %s", f.Check, f.Says)
			}
		}
	})
	runtime.ReadMemStats(&after)
	if held := after.TotalAlloc - before.TotalAlloc; held > line/8 {
		t.Errorf("%d bytes were allocated for lines of %d", held, line)
	}
}

package subscribe_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/stream"
)

func TestStream_Bytes(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		from := s.Position()
		post := func(query, typ, body string) string {
			var r servertest.Receipt
			s.Do("POST", "/feeds/f?"+query, body, "Content-Type: "+typ).MustStatus(t, http.StatusCreated).Decode(t, &r)
			return r.ID
		}
		items := []struct{ id, event, data string }{
			{post("", servertest.TextType, "hello"), "", "data: hello\n"},
			{post("event=goal", servertest.JSONType, `{"a": [1, 2.50]}`), "event: goal\n", "data: {\"a\":[1,2.50]}\n"},
			{post("", servertest.TextType, "one\ntwo\r\nthree\rfour"), "", "data: one\ndata: two\ndata: three\ndata: four\n"},
			{post("", servertest.TextType, "ends in a newline\n"), "", "data: ends in a newline\ndata: \n"},
			{post("", servertest.TextType, "\n\r"), "", "data: \ndata: \ndata: \n"},
			{post("", servertest.TextType, " two  spaces"), "", "data:  two  spaces\n"},
			{post("", servertest.TextType, "id: 5\n\nevent: gap\n: x"), "", "data: id: 5\ndata: \ndata: event: gap\ndata: : x\n"},
			{post("event=a:b", servertest.TextType, "\u2028"), "event: a:b\n", "data: \u2028\n"},
		}
		opened := "retry: 2000\nid: " + from + "\n\n"
		var sse, envelopes, lines strings.Builder
		for _, it := range items {
			e := servertest.Envelope(s, it.id)
			sse.WriteString(it.event + it.data + "id: " + it.id + "\n\n")
			envelopes.WriteString(it.event + "data: " + e + "\nid: " + it.id + "\n\n")
			lines.WriteString(e + "\n")
		}
		for _, c := range []struct{ path, accept, want string }{
			{"f", "text/event-stream", opened + sse.String()},
			{"f?envelope=true", "text/event-stream", opened + envelopes.String()},
			{"f?envelope=1", "text/event-stream", opened + envelopes.String()},
			{"f?envelope=false", "text/event-stream", opened + sse.String()},
			{"f", servertest.LinesType, `{"cursor":"` + from + "\"}\n" + lines.String()},
		} {
			r, in := servertest.OpenStream(s, c.path, c.accept, "Last-Event-ID: "+from)
			got := make([]byte, len(c.want))
			if _, err := io.ReadFull(in, got); err != nil || string(got) != c.want {
				t.Errorf("%s as %s: %v\n got %q\nwant %q", c.path, c.accept, err, got, c.want)
			}
			r.Close()
		}
	})
}

func TestStream_Headers(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, accept := range []string{"text/event-stream", servertest.LinesType} {
		r, _ := servertest.OpenStream(s, "f", accept)
		for name, want := range map[string]string{
			"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no", "Vary": "Accept",
			"X-Content-Type-Options": "nosniff", "Content-Type": accept,
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := r.Resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", accept, name, got, want)
			}
		}
		if r.Resp.ContentLength >= 0 {
			t.Errorf("a stream has the length %d", r.Resp.ContentLength)
		}
	}
}

// A stream that has nothing to send shows that it lives, and moves the
// position of a filtered selection; a client takes neither for an item.
func TestStream_SignsOfLife(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	d.Options = api.Options{Timeouts: api.Timeouts{Heartbeat: 20 * time.Millisecond}}
	s := servertest.Start(t, d)
	at := s.Position()
	plain, filtered, lines := servertest.OpenSSE(s, "f"), servertest.OpenSSE(s, "f?event=goal"), servertest.OpenNDJSON(s, "f")
	for range 2 {
		if n := plain.Next(); n.Raw != ":\n\n" {
			t.Errorf("%q came of a silent stream", n.Raw)
		}
		if n := filtered.Next(); n.Raw != ":\n\n" {
			t.Errorf("%q came of a silent filtered stream", n.Raw)
		}
		if n := lines.Next(); n.Raw != `{"cursor":"`+at+"\"}\n" {
			t.Errorf("%q came of a silent stream of lines", n.Raw)
		}
	}
	id := s.Put("f", "x")
	n := filtered.Next()
	for n.Kind == servertest.AComment {
		n = filtered.Next()
	}
	if n.Raw != "id: "+id+"\n\n" {
		t.Errorf("%q came instead of the position %s", n.Raw, id)
	}
	// P3: a reader with that position misses nothing.
	s.PutQuery("f", "event=goal", "goal")
	filtered.MustItems("goal")
	servertest.OpenSSE(s, "f?event=goal&last_event_id="+n.Id).MustItems("goal")
}

func TestStream_HeadIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	id := s.Put("f", "x")
	for _, c := range []struct{ path, accept, typ string }{
		{"/feeds/f", "text/event-stream", "text/event-stream"},
		{"/feeds/f", servertest.LinesType, servertest.LinesType},
		{"/feeds/f", servertest.JSONType, servertest.JSONType},
		{"/feeds/f?wait=30s&since=now", servertest.JSONType, servertest.JSONType},
		{"/feeds/f", "text/html", "text/html; charset=utf-8"},
		{"/feeds", servertest.JSONType, servertest.JSONType},
		{"/feeds/f/items/" + id, "*/*", servertest.JSONType},
		{"/feeds/f/settings", "*/*", servertest.JSONType},
		{"/healthz", "*/*", "text/plain; charset=utf-8"},
		{"/readyz", "*/*", "text/plain; charset=utf-8"},
		{"/metrics", "*/*", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
		{"/", "text/html", "text/html; charset=utf-8"},
	} {
		a := s.Do("HEAD", c.path, "", "Accept: "+c.accept).MustStatus(t, http.StatusOK)
		if a.Body != "" || a.Header.Get("Content-Type") != c.typ {
			t.Errorf("HEAD %s: %q as %q, want %q", c.path, a.Body, a.Header.Get("Content-Type"), c.typ)
		}
	}
	s.Do("HEAD", "/feeds/a..b", "").MustStatus(t, 400)
	s.Do("HEAD", "/feeds/f", "", "Accept: image/png").MustStatus(t, 406)
	s.Do("HEAD", "/nothing", "").MustStatus(t, 404)
	servertest.Eventually(t, "no reader is left", func() bool { return s.Metric("feedd_subscribers") == 0 })
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	const (
		sse     = "text/event-stream"
		html    = "text/html; charset=utf-8"
		chrome  = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
		firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	)
	for _, c := range []struct{ accept, query, want string }{
		{"", "", sse}, {"*/*", "", sse}, {sse, "", sse}, {"text/event-stream, */*", "", sse},
		{servertest.LinesType, "", servertest.LinesType}, {servertest.JSONType, "", servertest.JSONType}, {"application/json, text/plain, */*", "", servertest.JSONType},
		{chrome, "", html}, {firefox, "", html}, {"text/html", "", html},
		{"application/json;q=0.5, text/event-stream", "", sse},
		{"application/json, text/event-stream;q=0.5", "", servertest.JSONType},
		{"text/event-stream;q=0, */*", "", servertest.LinesType},
		{"*/*;q=0.1, application/json", "", servertest.JSONType},
		{"application/json; charset=utf-8", "", servertest.JSONType},
		{"APPLICATION/JSON", "", servertest.JSONType},
		{"application/json;q=0.9,application/x-ndjson;q=0.9", "", servertest.JSONType},
		{"text/*", "", sse},
		{"text/html;q=0, text/*", "", sse},
		{"image/png, application/json;q=0.1", "", servertest.JSONType},
		{"image/png", "", ""}, {"text/event-stream;q=0", "", ""}, {"application/xml", "", ""}, {"nonsense", "", ""},
		{"application/json;q=2", "", ""},
		{"image/png", "format=json", servertest.JSONType}, {chrome, "format=sse", sse}, {chrome, "format=ndjson", servertest.LinesType}, {"", "format=json", servertest.JSONType},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
		req := s.Request(ctx, "GET", "/feeds/f?"+c.query, nil)
		if c.accept != "" {
			req.Header.Set("Accept", c.accept)
		}
		resp, err := s.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := resp.Header.Get("Content-Type")
		if c.want == "" {
			body, _ := io.ReadAll(resp.Body)
			servertest.Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}.MustProblem(t, 406, "not-acceptable")
		} else if got != c.want || resp.StatusCode != http.StatusOK {
			t.Errorf("Accept %q with %q gives %d, %q, want %q", c.accept, c.query, resp.StatusCode, got, c.want)
		}
		if resp.Header.Get("Vary") != "Accept" {
			t.Errorf("Accept %q: Vary is %q", c.accept, resp.Header.Get("Vary"))
		}
		cancel()
		resp.Body.Close()
	}
}

func TestPage_IsServedWithAStrictPolicy(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, path := range []string{"/", "/index.html", "/feeds/news"} {
		a := s.Do("GET", path, "", "Accept: text/html", "Authorization:").MustStatus(t, http.StatusOK)
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.Body, "<title>feedd") {
			t.Errorf("%s: %v %q", path, a.Header, a.Body)
		}
		s.Do("GET", path, "", "Accept: text/html", "If-None-Match: "+a.Header.Get("ETag")).MustStatus(t, http.StatusNotModified)
	}
}

// P1: a reader of several feeds gets each item once, in the order of ids, also
// while many publish.
func TestP1_SelectorsGiveEachItemOnceInOrder(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		s := servertest.Start(t, d)
		from := s.Position()
		feeds := []string{"sports", "sports.football", "sports.football.live", "sports.tennis", "news", "_private", "sportsx"}
		for _, c := range []struct {
			selector string
			want     []string
		}{
			{"sports", []string{"sports"}},
			{"sports,news", []string{"sports", "news"}},
			{"news,sports,news,sports", []string{"sports", "news"}},
			{"*", []string{"sports", "news", "sportsx"}},
			{"**", []string{"sports", "sports.football", "sports.football.live", "sports.tennis", "news", "sportsx"}},
			{"sports.*", []string{"sports.football", "sports.tennis"}},
			{"sports.**", []string{"sports.football", "sports.football.live", "sports.tennis"}},
			{"*.football", []string{"sports.football"}},
			{"*.*.live", []string{"sports.football.live"}},
			{"*.**", []string{"sports.football", "sports.football.live", "sports.tennis"}},
			{"sports.football,sports.*,**", []string{"sports", "sports.football", "sports.football.live", "sports.tennis", "news", "sportsx"}},
			{"sports.%2A", []string{"sports.football", "sports.tennis"}},
			{"sports%2Cnews", []string{"sports", "news"}},
			{"%73ports", []string{"sports"}},
			{"sports%2E%2A%2Cnews", []string{"sports.football", "sports.tennis", "news"}},
		} {
			if !d.Memory && strings.Contains(c.selector, "%") {
				continue // an engine sees no escapes
			}
			live := tr.Open(s, c.selector) // no feed is there yet, the first time
			for _, feed := range feeds {
				if feed[0] != '_' {
					s.Put(feed, feed)
				}
			}
			live.MustItems(c.want...)
			live.Close()
			r := tr.Open(s, c.selector+"?since="+from)
			r.MustItems(c.want...)
			r.Close()
			for _, feed := range feeds {
				if feed[0] != '_' {
					s.Do("DELETE", "/feeds/"+feed+"/items/"+s.Page(feed + "?last=1").Items[0].ID, "").MustStatus(t, 204)
				}
			}
		}
	})
}

func TestP1_ManyPublishersOneOrder(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		from := s.Position()
		var rs []*servertest.Reader
		for _, tr := range servertest.Transports {
			rs = append(rs, tr.Open(s, "a,b,c?since="+from), tr.Open(s, "*?last_event_id="+from))
		}
		const each = 40
		done := make(chan error, 3)
		for _, feed := range []string{"a", "b", "c"} {
			go func() {
				var err error
				for i := range each {
					req := s.Request(context.Background(), "POST", "/feeds/"+feed, strings.NewReader(fmt.Sprint(feed, i)), "Content-Type: text/plain")
					resp, e := s.Client.Do(req)
					if e != nil || resp.StatusCode != http.StatusCreated {
						err = errors.Join(err, e, fmt.Errorf("%v", resp))
						continue
					}
					resp.Body.Close()
				}
				done <- err
			}()
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		var order []string
		for i, r := range rs {
			next := map[byte]int{}
			last := ""
			for n := range 3 * each {
				it := r.Item()
				if it.Id <= last {
					t.Fatalf("reader %d: %s comes after %s", i, it.Id, last)
				}
				last = it.Id
				if want := fmt.Sprint(string(it.Data[0]), next[it.Data[0]]); it.Data != want {
					t.Fatalf("reader %d got %q, want %q", i, it.Data, want)
				}
				next[it.Data[0]]++
				if i == 0 {
					order = append(order, it.Data)
				} else if order[n] != it.Data {
					t.Fatalf("reader %d got %q at %d, another one %q", i, it.Data, n, order[n])
				}
			}
		}
	})
}

// A browser's EventSource stops for good on a 503: a store that fails for a
// while must not do that to it.
func TestStream_StoreThatFailsForAWhile(t *testing.T) {
	t.Parallel()
	f := new(servertest.Faulty)
	s := servertest.Start(t, servertest.Deployment{Memory: true, Window: 1, Wrap: func(e stream.Engine) stream.Engine { f.Engine = e; return f }})
	id := s.Put("f", "1")
	s.Put("f", "2")
	f.Reads.Store(true)
	r := servertest.OpenSSE(s, "f?last=1")
	if n := r.Something(); n.Kind != servertest.Closing || n.Why != "unavailable" || n.Retry == "" {
		t.Errorf("%+v came instead of a closing", n)
	}
	if n := r.Next(); n.Kind != servertest.Ended {
		t.Errorf("%+v came after it", n)
	}
	s.Do("GET", "/feeds/f?last=1", "", "Accept: application/x-ndjson").MustProblem(t, 503, "unavailable")
	s.Get("/feeds/f").MustProblem(t, 503, "unavailable")
	// In the middle of a stream it is a clean end, too.
	r = servertest.OpenSSE(s, "f?last_event_id="+id)
	if n := r.Something(); n.Kind != servertest.Closing && n.Kind != servertest.Ended {
		t.Errorf("%+v came of a store that fails", n)
	}
	f.Reads.Store(false)
	servertest.OpenSSE(s, "f?last_event_id="+id).MustItems("2")
}

// P2: no reader sees an item before it is committed.
func TestP2_NoReaderSeesAnItemBeforeItsCommit(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Options = api.Options{Timeouts: api.Timeouts{Heartbeat: 10 * time.Millisecond}}
		s := servertest.Start(t, d)
		from := s.Position()
		entered, release := s.HoldCommit(t)
		live := servertest.OpenSSE(s, "f")
		answered := make(chan servertest.Answer)
		go func() { answered <- s.Do("POST", "/feeds/f", "x") }()
		<-entered
		for _, path := range []string{"f", "f?since=all", "f?last=1", "f?last_event_id=" + from, "f?wait=20ms"} {
			if p := s.Page(path); len(p.Items) > 0 || p.Cursor != from || p.Gap != nil {
				t.Errorf("%s: %+v", path, p)
			}
		}
		for range 3 {
			if n := live.Next(); n.Kind != servertest.AComment {
				t.Errorf("%+v", n)
			}
		}
		select {
		case a := <-answered:
			t.Errorf("it was answered %d", a.Status)
		default:
		}
		release()
		(<-answered).MustStatus(t, http.StatusCreated)
		live.MustItems("x")
	})
}

func TestStream_EndsWhenTheClientGoes(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, tr := range servertest.Streams {
		r := tr.Open(s, "f")
		servertest.Eventually(t, "it is counted", func() bool { return s.Metric("feedd_subscribers") == 1 })
		r.Close()
		servertest.Eventually(t, "it is gone", func() bool { return s.Metric("feedd_subscribers") == 0 })
	}
	if logs := s.Logs.String(); logs != "" {
		t.Errorf("who goes is nothing to log: %s", logs)
	}
}

// HTTP/1.0, which knows no chunks, gets a stream that ends with the connection.
func TestStream_HTTP10(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	id := s.Put("f", "x")
	c := s.Dial(0)
	fmt.Fprintf(c, "GET /feeds/f?last=1 HTTP/1.0\r\nHost: %s\r\n\r\n", s.Addr)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := servertest.NewSSE(bufio.NewReader(resp.Body))
	e.Note()
	if n := e.Note(); n.Id != id {
		t.Errorf("%+v", n)
	}
}

func TestStream_HTTP2(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	s := servertest.Start(t, d)
	tls := httptest.NewUnstartedServer(s.Api.Handler())
	tls.EnableHTTP2 = true
	tls.StartTLS()
	defer tls.Close()
	s.URL, s.Client = tls.URL, tls.Client()
	id := s.Put("f", "1")
	for _, tr := range servertest.Transports {
		r := tr.Open(s, "f?last=1")
		r.MustItems("1")
		r.Close()
	}
	r := servertest.OpenSSE(s, "f?last_event_id="+id)
	if r.Resp.ProtoMajor != 2 {
		t.Fatalf("it is %s", r.Resp.Proto)
	}
	s.Put("f", "2")
	r.MustItems("2")
	s.Hub.Drain()
	if n := r.Something(); n.Kind != servertest.Closing {
		t.Errorf("%+v", n)
	}
	if n := r.Next(); n.Kind != servertest.Ended {
		t.Errorf("%+v", n)
	}
}

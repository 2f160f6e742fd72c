package api_test

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
	"feedd/internal/stream"
)

// envelope is an item as every transport but plain SSE prints it.
func envelope(s *server, id string) string {
	s.t.Helper()
	for _, it := range s.page("f?since=all").Items {
		if it.ID != id {
			continue
		}
		event := ""
		if it.Event != "" {
			event = `,"event":"` + it.Event + `"`
		}
		return `{"id":"` + id + `","feed":"f"` + event + `,"time":"` + it.Time + `","data":` + string(it.Data) + `}`
	}
	s.t.Fatalf("no item %s", id)
	return ""
}

func TestStream_Bytes(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		from := s.position()
		post := func(query, typ, body string) string {
			var r receipt
			s.do("POST", "/feeds/f?"+query, body, "Content-Type: "+typ).mustStatus(t, http.StatusCreated).decode(t, &r)
			return r.ID
		}
		items := []struct{ id, event, data string }{
			{post("", textType, "hello"), "", "data: hello\n"},
			{post("event=goal", jsonType, `{"a": [1, 2.50]}`), "event: goal\n", "data: {\"a\":[1,2.50]}\n"},
			{post("", textType, "one\ntwo\r\nthree\rfour"), "", "data: one\ndata: two\ndata: three\ndata: four\n"},
			{post("", textType, "ends in a newline\n"), "", "data: ends in a newline\ndata: \n"},
			{post("", textType, "\n\r"), "", "data: \ndata: \ndata: \n"},
			{post("", textType, " two  spaces"), "", "data:  two  spaces\n"},
			{post("", textType, "id: 5\n\nevent: gap\n: x"), "", "data: id: 5\ndata: \ndata: event: gap\ndata: : x\n"},
			{post("event=a:b", textType, "\u2028"), "event: a:b\n", "data: \u2028\n"},
		}
		opened := "retry: 2000\nid: " + from + "\n\n"
		var sse, envelopes, lines strings.Builder
		for _, it := range items {
			e := envelope(s, it.id)
			sse.WriteString(it.event + it.data + "id: " + it.id + "\n\n")
			envelopes.WriteString(it.event + "data: " + e + "\nid: " + it.id + "\n\n")
			lines.WriteString(e + "\n")
		}
		for _, c := range []struct{ path, accept, want string }{
			{"f", "text/event-stream", opened + sse.String()},
			{"f?envelope=true", "text/event-stream", opened + envelopes.String()},
			{"f?envelope=1", "text/event-stream", opened + envelopes.String()},
			{"f?envelope=false", "text/event-stream", opened + sse.String()},
			{"f", linesType, `{"cursor":"` + from + "\"}\n" + lines.String()},
		} {
			r, in := openStream(s, c.path, c.accept, "Last-Event-ID: "+from)
			got := make([]byte, len(c.want))
			if _, err := io.ReadFull(in, got); err != nil || string(got) != c.want {
				t.Errorf("%s as %s: %v\n got %q\nwant %q", c.path, c.accept, err, got, c.want)
			}
			r.close()
		}
	})
}

func TestStream_Headers(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	for _, accept := range []string{"text/event-stream", linesType} {
		r, _ := openStream(s, "f", accept)
		for name, want := range map[string]string{
			"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no", "Vary": "Accept",
			"X-Content-Type-Options": "nosniff", "Content-Type": accept,
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := r.resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", accept, name, got, want)
			}
		}
		if r.resp.ContentLength >= 0 {
			t.Errorf("a stream has the length %d", r.resp.ContentLength)
		}
	}
}

// A stream that has nothing to send shows that it lives, and moves the
// position of a filtered selection; neither is an item to anybody.
func TestStream_SignsOfLife(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	d.options = api.Options{Timeouts: api.Timeouts{Heartbeat: 20 * time.Millisecond}}
	s := start(t, d)
	at := s.position()
	plain, filtered, lines := openSSE(s, "f"), openSSE(s, "f?event=goal"), openNDJSON(s, "f")
	for range 2 {
		if n := plain.next(); n.raw != ":\n\n" {
			t.Errorf("%q came of a silent stream", n.raw)
		}
		if n := filtered.next(); n.raw != ":\n\n" {
			t.Errorf("%q came of a silent filtered stream", n.raw)
		}
		if n := lines.next(); n.raw != `{"cursor":"`+at+"\"}\n" {
			t.Errorf("%q came of a silent stream of lines", n.raw)
		}
	}
	id := s.put("f", "x")
	n := filtered.next()
	for n.kind == aComment {
		n = filtered.next()
	}
	if n.raw != "id: "+id+"\n\n" {
		t.Errorf("%q came instead of the position %s", n.raw, id)
	}
	// P3: whoever has that position misses nothing.
	s.putQuery("f", "event=goal", "goal")
	filtered.mustItems("goal")
	openSSE(s, "f?event=goal&last_event_id="+n.id).mustItems("goal")
}

func TestStream_HeadIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	id := s.put("f", "x")
	for _, c := range []struct{ path, accept, typ string }{
		{"/feeds/f", "text/event-stream", "text/event-stream"},
		{"/feeds/f", linesType, linesType},
		{"/feeds/f", jsonType, jsonType},
		{"/feeds/f?wait=30s&since=now", jsonType, jsonType},
		{"/feeds/f", "text/html", "text/html; charset=utf-8"},
		{"/feeds", jsonType, jsonType},
		{"/feeds/f/items/" + id, "*/*", jsonType},
		{"/feeds/f/settings", "*/*", jsonType},
		{"/healthz", "*/*", "text/plain; charset=utf-8"},
		{"/readyz", "*/*", "text/plain; charset=utf-8"},
		{"/metrics", "*/*", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
		{"/", "text/html", "text/html; charset=utf-8"},
	} {
		a := s.do("HEAD", c.path, "", "Accept: "+c.accept).mustStatus(t, http.StatusOK)
		if a.body != "" || a.header.Get("Content-Type") != c.typ {
			t.Errorf("HEAD %s: %q as %q, want %q", c.path, a.body, a.header.Get("Content-Type"), c.typ)
		}
	}
	s.do("HEAD", "/feeds/a..b", "").mustStatus(t, 400)
	s.do("HEAD", "/feeds/f", "", "Accept: image/png").mustStatus(t, 406)
	s.do("HEAD", "/nothing", "").mustStatus(t, 404)
	eventually(t, "no reader is left", func() bool { return s.metric("feedd_subscribers") == 0 })
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	const (
		sse     = "text/event-stream"
		html    = "text/html; charset=utf-8"
		chrome  = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
		firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	)
	for _, c := range []struct{ accept, query, want string }{
		{"", "", sse}, {"*/*", "", sse}, {sse, "", sse}, {"text/event-stream, */*", "", sse},
		{linesType, "", linesType}, {jsonType, "", jsonType}, {"application/json, text/plain, */*", "", jsonType},
		{chrome, "", html}, {firefox, "", html}, {"text/html", "", html},
		{"application/json;q=0.5, text/event-stream", "", sse},
		{"application/json, text/event-stream;q=0.5", "", jsonType},
		{"text/event-stream;q=0, */*", "", linesType},
		{"*/*;q=0.1, application/json", "", jsonType},
		{"application/json; charset=utf-8", "", jsonType},
		{"APPLICATION/JSON", "", jsonType},
		{"application/json;q=0.9,application/x-ndjson;q=0.9", "", jsonType},
		{"text/*", "", sse},
		{"text/html;q=0, text/*", "", sse},
		{"image/png, application/json;q=0.1", "", jsonType},
		{"image/png", "", ""}, {"text/event-stream;q=0", "", ""}, {"application/xml", "", ""}, {"nonsense", "", ""},
		{"application/json;q=2", "", ""},
		{"image/png", "format=json", jsonType}, {chrome, "format=sse", sse}, {chrome, "format=ndjson", linesType}, {"", "format=json", jsonType},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		req := s.request(ctx, "GET", "/feeds/f?"+c.query, nil)
		if c.accept != "" {
			req.Header.Set("Accept", c.accept)
		}
		resp, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := resp.Header.Get("Content-Type")
		if c.want == "" {
			body, _ := io.ReadAll(resp.Body)
			answer{resp.StatusCode, resp.Header, string(body)}.mustProblem(t, 406, "not-acceptable")
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
	s := start(t, deployment{memory: true})
	for _, path := range []string{"/", "/index.html", "/feeds/news"} {
		a := s.do("GET", path, "", "Accept: text/html", "Authorization:").mustStatus(t, http.StatusOK)
		csp := a.header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.body, "<title>feedd") {
			t.Errorf("%s: %v %q", path, a.header, a.body)
		}
		s.do("GET", path, "", "Accept: text/html", "If-None-Match: "+a.header.Get("ETag")).mustStatus(t, http.StatusNotModified)
	}
}

// P1: a reader of several feeds gets each item once, in the order of ids, also
// while many publish.
func TestP1_SelectorsGiveEachItemOnceInOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		s := start(t, d)
		from := s.position()
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
			if !d.memory && strings.Contains(c.selector, "%") {
				continue // an engine sees no escapes
			}
			live := tr.open(s, c.selector) // no feed is there yet, the first time
			for _, feed := range feeds {
				if feed[0] != '_' {
					s.put(feed, feed)
				}
			}
			live.mustItems(c.want...)
			live.close()
			r := tr.open(s, c.selector+"?since="+from)
			r.mustItems(c.want...)
			r.close()
			for _, feed := range feeds {
				if feed[0] != '_' {
					s.do("DELETE", "/feeds/"+feed+"/items/"+s.page(feed + "?last=1").Items[0].ID, "").mustStatus(t, 204)
				}
			}
		}
	})
}

func TestP1_ManyPublishersOneOrder(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		from := s.position()
		var rs []*reader
		for _, tr := range transports {
			rs = append(rs, tr.open(s, "a,b,c?since="+from), tr.open(s, "*?last_event_id="+from))
		}
		const each = 40
		done := make(chan error, 3)
		for _, feed := range []string{"a", "b", "c"} {
			go func() {
				var err error
				for i := range each {
					req := s.request(context.Background(), "POST", "/feeds/"+feed, strings.NewReader(fmt.Sprint(feed, i)), "Content-Type: text/plain")
					resp, e := s.client.Do(req)
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
				it := r.item()
				if it.id <= last {
					t.Fatalf("reader %d: %s comes after %s", i, it.id, last)
				}
				last = it.id
				if want := fmt.Sprint(string(it.data[0]), next[it.data[0]]); it.data != want {
					t.Fatalf("reader %d got %q, want %q", i, it.data, want)
				}
				next[it.data[0]]++
				if i == 0 {
					order = append(order, it.data)
				} else if order[n] != it.data {
					t.Fatalf("reader %d got %q at %d, another one %q", i, it.data, n, order[n])
				}
			}
		}
	})
}

// A browser's EventSource stops for good on a 503: a store that fails for a
// while must not do that to it.
func TestStream_StoreThatFailsForAWhile(t *testing.T) {
	t.Parallel()
	f := new(faulty)
	s := start(t, deployment{memory: true, window: 1, wrap: func(e stream.Engine) stream.Engine { f.Engine = e; return f }})
	id := s.put("f", "1")
	s.put("f", "2")
	f.reads.Store(true)
	r := openSSE(s, "f?last=1")
	if n := r.something(); n.kind != closing || n.why != "unavailable" || n.retry == "" {
		t.Errorf("%+v came instead of a closing", n)
	}
	if n := r.next(); n.kind != ended {
		t.Errorf("%+v came after it", n)
	}
	s.do("GET", "/feeds/f?last=1", "", "Accept: application/x-ndjson").mustProblem(t, 503, "unavailable")
	s.get("/feeds/f").mustProblem(t, 503, "unavailable")
	// In the middle of a stream it is a clean end, too.
	r = openSSE(s, "f?last_event_id="+id)
	if n := r.something(); n.kind != closing && n.kind != ended {
		t.Errorf("%+v came of a store that fails", n)
	}
	f.reads.Store(false)
	openSSE(s, "f?last_event_id="+id).mustItems("2")
}

// P2: no reader sees an item before it is committed.
func TestP2_NoReaderSeesAnItemBeforeItsCommit(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.options = api.Options{Timeouts: api.Timeouts{Heartbeat: 10 * time.Millisecond}}
		s := start(t, d)
		from := s.position()
		entered, release := s.holdCommit(t)
		live := openSSE(s, "f")
		answered := make(chan answer)
		go func() { answered <- s.do("POST", "/feeds/f", "x") }()
		<-entered
		for _, path := range []string{"f", "f?since=all", "f?last=1", "f?last_event_id=" + from, "f?wait=20ms"} {
			if p := s.page(path); len(p.Items) > 0 || p.Cursor != from || p.Gap != nil {
				t.Errorf("%s: %+v", path, p)
			}
		}
		for range 3 {
			if n := live.next(); n.kind != aComment {
				t.Errorf("%+v", n)
			}
		}
		select {
		case a := <-answered:
			t.Errorf("it was answered %d", a.status)
		default:
		}
		release()
		(<-answered).mustStatus(t, http.StatusCreated)
		live.mustItems("x")
	})
}

func TestStream_EndsWhenTheClientGoes(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	for _, tr := range streams {
		r := tr.open(s, "f")
		eventually(t, "it is counted", func() bool { return s.metric("feedd_subscribers") == 1 })
		r.close()
		eventually(t, "it is gone", func() bool { return s.metric("feedd_subscribers") == 0 })
	}
	if logs := s.logs.String(); logs != "" {
		t.Errorf("who goes is nothing to log: %s", logs)
	}
}

// HTTP/1.0, which knows no chunks, gets a stream that ends with the connection.
func TestStream_HTTP10(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	id := s.put("f", "x")
	c := s.dial(0)
	fmt.Fprintf(c, "GET /feeds/f?last=1 HTTP/1.0\r\nHost: %s\r\n\r\n", s.addr)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := newSSE(bufio.NewReader(resp.Body))
	e.note()
	if n := e.note(); n.id != id {
		t.Errorf("%+v", n)
	}
}

func TestStream_HTTP2(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	s := start(t, d)
	tls := httptest.NewUnstartedServer(s.api.Handler())
	tls.EnableHTTP2 = true
	tls.StartTLS()
	defer tls.Close()
	s.url, s.client = tls.URL, tls.Client()
	id := s.put("f", "1")
	for _, tr := range transports {
		r := tr.open(s, "f?last=1")
		r.mustItems("1")
		r.close()
	}
	r := openSSE(s, "f?last_event_id="+id)
	if r.resp.ProtoMajor != 2 {
		t.Fatalf("it is %s", r.resp.Proto)
	}
	s.put("f", "2")
	r.mustItems("2")
	s.hub.Drain()
	if n := r.something(); n.kind != closing {
		t.Errorf("%+v", n)
	}
	if n := r.next(); n.kind != ended {
		t.Errorf("%+v", n)
	}
}

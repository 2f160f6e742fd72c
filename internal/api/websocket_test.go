package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"feedd/internal/api"
	"feedd/internal/publish"
)

// dialSocket opens a WebSocket to a feed.
func (s *server) dialSocket(path string, headers ...string) (*websocket.Conn, *http.Response, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	req := s.request(ctx, "GET", "/feeds/"+path, nil, headers...)
	return websocket.Dial(ctx, s.url+req.URL.RequestURI(), &websocket.DialOptions{HTTPHeader: req.Header, HTTPClient: s.client})
}

func openSocket(s *server, path string, headers ...string) *reader {
	s.t.Helper()
	conn, resp, err := s.dialSocket(path, headers...)
	if err != nil {
		s.t.Fatalf("WebSocket %s: %v %+v", path, err, resp)
	}
	conn.SetReadLimit(64 << 20)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r := &reader{t: s.t, cancel: func() { conn.CloseNow(); cancel() }}
	s.t.Cleanup(r.close)
	r.next = func() note {
		kind, b, err := conn.Read(ctx)
		if err != nil {
			if code := websocket.CloseStatus(err); code != -1 {
				return note{kind: ended, why: err.Error()}
			}
			return note{kind: broken}
		}
		if kind != websocket.MessageText || strings.HasSuffix(string(b), "\n") {
			s.t.Fatalf("a frame of kind %v: %q", kind, b)
		}
		return noteOf(s.t, string(b))
	}
	r.begin()
	return r
}

func frame(t testing.TB, conn *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, b, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func say(t testing.TB, conn *websocket.Conn, kind websocket.MessageType, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := conn.Write(ctx, kind, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// mustClose reads until the server has closed, and checks how.
func mustClose(t testing.TB, conn *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, _, err := conn.Read(ctx)
		if err == nil {
			continue
		}
		var e websocket.CloseError
		if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Reason, reason) {
			t.Errorf("%v, want the code %d and %q", err, code, reason)
		}
		return
	}
}

func TestWebSocket_ClientsPublishAndAreAnswered(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		a, _, err := s.dialSocket("chat")
		if err != nil {
			t.Fatal(err)
		}
		defer a.CloseNow()
		b, _, err := s.dialSocket("chat")
		if err != nil {
			t.Fatal(err)
		}
		defer b.CloseNow()
		frame(t, a)
		frame(t, b)
		say(t, a, websocket.MessageText, `{"ref":"1","event":"broadcast","data":{"text":"hi"},"key":"k"}`)
		// The answer and the item come in any order; everybody gets the item,
		// its sender too.
		var answer, item string
		for range 2 {
			if f := frame(t, a); strings.Contains(f, `"ref"`) {
				answer = f
			} else {
				item = f
			}
		}
		if other := frame(t, b); other != item {
			t.Errorf("the sender got %s, the other %s", item, other)
		}
		n := noteOf(t, item)
		if n.event != "broadcast" || n.data != `{"text":"hi"}` || n.feed != "chat" {
			t.Errorf("%s", item)
		}
		if want := `{"ref":"1","id":"` + n.id + `"}`; answer != want {
			t.Errorf("the answer is %s, want %s", answer, want)
		}
		// P7: a repeat is answered as the first was, and stored once.
		say(t, b, websocket.MessageText, `{"ref":"2","feed":"chat","event":"broadcast","data":{"text":"hi"},"key":"k"}`)
		if got, want := frame(t, b), `{"ref":"2","id":"`+n.id+`"}`; got != want {
			t.Errorf("the repeat's answer is %s, want %s", got, want)
		}
		s.mustStore(1)
	})
}

func TestBadInput_FramesAreRefusedAndNothingStored(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Publish: publish.Limits{MaxItemBytes: 100}}})
	conn, _, err := s.dialSocket("a,b")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	frame(t, conn)
	for _, c := range []struct{ frame, ref, typ string }{
		{`{`, "", "bad-frame"},
		{`7`, "", "bad-frame"},
		{`{"ref":"1"}`, "1", "bad-frame"},
		{`{"ref":"2","data":1}`, "2", "bad-frame"}, // which of the feeds?
		{`{"ref":"3","feed":"a b","data":1}`, "3", "bad-frame"},
		{`{"ref":"4","feed":"_stats","data":1}`, "4", "forbidden"},
		{`{"ref":"5","feed":"a","data":"` + strings.Repeat("x", 200) + `"}`, "5", "too-large"},
		{`{"ref":"6","feed":"a","data":1,"event":"gap"}`, "6", "bad-frame"},
	} {
		say(t, conn, websocket.MessageText, c.frame)
		var got struct {
			Ref   string
			Error problem
		}
		answer{body: frame(t, conn)}.decode(t, &got)
		if got.Ref != c.ref || got.Error.Type != c.typ || got.Error.Status == 0 || got.Error.Title == "" {
			t.Errorf("%.40s is answered %+v, want ref %q and type %s", c.frame, got, c.ref, c.typ)
		}
	}
	s.mustStore(0)
	anyone, _, err := s.dialSocket("a", "Authorization:")
	if err != nil {
		t.Fatal(err)
	}
	defer anyone.CloseNow()
	frame(t, anyone)
	say(t, anyone, websocket.MessageText, `{"ref":"1","data":1}`)
	if f := frame(t, anyone); !strings.Contains(f, `"status":401`) {
		t.Errorf("P8: whoever has no key is answered %s", f)
	}
	s.mustStore(0)
}

func TestBadInput_FramesThatEndTheSocket(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Publish: publish.Limits{MaxItemBytes: 100}}})
	for _, c := range []struct {
		name string
		kind websocket.MessageType
		text string
		code websocket.StatusCode
	}{
		{"binary", websocket.MessageBinary, `{"data":1}`, websocket.StatusUnsupportedData},
		{"not UTF-8", websocket.MessageText, "{\"data\":\"\xff\"}", websocket.StatusInvalidFramePayloadData},
		{"too large", websocket.MessageText, `{"data":"` + strings.Repeat("x", 20_000) + `"}`, websocket.StatusMessageTooBig},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, _, err := s.dialSocket("f")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			say(t, conn, c.kind, c.text)
			mustClose(t, conn, c.code, "")
			s.mustStore(0)
		})
	}
	eventually(t, "they have left", func() bool { return s.metric("feedd_subscribers") == 0 })
}

func TestBadInput_HandshakesThatAreNone(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for _, c := range []struct {
		name    string
		status  int
		typ     string
		headers []string
	}{
		{"a page of another origin", 403, "cross-origin", append([]string{"Origin: https://evil.example"}, upgrade...)},
		{"another port", 403, "cross-origin", append([]string{"Origin: http://127.0.0.1:1"}, upgrade...)},
		{"a sandboxed page", 403, "cross-origin", append([]string{"Origin: null"}, upgrade...)},
		{"an old version", 400, "bad-request", []string{upgrade[0], upgrade[1], "Sec-WebSocket-Version: 8", upgrade[3]}},
		{"no key", 400, "bad-request", upgrade[:3]},
		{"a bad key", 400, "bad-request", append(slices.Clone(upgrade[:3]), "Sec-WebSocket-Key: x")},
	} {
		t.Run(c.name, func(t *testing.T) { s.get("/feeds/f", c.headers...).mustProblem(t, c.status, c.typ) })
	}
	s.get("/feeds/f?last=x", upgrade...).mustProblem(t, 400, "bad-query")
	s.get("/feeds/f..", upgrade...).mustProblem(t, 400, "bad-selector")
	same := append([]string{"Origin: " + s.url}, upgrade...)
	conn, _, err := s.dialSocket("f", same[0])
	if err != nil {
		t.Fatalf("a page of our own is refused: %v", err)
	}
	conn.CloseNow()
	eventually(t, "they have left", func() bool { return s.metric("feedd_subscribers") == 0 })
}

// P9: a WebSocket is told why it ends, and where to go on, in a frame and in
// the reason of the close.
func TestP9_WebSocketsAreClosedWithTheCursor(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	r := openSocket(s, "f")
	id := s.put("f", "x")
	r.mustItems("x")
	s.hub.Drain()
	if n := r.something(); n.kind != closing || n.id != id || n.why != "draining" {
		t.Errorf("%+v", n)
	}
	n := r.something()
	if n.kind != ended || !strings.Contains(n.why, "1012") && !strings.Contains(n.why, "StatusServiceRestart") || !strings.Contains(n.why, id) {
		t.Errorf("%+v", n)
	}
	if _, resp, err := s.dialSocket("f"); err == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a new one gets %v %+v", err, resp)
	}
}

// P5: a client that does not answer pings is gone.
func TestP5_WebSocketsThatDoNotAnswerAreCut(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Timeouts: api.Timeouts{Heartbeat: 50 * time.Millisecond, Stall: 300 * time.Millisecond, Farewell: hasty}}})
	conn, _, err := s.dialSocket("f") // nobody reads it, so no ping is answered
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	eventually(t, "it is cut", func() bool { return s.metric("feedd_subscribers_cut_total") == 1 })
}

// P5: a client that reads nothing is a cursor that lags, and is cut when it
// takes nothing for stall_timeout; it resumes without a loss.
func TestP5_WebSocketThatStalls(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, sendBuffer: 4096, options: api.Options{Timeouts: api.Timeouts{Stall: 300 * time.Millisecond, Farewell: hasty}}})
	from := s.position()
	c := s.dial(4096)
	fmt.Fprintf(c, "GET /feeds/f HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", s.addr)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %+v", err, resp)
	}
	s.putMany("f", 0, 300, 2000)
	eventually(t, "it is cut", func() bool { return s.metric("feedd_subscribers_cut_total") == 1 })
	r := openSocket(s, "f?last_event_id="+from)
	for i, last := 0, from; i < 300; {
		it := r.something()
		if it.kind != anItem { // on a busy machine it may be cut again
			r.close()
			r = openSocket(s, "f?last_event_id="+last)
			continue
		}
		if n := number(t, it.data); n != i {
			t.Fatalf("item %d came, want %d", n, i)
		}
		i, last = i+1, it.id
	}
}

package socket_test

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
	"feedd/internal/server/servertest"
)

// mustClose reads until the server has closed, and checks how.
func mustClose(t testing.TB, conn *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), servertest.Patience)
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
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		a, _, err := s.DialSocket("chat")
		if err != nil {
			t.Fatal(err)
		}
		defer a.CloseNow()
		b, _, err := s.DialSocket("chat")
		if err != nil {
			t.Fatal(err)
		}
		defer b.CloseNow()
		servertest.Frame(t, a)
		servertest.Frame(t, b)
		servertest.Say(t, a, websocket.MessageText, `{"ref":"1","event":"broadcast","data":{"text":"hi"},"key":"k"}`)
		// The answer and the item come in any order; everybody gets the item,
		// its sender too.
		var answer, item string
		for range 2 {
			if f := servertest.Frame(t, a); strings.Contains(f, `"ref"`) {
				answer = f
			} else {
				item = f
			}
		}
		if other := servertest.Frame(t, b); other != item {
			t.Errorf("the sender got %s, the other %s", item, other)
		}
		n := servertest.NoteOf(t, item)
		if n.Event != "broadcast" || n.Data != `{"text":"hi"}` || n.Feed != "chat" {
			t.Errorf("%s", item)
		}
		if want := `{"ref":"1","id":"` + n.Id + `"}`; answer != want {
			t.Errorf("the answer is %s, want %s", answer, want)
		}
		// P7: a repeat is answered as the first was, and stored once.
		servertest.Say(t, b, websocket.MessageText, `{"ref":"2","feed":"chat","event":"broadcast","data":{"text":"hi"},"key":"k"}`)
		if got, want := servertest.Frame(t, b), `{"ref":"2","id":"`+n.Id+`"}`; got != want {
			t.Errorf("the repeat's answer is %s, want %s", got, want)
		}
		s.MustStore(1)
	})
}

func TestBadInput_FramesAreRefusedAndNothingStored(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Publish: publish.Limits{MaxItemBytes: 100}}})
	conn, _, err := s.DialSocket("a,b")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	servertest.Frame(t, conn)
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
		servertest.Say(t, conn, websocket.MessageText, c.frame)
		var got struct {
			Ref   string
			Error servertest.Problem
		}
		servertest.Answer{Body: servertest.Frame(t, conn)}.Decode(t, &got)
		if got.Ref != c.ref || got.Error.Type != c.typ || got.Error.Status == 0 || got.Error.Title == "" {
			t.Errorf("%.40s is answered %+v, want ref %q and type %s", c.frame, got, c.ref, c.typ)
		}
	}
	s.MustStore(0)
	anyone, _, err := s.DialSocket("a", "Authorization:")
	if err != nil {
		t.Fatal(err)
	}
	defer anyone.CloseNow()
	servertest.Frame(t, anyone)
	servertest.Say(t, anyone, websocket.MessageText, `{"ref":"1","data":1}`)
	if f := servertest.Frame(t, anyone); !strings.Contains(f, `"status":401`) {
		t.Errorf("P8: whoever has no key is answered %s", f)
	}
	s.MustStore(0)
}

func TestBadInput_FramesThatEndTheSocket(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Publish: publish.Limits{MaxItemBytes: 100}}})
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
			conn, _, err := s.DialSocket("f")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			servertest.Say(t, conn, c.kind, c.text)
			mustClose(t, conn, c.code, "")
			s.MustStore(0)
		})
	}
	servertest.Eventually(t, "they have left", func() bool { return s.Metric("feedd_subscribers") == 0 })
}

func TestBadInput_HandshakesThatAreNone(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
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
		t.Run(c.name, func(t *testing.T) { s.Get("/feeds/f", c.headers...).MustProblem(t, c.status, c.typ) })
	}
	s.Get("/feeds/f?last=x", upgrade...).MustProblem(t, 400, "bad-query")
	s.Get("/feeds/f..", upgrade...).MustProblem(t, 400, "bad-selector")
	same := append([]string{"Origin: " + s.URL}, upgrade...)
	conn, _, err := s.DialSocket("f", same[0])
	if err != nil {
		t.Fatalf("a page of our own is refused: %v", err)
	}
	conn.CloseNow()
	servertest.Eventually(t, "they have left", func() bool { return s.Metric("feedd_subscribers") == 0 })
}

// P9: a WebSocket is told why it ends, and where to go on, in a frame and in
// the reason of the close.
func TestP9_WebSocketsAreClosedWithTheCursor(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	r := servertest.OpenSocket(s, "f")
	id := s.Put("f", "x")
	r.MustItems("x")
	s.Hub.Drain()
	if n := r.Something(); n.Kind != servertest.Closing || n.Id != id || n.Why != "draining" {
		t.Errorf("%+v", n)
	}
	n := r.Something()
	if n.Kind != servertest.Ended || !strings.Contains(n.Why, "1012") && !strings.Contains(n.Why, "StatusServiceRestart") || !strings.Contains(n.Why, id) {
		t.Errorf("%+v", n)
	}
	if _, resp, err := s.DialSocket("f"); err == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a new one gets %v %+v", err, resp)
	}
}

// P5: a client that does not answer pings is gone.
func TestP5_WebSocketsThatDoNotAnswerAreCut(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Heartbeat: 50 * time.Millisecond, Stall: 300 * time.Millisecond, Farewell: hasty}}})
	conn, _, err := s.DialSocket("f") // it is not read, so no ping is answered
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	servertest.Eventually(t, "it is cut", func() bool { return s.Metric("feedd_subscribers_cut_total") == 1 })
}

// P5: a client that reads nothing is a cursor that lags, and is cut when it
// takes nothing for stall_timeout; it resumes without a loss.
func TestP5_WebSocketThatStalls(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 4096, Options: api.Options{Timeouts: api.Timeouts{Stall: 300 * time.Millisecond, Farewell: hasty}}})
	from := s.Position()
	c := s.Dial(4096)
	fmt.Fprintf(c, "GET /feeds/f HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", s.Addr)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %+v", err, resp)
	}
	s.PutMany("f", 0, 300, 2000)
	servertest.Eventually(t, "it is cut", func() bool { return s.Metric("feedd_subscribers_cut_total") == 1 })
	r := servertest.OpenSocket(s, "f?last_event_id="+from)
	for i, last := 0, from; i < 300; {
		it := r.Something()
		if it.Kind != servertest.AnItem { // on a busy machine it may be cut again
			r.Close()
			r = servertest.OpenSocket(s, "f?last_event_id="+last)
			continue
		}
		if n := servertest.Number(t, it.Data); n != i {
			t.Fatalf("item %d came, want %d", n, i)
		}
		i, last = i+1, it.Id
	}
}

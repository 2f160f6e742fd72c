package servertest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"feedd/internal/api"
)

// DialSocket opens a WebSocket to a feed.
func (s *Server) DialSocket(path string, headers ...string) (*websocket.Conn, *http.Response, error) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	s.T.Cleanup(cancel)
	req := s.Request(ctx, "GET", "/feeds/"+path, nil, headers...)
	return websocket.Dial(ctx, s.URL+req.URL.RequestURI(), &websocket.DialOptions{HTTPHeader: req.Header, HTTPClient: s.Client})
}

func OpenSocket(s *Server, path string, headers ...string) *Reader {
	s.T.Helper()
	conn, resp, err := s.DialSocket(path, headers...)
	if err != nil {
		s.T.Fatalf("WebSocket %s: %v %+v", path, err, resp)
	}
	conn.SetReadLimit(64 << 20)
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	r := &Reader{t: s.T, cancel: func() { conn.CloseNow(); cancel() }}
	s.T.Cleanup(r.Close)
	r.Next = func() Note {
		kind, b, err := conn.Read(ctx)
		if err != nil {
			if code := websocket.CloseStatus(err); code != -1 {
				return Note{Kind: Ended, Why: err.Error()}
			}
			return Note{Kind: Broken}
		}
		if kind != websocket.MessageText || strings.HasSuffix(string(b), "\n") {
			s.T.Fatalf("a frame of kind %v: %q", kind, b)
		}
		return NoteOf(s.T, string(b))
	}
	r.begin()
	return r
}

func Frame(t testing.TB, conn *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	_, b, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func Say(t testing.TB, conn *websocket.Conn, kind websocket.MessageType, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := conn.Write(ctx, kind, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// Legacy has both legacy feeds, closed to clients without a credential.
var Legacy = api.Legacy{Feed: "main", Chat: "chat"}

// DialChat opens a WebSocket to /chat, without a key.
func (s *Server) DialChat() (*websocket.Conn, *http.Response, error) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	s.T.Cleanup(cancel)
	return websocket.Dial(ctx, s.URL+"/chat", &websocket.DialOptions{HTTPClient: s.Client})
}

package browser_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"feedd/e2e/browser"
	"feedd/e2e/harness"
)

// talk returns what the server has in its chat, as a page for it shows it.
func talk(t *testing.T, s *harness.Server) []browser.ChatRow {
	t.Helper()
	var rows []browser.ChatRow
	for from, more := "since=all", true; more; {
		_, body := s.Do("GET", "/feeds/chat?format=json&limit=1000&"+from, "", "")
		var page struct {
			Items []struct {
				ID   string
				Data struct{ Name, Text string }
			}
			Cursor string
			More   bool
		}
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		for _, item := range page.Items {
			rows = append(rows, browser.ChatRow{ID: item.ID, Name: item.Data.Name, Text: item.Data.Text})
		}
		from, more = "last_event_id="+page.Cursor, page.More
	}
	return rows
}

// stored returns the texts that the server has in its chat.
func stored(t *testing.T, s *harness.Server) (texts []string) {
	t.Helper()
	_, body := s.Do("GET", "/feeds/chat?format=json&limit=1000", "", "")
	var page struct {
		Items []struct {
			Event string
			Data  struct{ Name, Text string }
		}
	}
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, item := range page.Items {
		if item.Event != "broadcast" || item.Data.Name == "" {
			t.Errorf("stored is %+v", item)
		}
		texts = append(texts, item.Data.Text)
	}
	return texts
}

// flood posts to the chat as fast as it can, until stop is called.
func flood(t *testing.T, s *harness.Server) (stop func()) {
	var over atomic.Bool
	var flooding sync.WaitGroup
	flooding.Go(func() {
		for !over.Load() {
			resp, err := http.Post(s.URL()+"/chat", "text/plain", strings.NewReader("flood"))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		}
	})
	stop = sync.OnceFunc(func() {
		over.Store(true)
		flooding.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// chatClient is a client of the chat that is no page.
type chatClient struct {
	conn  *websocket.Conn
	texts []string
}

func newChatClient(t *testing.T, s *harness.Server) *chatClient {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), s.URL()+"/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return &chatClient{conn: conn}
}

func (c *chatClient) say(t *testing.T, data any) {
	t.Helper()
	frame, err := json.Marshal(map[string]any{"event": "broadcast", "data": data})
	if err == nil {
		err = c.conn.Write(t.Context(), websocket.MessageText, frame)
	}
	if err != nil {
		t.Error(err)
	}
}

// hear reads messages until there are n.
func (c *chatClient) hear(t *testing.T, n int) {
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	for len(c.texts) < n {
		_, b, err := c.conn.Read(ctx)
		if err != nil {
			t.Errorf("after %d messages: %v", len(c.texts), err)
			return
		}
		var frame struct {
			Feed string
			Data struct{ Text string }
		}
		if err := json.Unmarshal(b, &frame); err != nil {
			t.Error(err)
		}
		if frame.Feed != "" {
			c.texts = append(c.texts, frame.Data.Text)
		}
	}
}

// refusesUpgrades is a front as some proxies are: it lets no WebSocket through.
func refusesUpgrades(s *harness.Server) string {
	return s.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		return false
	})
}

// emptyOnce answers the first page of the chat with nothing before the position
// 1, so that what there is comes by the WebSocket of the test.
func emptyOnce() func(w http.ResponseWriter, r *http.Request) bool {
	var asked atomic.Bool
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/feeds/chat" || asked.Swap(true) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"items":[],"cursor":"1","more":false}`)
		return true
	}
}

// closeWith opens a WebSocket, sends frames, and closes it.
func closeWith(w http.ResponseWriter, r *http.Request, code websocket.StatusCode, reason string, frames ...string) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for _, frame := range frames {
		if conn.Write(r.Context(), websocket.MessageText, []byte(frame)) != nil {
			return
		}
	}
	conn.Close(code, reason)
}

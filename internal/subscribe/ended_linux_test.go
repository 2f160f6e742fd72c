package subscribe_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/subscribe"
)

// A peer that is not read while it waits: its end lies behind what it sent.

// waits are the ways to wait in which what the peer sends is not read: in a
// shard, and in goroutines.
func waits(t *testing.T, s *servertest.Server) map[string]func() (net.Conn, string) {
	t.Helper()
	session := ""
	for _, c := range (&http.Response{Header: s.Do("POST", "/session", `{"key":"`+servertest.Key+`"}`, "Content-Type: application/json").Header}).Cookies() {
		session = c.String()
	}
	overTCP := func(request string) func() (net.Conn, string) {
		return func() (net.Conn, string) { return s.Dial(0), request }
	}
	unix := s.UnixSocket(t)
	return map[string]func() (net.Conn, string){
		"tcp":      overTCP("GET /feeds/open?format=json&wait=60s HTTP/1.1"),
		"pattern":  overTCP("GET /feeds/*?format=json&wait=60s HTTP/1.1"),
		"HTTP/1.0": overTCP("GET /feeds/open?format=json&wait=60s HTTP/1.0"),
		"not kept": overTCP("GET /feeds/open?format=json&wait=60s HTTP/1.1\r\nConnection: close"),
		"old page": overTCP("GET /real_time_feed HTTP/1.1"),
		"own feed": overTCP("GET /feeds/_stats?format=json&wait=60s HTTP/1.1\r\nAuthorization: Bearer " + servertest.Key),
		"session":  overTCP("GET /feeds/closed?format=json&wait=60s HTTP/1.1\r\nCookie: " + session),
		"unix socket": func() (net.Conn, string) {
			return unix(), "GET /feeds/open?format=json&wait=60s HTTP/1.1"
		},
		"a stream with a session": overTCP("GET /feeds/closed HTTP/1.1\r\nCookie: " + session),
		"a stream over a unix socket": func() (net.Conn, string) {
			return unix(), "GET /feeds/open HTTP/1.1"
		},
		"a stream": overTCP("GET /feeds/open HTTP/1.1"),
	}
}

var waysOfPolls = []string{"tcp", "pattern", "HTTP/1.0", "not kept", "old page", "own feed", "session", "unix socket"}

// waitingServer returns a server, and how many requests it was asked.
func waitingServer(t *testing.T) (s *servertest.Server, begun *atomic.Int64) {
	begun = new(atomic.Int64)
	around := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun.Add(1)
			next.ServeHTTP(w, r)
		})
	}
	return servertest.Start(t, servertest.Deployment{Memory: true, Around: around, Readers: func(feed string) bool { return feed != "closed" && feed != "_stats" }, Options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1000}, Timeouts: api.Timeouts{Heartbeat: time.Hour}, Legacy: api.Legacy{Feed: "open"}}}), begun
}

// P5: a client that is gone takes no place for the rest of its wait, whatever
// it had sent before.
func TestP5_UnreadInputHidesNoEnd(t *testing.T) {
	t.Parallel()
	const head = "\r\nHost: localhost\r\n\r\n"
	behind := map[string]string{
		"a byte":                     "x",
		"a line":                     "\r\n",
		"a request":                  "GET /feeds/open?format=json&wait=60s HTTP/1.1" + head,
		"half a request":             "GET /feeds/open?form",
		"more than is read at once":  strings.Repeat("GET /feeds/open?format=json&wait=60s HTTP/1.1"+head, 100),
		"more than the kernel takes": strings.Repeat("x", 4<<20),
	}
	for _, name := range append(waysOfPolls, "a stream", "a stream with a session", "a stream over a unix socket") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			type client struct {
				what  string
				s     *servertest.Server // its own: who waits is counted there
				begun *atomic.Int64
				conn  net.Conn
			}
			var clients []client
			for what, bytes := range behind {
				for _, later := range []bool{false, true} {
					s, begun := waitingServer(t)
					dial := waits(t, s)[name]
					begun.Store(0)
					conn, request := dial()
					request += head
					if later {
						io.WriteString(conn, request)
						servertest.Eventually(t, what+" later: it waits", func() bool { return s.Subscribers() == 1 })
						request, what = "", what+" later"
					}
					const surely = 32 << 10 // what the kernel takes in any case
					now := min(len(bytes), surely)
					if _, err := io.WriteString(conn, request+bytes[:now]); err != nil {
						t.Errorf("%s: %v", what, err)
					}
					if now < len(bytes) {
						conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
						io.WriteString(conn, bytes[now:]) // as much as it takes
					}
					clients = append(clients, client{what, s, begun, conn})
				}
			}
			for _, c := range clients {
				servertest.Eventually(t, c.what+": it asks", func() bool { return c.begun.Load() > 0 })
				c.conn.Close()
			}
			for _, c := range clients {
				servertest.Eventually(t, c.what+": its place is free again", func() bool { return c.s.Subscribers() == 0 })
			}
		})
	}
}

// P5: very many that come and go have no place for longer than moments.
func TestP5_ManyDeadPollsHaveNoPlaces(t *testing.T) {
	t.Parallel()
	s, _ := waitingServer(t)
	dials := waits(t, s)
	for i := range 800 {
		conn, request := dials[[]string{"tcp", "tcp", "HTTP/1.0", "unix socket"}[i%4]]()
		io.WriteString(conn, request+"\r\nHost: localhost\r\n\r\nmore")
		conn.Close()
	}
	servertest.Eventually(t, "the places are free again", func() bool { return s.Subscribers() == 0 })
}

// A client that ends only its sending half, behind something that was not read
// yet, is answered at once as well.
func TestPolls_HalfClosedBehindUnreadInput(t *testing.T) {
	t.Parallel()
	for _, name := range waysOfPolls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := waitingServer(t)
			conn, request := waits(t, s)[name]()
			io.WriteString(conn, request+"\r\nHost: localhost\r\n\r\n")
			s.MustWait(1)
			io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
			conn.(interface{ CloseWrite() error }).CloseWrite()
			got, err := io.ReadAll(conn)
			kept := name != "HTTP/1.0" && name != "not kept" // else it ends with what was not read
			if err != nil && kept || !strings.HasPrefix(string(got), "HTTP/1.") || !strings.Contains(string(got), " 200 OK") {
				t.Errorf("%v, %q", err, got)
			}
			if answered := strings.HasSuffix(string(got), "ok\n"); answered != kept {
				t.Errorf("what was asked behind it is answered: %v\n%s", answered, got)
			}
			s.MustWait(0)
		})
	}
}

// Polls that a client sends ahead wait one after the other, as far as its end
// could still be seen behind them; more are answered at once, each.
func TestPolls_VeryManyAhead(t *testing.T) {
	t.Parallel()
	s, _ := waitingServer(t)
	p := s.Poller()
	at := s.Position()
	const polls = 800 // of more than 100 bytes
	for range polls {
		p.Ask("GET /feeds/open?wait=60s&last_event_id=" + at)
	}
	left := polls
	for ; left > polls/2; left-- {
		p.Page()
	}
	s.MustWait(1)
	id := s.Put("open", "x")
	for ; left > 0; left-- {
		if pg := p.Page(); len(pg.Items) > 0 && pg.Items[0].ID != id {
			t.Fatalf("%+v", pg)
		}
	}
	p.Ask("GET /healthz")
	p.Answer().MustStatus(t, http.StatusOK)
}

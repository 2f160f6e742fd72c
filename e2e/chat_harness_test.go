package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
)

// chatRow is a row of the chat's page.
type chatRow struct {
	ID, Name, Text string
	Own, Gap       bool
}

// chatHelpers are what the tests ask the chat's page with.
const chatHelpers = `
	globalThis.talk = () => [...document.querySelectorAll("#messages > li")].map(li => ({
		id: li.dataset.id ?? "",
		name: li.querySelector(".name")?.textContent ?? "",
		text: li.querySelector(".text")?.textContent ?? li.textContent,
		own: li.classList.contains("own"),
		gap: li.classList.contains("gap"),
	}));
	globalThis.texts = () => talk().map(r => r.text);
	globalThis.unsent = () => [...document.querySelectorAll("#outbox > li:not([hidden])")];
	globalThis.say = text => {
		const box = document.querySelector("#text");
		box.value = text;
		box.dispatchEvent(new Event("input"));
		box.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", cancelable: true}));
		return box.value;
	};`

const (
	// noWebSocket takes it out of the browser.
	noWebSocket = `delete globalThis.WebSocket;`
	// patientOpening lets a connection take two minutes to open, not five
	// seconds: on a busy machine the page would take a WebSocket that is slow
	// for one that a proxy swallows, and do without.
	patientOpening = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, ms === 5_000 ? 120_000 : ms, ...args);
	}`
	// hastyOpening gives a connection a twentieth of a second.
	hastyOpening = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, ms === 5_000 ? 50 : ms, ...args);
	}`
	// hastyWaits makes the page wait a hundredth of what it means to between
	// attempts; but not for a server. Nor does it ask more often who is here: of
	// a server that it does not hear, questions without an answer would soon have
	// all six connections that a browser has for it.
	hastyWaits = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, f.name === "count" || ms === 5_000 || ms >= 35_000 ? ms : ms / 100, ...args);
	}`
	// hastyCount makes it ask a hundred times as often who is here.
	hastyCount = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, f.name === "count" ? ms / 100 : ms, ...args);
	}`
)

// startChat runs a server whose chat is open to everybody.
func startChat(t *testing.T, bin string, env ...string) *pageServer {
	t.Helper()
	return startForPage(t, bin, append(env, "FEEDD_FORERUNNER_CHAT_PUBLISH=anyone")...)
}

// openGuest opens the chat in a browser's window of its own, with a name that
// was given before; "" for a guest who comes the first time.
func openGuest(t *testing.T, browser context.Context, address, name string, scripts ...string) *pageTab {
	t.Helper()
	tab := &pageTab{t: t}
	tab.ctx, tab.close = chromedp.NewContext(browser, chromedp.WithListener(tab.listen), chromedp.WithNewBrowserContext())
	if name != "" {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, fmt.Sprintf(`localStorage.getItem("feedd chat name") ?? localStorage.setItem("feedd chat name", JSON.stringify(%s));`, quoted))
	}
	tab.open(address+"/chat", append([]string{patientOpening}, append(scripts, chatHelpers)...)...)
	return tab
}

// waitChat waits until the page is live and takes messages.
func (tab *pageTab) waitChat() {
	tab.t.Helper()
	tab.wait(`state() === "live" && !document.querySelector("#composer").hidden`)
}

// says sends a message as a person does, and checks that the page took it.
func (tab *pageTab) says(text string) {
	tab.t.Helper()
	if left := tab.eval(fmt.Sprintf("say(%q)", text)); left != "" {
		tab.t.Fatalf("the page did not take %q: %s", left, tab.eval(`document.querySelector("#hint").textContent`))
	}
}

// chatRows returns the rows as they are on the page, the oldest first.
func (tab *pageTab) chatRows() []chatRow {
	tab.t.Helper()
	var rows []chatRow
	if err := json.Unmarshal([]byte(tab.eval("JSON.stringify(talk())")), &rows); err != nil {
		tab.t.Fatal(err)
	}
	return rows
}

// wantChat waits for so many texts, the last of these among them, and checks that exactly they are
// on the page, in this order, and that nothing is on its way any more.
func (tab *pageTab) wantChat(want ...string) {
	tab.t.Helper()
	tab.wait(fmt.Sprintf("texts().length >= %d && texts().at(-1) === %q && unsent().length === 0", min(len(want), 500), want[len(want)-1]))
	var got []string
	for _, row := range tab.chatRows() {
		got = append(got, row.Text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		tab.t.Errorf("what is on the page (-want +got):\n%s", diff)
	}
}

// stored returns the texts that the server has in its chat.
func (s *pageServer) stored(t *testing.T) (texts []string) {
	t.Helper()
	_, body := s.do(t, "GET", "/feeds/chat?format=json&limit=1000", "", "")
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
func (s *pageServer) flood(t *testing.T) (stop func()) {
	var over atomic.Bool
	var flooding sync.WaitGroup
	flooding.Go(func() {
		for !over.Load() {
			resp, err := http.Post(s.url()+"/chat", "text/plain", strings.NewReader("flood"))
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

// cable passes bytes between a browser and the server, and can break.
type cable struct {
	address string
	server  string
	deaf    atomic.Bool // what the server says is lost
	out     atomic.Bool // nothing gets through
	mu      sync.Mutex  // guards conns
	conns   map[net.Conn]bool
}

// cable lays one before this server.
func (s *pageServer) cable(t *testing.T) *cable {
	t.Helper()
	return layCable(t, s.address)
}

// layCable lays one before the server at an address.
func layCable(t *testing.T, server string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{address: "http://" + listener.Addr().String(), server: server, conns: make(map[net.Conn]bool)}
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { c.pass(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		c.out.Store(true)
		c.cut()
		passing.Wait()
	})
	return c
}

func (c *cable) pass(browser net.Conn) {
	defer browser.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	c.mu.Lock()
	c.conns[browser] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.conns, browser)
		c.mu.Unlock()
	}()
	if c.out.Load() {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { c.copy(server, browser, func() bool { return false }) })
	both.Go(func() { c.copy(browser, server, c.deaf.Load) })
	both.Wait()
}

// copy passes what comes until one side ends, then ends both.
func (c *cable) copy(to, from net.Conn, lose func() bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if lose() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut ends all connections.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
}

// chatClient is a client of the chat that is no page.
type chatClient struct {
	conn  *websocket.Conn
	texts []string
}

func (s *pageServer) chatClient(t *testing.T) *chatClient {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), s.url()+"/chat", nil)
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
	ctx, cancel := context.WithTimeout(t.Context(), pagePatience)
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
func (s *pageServer) refusesUpgrades(t *testing.T) string {
	return s.chatFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		return false
	})
}

// chatFront is a server before this one; take says whether it has answered
// itself.
func (s *pageServer) chatFront(t *testing.T, take func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	backend, err := url.Parse(s.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(backend)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !take(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
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

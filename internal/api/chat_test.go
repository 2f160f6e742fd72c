package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"feedd/internal/api"
	"feedd/internal/publish"
)

// Whoever opens /chat gets what it can use: a browser the page, the page what it
// must know, everybody else the word that it is spoken over WebSocket.
func TestChat_AnswersByAccept(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Legacy: forerunner}})
	const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	page := s.do("GET", "/chat", "", "Authorization:", browser).mustStatus(t, http.StatusOK)
	if !strings.Contains(page.body, "<title>chat</title>") || page.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the page is %q, of the type %s", page.body, page.header.Get("Content-Type"))
	}
	if !strings.Contains(page.header.Get("Content-Security-Policy"), "connect-src 'self'") || page.header.Get("Vary") != "Accept" {
		t.Errorf("the page's headers are %v", page.header)
	}
	for _, accept := range []string{"", "*/*", "application/json", "text/event-stream", "application/x-ndjson", "text/html;q=0.1,*/*", "image/png"} {
		a := s.do("GET", "/chat", "", "Accept: "+accept)
		a.mustProblem(t, 426, "upgrade-required")
		if a.header.Get("Upgrade") != "websocket" || a.header.Get("Vary") != "Accept" {
			t.Errorf("Accept %q: the headers are %v", accept, a.header)
		}
	}

	about := func(headers ...string) (got string) {
		t.Helper()
		return s.get("/chat?format=json", headers...).mustStatus(t, http.StatusOK).body
	}
	head := `,"head":"` + s.hub.Head().String() + `"}` + "\n"
	if got := about("Authorization:"); got != `{"feed":"chat","subscribers":0,"may_publish":false`+head {
		t.Errorf("a stranger is told %s", got)
	}
	conn, _, err := s.dialChat()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	frame(t, conn)
	if got := about(); got != `{"feed":"chat","subscribers":1,"may_publish":true`+head {
		t.Errorf("the administrator is told %s", got)
	}
	// The position goes with the items, of whatever feed.
	id := s.put("other", "x")
	if got := about(); !strings.HasSuffix(got, `,"head":"`+id+`"}`+"\n") {
		t.Errorf("after the item %s it is %s", id, got)
	}
	s.hub.Drain()
	s.get("/chat?format=json").mustProblem(t, 503, "draining")
}

// P8: the page is open to all, and what is said only to those who may read.
func TestP8_ChatThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{
		memory: true, options: api.Options{Legacy: forerunner},
		readers: func(feed string) bool { return feed != "chat" },
	})
	s.do("GET", "/chat", "", "Authorization:", "Accept: text/html").mustStatus(t, http.StatusOK)
	s.get("/chat?format=json", "Authorization:").mustProblem(t, 401, "unauthorized")
	if _, resp, err := s.dialChat(); err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger's WebSocket: %v", err)
	}
	s.get("/chat?format=json").mustStatus(t, http.StatusOK)
}

// What is posted is what is sent by frames: once for a key, named, one at a
// time, and by strangers only where the chat is open, and only so fast.
func TestChat_Post(t *testing.T) {
	t.Parallel()
	const asJSON = "Content-Type: application/json"
	closed := start(t, deployment{memory: true, options: api.Options{Legacy: forerunner}})
	closed.do("POST", "/chat", `{}`, "Authorization:", asJSON).mustProblem(t, 401, "unauthorized")
	closed.do("POST", "/chat", `{}`, "Authorization:", "Content-Type: image/png").mustProblem(t, 401, "unauthorized")
	closed.do("POST", "/chat", `{}`, asJSON).mustStatus(t, http.StatusCreated)
	none := start(t, deployment{memory: true})
	none.do("POST", "/chat", `{}`, asJSON).mustProblem(t, 404, "not-found")

	open := forerunner
	open.ChatOpen = true
	s := start(t, deployment{memory: true, options: api.Options{Legacy: open, Publish: publish.Limits{MaxAnonymousRate: 2}}})
	post := func(path, body string, headers ...string) answer {
		return s.do("POST", path, body, append(headers, "Authorization:")...)
	}
	reader := openSocket(s, "chat")
	var receipts []string
	for _, status := range []int{http.StatusCreated, http.StatusOK} {
		a := post("/chat", `{"name":"Anna","text":"hi"}`, asJSON, "Idempotency-Key: k").mustStatus(t, status)
		receipts = append(receipts, a.body)
	}
	if receipts[0] != receipts[1] {
		t.Errorf("the answers are %q", receipts)
	}
	post("/chat", `{"text":"other"}`, asJSON, "Idempotency-Key: k").mustProblem(t, 422, "idempotency-key-reused")
	post("/chat?event=whisper", "name=Bert&text=psst", "Content-Type: application/x-www-form-urlencoded").mustStatus(t, http.StatusCreated)
	post("/chat", "a text").mustStatus(t, http.StatusCreated)
	for _, batch := range []string{"application/x-ndjson", "application/vnd.feedd+ndjson"} {
		post("/chat", "{}\n{}\n", "Content-Type: "+batch).mustProblem(t, 415, "unsupported-media-type")
	}
	post("/chat?feed=main", "x").mustProblem(t, 400, "bad-query")
	var got []string
	for range 3 {
		n := reader.something()
		got = append(got, n.event+" "+n.data)
	}
	if want := []string{`broadcast {"name":"Anna","text":"hi"}`, `whisper {"name":"Bert","text":"psst"}`, `broadcast a text`}; !slices.Equal(got, want) {
		t.Errorf("readers get %q", got)
	}
	// It opens nothing else.
	s.do("POST", "/feeds/chat", "x", "Authorization:").mustProblem(t, 401, "unauthorized")
	s.do("POST", "/send_feed_item", "{}", "Authorization:", asJSON).mustProblem(t, 401, "unauthorized")

	// Frames and posts of one address count together.
	conn, _, err := s.dialChat()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	refused := 0
	for i := range 30 {
		if a := post("/chat", fmt.Sprint(i)); a.status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Fatal("a stranger may post as fast as he likes")
	}
	for last := ""; !strings.Contains(last, "too-many-publishes"); { // each second two are let through
		say(t, conn, 1, `{"ref":"flood","data":1}`)
		for last = ""; !strings.Contains(last, `"ref"`); {
			last = frame(t, conn)
		}
	}
	refused++
	if n := s.metric(`feedd_limit_hits_total{limit="max_anonymous_rate"}`); int(n) != refused {
		t.Errorf("%v of %d are counted", n, refused)
	}
	post("/chat", "x", "Sec-Fetch-Site: cross-site").mustProblem(t, 403, "cross-origin")
}

var pagesWithoutChat = fstest.MapFS{"index.html": {}}

// A chat without its page is a fault of the build, found at the start.
func TestChat_NeedsItsPage(t *testing.T) {
	t.Parallel()
	if _, err := api.New(api.Options{Pages: api.Pages{Files: pagesWithoutChat}, Legacy: forerunner}); err == nil || !strings.Contains(err.Error(), "chat.html") {
		t.Errorf("the error is %v", err)
	}
	if _, err := api.New(api.Options{Pages: api.Pages{Files: pagesWithoutChat}}); err != nil {
		t.Error(err)
	}
}

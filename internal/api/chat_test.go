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
	"feedd/internal/server/servertest"
)

// A client that opens /chat gets what it can use: a browser the page, the page
// what it must know, any other client the word that the chat is spoken over
// WebSocket.
func TestChat_AnswersByAccept(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Legacy: servertest.Legacy}})
	const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	page := s.Do("GET", "/chat", "", "Authorization:", browser).MustStatus(t, http.StatusOK)
	if !strings.Contains(page.Body, "<title>chat</title>") || page.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the page is %q, of the type %s", page.Body, page.Header.Get("Content-Type"))
	}
	if !strings.Contains(page.Header.Get("Content-Security-Policy"), "connect-src 'self'") || page.Header.Get("Vary") != "Accept" {
		t.Errorf("the page's headers are %v", page.Header)
	}
	for _, accept := range []string{"", "*/*", "application/json", "text/event-stream", "application/x-ndjson", "text/html;q=0.1,*/*", "image/png"} {
		a := s.Do("GET", "/chat", "", "Accept: "+accept)
		a.MustProblem(t, 426, "upgrade-required")
		if a.Header.Get("Upgrade") != "websocket" || a.Header.Get("Vary") != "Accept" {
			t.Errorf("Accept %q: the headers are %v", accept, a.Header)
		}
	}

	about := func(headers ...string) (got string) {
		t.Helper()
		return s.Get("/chat?format=json", headers...).MustStatus(t, http.StatusOK).Body
	}
	head := `,"head":"` + s.Hub.Head().String() + `"}` + "\n"
	if got := about("Authorization:"); got != `{"feed":"chat","subscribers":0,"may_publish":false`+head {
		t.Errorf("a stranger is told %s", got)
	}
	conn, _, err := s.DialChat()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	servertest.Frame(t, conn)
	if got := about(); got != `{"feed":"chat","subscribers":1,"may_publish":true`+head {
		t.Errorf("the administrator is told %s", got)
	}
	// The position goes with the items, of whatever feed.
	id := s.Put("other", "x")
	if got := about(); !strings.HasSuffix(got, `,"head":"`+id+`"}`+"\n") {
		t.Errorf("after the item %s it is %s", id, got)
	}
	s.Hub.Drain()
	s.Get("/chat?format=json").MustProblem(t, 503, "draining")
}

// P8: the page is open to all, and what is said only to readers of the feed.
func TestP8_ChatThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{
		Memory: true, Options: api.Options{Legacy: servertest.Legacy},
		Readers: func(feed string) bool { return feed != "chat" },
	})
	s.Do("GET", "/chat", "", "Authorization:", "Accept: text/html").MustStatus(t, http.StatusOK)
	s.Get("/chat?format=json", "Authorization:").MustProblem(t, 401, "unauthorized")
	if _, resp, err := s.DialChat(); err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger's WebSocket: %v", err)
	}
	s.Get("/chat?format=json").MustStatus(t, http.StatusOK)
}

// What is posted is what is sent by frames: once for a key, named, one at a
// time, and by strangers only where the chat is open, and only so fast.
func TestChat_Post(t *testing.T) {
	t.Parallel()
	const asJSON = "Content-Type: application/json"
	closed := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Legacy: servertest.Legacy}})
	closed.Do("POST", "/chat", `{}`, "Authorization:", asJSON).MustProblem(t, 401, "unauthorized")
	closed.Do("POST", "/chat", `{}`, "Authorization:", "Content-Type: image/png").MustProblem(t, 401, "unauthorized")
	closed.Do("POST", "/chat", `{}`, asJSON).MustStatus(t, http.StatusCreated)
	none := servertest.Start(t, servertest.Deployment{Memory: true})
	none.Do("POST", "/chat", `{}`, asJSON).MustProblem(t, 404, "not-found")

	open := servertest.Legacy
	open.ChatOpen = true
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Legacy: open, Publish: publish.Limits{MaxAnonymousRate: 2}}})
	post := func(path, body string, headers ...string) servertest.Answer {
		return s.Do("POST", path, body, append(headers, "Authorization:")...)
	}
	reader := servertest.OpenSocket(s, "chat")
	var receipts []string
	for _, status := range []int{http.StatusCreated, http.StatusOK} {
		a := post("/chat", `{"name":"Anna","text":"hi"}`, asJSON, "Idempotency-Key: k").MustStatus(t, status)
		receipts = append(receipts, a.Body)
	}
	if receipts[0] != receipts[1] {
		t.Errorf("the answers are %q", receipts)
	}
	post("/chat", `{"text":"other"}`, asJSON, "Idempotency-Key: k").MustProblem(t, 422, "idempotency-key-reused")
	post("/chat?event=whisper", "name=Bert&text=psst", "Content-Type: application/x-www-form-urlencoded").MustStatus(t, http.StatusCreated)
	post("/chat", "a text").MustStatus(t, http.StatusCreated)
	for _, batch := range []string{"application/x-ndjson", "application/vnd.feedd+ndjson"} {
		post("/chat", "{}\n{}\n", "Content-Type: "+batch).MustProblem(t, 415, "unsupported-media-type")
	}
	post("/chat?feed=main", "x").MustProblem(t, 400, "bad-query")
	var got []string
	for range 3 {
		n := reader.Something()
		got = append(got, n.Event+" "+n.Data)
	}
	if want := []string{`broadcast {"name":"Anna","text":"hi"}`, `whisper {"name":"Bert","text":"psst"}`, `broadcast a text`}; !slices.Equal(got, want) {
		t.Errorf("readers get %q", got)
	}
	// It opens nothing else.
	s.Do("POST", "/feeds/chat", "x", "Authorization:").MustProblem(t, 401, "unauthorized")
	s.Do("POST", "/send_feed_item", "{}", "Authorization:", asJSON).MustProblem(t, 401, "unauthorized")

	// Frames and posts of one address count together.
	conn, _, err := s.DialChat()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	refused := 0
	for i := range 30 {
		if a := post("/chat", fmt.Sprint(i)); a.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Fatal("a stranger may post as fast as he likes")
	}
	for last := ""; !strings.Contains(last, "too-many-publishes"); { // each second two are let through
		servertest.Say(t, conn, 1, `{"ref":"flood","data":1}`)
		for last = ""; !strings.Contains(last, `"ref"`); {
			last = servertest.Frame(t, conn)
		}
	}
	refused++
	if n := s.Metric(`feedd_limit_hits_total{limit="max_anonymous_rate"}`); int(n) != refused {
		t.Errorf("%v of %d are counted", n, refused)
	}
	post("/chat", "x", "Sec-Fetch-Site: cross-site").MustProblem(t, 403, "cross-origin")
}

var pagesWithoutChat = fstest.MapFS{"index.html": {}}

// A chat without its page is a fault of the build, found at the start.
func TestChat_NeedsItsPage(t *testing.T) {
	t.Parallel()
	if _, err := api.New(api.Options{Pages: api.Pages{Files: pagesWithoutChat}, Legacy: servertest.Legacy}); err == nil || !strings.Contains(err.Error(), "chat.html") {
		t.Errorf("the error is %v", err)
	}
	if _, err := api.New(api.Options{Pages: api.Pages{Files: pagesWithoutChat}}); err != nil {
		t.Error(err)
	}
}

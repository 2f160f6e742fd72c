package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/public"
)

// Where publishing is open, strangers send small items, one at a time. Whoever
// has a key is not bounded by that.
func TestStrangers_SendSmallItemsOneAtATime(t *testing.T) {
	t.Parallel()
	const most = 1000
	open := forerunner
	open.FeedOpen, open.ChatOpen = true, true
	s := start(t, deployment{
		memory: true, publishers: func(string) bool { return true },
		options: api.Options{Legacy: open, Publish: publish.Limits{MaxAnonymousItemBytes: most, MaxAnonymousBatchItems: 1}},
	})
	fits, large := strings.Repeat("x", most), strings.Repeat("x", most+1)
	object := func(size int) string { return `{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}` }
	for _, c := range []struct{ path, typ, fits, large string }{
		{"/feeds/f", textType, fits, large},
		{"/feeds/f", jsonType, object(most), object(most + 1)},
		{"/feeds/f", formType, "a=1", "a=" + strings.Repeat("%01", most/4)}, // the item is larger than the form
		{"/chat", textType, fits, large},
		{"/send_feed_item", jsonType, object(most), object(most + 1)},
	} {
		for headers, status := range map[string]int{"Authorization:": http.StatusRequestEntityTooLarge, "X: with the key": http.StatusOK} {
			if a := s.do("POST", c.path, c.fits, headers, "Content-Type: "+c.typ); a.status/100 != 2 {
				t.Errorf("%s %s of what may be: %d %s", c.path, c.typ, a.status, a.body)
			}
			a := s.do("POST", c.path, c.large, headers, "Content-Type: "+c.typ)
			if status/100 != a.status/100 || a.status/100 == 4 && !strings.Contains(a.body, "max_anonymous_item_bytes") {
				t.Errorf("%s %s of one byte more, %s: %d %s", c.path, c.typ, headers, a.status, a.body)
			}
		}
	}
	for _, typ := range []string{linesType, batchType} {
		s.do("POST", "/feeds/f", `{"data":1}`, "Authorization:", "Content-Type: "+typ).mustProblem(t, 401, "unauthorized")
		s.do("POST", "/feeds/f", `{"data":1}`, "Content-Type: "+typ).mustStatus(t, http.StatusCreated)
	}
	if n := s.metric(`feedd_limit_hits_total{limit="max_anonymous_batch_items"}`); n != 2 {
		t.Errorf("%v batches are counted", n)
	}
	for size, want := range map[int]string{most - 10: `{"ref":"a","id":`, most + 10: `max_anonymous_item_bytes`} {
		ws := s.openRaw("f", 0, "")
		ws.say(rawFrame(fin|text, `{"ref":"a","data":"`+strings.Repeat("x", size)+`"}`), closeFrame(1000))
		if said, _ := ws.texts(); !strings.Contains(strings.Join(said, ""), want) {
			t.Errorf("a message with %d bytes is answered %.200q", size, said)
		}
	}
	ws := s.openRaw("f", 0, "")
	ws.say(rawFrame(fin|text, `{"data":"`+strings.Repeat("x", 10*most)+`"}`))
	if _, code := ws.texts(); code != 1009 {
		t.Errorf("a much larger message is closed with %d", code)
	}
}

// Where batches of strangers are allowed they count by their items.
func TestStrangers_BatchesCountByItems(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{
		memory: true, publishers: func(string) bool { return true },
		options: api.Options{Publish: publish.Limits{MaxAnonymousItems: 2, MaxAnonymousBatchItems: 20}},
	})
	post := func(n int) answer {
		return s.do("POST", "/feeds/f", strings.Repeat("1\n", n), "Authorization:", "Content-Type: "+linesType)
	}
	post(21).mustProblem(t, 413, "too-large")
	if p := post(11).mustProblem(t, 413, "too-large"); !strings.Contains(p.Detail, "max_anonymous_items") {
		t.Errorf("more than ever may come at once: %s", p.Detail) // to come back would not help
	}
	post(10).mustStatus(t, http.StatusCreated)
	a := post(10)
	a.mustProblem(t, 429, "too-many-publishes")
	if n := s.metric(`feedd_limit_hits_total{limit="max_anonymous_items"}`); n != 2 {
		t.Errorf("%v are counted", n)
	}
	s.mustStore(10)
	s.do("POST", "/feeds/f", strings.Repeat("1\n", 1000), "Content-Type: "+linesType).mustStatus(t, http.StatusCreated)
}

// HTTP, and frames of whatever connection, count together by their bytes.
func TestStrangers_BytesCountOnEveryWay(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{
		memory: true, publishers: func(string) bool { return true },
		options: api.Options{Publish: publish.Limits{MaxAnonymousBytes: 1, MaxAnonymousItemBytes: 1000}},
	})
	large := strings.Repeat("x", 900)
	s.do("POST", "/feeds/f", large, "Authorization:", "Content-Type: "+textType).mustStatus(t, http.StatusCreated)
	ws := s.openRaw("f", 0, "")
	ws.say(rawFrame(fin|text, `{"ref":"a","data":"`+large+`"}`), closeFrame(1000))
	said, _ := ws.texts()
	if got := strings.Join(said, ""); !strings.Contains(got, `"type":"too-many-publishes"`) || !strings.Contains(got, `"retry_after":`) {
		t.Errorf("the frame is answered %q", said)
	}
	a := s.do("POST", "/feeds/f", large, "Authorization:", "Content-Type: "+textType)
	a.mustProblem(t, 429, "too-many-publishes")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if n := s.metric(`feedd_limit_hits_total{limit="max_anonymous_bytes"}`); n != 2 {
		t.Errorf("%v are counted", n)
	}
	s.mustStore(1)
}

// Whoever waits as long as it is told may publish, and not a second before; three
// seconds of one address that does its worst bring what the rate says.
func TestStrangers_RetryAfterIsExact(t *testing.T) {
	t.Parallel()
	request := func(addr string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/feeds/f", nil)
		r.RemoteAddr = addr
		return r
	}
	sessions, err := auth.OpenSessions(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name         string
		options      api.Options
		items, bytes int
	}{
		{"publishes", api.Options{Publish: publish.Limits{MaxAnonymousRate: 20}}, 1, 10},
		{"items", api.Options{Publish: publish.Limits{MaxAnonymousItems: 3}}, 7, 10},
		{"bytes", api.Options{Publish: publish.Limits{MaxAnonymousBytes: 1000, MaxAnonymousItemBytes: 10_000}}, 1, 7_500},
		{"all", api.Options{Publish: publish.Limits{MaxAnonymousRate: 2, MaxAnonymousItems: 3, MaxAnonymousBytes: 100}}, 2, 333},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.options.Pages, c.options.Sessions = public.Files, sessions
				s, err := api.New(c.options)
				if err != nil {
					t.Fatal(err)
				}
				r := request("192.0.2.1:1")
				for range 10 {
					wait := 0
					for n := 0; wait == 0; n++ {
						if wait = s.TooFast(r, c.items, c.bytes); n > 1000 {
							t.Fatal("nothing is refused")
						}
					}
					if s.TooFast(request("[2001:db8::1]:1"), 0, 0) != 0 {
						t.Fatal("another address must wait as well")
					}
					if wait > 1 {
						time.Sleep(time.Duration(wait-1) * time.Second)
						if left := s.TooFast(r, c.items, c.bytes); left != 1 {
							t.Fatalf("a second before its %d s are over it is told to wait %d", wait, left)
						}
						wait = 1
					}
					time.Sleep(time.Duration(wait) * time.Second)
					if left := s.TooFast(r, c.items, c.bytes); left != 0 {
						t.Fatalf("after all the time it is told to wait %d more", left)
					}
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := api.New(api.Options{Pages: api.Pages{Files: public.Files}, Access: api.Access{Sessions: sessions, Auth: auth.New("key", auth.Rules{})}, Publish: publish.Limits{MaxAnonymousRate: 20, MaxAnonymousItems: 20}})
		if err != nil {
			t.Fatal(err)
		}
		r, n := request("192.0.2.1:1"), 0
		for range 3000 {
			if s.TooFast(r, 1, 10) == 0 {
				n++
			}
			time.Sleep(time.Millisecond)
		}
		if n < 150 || n > 160 {
			t.Errorf("three seconds bring %d items, want five seconds' worth and three: 160", n)
		}
	})
}

// What a client wrote is a small part of a line of the log.
func TestLog_TextOfClients(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Legacy: forerunner}})
	for _, typ := range []string{
		`"` + strings.Repeat("t", 500_000) + `"`, `"a\u009b31m\u001b[2J\nb"`, `{"t":[` + strings.Repeat(`"t",`, 100_000) + `1]}`, `7`,
	} {
		s.do("POST", "/send_feed_item", `{"type":`+typ+`}`, "Content-Type: "+jsonType).mustStatus(t, http.StatusOK)
	}
	s.do("POST", "/send_feed_item", `{}`, "Content-Type: "+jsonType).mustStatus(t, http.StatusOK)
	log := s.logs.String()
	for line := range strings.Lines(log) {
		if len(line) > 300 || strings.ContainsAny(line, "\u009b\x1b") {
			t.Errorf("a line of %d bytes: %.400q", len(line), line)
		}
	}
	for _, want := range []string{strings.Repeat("t", 100) + "…", `31m`, `type="{`, "type=7", `type=""`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q: %s", want, fmt.Sprintf("%.2000s", log))
		}
	}
}

package publish_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"feedd/internal/api"
	"feedd/internal/publish"
	"feedd/internal/server/servertest"
)

// If publishing is open, strangers send small items, one at a time. A publisher
// with a key is not bounded by that.
func TestStrangers_SendSmallItemsOneAtATime(t *testing.T) {
	t.Parallel()
	const most = 1000
	open := servertest.Legacy
	open.FeedOpen, open.ChatOpen = true, true
	s := servertest.Start(t, servertest.Deployment{
		Memory: true, Publishers: func(string) bool { return true },
		Options: api.Options{Legacy: open, Publish: publish.Limits{MaxAnonymousItemBytes: most, MaxAnonymousBatchItems: 1}},
	})
	fits, large := strings.Repeat("x", most), strings.Repeat("x", most+1)
	object := func(size int) string { return `{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}` }
	for _, c := range []struct{ path, typ, fits, large string }{
		{"/feeds/f", servertest.TextType, fits, large},
		{"/feeds/f", servertest.JSONType, object(most), object(most + 1)},
		{"/feeds/f", servertest.FormType, "a=1", "a=" + strings.Repeat("%01", most/4)}, // the item is larger than the form
		{"/chat", servertest.TextType, fits, large},
		{"/send_feed_item", servertest.JSONType, object(most), object(most + 1)},
	} {
		for headers, status := range map[string]int{"Authorization:": http.StatusRequestEntityTooLarge, "X: with the key": http.StatusOK} {
			if a := s.Do("POST", c.path, c.fits, headers, "Content-Type: "+c.typ); a.Status/100 != 2 {
				t.Errorf("%s %s of what may be: %d %s", c.path, c.typ, a.Status, a.Body)
			}
			a := s.Do("POST", c.path, c.large, headers, "Content-Type: "+c.typ)
			if status/100 != a.Status/100 || a.Status/100 == 4 && !strings.Contains(a.Body, "max_anonymous_item_bytes") {
				t.Errorf("%s %s of one byte more, %s: %d %s", c.path, c.typ, headers, a.Status, a.Body)
			}
		}
	}
	for _, typ := range []string{servertest.LinesType, servertest.BatchType} {
		s.Do("POST", "/feeds/f", `{"data":1}`, "Authorization:", "Content-Type: "+typ).MustProblem(t, 401, "unauthorized")
		s.Do("POST", "/feeds/f", `{"data":1}`, "Content-Type: "+typ).MustStatus(t, http.StatusCreated)
	}
	if n := s.Metric(`feedd_limit_hits_total{limit="max_anonymous_batch_items"}`); n != 2 {
		t.Errorf("%v batches are counted", n)
	}
	for size, want := range map[int]string{most - 10: `{"ref":"a","id":`, most + 10: `max_anonymous_item_bytes`} {
		ws := s.OpenRaw("f", 0, "")
		ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"ref":"a","data":"`+strings.Repeat("x", size)+`"}`), servertest.CloseFrame(1000))
		if said, _ := ws.Texts(); !strings.Contains(strings.Join(said, ""), want) {
			t.Errorf("a message with %d bytes is answered %.200q", size, said)
		}
	}
	ws := s.OpenRaw("f", 0, "")
	ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"data":"`+strings.Repeat("x", 10*most)+`"}`))
	if _, code := ws.Texts(); code != 1009 {
		t.Errorf("a much larger message is closed with %d", code)
	}
}

// Where batches of strangers are allowed they count by their items.
func TestStrangers_BatchesCountByItems(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{
		Memory: true, Publishers: func(string) bool { return true },
		Options: api.Options{Publish: publish.Limits{MaxAnonymousItems: 2, MaxAnonymousBatchItems: 20}},
	})
	post := func(n int) servertest.Answer {
		return s.Do("POST", "/feeds/f", strings.Repeat("1\n", n), "Authorization:", "Content-Type: "+servertest.LinesType)
	}
	post(21).MustProblem(t, 413, "too-large")
	if p := post(11).MustProblem(t, 413, "too-large"); !strings.Contains(p.Detail, "max_anonymous_items") {
		t.Errorf("more than ever may come at once: %s", p.Detail) // to come back would not help
	}
	post(10).MustStatus(t, http.StatusCreated)
	a := post(10)
	a.MustProblem(t, 429, "too-many-publishes")
	if n := s.Metric(`feedd_limit_hits_total{limit="max_anonymous_items"}`); n != 2 {
		t.Errorf("%v are counted", n)
	}
	s.MustStore(10)
	s.Do("POST", "/feeds/f", strings.Repeat("1\n", 1000), "Content-Type: "+servertest.LinesType).MustStatus(t, http.StatusCreated)
}

// HTTP, and frames of whatever connection, count together by their bytes.
func TestStrangers_BytesCountOnEveryWay(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{
		Memory: true, Publishers: func(string) bool { return true },
		Options: api.Options{Publish: publish.Limits{MaxAnonymousBytes: 1, MaxAnonymousItemBytes: 1000}},
	})
	large := strings.Repeat("x", 900)
	s.Do("POST", "/feeds/f", large, "Authorization:", "Content-Type: "+servertest.TextType).MustStatus(t, http.StatusCreated)
	ws := s.OpenRaw("f", 0, "")
	ws.Say(servertest.RawFrame(servertest.Fin|servertest.Text, `{"ref":"a","data":"`+large+`"}`), servertest.CloseFrame(1000))
	said, _ := ws.Texts()
	if got := strings.Join(said, ""); !strings.Contains(got, `"type":"too-many-publishes"`) || !strings.Contains(got, `"retry_after":`) {
		t.Errorf("the frame is answered %q", said)
	}
	a := s.Do("POST", "/feeds/f", large, "Authorization:", "Content-Type: "+servertest.TextType)
	a.MustProblem(t, 429, "too-many-publishes")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if n := s.Metric(`feedd_limit_hits_total{limit="max_anonymous_bytes"}`); n != 2 {
		t.Errorf("%v are counted", n)
	}
	s.MustStore(1)
}

// What a client wrote is a small part of a line of the log.
func TestLog_TextOfClients(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Legacy: servertest.Legacy}})
	for _, typ := range []string{
		`"` + strings.Repeat("t", 500_000) + `"`, `"a\u009b31m\u001b[2J\nb"`, `{"t":[` + strings.Repeat(`"t",`, 100_000) + `1]}`, `7`,
	} {
		s.Do("POST", "/send_feed_item", `{"type":`+typ+`}`, "Content-Type: "+servertest.JSONType).MustStatus(t, http.StatusOK)
	}
	s.Do("POST", "/send_feed_item", `{}`, "Content-Type: "+servertest.JSONType).MustStatus(t, http.StatusOK)
	log := s.Logs.String()
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

package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"feedd/internal/server/servertest"
)

func TestFeeds_List(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Options.Timeouts.Rate = time.Hour // none is over before it is asked for
		s := servertest.Start(t, d)
		if body := s.Get("/feeds").Body; body != `{"feeds":[],"more":false}`+"\n" {
			t.Errorf("an empty list is %q", body)
		}
		for _, feed := range []string{"b.x", "a", "c", "b.y"} {
			s.Put(feed, "one")
		}
		first, last := s.Page("c").Items[0].ID, s.PutQuery("c", "event=e", "four")
		for _, c := range []struct {
			query, want string
			more        bool
		}{
			{"", "a b.x b.y c", false}, {"limit=2", "a b.x", true}, {"limit=2&after=b.x", "b.y c", false}, {"limit=4", "a b.x b.y c", false},
			{"match=b.*", "b.x b.y", false}, {"match=b.*,a", "a b.x b.y", false}, {"match=a", "a", false}, {"match=none", "", false},
			{"after=c", "", false}, {"match=b.**&limit=1", "b.x", true}, {"after=b", "b.x b.y c", false},
		} {
			if l := s.List(c.query); l.Names() != c.want || l.More != c.more {
				t.Errorf("%s: %q more %v, want %q more %v", c.query, l.Names(), l.More, c.want, c.more)
			}
		}
		s.Do("POST", "/feeds/empty", "x", "Content-Type: text/plain").MustStatus(t, 201)
		s.Do("DELETE", "/feeds/empty", "").MustStatus(t, 200)
		s.Put("a", "long enough")
		for _, c := range []struct{ sort, want string }{
			{"feed", "a b.x b.y c empty"}, {"-feed", "empty c b.y b.x a"}, {"count", "empty b.x b.y a c"}, {"-count", "a c b.x b.y empty"},
			{"bytes", "empty b.x b.y c a"}, {"-bytes", "a c b.x b.y empty"}, {"oldest", "b.x a c b.y empty"}, {"-oldest", "empty b.y c a b.x"},
			{"newest", "b.x b.y c empty a"}, {"-newest", "a empty c b.y b.x"}, {"rate", "empty b.x b.y a c"}, {"-rate", "a c b.x b.y empty"},
		} {
			// The limit comes after the order.
			want := strings.Join(strings.Fields(c.want)[:3], " ")
			if l := s.List("limit=3&sort=" + c.sort); l.Names() != want || !l.More {
				t.Errorf("by %s: %q, want %q", c.sort, l.Names(), want)
			}
		}
		s.Get("/feeds?sort=size").MustProblem(t, 400, "bad-query")
		s.Get("/feeds?sort=bytes&after=a").MustProblem(t, 400, "bad-query")
		r := servertest.OpenSSE(s, "c,a")
		servertest.OpenSSE(s, "**")
		servertest.Eventually(t, "the readers are counted", func() bool { return s.List("match=c").Feeds[0].Subscribers == 2 })
		row := s.List("match=c").Feeds[0]
		if row.Count != 2 || row.Bytes != 8 || row.Oldest != first || row.Newest != last {
			t.Errorf("%+v, want oldest %s and newest %s", row, first, last)
		}
		r.Close()
		servertest.Eventually(t, "the reader that left is not counted", func() bool { return s.List("match=c").Feeds[0].Subscribers == 1 })
	})
}

func TestFeeds_GetAndDeleteOneItem(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		from := s.Position()
		live := servertest.OpenSSE(s, "f")
		id := s.PutQuery("f", "event=e", "<script>alert(1)</script>")
		live.MustItems("<script>alert(1)</script>")
		a := s.Do("GET", "/feeds/f/items/"+id, "", servertest.Anonymous, "Accept: text/html").MustStatus(t, http.StatusOK)
		if a.Header.Get("Content-Type") != servertest.JSONType || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("an item as %q", a.Header.Get("Content-Type"))
		}
		if a.Body != servertest.Envelope(s, id)+"\n" {
			t.Errorf("%q", a.Body)
		}
		s.Get("/feeds/g/items/"+id).MustProblem(t, 404, "not-found") // another feed's
		s.Do("DELETE", "/feeds/g/items/"+id, "").MustProblem(t, 404, "not-found")
		s.MustStore(1)
		if a := s.Do("DELETE", "/feeds/f/items/"+id, "").MustStatus(t, http.StatusNoContent); a.Body != "" {
			t.Errorf("%q", a.Body)
		}
		s.Do("DELETE", "/feeds/f/items/"+id, "").MustProblem(t, 404, "not-found")
		s.Get("/feeds/f/items/"+id).MustProblem(t, 404, "not-found")
		s.MustStore(0)
		s.Put("f", "next")
		servertest.OpenSSE(s, "f?last_event_id="+from).MustItems("next")
	})
}

// Delete, purge and expiry take items out of what every transport shows.
func TestFeeds_PurgeTakesEverythingAndTheFeedGoesOn(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		s := servertest.Start(t, d)
		live := tr.Open(s, "f")
		s.PutMany("f", 0, 250, 0)
		s.Put("other", "stays")
		for i := range 250 {
			live.MustItems(fmt.Sprintf("[%d,\"\"]", i))
		}
		var gone struct {
			Feed   string
			Purged int
		}
		s.Do("DELETE", "/feeds/f", "").MustStatus(t, http.StatusOK).Decode(t, &gone)
		if gone.Feed != "f" || gone.Purged != 250 {
			t.Errorf("%+v", gone)
		}
		s.MustStore(1)
		tr.Open(s, "*?since=all").MustItems("stays")
		s.Do("DELETE", "/feeds/f", "").MustStatus(t, http.StatusOK).Decode(t, &gone)
		if gone.Purged != 0 {
			t.Errorf("a second purge took %d", gone.Purged)
		}
		s.Do("DELETE", "/feeds/absent", "").MustStatus(t, http.StatusOK)
		s.Put("f", "next")
		live.MustItems("next") // it had everything: no gap
	})
}

func TestFeeds_Settings(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Store = servertest.Keep(100)
		s := servertest.Start(t, d)
		s.PutMany("f", 0, 10, 0)
		base := s.Get("/feeds/f/settings").MustStatus(t, http.StatusOK).Body
		if base != s.Get("/feeds/absent/settings").Body || !strings.Contains(base, `"max_items":100`) {
			t.Errorf("the settings are %s", base)
		}
		from := s.Page("f?since=all").Items[0].ID
		a := s.Do("PUT", "/feeds/f/settings", `{"retention":{"max_items":3}}`, "Content-Type: application/json").MustStatus(t, http.StatusOK)
		if got := s.Get("/feeds/f/settings").Body; got != a.Body || !strings.Contains(got, `"max_items":3`) {
			t.Errorf("the answer is %s, then they are %s", a.Body, got)
		}
		servertest.Eventually(t, "it is trimmed", func() bool { return len(s.Page("f?since=all").Items) == 3 })
		servertest.OpenSSE(s, "f?last_event_id="+from).MustGap("trimmed")
		for _, body := range []string{"", "[]", "1", "{", `{"retention":{"max_items":-1}}`, `{"retention":{"max_item":1}}`, `{"retentoin":{}}`, `{"retention":{"max_age":"x"}}`, "\xff"} {
			s.Do("PUT", "/feeds/f/settings", body).MustProblem(t, 400, "bad-settings")
		}
		s.Do("PUT", "/feeds/f/settings", "{}", "Content-Type: text/plain").MustProblem(t, 415, "unsupported-media-type")
		s.Do("PUT", "/feeds/f/settings", "{"+strings.Repeat(" ", 70_000)+"}").MustProblem(t, 413, "too-large")
		if got := s.Get("/feeds/f/settings").Body; got != a.Body {
			t.Errorf("a bad PUT changed them to %s", got)
		}
		if a := s.Do("DELETE", "/feeds/f/settings", "").MustStatus(t, http.StatusNoContent); a.Body != "" {
			t.Errorf("%q", a.Body)
		}
		if got := s.Get("/feeds/f/settings").Body; got != base {
			t.Errorf("after DELETE they are %s, want %s", got, base)
		}
		s.Do("DELETE", "/feeds/absent/settings", "").MustStatus(t, http.StatusNoContent)
		// What they print they read.
		s.Do("PUT", "/feeds/g/settings", base).MustStatus(t, http.StatusOK)
	})
}

// Settings made over HTTP hold after a restart.
func TestFeeds_SettingsHoldAfterARestart(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Store: servertest.Keep(100)})
	want := s.Do("PUT", "/feeds/f/settings", `{"retention":{"max_items":3}}`).MustStatus(t, http.StatusOK).Body
	s.Stop()
	s = servertest.Start(t, servertest.Deployment{Dir: s.Dir, Store: servertest.Keep(100)})
	if got := s.Get("/feeds/f/settings").Body; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

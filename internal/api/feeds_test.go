package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

type feedList struct {
	Feeds []struct {
		Feed           string
		Count          int
		Bytes          int64
		Oldest, Newest string
		Subscribers    int
	}
	More bool
}

func (s *server) list(query string) feedList {
	s.t.Helper()
	var l feedList
	s.get("/feeds?"+query).mustStatus(s.t, http.StatusOK).decode(s.t, &l)
	return l
}

func (l feedList) names() string {
	var names []string
	for _, f := range l.Feeds {
		names = append(names, f.Feed)
	}
	return strings.Join(names, " ")
}

func TestFeeds_List(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.options.Timeouts.Rate = time.Hour // none is over before it is asked for
		s := start(t, d)
		if body := s.get("/feeds").body; body != `{"feeds":[],"more":false}`+"\n" {
			t.Errorf("an empty list is %q", body)
		}
		for _, feed := range []string{"b.x", "a", "c", "b.y"} {
			s.put(feed, "one")
		}
		first, last := s.page("c").Items[0].ID, s.putQuery("c", "event=e", "four")
		for _, c := range []struct {
			query, want string
			more        bool
		}{
			{"", "a b.x b.y c", false}, {"limit=2", "a b.x", true}, {"limit=2&after=b.x", "b.y c", false}, {"limit=4", "a b.x b.y c", false},
			{"match=b.*", "b.x b.y", false}, {"match=b.*,a", "a b.x b.y", false}, {"match=a", "a", false}, {"match=none", "", false},
			{"after=c", "", false}, {"match=b.**&limit=1", "b.x", true}, {"after=b", "b.x b.y c", false},
		} {
			if l := s.list(c.query); l.names() != c.want || l.More != c.more {
				t.Errorf("%s: %q more %v, want %q more %v", c.query, l.names(), l.More, c.want, c.more)
			}
		}
		s.do("POST", "/feeds/empty", "x", "Content-Type: text/plain").mustStatus(t, 201)
		s.do("DELETE", "/feeds/empty", "").mustStatus(t, 200)
		s.put("a", "long enough")
		for _, c := range []struct{ sort, want string }{
			{"feed", "a b.x b.y c empty"}, {"-feed", "empty c b.y b.x a"}, {"count", "empty b.x b.y a c"}, {"-count", "a c b.x b.y empty"},
			{"bytes", "empty b.x b.y c a"}, {"-bytes", "a c b.x b.y empty"}, {"oldest", "b.x a c b.y empty"}, {"-oldest", "empty b.y c a b.x"},
			{"newest", "b.x b.y c empty a"}, {"-newest", "a empty c b.y b.x"}, {"rate", "empty b.x b.y a c"}, {"-rate", "a c b.x b.y empty"},
		} {
			// The limit comes after the order.
			want := strings.Join(strings.Fields(c.want)[:3], " ")
			if l := s.list("limit=3&sort=" + c.sort); l.names() != want || !l.More {
				t.Errorf("by %s: %q, want %q", c.sort, l.names(), want)
			}
		}
		s.get("/feeds?sort=size").mustProblem(t, 400, "bad-query")
		s.get("/feeds?sort=bytes&after=a").mustProblem(t, 400, "bad-query")
		r := openSSE(s, "c,a")
		openSSE(s, "**")
		eventually(t, "the readers are counted", func() bool { return s.list("match=c").Feeds[0].Subscribers == 2 })
		row := s.list("match=c").Feeds[0]
		if row.Count != 2 || row.Bytes != 8 || row.Oldest != first || row.Newest != last {
			t.Errorf("%+v, want oldest %s and newest %s", row, first, last)
		}
		r.close()
		eventually(t, "the reader that left is not counted", func() bool { return s.list("match=c").Feeds[0].Subscribers == 1 })
	})
}

func TestFeeds_GetAndDeleteOneItem(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		from := s.position()
		live := openSSE(s, "f")
		id := s.putQuery("f", "event=e", "<script>alert(1)</script>")
		live.mustItems("<script>alert(1)</script>")
		a := s.do("GET", "/feeds/f/items/"+id, "", anonymous, "Accept: text/html").mustStatus(t, http.StatusOK)
		if a.header.Get("Content-Type") != jsonType || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("an item as %q", a.header.Get("Content-Type"))
		}
		if a.body != envelope(s, id)+"\n" {
			t.Errorf("%q", a.body)
		}
		s.get("/feeds/g/items/"+id).mustProblem(t, 404, "not-found") // another feed's
		s.do("DELETE", "/feeds/g/items/"+id, "").mustProblem(t, 404, "not-found")
		s.mustStore(1)
		if a := s.do("DELETE", "/feeds/f/items/"+id, "").mustStatus(t, http.StatusNoContent); a.body != "" {
			t.Errorf("%q", a.body)
		}
		s.do("DELETE", "/feeds/f/items/"+id, "").mustProblem(t, 404, "not-found")
		s.get("/feeds/f/items/"+id).mustProblem(t, 404, "not-found")
		s.mustStore(0)
		s.put("f", "next")
		openSSE(s, "f?last_event_id="+from).mustItems("next")
	})
}

// Delete, purge and expiry take items out of what every transport shows.
func TestFeeds_PurgeTakesEverythingAndTheFeedGoesOn(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		s := start(t, d)
		live := tr.open(s, "f")
		s.putMany("f", 0, 250, 0)
		s.put("other", "stays")
		for i := range 250 {
			live.mustItems(fmt.Sprintf("[%d,\"\"]", i))
		}
		var gone struct {
			Feed   string
			Purged int
		}
		s.do("DELETE", "/feeds/f", "").mustStatus(t, http.StatusOK).decode(t, &gone)
		if gone.Feed != "f" || gone.Purged != 250 {
			t.Errorf("%+v", gone)
		}
		s.mustStore(1)
		tr.open(s, "*?since=all").mustItems("stays")
		s.do("DELETE", "/feeds/f", "").mustStatus(t, http.StatusOK).decode(t, &gone)
		if gone.Purged != 0 {
			t.Errorf("a second purge took %d", gone.Purged)
		}
		s.do("DELETE", "/feeds/absent", "").mustStatus(t, http.StatusOK)
		s.put("f", "next")
		live.mustItems("next") // it had everything: no gap
	})
}

func TestFeeds_Settings(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.store = keep(100)
		s := start(t, d)
		s.putMany("f", 0, 10, 0)
		base := s.get("/feeds/f/settings").mustStatus(t, http.StatusOK).body
		if base != s.get("/feeds/absent/settings").body || !strings.Contains(base, `"max_items":100`) {
			t.Errorf("the settings are %s", base)
		}
		from := s.page("f?since=all").Items[0].ID
		a := s.do("PUT", "/feeds/f/settings", `{"retention":{"max_items":3}}`, "Content-Type: application/json").mustStatus(t, http.StatusOK)
		if got := s.get("/feeds/f/settings").body; got != a.body || !strings.Contains(got, `"max_items":3`) {
			t.Errorf("the answer is %s, then they are %s", a.body, got)
		}
		eventually(t, "it is trimmed", func() bool { return len(s.page("f?since=all").Items) == 3 })
		openSSE(s, "f?last_event_id="+from).mustGap("trimmed")
		for _, body := range []string{"", "[]", "1", "{", `{"retention":{"max_items":-1}}`, `{"retention":{"max_item":1}}`, `{"retentoin":{}}`, `{"retention":{"max_age":"x"}}`, "\xff"} {
			s.do("PUT", "/feeds/f/settings", body).mustProblem(t, 400, "bad-settings")
		}
		s.do("PUT", "/feeds/f/settings", "{}", "Content-Type: text/plain").mustProblem(t, 415, "unsupported-media-type")
		s.do("PUT", "/feeds/f/settings", "{"+strings.Repeat(" ", 70_000)+"}").mustProblem(t, 413, "too-large")
		if got := s.get("/feeds/f/settings").body; got != a.body {
			t.Errorf("a bad PUT changed them to %s", got)
		}
		if a := s.do("DELETE", "/feeds/f/settings", "").mustStatus(t, http.StatusNoContent); a.body != "" {
			t.Errorf("%q", a.body)
		}
		if got := s.get("/feeds/f/settings").body; got != base {
			t.Errorf("after DELETE they are %s, want %s", got, base)
		}
		s.do("DELETE", "/feeds/absent/settings", "").mustStatus(t, http.StatusNoContent)
		// What they print they read.
		s.do("PUT", "/feeds/g/settings", base).mustStatus(t, http.StatusOK)
	})
}

// Settings made over HTTP hold after a restart.
func TestFeeds_SettingsHoldAfterARestart(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{store: keep(100)})
	want := s.do("PUT", "/feeds/f/settings", `{"retention":{"max_items":3}}`).mustStatus(t, http.StatusOK).body
	s.stop()
	s = start(t, deployment{dir: s.dir, store: keep(100)})
	if got := s.get("/feeds/f/settings").body; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

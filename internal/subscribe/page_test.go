package subscribe_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"feedd/internal/server/servertest"
)

func TestPages_Shape(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	s := servertest.Start(t, d)
	at := s.Hub.Head().String()
	a := s.Get("/feeds/f")
	if want := `{"items":[],"cursor":"` + at + `","more":false}` + "\n"; a.Body != want {
		t.Errorf("an empty page is %q, want %q", a.Body, want)
	}
	for name, want := range map[string]string{"Content-Type": servertest.JSONType, "Cache-Control": "no-store", "Vary": "Accept"} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	id := s.PutQuery("f", "event=goal", "x")
	if got, want := s.Get("/feeds/f").Body, `{"items":[`+servertest.Envelope(s, id)+`],"cursor":"`+id+`","more":false}`+"\n"; got != want {
		t.Errorf("a page is %q, want %q", got, want)
	}
}

func TestPages_WithoutAStartAreTheNewest(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		s.PutMany("f", 0, 150, 0)
		p := s.Page("f")
		if len(p.Items) != 100 || servertest.Number(t, string(p.Items[0].Data)) != 50 {
			t.Fatalf("%d items from %s", len(p.Items), p.Items[0].Data)
		}
		if p.Cursor != p.Items[99].ID || p.Gap != nil {
			t.Errorf("cursor %s, want %s", p.Cursor, p.Items[99].ID)
		}
		if p := s.Page("f?limit=3"); fmt.Sprint(p.Data()) != `[[147,""] [148,""] [149,""]]` {
			t.Errorf("%q", p.Data())
		}
		if n := len(s.Page("f?limit=1000").Items); n != 150 {
			t.Errorf("%d items", n)
		}
		// A client that goes on from there misses nothing.
		s.Put("f", "next")
		if p := s.Page("f?last_event_id=" + p.Cursor); fmt.Sprint(p.Data()) != `["next"]` {
			t.Errorf("%q", p.Data())
		}
	})
}

// P3: walking by cursor gives each item once, whatever the limit.
func TestP3_WalkingByCursorGivesEachItemOnce(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Window = 20 << 10 // so that both the window and the log answer
		s := servertest.Start(t, d)
		const n = 1000
		for i := 0; i < n; i += 100 { // other feeds lie between
			s.PutMany("f", i, i+100, 0)
			s.PutMany("other", 0, 20, 0)
		}
		for _, limit := range []int{1, 7, 64, 100, 333, 500, 999, 1000} {
			p := s.Page(fmt.Sprintf("f?since=all&limit=%d", limit))
			for seen := 0; ; {
				for _, it := range p.Items {
					if i := servertest.Number(t, string(it.Data)); i != seen {
						t.Fatalf("limit %d: %d came, want %d", limit, i, seen)
					}
					seen++
				}
				if !p.More {
					if seen != n {
						t.Fatalf("limit %d: the end after %d items", limit, seen)
					}
					break
				}
				p = s.Page(fmt.Sprintf("f?last_event_id=%s&limit=%d", p.Cursor, limit))
			}
		}
		for _, limit := range []int{7, 100, 333, 1000} { // and backwards
			seen := n
			for p := s.Page(fmt.Sprintf("f?limit=%d", limit)); ; p = s.Page(fmt.Sprintf("f?before=%s&limit=%d", p.Items[0].ID, limit)) {
				for i := len(p.Items) - 1; i >= 0; i-- {
					seen--
					if got := servertest.Number(t, string(p.Items[i].Data)); got != seen {
						t.Fatalf("limit %d: %d came, want %d", limit, got, seen)
					}
				}
				if seen == 0 || len(p.Items) == 0 {
					if p.More {
						t.Errorf("limit %d: more below the oldest", limit)
					}
					break
				}
			}
			if seen != 0 {
				t.Fatalf("limit %d: the end at %d", limit, seen)
			}
		}
	})
}

func TestPages_Before(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		var ids []string
		for i := range 5 {
			ids = append(ids, s.PutQuery("f", fmt.Sprintf("event=e%d", i%2), fmt.Sprint(i)))
		}
		for _, c := range []struct {
			query string
			want  string
			more  bool
		}{
			{"before=" + ids[3] + "&limit=2", `["1" "2"]`, true},
			{"before=" + ids[2] + "&limit=2", `["0" "1"]`, false},
			{"before=" + ids[2] + "&limit=1", `["1"]`, true},
			{"before=" + ids[0], `[]`, false},
			{"before=1", `[]`, false},
			{"before=9007199254740991&limit=1", `["4"]`, true},
			{"before=" + ids[4] + "&event=e0&limit=1", `["2"]`, true},
			{"before=" + ids[3] + "&event=e0&wait=0s", `["0" "2"]`, false},
		} {
			p := s.Page("f?" + c.query)
			if got := fmt.Sprint(p.Data()); got != c.want || p.More != c.more {
				t.Errorf("%s: %s more %v, want %s more %v", c.query, got, p.More, c.want, c.more)
			}
		}
	})
}

func TestPages_CursorMovesAlsoWhenNothingMatched(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		from := s.Position()
		var last string
		for range 5 {
			last = s.PutQuery("f", "event=other", "x")
		}
		for _, path := range []string{
			"f?event=goal&last_event_id=" + from, "f?event=goal&limit=1&last_event_id=" + from, "f?event=goal&wait=10ms&last_event_id=" + from,
			"f?event=goal&since=all", "f?event=goal",
		} {
			p := s.Page(path)
			for p.More {
				p = s.Page("f?event=goal&last_event_id=" + p.Cursor)
			}
			if len(p.Items) != 0 || p.Cursor != last {
				t.Errorf("%s: cursor %s, want %s, %d items", path, p.Cursor, last, len(p.Items))
			}
		}
	})
}

func TestPages_Gap(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Store = servertest.Keep(2)
		s := servertest.Start(t, d)
		from := s.Position()
		for i := range 5 {
			s.Put("f", fmt.Sprint(i))
		}
		p := s.Page("f?limit=1&last_event_id=" + from)
		if p.Gap == nil || p.Gap.Reason != "trimmed" || p.Gap.After != from || fmt.Sprint(p.Data()) != `["3"]` || !p.More {
			t.Fatalf("%+v %+v", p, p.Gap)
		}
		if p = s.Page("f?last_event_id=" + p.Cursor); p.Gap != nil || fmt.Sprint(p.Data()) != `["4"]` {
			t.Errorf("%+v %+v", p, p.Gap)
		}
		// A long poll tells of it at once.
		s.Do("DELETE", "/feeds/f", "").MustStatus(t, http.StatusOK)
		p = s.Page("f?wait=60s&last_event_id=" + from)
		if p.Gap == nil || len(p.Items) > 0 {
			t.Fatalf("%+v", p)
		}
		if p = s.Page("f?last_event_id=" + p.Cursor); p.Gap != nil {
			t.Errorf("the gap is told again at its cursor: %+v", p.Gap)
		}
	})
}

func TestPages_WaitAnswersWithTheFirstItemThatComes(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		s.Put("f", "old")
		for i, query := range []string{"wait=60s&last_event_id=" + s.Position(), "wait=60s", "wait=60s&since=now", "wait=1m&last=0", "wait=60s&event=goal"} {
			got := make(chan servertest.Page)
			go func() { got <- s.Page("f?" + query) }()
			servertest.Eventually(t, "the page waits", func() bool { return s.Metric("feedd_subscribers") == 1 })
			s.Put("other", "x")
			if strings.Contains(query, "goal") {
				s.Put("f", "no match")
			}
			id := s.PutQuery("f", "event=goal", fmt.Sprint(i))
			if p := <-got; len(p.Items) != 1 || p.Items[0].ID != id || p.Cursor < id {
				t.Errorf("%s: %+v", query, p)
			}
		}
	})
}

func TestPages_WaitDoesNotWaitForWhatIsThere(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	from := s.Position()
	s.Put("f", "x")
	for _, query := range []string{"last_event_id=" + from, "since=all", "last=1"} {
		if p := s.Page("f?wait=60s&" + query); len(p.Items) != 1 {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

func TestPages_WaitEndsEmptyWithTheCursor(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	s := servertest.Start(t, d)
	s.Put("f", "x")
	at := s.Put("other", "x")
	begin := time.Now()
	for _, query := range []string{"wait=50ms", "wait=50ms&since=now", "wait=50ms&last_event_id=" + at} {
		if p := s.Page("f?" + query); len(p.Items) != 0 || p.Cursor != at || p.More || p.Gap != nil {
			t.Errorf("%s: %+v, want the cursor %s", query, p, at)
		}
	}
	if took := time.Since(begin); took < 150*time.Millisecond {
		t.Errorf("three waits of 50ms took %s", took)
	}
}

func TestPages_Last(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	s := servertest.Start(t, d)
	s.PutMany("f", 0, 20, 0)
	for _, c := range []struct {
		query     string
		n, first  int
		more      bool
		remaining int
	}{
		{"last=5", 5, 15, false, 0}, {"last=5&limit=2", 2, 15, true, 3}, {"last=1000&limit=1000", 20, 0, false, 0},
	} {
		p := s.Page("f?" + c.query)
		if len(p.Items) != c.n || servertest.Number(t, string(p.Items[0].Data)) != c.first || p.More != c.more {
			t.Errorf("%s: %+v", c.query, p)
		}
		if rest := s.Page("f?last_event_id=" + p.Cursor); len(rest.Items) != c.remaining {
			t.Errorf("%s: %d items remain, want %d", c.query, len(rest.Items), c.remaining)
		}
	}
}

// A page is bounded in bytes as well, and goes on where it ended.
func TestP6_PageIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	s := servertest.Start(t, d)
	for range 6 {
		s.Put("f", strings.Repeat("x", 900_000))
	}
	seen := 0
	for p := s.Page("f?since=all&limit=1000"); ; p = s.Page("f?limit=1000&last_event_id=" + p.Cursor) {
		if n := len(p.Items); n == 0 || n > 5 {
			t.Fatalf("a page has %d items of 900 kB", n)
		}
		seen += len(p.Items)
		if !p.More {
			break
		}
	}
	if seen != 6 {
		t.Errorf("%d items", seen)
	}
}

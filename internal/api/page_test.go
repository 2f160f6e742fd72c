package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestPages_Shape(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	s := start(t, d)
	at := s.hub.Head().String()
	a := s.get("/feeds/f")
	if want := `{"items":[],"cursor":"` + at + `","more":false}` + "\n"; a.body != want {
		t.Errorf("an empty page is %q, want %q", a.body, want)
	}
	for name, want := range map[string]string{"Content-Type": jsonType, "Cache-Control": "no-store", "Vary": "Accept"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	id := s.putQuery("f", "event=goal", "x")
	if got, want := s.get("/feeds/f").body, `{"items":[`+envelope(s, id)+`],"cursor":"`+id+`","more":false}`+"\n"; got != want {
		t.Errorf("a page is %q, want %q", got, want)
	}
}

func TestPages_WithoutAStartAreTheNewest(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		s.putMany("f", 0, 150, 0)
		p := s.page("f")
		if len(p.Items) != 100 || number(t, string(p.Items[0].Data)) != 50 {
			t.Fatalf("%d items from %s", len(p.Items), p.Items[0].Data)
		}
		if p.Cursor != p.Items[99].ID || p.Gap != nil {
			t.Errorf("cursor %s, want %s", p.Cursor, p.Items[99].ID)
		}
		if p := s.page("f?limit=3"); fmt.Sprint(p.data()) != `[[147,""] [148,""] [149,""]]` {
			t.Errorf("%q", p.data())
		}
		if n := len(s.page("f?limit=1000").Items); n != 150 {
			t.Errorf("%d items", n)
		}
		// A client that goes on from there misses nothing.
		s.put("f", "next")
		if p := s.page("f?last_event_id=" + p.Cursor); fmt.Sprint(p.data()) != `["next"]` {
			t.Errorf("%q", p.data())
		}
	})
}

// P3: walking by cursor gives each item once, whatever the limit.
func TestP3_WalkingByCursorGivesEachItemOnce(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.window = 20 << 10 // so that both the window and the log answer
		s := start(t, d)
		const n = 1000
		for i := 0; i < n; i += 100 { // other feeds lie between
			s.putMany("f", i, i+100, 0)
			s.putMany("other", 0, 20, 0)
		}
		for _, limit := range []int{1, 7, 64, 100, 333, 500, 999, 1000} {
			p := s.page(fmt.Sprintf("f?since=all&limit=%d", limit))
			for seen := 0; ; {
				for _, it := range p.Items {
					if i := number(t, string(it.Data)); i != seen {
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
				p = s.page(fmt.Sprintf("f?last_event_id=%s&limit=%d", p.Cursor, limit))
			}
		}
		for _, limit := range []int{7, 100, 333, 1000} { // and backwards
			seen := n
			for p := s.page(fmt.Sprintf("f?limit=%d", limit)); ; p = s.page(fmt.Sprintf("f?before=%s&limit=%d", p.Items[0].ID, limit)) {
				for i := len(p.Items) - 1; i >= 0; i-- {
					seen--
					if got := number(t, string(p.Items[i].Data)); got != seen {
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
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		var ids []string
		for i := range 5 {
			ids = append(ids, s.putQuery("f", fmt.Sprintf("event=e%d", i%2), fmt.Sprint(i)))
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
			p := s.page("f?" + c.query)
			if got := fmt.Sprint(p.data()); got != c.want || p.More != c.more {
				t.Errorf("%s: %s more %v, want %s more %v", c.query, got, p.More, c.want, c.more)
			}
		}
	})
}

func TestPages_CursorMovesAlsoWhenNothingMatched(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		from := s.position()
		var last string
		for range 5 {
			last = s.putQuery("f", "event=other", "x")
		}
		for _, path := range []string{
			"f?event=goal&last_event_id=" + from, "f?event=goal&limit=1&last_event_id=" + from, "f?event=goal&wait=10ms&last_event_id=" + from,
			"f?event=goal&since=all", "f?event=goal",
		} {
			p := s.page(path)
			for p.More {
				p = s.page("f?event=goal&last_event_id=" + p.Cursor)
			}
			if len(p.Items) != 0 || p.Cursor != last {
				t.Errorf("%s: cursor %s, want %s, %d items", path, p.Cursor, last, len(p.Items))
			}
		}
	})
}

func TestPages_Gap(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.store = keep(2)
		s := start(t, d)
		from := s.position()
		for i := range 5 {
			s.put("f", fmt.Sprint(i))
		}
		p := s.page("f?limit=1&last_event_id=" + from)
		if p.Gap == nil || p.Gap.Reason != "trimmed" || p.Gap.After != from || fmt.Sprint(p.data()) != `["3"]` || !p.More {
			t.Fatalf("%+v %+v", p, p.Gap)
		}
		if p = s.page("f?last_event_id=" + p.Cursor); p.Gap != nil || fmt.Sprint(p.data()) != `["4"]` {
			t.Errorf("%+v %+v", p, p.Gap)
		}
		// A waiting page tells of it at once.
		s.do("DELETE", "/feeds/f", "").mustStatus(t, http.StatusOK)
		p = s.page("f?wait=60s&last_event_id=" + from)
		if p.Gap == nil || len(p.Items) > 0 {
			t.Fatalf("%+v", p)
		}
		if p = s.page("f?last_event_id=" + p.Cursor); p.Gap != nil {
			t.Errorf("the gap is told again at its cursor: %+v", p.Gap)
		}
	})
}

func TestPages_WaitAnswersWithTheFirstItemThatComes(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		s.put("f", "old")
		for i, query := range []string{"wait=60s&last_event_id=" + s.position(), "wait=60s", "wait=60s&since=now", "wait=1m&last=0", "wait=60s&event=goal"} {
			got := make(chan page)
			go func() { got <- s.page("f?" + query) }()
			eventually(t, "the page waits", func() bool { return s.metric("feedd_subscribers") == 1 })
			s.put("other", "x")
			if strings.Contains(query, "goal") {
				s.put("f", "no match")
			}
			id := s.putQuery("f", "event=goal", fmt.Sprint(i))
			if p := <-got; len(p.Items) != 1 || p.Items[0].ID != id || p.Cursor < id {
				t.Errorf("%s: %+v", query, p)
			}
		}
	})
}

func TestPages_WaitDoesNotWaitForWhatIsThere(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	from := s.position()
	s.put("f", "x")
	for _, query := range []string{"last_event_id=" + from, "since=all", "last=1"} {
		if p := s.page("f?wait=60s&" + query); len(p.Items) != 1 {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

func TestPages_WaitEndsEmptyWithTheCursor(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	s := start(t, d)
	s.put("f", "x")
	at := s.put("other", "x")
	begin := time.Now()
	for _, query := range []string{"wait=50ms", "wait=50ms&since=now", "wait=50ms&last_event_id=" + at} {
		if p := s.page("f?" + query); len(p.Items) != 0 || p.Cursor != at || p.More || p.Gap != nil {
			t.Errorf("%s: %+v, want the cursor %s", query, p, at)
		}
	}
	if took := time.Since(begin); took < 150*time.Millisecond {
		t.Errorf("three waits of 50ms took %s", took)
	}
}

func TestPages_Last(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	s := start(t, d)
	s.putMany("f", 0, 20, 0)
	for _, c := range []struct {
		query     string
		n, first  int
		more      bool
		remaining int
	}{
		{"last=5", 5, 15, false, 0}, {"last=5&limit=2", 2, 15, true, 3}, {"last=1000&limit=1000", 20, 0, false, 0},
	} {
		p := s.page("f?" + c.query)
		if len(p.Items) != c.n || number(t, string(p.Items[0].Data)) != c.first || p.More != c.more {
			t.Errorf("%s: %+v", c.query, p)
		}
		if rest := s.page("f?last_event_id=" + p.Cursor); len(rest.Items) != c.remaining {
			t.Errorf("%s: %d items remain, want %d", c.query, len(rest.Items), c.remaining)
		}
	}
}

// A page is bounded in bytes as well, and goes on where it ended.
func TestP6_PageIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	s := start(t, d)
	for range 6 {
		s.put("f", strings.Repeat("x", 900_000))
	}
	seen := 0
	for p := s.page("f?since=all&limit=1000"); ; p = s.page("f?limit=1000&last_event_id=" + p.Cursor) {
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

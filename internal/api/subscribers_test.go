package api_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/subscribe"
)

type subscriber struct {
	ID, Transport, Address, Selector, State, Position string
	Since                                             time.Time
	Behind                                            float64 `json:"behind_seconds"`
}

func (s *server) listed(query string) (list []subscriber, total int) {
	s.t.Helper()
	a := s.get("/subscribers" + query)
	a.mustStatus(s.t, 200)
	var answer struct {
		Subscribers []subscriber
		Total       int
	}
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil {
		s.t.Fatalf("%v: %s", err, a.body)
	}
	return answer.Subscribers, answer.Total
}

func TestSubscribers_AreListedAndCut(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	id := s.put("news", "x")
	for _, tt := range []struct {
		transport
		name string
	}{{sseTransport, "sse"}, {framesTransport, "sse"}, {ndjsonTransport, "ndjson"}, {socketTransport, "websocket"}} {
		t.Run(tt.transport.name, func(t *testing.T) {
			begin := time.Now()
			r := tt.open(s, "news,a.*?last=1")
			r.item()
			var list []subscriber
			for end := time.Now().Add(patience); len(list) == 0 || list[0].State == "catching-up"; {
				if list, _ = s.listed(""); time.Now().After(end) {
					t.Fatalf("there are %+v", list)
				}
			}
			got := list[0]
			if len(list) != 1 || got.Transport != tt.name || got.Selector != "news,a.*" || got.Position != id || got.Behind != 0 ||
				!strings.HasPrefix(got.Address, "127.0.0.1:") || got.Since.Before(begin.Add(-time.Second)) || got.Since.After(time.Now().Add(time.Second)) {
				t.Errorf("the list is %+v", list)
			}
			s.do("DELETE", "/subscribers/"+got.ID, "").mustStatus(t, 204)
			if n := r.something(); n.kind != ended && n.kind != broken {
				t.Errorf("%s came instead of an end", n.kind)
			}
			for _, total := s.listed(""); total > 0; _, total = s.listed("") {
				time.Sleep(time.Millisecond)
			}
			s.do("DELETE", "/subscribers/"+got.ID, "").mustProblem(t, 404, "not-found")
		})
	}
	for _, id := range []string{"s0-0-0", "s99-0-0", "s-1-0-0", "s0-99-0", "g1", "x", "%20"} {
		s.do("DELETE", "/subscribers/"+id, "").mustProblem(t, 404, "not-found")
	}
	s.do("DELETE", "/subscribers/g1", "", anonymous).mustProblem(t, 401, "unauthorized")
	s.get("/subscribers", anonymous).mustProblem(t, 401, "unauthorized")
	s.get("/subscribers?limit=0").mustProblem(t, 400, "bad-query")
}

// One of many is found by its address or by what it reads, also where it is
// behind more than are listed.
func TestSubscribers_AreFound(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	for range 3 {
		openSSE(s, "other")
		openSocket(s, "other")
	}
	openSSE(s, "news,a.*")
	openSocket(s, "news.b")
	var all []subscriber
	eventually(t, "all are listed", func() bool { all, _ = s.listed(""); return len(all) == 8 })
	for _, one := range all {
		if got, total := s.listed("?limit=1&match=" + one.Address); len(got) != 1 || got[0].ID != one.ID || total != 8 {
			t.Errorf("with the address %s there are %+v, of %d", one.Address, got, total)
		}
	}
	for match, want := range map[string]int{"news": 2, "a.*": 1, "news.b": 1, "other": 6, "127.0.0.1:": 8, "News": 0, "x": 0} {
		if got, _ := s.listed("?match=" + match); len(got) != want {
			t.Errorf("%d match %s, not %d", len(got), match, want)
		}
	}
}

// So are waiting pages, also those that no shard has.
func TestSubscribers_WaitingPagesAreListedAndCut(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, readers: func(feed string) bool { return feed == "open" }})
	cookie, _ := s.signIn(`{"key":"` + key + `"}`)
	for path, headers := range map[string][]string{"open": {"Connection: close"}, "closed": {anonymous, cookie}, api.StatsFeed: nil} {
		t.Run(path, func(t *testing.T) {
			answers := make(chan answer)
			go func() {
				defer close(answers) // where it failed
				answers <- s.get("/feeds/"+path+"?wait=60s&since=now&event=none", headers...)
			}()
			var got subscriber
			eventually(t, "it is listed", func() bool {
				list, total := s.listed("")
				if len(list) > 0 {
					got = list[0]
				}
				return len(list) == 1 && total == 1 && got.State == "parked"
			})
			if got.Transport != "poll" || got.Selector != path || got.Position == "" || got.Behind != 0 {
				t.Errorf("it is listed as %+v", got)
			}
			s.do("DELETE", "/subscribers/"+got.ID, "").mustStatus(t, 204)
			var p page
			if (<-answers).mustStatus(t, 200).decode(t, &p); len(p.Items) > 0 || p.Cursor == "" {
				t.Errorf("the answer is %+v", p)
			}
			eventually(t, "it is gone", func() bool { list, total := s.listed(""); return len(list)+total == 0 })
		})
	}
}

func TestSubscribers_AreListedUpToALimit(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	for range 5 {
		openSSE(s, "news")
		openSocket(s, "news")
	}
	eventually(t, "all are listed", func() bool { list, _ := s.listed(""); return len(list) == 10 })
	if list, total := s.listed("?limit=7"); len(list) != 7 || total != 10 {
		t.Errorf("%d of %d are listed", len(list), total)
	}
}

// Who has not got everything is listed first, whatever it reads by, and is cut
// at once, though its connection takes nothing.
func TestSubscribers_ThatTakeNothingAreListedFirstAndCut(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, sendBuffer: 16 << 10})
	for range 3 {
		openSSE(s, "other")
		openSocket(s, "other")
	}
	openSocket(s, "news")
	var stuck subscriber
	for same, end := 0, time.Now().Add(patience); same < 5; {
		s.put("news", strings.Repeat("x", 1<<20))
		list, _ := s.listed("?limit=2")
		if got := list[0]; got.Selector == "news" && got.State == "catching-up" && got.Behind > 0 && got.Position == stuck.Position {
			same++
		} else {
			same, stuck = 0, got
		}
		if time.Now().After(end) {
			t.Fatalf("the list begins with %+v", list)
		}
	}
	s.do("DELETE", "/subscribers/"+stuck.ID, "").mustStatus(t, 204)
	eventually(t, "it is gone", func() bool { return s.subscribers() == 6 })
	var last string
	for range 5 { // those that are listed are the same each time
		list, _ := s.listed("?limit=5")
		if ids := list[3].ID + list[4].ID; last == "" {
			last = ids
		} else if ids != last {
			t.Fatalf("there is %s instead of %s", ids, last)
		}
	}
}

// Who asks why nobody gets in gets in, by any way, but not without end.
func TestStats_CanBeReadWhenAllPlacesAreTaken(t *testing.T) {
	t.Parallel()
	for _, limits := range []subscribe.Limits{{MaxSubscribers: 2}, {MaxSubscribersPerIP: 2}} {
		s := start(t, deployment{memory: true, options: api.Options{Subscribe: limits}})
		openSSE(s, "news")
		openSSE(s, "news")
		s.get("/feeds/news?wait=1s").mustProblem(t, 503, "too-many-subscribers")
		openSSE(s, api.StatsFeed)
		openSocket(s, api.StatsFeed)
		s.get("/feeds/_stats?wait=1ms&since=now").mustStatus(t, 200)
		for range 14 {
			openSSE(s, api.StatsFeed)
		}
		s.get("/feeds/_stats?wait=1ms").mustProblem(t, 503, "too-many-subscribers")
		s.get("/feeds/_stats", anonymous).mustProblem(t, 401, "unauthorized")
	}
}

func TestStats_AreAFeedForAdministrators(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	s.put("news", "before")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.api.Observe(ctx, 20*time.Millisecond)
	}()
	t.Cleanup(func() { stop(); <-done })
	onTransports(t, func(t *testing.T, tr transport) {
		reader := openSSE(s, "news")
		r := tr.open(s, api.StatsFeed)
		eventually(t, "the reader, and none of before, waits", func() bool {
			list, _ := s.listed("?match=news")
			return len(list) == 1 && list[0].State == "parked"
		})
		r.item() // what is published before the first figures may be in none
		s.put("news", "x")
		reader.item()
		var sum, delivered float64
		var delays int
		for end := time.Now().Add(patience); sum < 0.99 || delivered < 0.99 || delays == 0; {
			if time.Now().After(end) {
				t.Fatalf("published %g, delivered %g, delays in %d", sum, delivered, delays)
			}
			var st struct {
				Seconds, Published, Delivered float64
				Subscribers, Items, Feeds     int
				P50                           *float64 `json:"p50_ms"`
				P99                           *float64 `json:"p99_ms"`
				Memory                        int64    `json:"memory_bytes"`
				Store                         int64    `json:"store_bytes"`
			}
			n := r.item()
			if err := json.Unmarshal([]byte(n.data), &st); err != nil {
				t.Fatalf("%v: %s", err, n.data)
			}
			if st.Seconds <= 0 || st.Subscribers < 1 || st.Items < 1 || st.Feeds != 1 || st.Memory < 1<<20 || st.Store < 1 {
				t.Errorf("the figures are %s", n.data)
			}
			sum += st.Published * st.Seconds
			delivered += st.Delivered * st.Seconds
			if st.P50 != nil && st.P99 != nil && *st.P50 > 0 && *st.P99 >= *st.P50 && *st.P99 < 60_000 {
				delays++
			}
		}
		reader.close()
	})
	for _, path := range []string{"_stats,news", "_stats,*"} {
		s.get("/feeds/"+path).mustProblem(t, 400, "bad-selector")
	}
	s.get("/feeds/_stats", anonymous).mustProblem(t, 401, "unauthorized")
	s.do("POST", "/feeds/_stats", "x").mustProblem(t, 403, "forbidden")
	if strings.Contains(s.get("/feeds").body, "_stats") || !strings.Contains(s.get("/feeds").body, `"settings":{"retention":`) {
		t.Errorf("the feeds are %s", s.get("/feeds").body)
	}
	if strings.Contains(s.get("/feeds", anonymous).body, "settings") {
		t.Error("strangers see the settings of feeds")
	}
}

package subscribe_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/subscribe"
)

func TestSubscribers_AreListedAndCut(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	id := s.Put("news", "x")
	for _, tt := range []struct {
		servertest.Transport
		name string
	}{{servertest.SseTransport, "sse"}, {servertest.FramesTransport, "sse"}, {servertest.NdjsonTransport, "ndjson"}, {servertest.SocketTransport, "websocket"}} {
		t.Run(tt.Transport.Name, func(t *testing.T) {
			begin := time.Now()
			r := tt.Open(s, "news,a.*?last=1")
			r.Item()
			var list []servertest.Subscriber
			for end := time.Now().Add(servertest.Patience); len(list) == 0 || list[0].State == "catching-up"; {
				if list, _ = s.Listed(""); time.Now().After(end) {
					t.Fatalf("there are %+v", list)
				}
			}
			got := list[0]
			if len(list) != 1 || got.Transport != tt.name || got.Selector != "news,a.*" || got.Position != id || got.Behind != 0 ||
				!strings.HasPrefix(got.Address, "127.0.0.1:") || got.Since.Before(begin.Add(-time.Second)) || got.Since.After(time.Now().Add(time.Second)) {
				t.Errorf("the list is %+v", list)
			}
			s.Do("DELETE", "/subscribers/"+got.ID, "").MustStatus(t, 204)
			if n := r.Something(); n.Kind != servertest.Ended && n.Kind != servertest.Broken {
				t.Errorf("%s came instead of an end", n.Kind)
			}
			for _, total := s.Listed(""); total > 0; _, total = s.Listed("") {
				time.Sleep(time.Millisecond)
			}
			s.Do("DELETE", "/subscribers/"+got.ID, "").MustProblem(t, 404, "not-found")
		})
	}
	for _, id := range []string{"s0-0-0", "s99-0-0", "s-1-0-0", "s0-99-0", "g1", "x", "%20"} {
		s.Do("DELETE", "/subscribers/"+id, "").MustProblem(t, 404, "not-found")
	}
	s.Do("DELETE", "/subscribers/g1", "", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	s.Get("/subscribers", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	s.Get("/subscribers?limit=0").MustProblem(t, 400, "bad-query")
}

// One of many is found by its address or by what it reads, also where it is
// behind more than are listed.
func TestSubscribers_AreFound(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for range 3 {
		servertest.OpenSSE(s, "other")
		servertest.OpenSocket(s, "other")
	}
	servertest.OpenSSE(s, "news,a.*")
	servertest.OpenSocket(s, "news.b")
	var all []servertest.Subscriber
	servertest.Eventually(t, "all are listed", func() bool { all, _ = s.Listed(""); return len(all) == 8 })
	for _, one := range all {
		if got, total := s.Listed("?limit=1&match=" + one.Address); len(got) != 1 || got[0].ID != one.ID || total != 8 {
			t.Errorf("with the address %s there are %+v, of %d", one.Address, got, total)
		}
	}
	for match, want := range map[string]int{"news": 2, "a.*": 1, "news.b": 1, "other": 6, "127.0.0.1:": 8, "News": 0, "x": 0} {
		if got, _ := s.Listed("?match=" + match); len(got) != want {
			t.Errorf("%d match %s, not %d", len(got), match, want)
		}
	}
}

// So are long polls, also those that no shard has.
func TestSubscribers_WaitingPagesAreListedAndCut(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Readers: func(feed string) bool { return feed == "open" }})
	cookie, _ := s.SignIn(`{"key":"` + servertest.Key + `"}`)
	for path, headers := range map[string][]string{"open": {"Connection: close"}, "closed": {servertest.Anonymous, cookie}, api.StatsFeed: nil} {
		t.Run(path, func(t *testing.T) {
			answers := make(chan servertest.Answer)
			go func() {
				defer close(answers) // where it failed
				answers <- s.Get("/feeds/"+path+"?wait=60s&since=now&event=none", headers...)
			}()
			var got servertest.Subscriber
			servertest.Eventually(t, "it is listed", func() bool {
				list, total := s.Listed("")
				if len(list) > 0 {
					got = list[0]
				}
				return len(list) == 1 && total == 1 && got.State == "parked"
			})
			if got.Transport != "poll" || got.Selector != path || got.Position == "" || got.Behind != 0 {
				t.Errorf("it is listed as %+v", got)
			}
			s.Do("DELETE", "/subscribers/"+got.ID, "").MustStatus(t, 204)
			var p servertest.Page
			if (<-answers).MustStatus(t, 200).Decode(t, &p); len(p.Items) > 0 || p.Cursor == "" {
				t.Errorf("the answer is %+v", p)
			}
			servertest.Eventually(t, "it is gone", func() bool { list, total := s.Listed(""); return len(list)+total == 0 })
		})
	}
}

func TestSubscribers_AreListedUpToALimit(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for range 5 {
		servertest.OpenSSE(s, "news")
		servertest.OpenSocket(s, "news")
	}
	servertest.Eventually(t, "all are listed", func() bool { list, _ := s.Listed(""); return len(list) == 10 })
	if list, total := s.Listed("?limit=7"); len(list) != 7 || total != 10 {
		t.Errorf("%d of %d are listed", len(list), total)
	}
}

// Who has not got everything is listed first, whatever it reads by, and is cut
// at once, though its connection takes nothing.
func TestSubscribers_ThatTakeNothingAreListedFirstAndCut(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, SendBuffer: 16 << 10})
	for range 3 {
		servertest.OpenSSE(s, "other")
		servertest.OpenSocket(s, "other")
	}
	servertest.OpenSocket(s, "news")
	var stuck servertest.Subscriber
	for same, end := 0, time.Now().Add(servertest.Patience); same < 5; {
		s.Put("news", strings.Repeat("x", 1<<20))
		list, _ := s.Listed("?limit=2")
		if got := list[0]; got.Selector == "news" && got.State == "catching-up" && got.Behind > 0 && got.Position == stuck.Position {
			same++
		} else {
			same, stuck = 0, got
		}
		if time.Now().After(end) {
			t.Fatalf("the list begins with %+v", list)
		}
	}
	s.Do("DELETE", "/subscribers/"+stuck.ID, "").MustStatus(t, 204)
	servertest.Eventually(t, "it is gone", func() bool { return s.Subscribers() == 6 })
	var last string
	for range 5 { // those that are listed are the same each time
		list, _ := s.Listed("?limit=5")
		if ids := list[3].ID + list[4].ID; last == "" {
			last = ids
		} else if ids != last {
			t.Fatalf("there is %s instead of %s", ids, last)
		}
	}
}

// An administrator who asks why no subscriber gets in does get in, over any
// transport, but not without bound.
func TestStats_CanBeReadWhenAllPlacesAreTaken(t *testing.T) {
	t.Parallel()
	for _, limits := range []subscribe.Limits{{MaxSubscribers: 2}, {MaxSubscribersPerIP: 2}} {
		s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Subscribe: limits}})
		servertest.OpenSSE(s, "news")
		servertest.OpenSSE(s, "news")
		s.Get("/feeds/news?wait=1s").MustProblem(t, 503, "too-many-subscribers")
		servertest.OpenSSE(s, api.StatsFeed)
		servertest.OpenSocket(s, api.StatsFeed)
		s.Get("/feeds/_stats?wait=1ms&since=now").MustStatus(t, 200)
		for range 14 {
			servertest.OpenSSE(s, api.StatsFeed)
		}
		s.Get("/feeds/_stats?wait=1ms").MustProblem(t, 503, "too-many-subscribers")
		s.Get("/feeds/_stats", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	}
}

func TestStats_AreAFeedForAdministrators(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	s.Put("news", "before")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Api.Observe(ctx, 20*time.Millisecond)
	}()
	t.Cleanup(func() { stop(); <-done })
	servertest.OnTransports(t, func(t *testing.T, tr servertest.Transport) {
		reader := servertest.OpenSSE(s, "news")
		r := tr.Open(s, api.StatsFeed)
		servertest.Eventually(t, "the reader, and none of before, waits", func() bool {
			list, _ := s.Listed("?match=news")
			return len(list) == 1 && list[0].State == "parked"
		})
		r.Item() // what is published before the first figures may be in none
		s.Put("news", "x")
		reader.Item()
		var sum, delivered float64
		var delays int
		for end := time.Now().Add(servertest.Patience); sum < 0.99 || delivered < 0.99 || delays == 0; {
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
			n := r.Item()
			if err := json.Unmarshal([]byte(n.Data), &st); err != nil {
				t.Fatalf("%v: %s", err, n.Data)
			}
			if st.Seconds <= 0 || st.Subscribers < 1 || st.Items < 1 || st.Feeds != 1 || st.Memory < 1<<20 || st.Store < 1 {
				t.Errorf("the figures are %s", n.Data)
			}
			sum += st.Published * st.Seconds
			delivered += st.Delivered * st.Seconds
			if st.P50 != nil && st.P99 != nil && *st.P50 > 0 && *st.P99 >= *st.P50 && *st.P99 < 60_000 {
				delays++
			}
		}
		reader.Close()
	})
	for _, path := range []string{"_stats,news", "_stats,*"} {
		s.Get("/feeds/"+path).MustProblem(t, 400, "bad-selector")
	}
	s.Get("/feeds/_stats", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	s.Do("POST", "/feeds/_stats", "x").MustProblem(t, 403, "forbidden")
	if strings.Contains(s.Get("/feeds").Body, "_stats") || !strings.Contains(s.Get("/feeds").Body, `"settings":{"retention":`) {
		t.Errorf("the feeds are %s", s.Get("/feeds").Body)
	}
	if strings.Contains(s.Get("/feeds", servertest.Anonymous).Body, "settings") {
		t.Error("strangers see the settings of feeds")
	}
}

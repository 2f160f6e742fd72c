package api_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"feedd/internal/selector"
	"feedd/internal/server/servertest"
	"feedd/internal/stream"
)

// lister counts who lists feeds.
type lister struct {
	stream.Engine
	calls, now, most atomic.Int64
	held             chan struct{} // nil: none waits
}

func (l *lister) Feeds(ctx context.Context, match selector.Selection) ([]stream.FeedInfo, error) {
	l.calls.Add(1)
	if n := l.now.Add(1); n > l.most.Load() {
		l.most.Store(n)
	}
	defer l.now.Add(-1)
	if l.held != nil {
		<-l.held
	}
	return l.Engine.Feeds(ctx, match)
}

// startWithFeeds starts a server with many feeds, of which those that begin with
// closed are the administrator's.
func startWithFeeds(t *testing.T, n int, held chan struct{}) (*servertest.Server, *lister) {
	l := &lister{held: held}
	s := servertest.Start(t, servertest.Deployment{
		Memory:  true,
		Readers: func(feed string) bool { return !strings.HasPrefix(feed, "closed") },
		Wrap: func(e stream.Engine) stream.Engine {
			l.Engine = e
			return l
		},
	})
	for i := range n {
		s.Text(fmt.Sprintf("%s.f%d", []string{"open", "closed"}[i%2], i), "x")
	}
	return s, l
}

// P5: lists of feeds are made one at a time; of very many they are kept for a
// moment, for who may read the same.
func TestP5_lists_of_feeds_are_made_one_at_a_time(t *testing.T) {
	held := make(chan struct{})
	s, l := startWithFeeds(t, 2000, held)
	var all sync.WaitGroup
	var bodies [8]string
	for i := range bodies {
		all.Go(func() { bodies[i] = s.Get("/feeds?limit=10000").Body })
	}
	held <- struct{}{}
	all.Wait()
	if calls := l.calls.Load(); calls != 1 {
		t.Errorf("%d who ask the same made %d lists", len(bodies), calls)
	}
	for _, b := range bodies {
		if b != bodies[0] || strings.Count(b, `"settings"`) != 2000 {
			t.Errorf("not all got the same list of 2000 feeds")
		}
	}
	close(held)
	for i := range bodies { // each asks for another one
		all.Go(func() {
			s.Get(fmt.Sprintf("/feeds?limit=%d&match=*.f%d", 100+i, i)).MustStatus(t, 200)
		})
	}
	all.Wait()
	if most := l.most.Load(); most != 1 {
		t.Errorf("%d lists were made at the same time", most)
	}
}

// P5: however many strangers wait for their lists, who has a key has its own, and
// who asks for feeds by their names waits for neither.
func TestP5_a_list_waits_for_no_strangers(t *testing.T) {
	held := make(chan struct{})
	s, l := startWithFeeds(t, 20, held)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { s.Get(fmt.Sprintf("/feeds?limit=%d", 100+i), "Authorization:").MustStatus(t, 200) })
	}
	servertest.Eventually(t, "a stranger's list is being made", func() bool { return l.now.Load() == 1 })
	others := make(chan struct{})
	go func() {
		defer close(others)
		s.Get("/feeds").MustStatus(t, 200)
		s.Get("/feeds?match=open.f0,open.f2", "Authorization:").MustStatus(t, 200)
	}()
	servertest.Eventually(t, "a list with a key is being made beside it", func() bool { return l.calls.Load() == 2 })
	held <- struct{}{} // whichever of the two it is
	held <- struct{}{}
	servertest.Eventually(t, "one by name is being made beside the next", func() bool { return l.calls.Load() == 4 })
	close(held)
	<-others
	all.Wait()
}

// P9: a server that stops makes no more lists for clients that wait for theirs.
func TestP9_lists_that_wait_hold_up_no_stop(t *testing.T) {
	held := make(chan struct{})
	s, l := startWithFeeds(t, 20, held)
	answers := make(chan int, 8)
	for i := range cap(answers) {
		go func() { answers <- s.Get(fmt.Sprintf("/feeds?limit=%d", 100+i)).Status }()
	}
	servertest.Eventually(t, "a list is being made", func() bool { return l.now.Load() == 1 })
	s.Hub.Drain()
	for range cap(answers) - 1 {
		if got := <-answers; got != 503 {
			t.Errorf("a list that waited is answered with %d, not 503", got)
		}
	}
	close(held)
	if got := <-answers; got != 200 {
		t.Errorf("the list that was being made is answered with %d", got)
	}
}

// P8: a list that is kept for administrators is shown only to administrators,
// and one for strangers only to strangers.
func TestP8_kept_lists_are_for_who_may_read_the_same(t *testing.T) {
	s, _ := startWithFeeds(t, 4000, nil)
	for range 3 {
		for _, path := range []string{"/feeds?limit=10000", "/feeds?limit=10000&sort=-count", "/feeds?limit=10000&match=open.*,closed.*"} {
			admin := s.Get(path).MustStatus(t, 200).Body
			if n := strings.Count(admin, `"feed":`); n != 4000 || strings.Count(admin, `"settings"`) != 4000 {
				t.Errorf("%s: the administrator sees %d feeds", path, n)
			}
			stranger := s.Get(path, "Authorization:").MustStatus(t, 200).Body
			if n := strings.Count(stranger, `"feed":`); n != 2000 || strings.Contains(stranger, "closed") || strings.Contains(stranger, "settings") {
				t.Errorf("%s: a stranger sees %d feeds, of 2000 that are open: %.200s", path, n, stranger)
			}
		}
	}
}

// Lists go on from any name, also from what is kept.
func TestFeeds_pages_of_a_kept_list(t *testing.T) {
	s, l := startWithFeeds(t, 1500, nil)
	var names []string
	for after, more := "", true; more; {
		page := s.List("limit=400&after=" + after)
		for _, f := range page.Feeds {
			names = append(names, f.Feed)
		}
		after, more = names[len(names)-1], page.More
	}
	if len(names) != 1500 {
		t.Errorf("%d feeds in pages, not 1500", len(names))
	}
	for i := range names[1:] {
		if names[i] >= names[i+1] {
			t.Errorf("%s comes before %s", names[i], names[i+1])
		}
	}
	if calls := l.calls.Load(); calls > 4 {
		t.Errorf("%d lists were made for four pages", calls)
	}
}

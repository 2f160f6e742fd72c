package subscribe_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"feedd/internal/api"
	"feedd/internal/selector"
	"feedd/internal/server/servertest"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// P1, P3: feeds with a subscriber each, and lists, patterns and filters over
// them, of many subscribers who begin at different places: while many publish,
// each gets exactly its items.
func TestP1_ManySelectionsGetExactlyTheirItems(t *testing.T) {
	t.Parallel()
	const feeds, publishers, each = 300, 4, 120
	s := servertest.Start(t, servertest.Deployment{Memory: true, Window: 100_000, Options: api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1000}}})
	var all []*stream.Item
	for i := range 100 { // a reader that begins early among these needs the log
		all = append(all, s.Text("g.7", fmt.Sprintf("old %d %s", i, strings.Repeat("x", 2000))))
	}
	type subscriber struct {
		sel   selector.Selection
		after stream.ID
		tap   *servertest.Tap
		got   []*servertest.Note
	}
	var subs []*subscriber
	subscribe := func(text, event string, after stream.ID) {
		sel, err := selector.Parse(text, 16)
		if err != nil {
			t.Fatal(err)
		}
		path := text + "?"
		if event != "" {
			sel = sel.Only([]string{event})
			path += "event=" + event + "&"
		}
		if after > 0 {
			path += "last_event_id=" + after.String()
		}
		tp, n := s.Tap(path, servertest.Taps[len(subs)%len(servertest.Taps)], 0)
		if after == 0 {
			after, _ = stream.ParseID(n.Id)
		}
		subs = append(subs, &subscriber{sel: sel, after: after, tap: tp})
	}
	for i := range feeds {
		subscribe(fmt.Sprint("g.", i), "", 0)
	}
	for i := range 12 {
		subscribe("g.1,g.2,g.3,g.4", "", 0)
		subscribe(fmt.Sprintf("g.%d,other,g.%d", i, i+1), "", 0)
		subscribe("g.*", "", 0)
		subscribe("g.*", "goal", 0)
		subscribe("**", "message", all[i*5].ID)
		subscribe("g.7", "", all[i*8].ID)
		subscribe("other,g.*", "", all[i*8].ID)
	}
	var publishing, reading sync.WaitGroup
	for _, sub := range subs {
		reading.Go(func() {
			for {
				n, ok := sub.tap.Wait(3 * servertest.Patience)
				if !ok || n.Kind == servertest.Closing {
					return
				}
				if n.Kind == servertest.AnItem {
					sub.got = append(sub.got, &n)
				} else if n.Kind == servertest.AGap {
					t.Errorf("a gap came to a reader of %s: %+v", sub.sel, n.Gap)
				}
			}
		})
	}
	var mu sync.Mutex // guards all
	for p := range publishers {
		random := rand.New(rand.NewPCG(uint64(p), 1))
		publishing.Go(func() {
			for i := range each {
				feed := fmt.Sprint("g.", random.IntN(10)) // those of the lists, mostly
				if i%3 == 0 {
					feed = fmt.Sprint("g.", random.IntN(feeds))
				}
				var drafts []stream.Draft
				for range 1 + random.IntN(3) {
					drafts = append(drafts, stream.Draft{Event: []string{"", "goal", "card"}[random.IntN(3)], Data: fmt.Appendf(nil, "%d %d", p, i)})
				}
				items := s.Publish(feed, drafts...)
				mu.Lock()
				all = append(all, items...)
				mu.Unlock()
			}
		})
	}
	publishing.Wait()
	slices.SortFunc(all, func(a, b *stream.Item) int { return int(a.ID - b.ID) })
	want := func(sub *subscriber) (items []*stream.Item) {
		for _, it := range all {
			if it.ID > sub.after && sub.sel.Has(it.Feed) && sub.sel.HasEvent(it.Event) {
				items = append(items, it)
			}
		}
		return items
	}
	// A reader that is told to go has what was published before.
	total := 0
	for _, sub := range subs {
		total += len(want(sub))
	}
	servertest.Eventually(t, "everything is delivered", func() bool { return s.Metric("feedd_items_delivered_total") >= float64(total) || t.Failed() })
	s.Hub.Drain()
	reading.Wait()
	for _, sub := range subs {
		items := want(sub)
		for i, it := range items {
			if i == len(sub.got) || sub.got[i].Raw != servertest.FrameOf(sub.tap.Tr, it) {
				t.Errorf("a reader of %s after %s got %d items of %d, and item %s is not the one at %d", sub.sel, sub.after, len(sub.got), len(items), it.ID, i)
				break
			}
		}
		if len(sub.got) > len(items) {
			t.Errorf("a reader of %s got %d items, want %d", sub.sel, len(sub.got), len(items))
		}
	}
}

// P8: who reads the same selector with other rights gets other items.
func TestP8_TheSameSelectorWithOtherRights(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Readers: func(feed string) bool { return feed == "open" || feed == "a" }})
	var admins, others []*servertest.Tap
	for i := range 6 {
		tp, _ := s.Tap("**", servertest.Taps[i/2%len(servertest.Taps)], 0)
		admins = append(admins, tp)
		tp, _ = s.Tap("**", servertest.Taps[i/2%len(servertest.Taps)], 0, servertest.Anonymous)
		others = append(others, tp)
		tp, _ = s.Tap("*,a", servertest.Taps[i/2%len(servertest.Taps)], 0) // another one, so that they share their shards
		admins = append(admins, tp)
		tp, _ = s.Tap("*,a", servertest.Taps[i/2%len(servertest.Taps)], 0, servertest.Anonymous)
		others = append(others, tp)
		s.Tap("quiet", servertest.SseTransport, 0)
	}
	secret, open := s.Text("secret", "x"), s.Text("open", "y")
	for _, tp := range admins {
		tp.MustItem(secret)
		tp.MustItem(open)
	}
	for _, tp := range others {
		tp.MustItem(open)
	}
}

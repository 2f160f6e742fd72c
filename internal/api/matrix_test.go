package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"feedd/internal/api"
	"feedd/internal/subscribe"
)

// told is what every transport tells of a note in the same words.
type told struct {
	Kind  kind
	ID    string
	Event string
	Data  string
	Gap   *gap
}

// P1, P3, P4: whatever is asked for, and from wherever, every transport gives
// the same items and gaps in the same order, and they are those that are
// retained and selected.
func TestP1P3P4_EveryTransportTellsTheSame(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		const kept = 6
		d.store = keep(kept)
		d.options = api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1000}}
		s := start(t, d)
		feeds := []string{"a", "b", "c.x", "c.y"}
		type published struct{ id, feed, event string }
		put := func(feed, event, data string) published {
			query := ""
			if event != "" {
				query = "event=" + event
			}
			return published{s.putQuery(feed, query, data), feed, event}
		}
		var all []published
		for i := range 2 * kept {
			for _, feed := range feeds {
				all = append(all, put(feed, []string{"", "goal", "card"}[i%3], fmt.Sprintf(" %s\n%d é", feed, i)))
			}
		}
		retained := all[len(all)-kept*len(feeds):]

		type from struct{ name, query, above, gap string }
		starts := []from{
			{"everything", "since=all", "", ""},
			{"the first retained", "", retained[0].id, ""},
			{"the middle", "", retained[len(retained)/2].id, ""},
			{"the newest", "", retained[len(retained)-1].id, ""},
			{"one that is trimmed", "", all[3].id, "trimmed"},
			{"one above all", "last_event_id=9007199254740990", "", "unknown"},
			{"one that is none", "last_event_id=x", "", "unknown"},
			{"live", "since=now", retained[len(retained)-1].id, ""},
		}
		selections := []struct {
			path string
			has  func(p published) bool
		}{
			{"a", func(p published) bool { return p.feed == "a" }},
			{"a,c.y", func(p published) bool { return p.feed == "a" || p.feed == "c.y" }},
			{"c.*", func(p published) bool { return strings.HasPrefix(p.feed, "c.") }},
			{"**", func(published) bool { return true }},
			{"a,b?event=goal", func(p published) bool { return (p.feed == "a" || p.feed == "b") && p.event == "goal" }},
			{"**?event=message", func(p published) bool { return p.event == "" }},
		}
		type asked struct {
			path    string
			has     func(p published) bool
			readers []*reader // by transport
		}
		var questions []asked
		for _, sel := range selections {
			for _, at := range starts {
				query := at.query
				if query == "" {
					query = "last_event_id=" + at.above
				}
				q := asked{path: with(sel.path, query), has: sel.has}
				var want []string
				for _, p := range retained {
					if sel.has(p) && p.id > at.above {
						want = append(want, p.id)
					}
				}
				var first []told
				for i, tr := range transports {
					r := tr.open(s, q.path)
					q.readers = append(q.readers, r)
					var notes []told
					for items := 0; items < len(want) || at.gap != "" && len(notes) == items; {
						n := r.something()
						switch n.kind {
						case anItem:
							notes = append(notes, told{Kind: n.kind, ID: n.id, Event: n.event, Data: n.data})
							items++
						case aGap:
							notes = append(notes, told{Kind: n.kind, Gap: n.gap})
						default:
							t.Fatalf("%s by %s: %+v", q.path, tr.name, n)
						}
					}
					if i == 0 {
						first = notes
					} else if diff := cmp.Diff(first, notes); diff != "" {
						t.Errorf("%s: %s (-) and %s (+) tell otherwise:\n%s", q.path, transports[0].name, tr.name, diff)
					}
				}
				var got, gaps []string
				for i, n := range first {
					if n.Kind == anItem {
						got = append(got, n.ID)
					} else if gaps = append(gaps, n.Gap.Reason); i > 0 {
						t.Errorf("%s: the gap comes behind an item", q.path)
					}
				}
				if !slices.Equal(got, want) || strings.Join(gaps, " ") != at.gap {
					t.Errorf("%s: %v and the gaps %v, want %v and %q", q.path, got, gaps, want, at.gap)
				}
				questions = append(questions, q)
			}
		}
		// Then all are live, and nothing else was on its way to them.
		var ends []published
		for _, feed := range feeds {
			ends = append(ends, put(feed, "", "end"), put(feed, "goal", "end"))
		}
		for _, q := range questions {
			for i, r := range q.readers {
				for _, p := range ends {
					if !q.has(p) {
						continue
					}
					if n := r.something(); n.kind != anItem || n.id != p.id {
						t.Errorf("%s by %s: %+v, want the live item %s", q.path, transports[i].name, n, p.id)
					}
				}
				r.close()
			}
		}
	})
}

// P3: a client that changes its transport after every tenth item misses none.
func TestP3_ChangingTheTransportEveryTenItems(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		from := s.position()
		const n = 1000
		publishing := make(chan struct{})
		go func() {
			defer close(publishing)
			s.putMany("f", 0, n, 20)
		}()
		defer func() { <-publishing }()
		for i := 0; i < n; {
			tr := transports[i/10%len(transports)]
			r := tr.open(s, "f?last_event_id="+from)
			for range 10 {
				it := r.item()
				if got := number(t, it.data); got != i {
					t.Fatalf("item %d came by %s, want %d", got, tr.name, i)
				}
				from = it.id
				i++
			}
			r.close()
		}
	})
}

package subscribe_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
	"feedd/internal/subscribe"
)

// told is what every transport tells of a note in the same words.
type told struct {
	Kind  servertest.Kind
	ID    string
	Event string
	Data  string
	Gap   *servertest.Gap
}

// P1, P3, P4: whatever is asked for, and from wherever, every transport gives
// the same items and gaps in the same order, and they are those that are
// retained and selected.
func TestP1P3P4_EveryTransportTellsTheSame(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		const kept = 6
		d.Store = servertest.Keep(kept)
		d.Options = api.Options{Subscribe: subscribe.Limits{MaxSubscribers: 1000}}
		s := servertest.Start(t, d)
		feeds := []string{"a", "b", "c.x", "c.y"}
		type published struct{ id, feed, event string }
		put := func(feed, event, data string) published {
			query := ""
			if event != "" {
				query = "event=" + event
			}
			return published{s.PutQuery(feed, query, data), feed, event}
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
			readers []*servertest.Reader // by transport
		}
		var questions []asked
		for _, sel := range selections {
			for _, at := range starts {
				query := at.query
				if query == "" {
					query = "last_event_id=" + at.above
				}
				q := asked{path: servertest.With(sel.path, query), has: sel.has}
				var want []string
				for _, p := range retained {
					if sel.has(p) && p.id > at.above {
						want = append(want, p.id)
					}
				}
				var first []told
				for i, tr := range servertest.Transports {
					r := tr.Open(s, q.path)
					q.readers = append(q.readers, r)
					var notes []told
					for items := 0; items < len(want) || at.gap != "" && len(notes) == items; {
						n := r.Something()
						switch n.Kind {
						case servertest.AnItem:
							notes = append(notes, told{Kind: n.Kind, ID: n.Id, Event: n.Event, Data: n.Data})
							items++
						case servertest.AGap:
							notes = append(notes, told{Kind: n.Kind, Gap: n.Gap})
						default:
							t.Fatalf("%s by %s: %+v", q.path, tr.Name, n)
						}
					}
					if i == 0 {
						first = notes
					} else if diff := cmp.Diff(first, notes); diff != "" {
						t.Errorf("%s: %s (-) and %s (+) tell otherwise:\n%s", q.path, servertest.Transports[0].Name, tr.Name, diff)
					}
				}
				var got, gaps []string
				for i, n := range first {
					if n.Kind == servertest.AnItem {
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
					if n := r.Something(); n.Kind != servertest.AnItem || n.Id != p.id {
						t.Errorf("%s by %s: %+v, want the live item %s", q.path, servertest.Transports[i].Name, n, p.id)
					}
				}
				r.Close()
			}
		}
	})
}

// P3: a client that changes its transport after every tenth item misses none.
func TestP3_ChangingTheTransportEveryTenItems(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		from := s.Position()
		const n = 1000
		publishing := make(chan struct{})
		go func() {
			defer close(publishing)
			s.PutMany("f", 0, n, 20)
		}()
		defer func() { <-publishing }()
		for i := 0; i < n; {
			tr := servertest.Transports[i/10%len(servertest.Transports)]
			r := tr.Open(s, "f?last_event_id="+from)
			for range 10 {
				it := r.Item()
				if got := servertest.Number(t, it.Data); got != i {
					t.Fatalf("item %d came by %s, want %d", got, tr.Name, i)
				}
				from = it.Id
				i++
			}
			r.Close()
		}
	})
}

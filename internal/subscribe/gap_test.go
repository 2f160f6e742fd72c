package subscribe_test

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"feedd/internal/server/servertest"
	"feedd/internal/stream"
)

func TestP4_GapAtTheOpeningAfterTrimming(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		d.Store = servertest.Keep(2)
		s := servertest.Start(t, d)
		from := s.Position()
		var ids []string
		for i := range 5 {
			ids = append(ids, s.Put("f", fmt.Sprint(i)))
		}
		for _, after := range []string{from, ids[0], ids[1]} {
			r := tr.Open(s, "f?last_event_id="+after)
			g := r.MustGap("trimmed")
			if g.After != after || g.Through != ids[2] || g.Oldest != ids[3] || fmt.Sprint(g.Feeds) != "[f]" {
				t.Errorf("gap %+v after %s of %s", g, after, ids)
			}
			r.MustItems("3", "4")
		}
		// The newest that was lost, and what is above it, is no loss.
		for i, after := range ids[2:4] {
			tr.Open(s, "f?last_event_id="+after).MustItems([]string{"3", "4"}[i:]...)
		}
		// It was asked for whatever there is.
		tr.Open(s, "f?last=10").MustItems("3", "4")
		tr.Open(s, "f?since=all").MustItems("3", "4")
		// A time is a position as well.
		r := tr.Open(s, "f?since=1h")
		r.MustGap("trimmed")
		r.MustItems("3", "4")
	})
}

func TestP4_GapAfterAPurge(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		s := servertest.Start(t, d)
		from := s.Position()
		s.Put("f", "1")
		lost := s.Put("f", "2")
		other := s.Put("other", "x")
		s.Do("DELETE", "/feeds/f", "").MustStatus(t, http.StatusOK)
		empty := tr.Open(s, "f?last_event_id="+from)
		if g := empty.MustGap("purged"); g.Through != lost || g.Oldest != "" || g.After != from {
			t.Errorf("gap %+v of an empty feed", g)
		}
		tr.Open(s, "other?last_event_id="+from).MustItems("x")
		s.Put("f", "3")
		empty.MustItems("3")
		r := tr.Open(s, "f,other?last_event_id="+from)
		if g := r.MustGap("purged"); g.Oldest != other || fmt.Sprint(g.Feeds) != "[f]" {
			t.Errorf("gap %+v", g)
		}
		r.MustItems("x", "3")
		tr.Open(s, "f?last_event_id="+lost).MustItems("3")
	})
}

// An event filter does not hide a loss: what was lost may have passed it.
func TestP4_GapPassesEveryFilter(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		d.Store = servertest.Keep(2)
		s := servertest.Start(t, d)
		from := s.Position()
		for i := range 5 {
			s.PutQuery("f", "event=other", fmt.Sprint(i))
		}
		r := tr.Open(s, "f?event=goal&last_event_id="+from)
		r.MustGap("trimmed")
		s.PutQuery("f", "event=goal", "goal")
		r.MustItems("goal")
	})
}

func TestP4_SingleDeleteIsNoGap(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		s := servertest.Start(t, d)
		from := s.Position()
		first := s.Put("f", "1")
		s.Put("f", "2")
		s.Do("DELETE", "/feeds/f/items/"+first, "").MustStatus(t, http.StatusNoContent)
		tr.Open(s, "f?last_event_id="+from).MustItems("2")
	})
}

// The gap's id lies below what is retained of the other feeds, so that nothing
// is skipped, and who is cut off in its middle is told again.
func TestP4_GapOfSeveralFeedsSkipsNothing(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		d.Store = servertest.Keep(2)
		s := servertest.Start(t, d)
		from := s.Position()
		a0 := s.Put("a", "a0")
		b0 := s.Put("b", "b0")
		s.Put("a", "a1")
		a2 := s.Put("a", "a2")
		a3 := s.Put("a", "a3")
		s.Put("b", "b1")
		r := tr.Open(s, "a,b,c?last_event_id="+from)
		g := r.Something()
		if g.Kind != servertest.AGap || g.Gap.Oldest != b0 || fmt.Sprint(g.Gap.Feeds) != "[a]" || g.Gap.Through >= a2 {
			t.Fatalf("%+v %+v", g, g.Gap)
		}
		r.MustItems("b0", "a2", "a3", "b1")
		if tr.Streams {
			if g.Id >= b0 {
				t.Errorf("the gap stands at %s, above the retained %s", g.Id, b0)
			}
			again := tr.Open(s, "a,b,c?last_event_id="+g.Id)
			again.MustGap("trimmed")
			again.MustItems("b0", "a2", "a3", "b1")
		}
		tr.Open(s, "b?last_event_id="+from).MustItems("b0", "b1")
		for _, after := range []string{a2, a3} {
			if n := tr.Open(s, "a,b,c?last_event_id="+after).Something(); n.Kind != servertest.AnItem {
				t.Errorf("after %s came %+v", after, n.Gap)
			}
		}
		for _, after := range []string{a0, b0} {
			tr.Open(s, "a,b?last_event_id="+after).MustGap("trimmed")
		}
		tr.Open(s, "**?last_event_id="+b0).MustGap("trimmed")
	})
}

// P4: who passed a gap is not told of it again.
func TestP4_GapIsToldOnce(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		d.Store = servertest.Keep(2)
		s := servertest.Start(t, d)
		from := s.Position()
		for i := range 5 {
			s.Put("f", fmt.Sprint(i))
		}
		r := tr.Open(s, "f?last_event_id="+from)
		n := r.Something()
		if n.Kind != servertest.AGap {
			t.Fatalf("%+v", n)
		}
		if tr.Streams {
			tr.Open(s, "f?last_event_id="+n.Id).MustItems("3", "4")
		}
		r.MustItems("3")
		last := r.Item()
		again := tr.Open(s, "f?last_event_id="+last.Id)
		s.Put("f", "5")
		r.MustItems("5")
		again.MustItems("5")
	})
}

// A cut in the middle of the notice: the reader has the position that it had.
func TestP4_CutInTheMiddleOfTheNoticeRepeatsIt(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Store = servertest.Keep(2)
		s := servertest.Start(t, d)
		from := s.Position()
		for i := range 5 {
			s.Put("f", fmt.Sprint(i))
		}
		whole := servertest.OpenSSE(s, "f", "Last-Event-ID: "+from)
		raw := fmt.Sprintf("retry: 2000\nid: %s\n\n%s", from, whole.Something().Raw)
		for cut := range len(raw) {
			e := servertest.NewSSE(bufio.NewReader(strings.NewReader(raw[:cut])))
			e.LastID = from
			for n := e.Note(); n.Kind != servertest.Ended && n.Kind != servertest.Broken; n = e.Note() {
			}
			if e.LastID == from {
				continue
			}
			t.Fatalf("cut at %d of %q the position is %s", cut, raw, e.LastID)
		}
		servertest.OpenSSE(s, "f", "Last-Event-ID: "+from).MustGap("trimmed")
	})
}

func TestP4_GapNamesAtMost16FeedsAndOnlyReadableOnes(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		d.Store = servertest.Keep(1)
		d.Readers = func(feed string) bool { return !strings.HasPrefix(feed, "secret") }
		s := servertest.Start(t, d)
		from := s.Position()
		for i := range 20 {
			for range 2 {
				s.Put(fmt.Sprintf("open.%02d", i), "x")
				s.Put(fmt.Sprintf("secret.%02d", i), "x")
			}
		}
		r := tr.Open(s, "**?last_event_id="+from, "Authorization:")
		g := r.MustGap("trimmed")
		if len(g.Feeds) != 16 || !slices.IsSorted(g.Feeds) {
			t.Errorf("feeds %q", g.Feeds)
		}
		for _, name := range g.Feeds {
			if !strings.HasPrefix(name, "open.") {
				t.Errorf("the gap names %s", name)
			}
		}
		oldest := s.Page("open.00").Items[0].ID
		if g.Oldest != oldest {
			t.Errorf("the gap's oldest is %s, want that of a readable feed: %s", g.Oldest, oldest)
		}
		// A loss in unreadable feeds alone is none.
		s.PutMany("secret.00", 0, 2, 0)
		r = tr.Open(s, "**?last_event_id="+s.Page("open.19").Items[0].ID, "Authorization:")
		s.Put("open.00", "live")
		r.MustItems("live")
	})
}

// P4, P5: trimming overtakes a reader that does not read. It is told before what
// follows, in mid-stream or, where half of an item was written that is gone
// now, when it comes back; and everything else reaches it.
func TestP4_GapInMidStream(t *testing.T) {
	for _, c := range []struct {
		reason string
		lose   func(s *servertest.Server, n int)
	}{
		{"trimmed", func(s *servertest.Server, n int) {}},
		{"purged", func(s *servertest.Server, n int) {
			s.Do("DELETE", "/feeds/f", "").MustStatus(s.T, http.StatusOK)
			s.PutMany("f", n, n+3, 10)
		}},
	} {
		servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
			for _, tr := range []servertest.Transport{servertest.SseTransport, servertest.NdjsonTransport} {
				t.Run(c.reason+" "+tr.Name, func(t *testing.T) {
					keepItems := 100
					if c.reason == "purged" {
						keepItems = 0
					}
					d := d
					d.Store = servertest.Keep(keepItems)
					d.Window = 50 << 10 // a window that holds everything hides the loss
					d.SendBuffer = 4096
					s := servertest.Start(t, d)
					from := s.Position()
					conn, in := s.SlowReader("f?last_event_id="+from, tr)
					const n = 400
					s.PutMany("f", 0, n, 1500)
					c.lose(s, n)
					end := s.Put("f", "end")
					var seen []int
					var gaps []*servertest.Gap
					last := from
					next := conn.Reader(in, tr)
					for done := false; !done; {
						m := next()
						if m.Id != "" {
							last = m.Id
						}
						switch m.Kind {
						case servertest.Broken, servertest.Ended:
							conn, in = s.SlowReader("f?last_event_id="+last, tr)
							next = conn.Reader(in, tr)
						case servertest.AnItem:
							if done = m.Id == end; done {
								break
							}
							seen = append(seen, servertest.Number(t, m.Data))
							if len(gaps) > 0 && m.Id <= gaps[len(gaps)-1].Through {
								t.Fatalf("the item %s comes after the gap through %s", m.Id, gaps[len(gaps)-1].Through)
							}
						case servertest.AGap:
							gaps = append(gaps, m.Gap)
							if m.Gap.Reason != c.reason {
								t.Errorf("gap %+v", m.Gap)
							}
						case servertest.Opening, servertest.AComment:
						default:
							t.Fatalf("%s after %d items and %d gaps", m.Kind, len(seen), len(gaps))
						}
					}
					if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
						t.Errorf("the items are out of order, or doubled")
					}
					if len(gaps) == 0 || len(seen) >= n {
						t.Fatalf("%d gaps and %d items: the reader was not slow enough for this test", len(gaps), len(seen))
					}
					// They are counted once they were written.
					servertest.Eventually(t, "feedd_gaps_total counts the gaps", func() bool {
						return s.Metric("feedd_gaps_total") >= float64(len(gaps))
					})
				})
			}
		})
	}
}

// P4: what retention takes by age, or by bytes, is a loss as well.
func TestP4_GapAfterTrimmingByAgeAndBytes(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Store.Retention = func(feed string) stream.Retention {
			if feed == "age" {
				return stream.Retention{MaxAge: 300 * time.Millisecond}
			}
			return stream.Retention{MaxBytes: 20}
		}
		s := servertest.Start(t, d)
		from := s.Position()
		s.Put("age", "old")
		s.Put("bytes", strings.Repeat("x", 15))
		s.Put("bytes", strings.Repeat("y", 15))
		r := servertest.OpenSSE(s, "bytes?last_event_id="+from)
		r.MustGap("trimmed")
		r.MustItems(strings.Repeat("y", 15))
		servertest.Eventually(t, "the old item is gone", func() bool { return len(s.Page("age?since=all").Items) == 0 })
		servertest.OpenSSE(s, "age?last_event_id="+from).MustGap("trimmed")
	})
}

package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"feedd/internal/stream"
)

func TestP4_GapAtTheOpeningAfterTrimming(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		d.store = keep(2)
		s := start(t, d)
		from := s.position()
		var ids []string
		for i := range 5 {
			ids = append(ids, s.put("f", fmt.Sprint(i)))
		}
		for _, after := range []string{from, ids[0], ids[1]} {
			r := tr.open(s, "f?last_event_id="+after)
			g := r.mustGap("trimmed")
			if g.After != after || g.Through != ids[2] || g.Oldest != ids[3] || fmt.Sprint(g.Feeds) != "[f]" {
				t.Errorf("gap %+v after %s of %s", g, after, ids)
			}
			r.mustItems("3", "4")
		}
		// The newest that was lost, and what is above it, is no loss.
		for i, after := range ids[2:4] {
			tr.open(s, "f?last_event_id="+after).mustItems([]string{"3", "4"}[i:]...)
		}
		// It was asked for whatever there is.
		tr.open(s, "f?last=10").mustItems("3", "4")
		tr.open(s, "f?since=all").mustItems("3", "4")
		// A time is a position as well.
		r := tr.open(s, "f?since=1h")
		r.mustGap("trimmed")
		r.mustItems("3", "4")
	})
}

func TestP4_GapAfterAPurge(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		s := start(t, d)
		from := s.position()
		s.put("f", "1")
		lost := s.put("f", "2")
		other := s.put("other", "x")
		s.do("DELETE", "/feeds/f", "").mustStatus(t, http.StatusOK)
		empty := tr.open(s, "f?last_event_id="+from)
		if g := empty.mustGap("purged"); g.Through != lost || g.Oldest != "" || g.After != from {
			t.Errorf("gap %+v of an empty feed", g)
		}
		tr.open(s, "other?last_event_id="+from).mustItems("x")
		s.put("f", "3")
		empty.mustItems("3")
		r := tr.open(s, "f,other?last_event_id="+from)
		if g := r.mustGap("purged"); g.Oldest != other || fmt.Sprint(g.Feeds) != "[f]" {
			t.Errorf("gap %+v", g)
		}
		r.mustItems("x", "3")
		tr.open(s, "f?last_event_id="+lost).mustItems("3")
	})
}

// An event filter does not hide a loss: what was lost may have passed it.
func TestP4_GapPassesEveryFilter(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		d.store = keep(2)
		s := start(t, d)
		from := s.position()
		for i := range 5 {
			s.putQuery("f", "event=other", fmt.Sprint(i))
		}
		r := tr.open(s, "f?event=goal&last_event_id="+from)
		r.mustGap("trimmed")
		s.putQuery("f", "event=goal", "goal")
		r.mustItems("goal")
	})
}

func TestP4_SingleDeleteIsNoGap(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		s := start(t, d)
		from := s.position()
		first := s.put("f", "1")
		s.put("f", "2")
		s.do("DELETE", "/feeds/f/items/"+first, "").mustStatus(t, http.StatusNoContent)
		tr.open(s, "f?last_event_id="+from).mustItems("2")
	})
}

// The gap's id lies below what is retained of the other feeds, so that nothing
// is skipped, and who is cut off in its middle is told again.
func TestP4_GapOfSeveralFeedsSkipsNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		d.store = keep(2)
		s := start(t, d)
		from := s.position()
		a0 := s.put("a", "a0")
		b0 := s.put("b", "b0")
		s.put("a", "a1")
		a2 := s.put("a", "a2")
		a3 := s.put("a", "a3")
		s.put("b", "b1")
		r := tr.open(s, "a,b,c?last_event_id="+from)
		g := r.something()
		if g.kind != aGap || g.gap.Oldest != b0 || fmt.Sprint(g.gap.Feeds) != "[a]" || g.gap.Through >= a2 {
			t.Fatalf("%+v %+v", g, g.gap)
		}
		r.mustItems("b0", "a2", "a3", "b1")
		if tr.streams {
			if g.id >= b0 {
				t.Errorf("the gap stands at %s, above the retained %s", g.id, b0)
			}
			again := tr.open(s, "a,b,c?last_event_id="+g.id)
			again.mustGap("trimmed")
			again.mustItems("b0", "a2", "a3", "b1")
		}
		tr.open(s, "b?last_event_id="+from).mustItems("b0", "b1")
		for _, after := range []string{a2, a3} {
			if n := tr.open(s, "a,b,c?last_event_id="+after).something(); n.kind != anItem {
				t.Errorf("after %s came %+v", after, n.gap)
			}
		}
		for _, after := range []string{a0, b0} {
			tr.open(s, "a,b?last_event_id="+after).mustGap("trimmed")
		}
		tr.open(s, "**?last_event_id="+b0).mustGap("trimmed")
	})
}

// P4: who passed a gap is not told of it again.
func TestP4_GapIsToldOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		d.store = keep(2)
		s := start(t, d)
		from := s.position()
		for i := range 5 {
			s.put("f", fmt.Sprint(i))
		}
		r := tr.open(s, "f?last_event_id="+from)
		n := r.something()
		if n.kind != aGap {
			t.Fatalf("%+v", n)
		}
		if tr.streams {
			tr.open(s, "f?last_event_id="+n.id).mustItems("3", "4")
		}
		r.mustItems("3")
		last := r.item()
		again := tr.open(s, "f?last_event_id="+last.id)
		s.put("f", "5")
		r.mustItems("5")
		again.mustItems("5")
	})
}

// A cut in the middle of the notice: the reader has the position that it had.
func TestP4_CutInTheMiddleOfTheNoticeRepeatsIt(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.store = keep(2)
		s := start(t, d)
		from := s.position()
		for i := range 5 {
			s.put("f", fmt.Sprint(i))
		}
		whole := openSSE(s, "f", "Last-Event-ID: "+from)
		raw := fmt.Sprintf("retry: 2000\nid: %s\n\n%s", from, whole.something().raw)
		for cut := range len(raw) {
			e := newSSE(bufio.NewReader(strings.NewReader(raw[:cut])))
			e.lastID = from
			for n := e.note(); n.kind != ended && n.kind != broken; n = e.note() {
			}
			if e.lastID == from {
				continue
			}
			t.Fatalf("cut at %d of %q the position is %s", cut, raw, e.lastID)
		}
		openSSE(s, "f", "Last-Event-ID: "+from).mustGap("trimmed")
	})
}

func TestP4_GapNamesAtMost16FeedsAndOnlyReadableOnes(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		d.store = keep(1)
		d.readers = func(feed string) bool { return !strings.HasPrefix(feed, "secret") }
		s := start(t, d)
		from := s.position()
		for i := range 20 {
			for range 2 {
				s.put(fmt.Sprintf("open.%02d", i), "x")
				s.put(fmt.Sprintf("secret.%02d", i), "x")
			}
		}
		r := tr.open(s, "**?last_event_id="+from, "Authorization:")
		g := r.mustGap("trimmed")
		if len(g.Feeds) != 16 || !slices.IsSorted(g.Feeds) {
			t.Errorf("feeds %q", g.Feeds)
		}
		for _, name := range g.Feeds {
			if !strings.HasPrefix(name, "open.") {
				t.Errorf("the gap names %s", name)
			}
		}
		oldest := s.page("open.00").Items[0].ID
		if g.Oldest != oldest {
			t.Errorf("the gap's oldest is %s, want that of a readable feed: %s", g.Oldest, oldest)
		}
		// A loss in unreadable feeds alone is none.
		s.putMany("secret.00", 0, 2, 0)
		r = tr.open(s, "**?last_event_id="+s.page("open.19").Items[0].ID, "Authorization:")
		s.put("open.00", "live")
		r.mustItems("live")
	})
}

// P4, P5: trimming overtakes a reader that does not read. It is told before what
// follows, in mid-stream or, where half of an item was written that is gone
// now, when it comes back; and everything else reaches it.
func TestP4_GapInMidStream(t *testing.T) {
	for _, c := range []struct {
		reason string
		lose   func(s *server, n int)
	}{
		{"trimmed", func(s *server, n int) {}},
		{"purged", func(s *server, n int) {
			s.do("DELETE", "/feeds/f", "").mustStatus(s.t, http.StatusOK)
			s.putMany("f", n, n+3, 10)
		}},
	} {
		onEngines(t, func(t *testing.T, d deployment) {
			for _, tr := range []transport{sseTransport, ndjsonTransport} {
				t.Run(c.reason+" "+tr.name, func(t *testing.T) {
					keepItems := 100
					if c.reason == "purged" {
						keepItems = 0
					}
					d := d
					d.store = keep(keepItems)
					d.window = 50 << 10 // a window that holds everything hides the loss
					d.sendBuffer = 4096
					s := start(t, d)
					from := s.position()
					conn, in := s.slowReader("f?last_event_id="+from, tr)
					const n = 400
					s.putMany("f", 0, n, 1500)
					c.lose(s, n)
					end := s.put("f", "end")
					var seen []int
					var gaps []*gap
					last := from
					next := conn.reader(in, tr)
					for done := false; !done; {
						m := next()
						if m.id != "" {
							last = m.id
						}
						switch m.kind {
						case broken, ended:
							conn, in = s.slowReader("f?last_event_id="+last, tr)
							next = conn.reader(in, tr)
						case anItem:
							if done = m.id == end; done {
								break
							}
							seen = append(seen, number(t, m.data))
							if len(gaps) > 0 && m.id <= gaps[len(gaps)-1].Through {
								t.Fatalf("the item %s comes after the gap through %s", m.id, gaps[len(gaps)-1].Through)
							}
						case aGap:
							gaps = append(gaps, m.gap)
							if m.gap.Reason != c.reason {
								t.Errorf("gap %+v", m.gap)
							}
						case opening, aComment:
						default:
							t.Fatalf("%s after %d items and %d gaps", m.kind, len(seen), len(gaps))
						}
					}
					if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
						t.Errorf("the items are out of order, or doubled")
					}
					if len(gaps) == 0 || len(seen) >= n {
						t.Fatalf("%d gaps and %d items: the reader was not slow enough for this test", len(gaps), len(seen))
					}
					// They are counted once they were written.
					eventually(t, "feedd_gaps_total counts the gaps", func() bool {
						return s.metric("feedd_gaps_total") >= float64(len(gaps))
					})
				})
			}
		})
	}
}

// number returns the first element of what putMany publishes.
func number(t testing.TB, data string) int {
	t.Helper()
	text, _, _ := strings.Cut(strings.TrimPrefix(data, "["), ",")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("data %.40q: %v", data, err)
	}
	return n
}

// slow is a connection whose owner does not read.
type slow struct {
	s    *server
	body io.Reader
}

// slowReader opens a stream on a connection with a small receive buffer, and
// reads no more than the opening.
func (s *server) slowReader(path string, tr transport) (*slow, *bufio.Reader) {
	s.t.Helper()
	accept := "text/event-stream"
	if tr.name == "ndjson" {
		accept = linesType
	} else if !tr.plain {
		path = with(path, "envelope=true")
	}
	c := s.dial(4096)
	fmt.Fprintf(c, "GET /feeds/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: %s\r\n\r\n", path, s.addr, key, accept)
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%v %+v", err, resp)
	}
	in := bufio.NewReaderSize(resp.Body, 512)
	sl := &slow{s, resp.Body}
	if n := sl.reader(in, tr)(); n.kind != opening {
		s.t.Fatalf("%+v instead of the opening", n)
	}
	c.SetDeadline(time.Now().Add(2 * patience))
	return sl, in
}

// reader returns what reads on.
func (sl *slow) reader(in *bufio.Reader, tr transport) func() note {
	if tr.name == "ndjson" {
		return func() note { return lineNote(sl.s.t, in) }
	}
	e := newSSE(in)
	return func() note {
		n := e.note()
		if n.kind == anItem && !tr.plain {
			var it item
			answer{body: n.data}.decode(sl.s.t, &it)
			n.data, n.text = plainData(it.Data)
		}
		return n
	}
}

// P4: what retention takes by age, or by bytes, is a loss as well.
func TestP4_GapAfterTrimmingByAgeAndBytes(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.store.Retention = func(feed string) stream.Retention {
			if feed == "age" {
				return stream.Retention{MaxAge: 300 * time.Millisecond}
			}
			return stream.Retention{MaxBytes: 20}
		}
		s := start(t, d)
		from := s.position()
		s.put("age", "old")
		s.put("bytes", strings.Repeat("x", 15))
		s.put("bytes", strings.Repeat("y", 15))
		r := openSSE(s, "bytes?last_event_id="+from)
		r.mustGap("trimmed")
		r.mustItems(strings.Repeat("y", 15))
		eventually(t, "the old item is gone", func() bool { return len(s.page("age?since=all").Items) == 0 })
		openSSE(s, "age?last_event_id="+from).mustGap("trimmed")
	})
}

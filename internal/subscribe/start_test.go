package subscribe_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feedd/internal/server/servertest"
	"feedd/internal/stream"
)

// at returns the id that lies so far from another.
func at(t testing.TB, id string, off int64) string {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatInt(n+off, 10)
}

// P3: a reader that presents id N gets everything above it, and then what is
// live, from every transport, by header and by query.
func TestP3_ResumeGivesWhatIsAboveThenLive(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		s := servertest.Start(t, d)
		from := s.Position()
		ids := []string{s.Put("f", "1"), s.Put("f", "2"), s.Put("f", "3")}
		for i, after := range append([]string{from}, ids...) {
			want := []string{"1", "2", "3"}[i:]
			byHeader := tr.Open(s, "f", "Last-Event-ID: "+after)
			byQuery := tr.Open(s, "f?last_event_id="+after)
			bySince := tr.Open(s, "f?since="+after)
			for _, r := range []*servertest.Reader{byHeader, byQuery, bySince} {
				if tr.Streams && r.First != after {
					t.Errorf("the opening is at %s, want %s", r.First, after)
				}
				r.MustItems(want...)
			}
			live := fmt.Sprint("live ", i)
			s.Put("f", live)
			byHeader.MustItems(live)
			byQuery.MustItems(live)
			s.Do("DELETE", "/feeds/f/items/"+s.Page("f?last=1").Items[0].ID, "").MustStatus(t, 204)
		}
	})
}

// P3: also before the first item, from the position of the opening.
func TestP3_ResumeBeforeTheFirstItem(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		for _, tr := range servertest.Streams {
			t.Run(tr.Name, func(t *testing.T) {
				s := servertest.Start(t, d)
				r := tr.Open(s, "f")
				r.Close()
				s.Put("f", "1")
				s.Put("f", "2")
				tr.Open(s, "f?last_event_id="+r.First).MustItems("1", "2")
			})
		}
	})
}

// P3: a reader may change its transport at any item.
func TestP3_ResumeOnAnotherTransport(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		from := s.Position()
		for i := range 2 * len(servertest.Transports) {
			s.Put("f", fmt.Sprint(i))
		}
		for i := range 2 * len(servertest.Transports) {
			r := servertest.Transports[i%len(servertest.Transports)].Open(s, "f?last_event_id="+from)
			n := r.Item()
			r.Close()
			if n.Data != fmt.Sprint(i) {
				t.Fatalf("%q by %s, want %d", n.Data, servertest.Transports[i%len(servertest.Transports)].Name, i)
			}
			from = n.Id
		}
	})
}

// P3: a connection may be cut at any byte.
func TestP3_CutAtAnyByteResumesExactly(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Window = 4 << 10
		s := servertest.Start(t, d)
		last := s.Position()
		const n = 60
		var want []string
		for i := range n {
			data := fmt.Sprintf("%d\n%s", i, strings.Repeat("x\n", i%7))
			s.PutQuery("f", fmt.Sprintf("event=e%d", i%3), data)
			want = append(want, data)
		}
		s.Put("f", strings.Repeat("x", 1000)) // so that each cut is a cut
		var got []string
		for cut := 1; len(got) < n; cut = (cut*7 + 13) % 700 {
			r, in := servertest.OpenStream(s, "f", "text/event-stream", "Last-Event-ID: "+last)
			prefix := make([]byte, cut)
			if _, err := io.ReadFull(in, prefix); err != nil {
				t.Fatal(err)
			}
			r.Close()
			e := servertest.NewSSE(bufio.NewReader(bytes.NewReader(prefix)))
			e.LastID = last
			for note := e.Note(); note.Kind != servertest.Ended && note.Kind != servertest.Broken; note = e.Note() {
				if note.Kind == servertest.AnItem {
					got = append(got, note.Data)
				}
			}
			last = e.LastID
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("item %d is %q, want %q", i, got[i], want[i])
			}
		}
	})
}

// A Last-Event-ID is never answered with an error.
func TestP4_PositionThatThisStoreCannotHaveGiven(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		s := servertest.Start(t, d)
		opened := s.Hub.Head().String()
		s.Put("f", "1")
		last := s.Put("f", "2")
		digits := strings.Repeat("9", 400)
		for _, c := range []struct {
			name, id string
			query    bool // only by query: no header can carry it
		}{
			{name: "negative", id: "-1"},
			{name: "not a number", id: "abc"},
			{name: "a number and more", id: last + "x"},
			{name: "a fraction", id: "1.5"},
			{name: "a sign", id: "+" + last},
			{name: "not UTF-8", id: "\xff\xfe"},
			{name: "many bytes that are not UTF-8", id: strings.Repeat("\xff", 300)},
			{name: "digits of another script", id: "\u0661"},
			{name: "newlines", id: "1\nid: 5\ndata: x\n\n", query: true},
			{name: "carriage return", id: "1\r\rdata: x\r\r", query: true},
			{name: "NUL", id: "1\x00", query: true},
			{name: "markup", id: `"}</script>`},
			{name: "huge", id: strconv.FormatInt(int64(stream.MaxID), 10)},
			{name: "above 2^53", id: "9007199254740993"},
			{name: "above 2^64", id: "18446744073709551617"},
			{name: "400 digits", id: digits},
			{name: "above the newest by one", id: "newest+1"},
			{name: "from before the store, as another one would give", id: "1"},
			{name: "just before the store", id: at(t, opened, -1)},
		} {
			t.Run(c.name, func(t *testing.T) {
				if c.id == "newest+1" {
					c.id = at(t, s.Hub.Head().String(), 1)
				}
				ways := []*servertest.Reader{tr.Open(s, "f?last_event_id="+url.QueryEscape(c.id))}
				if !c.query {
					ways = append(ways, tr.Open(s, "f", "Last-Event-ID: "+c.id))
				}
				for _, r := range ways {
					g := r.MustGap("unknown")
					shown := strings.ToValidUTF8(c.id, "\ufffd")
					if len(shown) < 100 && g.After != shown {
						t.Errorf("after is %q, want %q", g.After, shown)
					}
					// Reading goes on from the opening, which was before them.
					r.MustItems("1", "2")
				}
				// What comes next is live, and nothing was told twice.
				id := s.Put("f", "live")
				for _, r := range ways {
					r.MustItems("live")
				}
				s.Do("DELETE", "/feeds/f/items/"+id, "").MustStatus(t, 204)
			})
		}
	})
}

func TestStart_ZeroAndAllAreEverythingRetainedWithoutAGap(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		d.Store = servertest.Keep(2)
		s := servertest.Start(t, d)
		for i := range 4 {
			s.Put("f", fmt.Sprint(i))
		}
		for _, q := range []string{"last_event_id=0", "since=0", "since=all", "last_event_id=000", "since=00"} {
			r := tr.Open(s, "f?"+q)
			r.MustItems("2", "3")
			if tr.Streams { // the opening is a position below the first item
				tr.Open(s, "f?last_event_id="+r.First).MustItems("2", "3")
			}
		}
		tr.Open(s, "f", "Last-Event-ID: 0").MustItems("2", "3")
	})
}

func TestStart_EmptyPositionIsNone(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		s := servertest.Start(t, d)
		s.Put("f", "1")
		s.Put("f", "2")
		r := tr.Open(s, "f?last_event_id=&since=&last=1", "Last-Event-ID:")
		r.MustItems("2")
	})
}

func TestStart_FirstThatIsGivenWins(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		s := servertest.Start(t, d)
		var ids []string
		for i := range 5 {
			ids = append(ids, s.Put("f", fmt.Sprint(i)))
		}
		tr.Open(s, "f?last_event_id="+ids[2]+"&since="+ids[1]+"&last=5", "Last-Event-ID: "+ids[3]).MustItems("4")
		tr.Open(s, "f?last_event_id="+ids[2]+"&since="+ids[1]+"&last=5").MustItems("3", "4")
		tr.Open(s, "f?since="+ids[1]+"&last=5").MustItems("2", "3", "4")
		tr.Open(s, "f?last=4").MustItems("1", "2", "3", "4")
		// What does not count is not looked at: a Last-Event-ID is never an error.
		tr.Open(s, "f?since=nonsense&last=x", "Last-Event-ID: "+ids[3]).MustItems("4")
	})
}

func TestStart_SinceATimeOrADuration(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		var late atomic.Int64 // how far the clock is behind
		late.Store(int64(2 * time.Hour))
		d.Store.Now = func() time.Time { return time.Now().Add(-time.Duration(late.Load())) }
		s := servertest.Start(t, d)
		for i := range 4 { // two hours ago, then each half an hour later
			s.Put("f", fmt.Sprint(i))
			late.Add(-int64(30 * time.Minute))
		}
		items := s.Page("f?since=all").Items
		second, err := time.Parse(time.RFC3339Nano, items[1].Time)
		if err != nil {
			t.Fatal(err)
		}
		oslo := time.FixedZone("", 2*3600)
		for _, c := range []struct{ since, first string }{
			{items[1].Time, "1"},
			{second.Add(time.Microsecond).Format(time.RFC3339Nano), "2"},
			{second.Add(-time.Microsecond).Format(time.RFC3339Nano), "1"},
			{second.In(oslo).Format("2006-01-02T15:04:05.000000Z07:00"), "1"},
			{"45m", "3"}, {"1h15m", "2"}, {"1d", "0"}, {"100000d", "0"},
			{"0001-01-01T00:00:00Z", "0"}, {"1969-12-31T23:59:59Z", "0"},
			{items[1].ID, "2"},
		} {
			first, _ := strconv.Atoi(c.first)
			want := []string{"0", "1", "2", "3"}[first:]
			for _, since := range []string{url.QueryEscape(c.since), c.since} { // a + may come unescaped
				r := tr.Open(s, "f?since="+since)
				r.MustItems(want...)
				if tr.Streams {
					tr.Open(s, "f?last_event_id="+r.First).MustItems(want...)
				}
			}
		}
		for _, since := range []string{"now", "9999-12-31T23:59:59Z", "0s"} {
			r := tr.Open(s, "f?since="+since)
			s.Put("f", "live")
			r.MustItems("live")
		}
	})
}

func TestStart_LastOfTheSelection(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		s := servertest.Start(t, d)
		for i := range 12 {
			feed, query := "a", "event=even"
			if i%2 > 0 {
				feed, query = "b", ""
			}
			if i%3 == 0 {
				query = "event=three"
			}
			s.PutQuery(feed, query, fmt.Sprint(i)) // three even . three even . three ...
		}
		for _, c := range []struct {
			path string
			want []string
		}{
			{"a,b?last=3", []string{"9", "10", "11"}},
			{"a?last=3", []string{"6", "8", "10"}},
			{"*?last=2", []string{"10", "11"}},
			{"a,b?last=2&event=three", []string{"6", "9"}},
			{"a?last=1&event=three", []string{"6"}},
			{"a,b?last=2&event=message", []string{"7", "11"}},
			{"a,b?last=3&event=message,three", []string{"7", "9", "11"}},
			{"a,b?last=1000&event=even", []string{"2", "4", "8", "10"}},
			{"a,b?last=5&event=none", nil},
			{"a,b?last=0", nil},
		} {
			r := tr.Open(s, c.path)
			r.MustItems(c.want...)
			// What is below the opening of last is not told again on a resume.
			if tr.Streams && len(c.want) > 0 {
				path, rest, _ := strings.Cut(c.path, "?")
				_, filter, _ := strings.Cut(rest, "&")
				tr.Open(s, path+"?"+filter, "Last-Event-ID: "+r.First).MustItems(c.want...)
			}
			s.PutQuery("a", "event=three", "live")
			if !strings.Contains(c.path, "even") && !strings.Contains(c.path, "message&") && !strings.Contains(c.path, "none") || strings.Contains(c.path, "three") {
				if !strings.HasSuffix(c.path, "event=message") {
					r.MustItems("live")
				}
			}
			s.Do("DELETE", "/feeds/a/items/"+s.Page("a?last=1").Items[0].ID, "").MustStatus(t, 204)
		}
	})
}

// P3: whatever the start, who is cut off right after the opening and comes back
// with its id gets the same.
func TestP3_OpeningIsNeverBeyondWhatIsStillToBeSent(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Store = servertest.Keep(5)
		s := servertest.Start(t, d)
		before := s.Position()
		for i := range 9 {
			s.Put("f", fmt.Sprint(i))
			s.Put("g", fmt.Sprint("g", i))
		}
		s.Put("f", "end")
		for _, tr := range servertest.Streams {
			for _, q := range []string{
				"since=" + before, "last_event_id=1", "since=1", "since=0", "since=all", "last=3", "last=100", "since=1h",
				"last_event_id=" + at(t, before, -1), "last_event_id=" + strconv.FormatInt(int64(stream.MaxID), 10),
			} {
				one := tr.Open(s, "f?"+q)
				again := tr.Open(s, "f", "Last-Event-ID: "+one.First)
				a, b := one.Until("end"), again.Until("end")
				if fmt.Sprint(a) != fmt.Sprint(b) {
					t.Errorf("%s by %s: %v, and again from %s: %v", q, tr.Name, a, one.First, b)
				}
			}
		}
	})
}

// A store that was opened again does not know the ids between.
func TestP4_PositionInAHole(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{})
	s.Put("f", "1")
	last := s.Put("f", "2")
	s.Stop()
	s = servertest.Start(t, servertest.Deployment{Dir: s.Dir})
	opened := s.Hub.Head().String()
	s.Put("f", "3")
	servertest.OnTransports(t, func(t *testing.T, tr servertest.Transport) {
		for _, hole := range []string{at(t, last, 1), at(t, opened, -1)} {
			r := tr.Open(s, "f?last_event_id="+hole)
			if g := r.MustGap("unknown"); g.After != hole || g.Oldest == "" {
				t.Errorf("gap %+v", g)
			}
			r.MustItems("3")
		}
		tr.Open(s, "f?last_event_id="+last).MustItems("3")
		tr.Open(s, "f?last_event_id="+opened).MustItems("3")
		r := tr.Open(s, "f?last_event_id="+at(t, s.Page("f?last=1").Items[0].ID, 1))
		r.MustGap("unknown") // above the newest: reading goes on from the latest opening
		r.MustItems("3")
	})
}

// A store that was restored from an older copy is noticed, also after newer
// items came.
func TestP4_PositionOfAStoreThatWasRestored(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{})
	kept := s.Put("f", "1")
	s.Stop()
	copied := servertest.CopyDir(t, s.Dir)
	s = servertest.Start(t, servertest.Deployment{Dir: s.Dir})
	lost := s.Put("f", "2")
	s.Stop()
	s = servertest.Start(t, servertest.Deployment{Dir: copied})
	s.Put("f", "3")
	s.Put("f", "4")
	servertest.OnTransports(t, func(t *testing.T, tr servertest.Transport) {
		r := tr.Open(s, "f?last_event_id="+lost)
		if g := r.MustGap("unknown"); g.After != lost {
			t.Errorf("gap %+v", g)
		}
		r.MustItems("3", "4")
		tr.Open(s, "f?last_event_id="+kept).MustItems("3", "4")
	})
	other := servertest.Start(t, servertest.Deployment{Memory: true})
	other.Put("f", "5")
	servertest.OnTransports(t, func(t *testing.T, tr servertest.Transport) {
		r := tr.Open(other, "f?last_event_id="+kept)
		r.MustGap("unknown")
		r.MustItems("5")
	})
}

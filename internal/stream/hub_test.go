package stream_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"feedd/internal/memlog"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

func sel(t interface{ Fatal(...any) }, text string) selector.Selection {
	s, err := selector.Parse(text, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var feeds = []string{"a", "b", "b.x", "b.y", "c"}

// world is a hub with a log, and a record of all that ever happened to it.
type world struct {
	t       *rapid.T
	engine  stream.Engine
	hub     *stream.Hub
	all     []stream.Item // ever committed
	deleted map[stream.ID]bool
	lost    map[stream.ID]bool
	readers []*reader
}

func newWorld(t *rapid.T) *world {
	limits := make(map[string]stream.Retention)
	for _, f := range feeds {
		limits[f] = stream.Retention{MaxItems: rapid.IntRange(1, 12).Draw(t, "max items of "+f)}
	}
	engine := memlog.Open(stream.StoreOptions{Retention: func(f string) stream.Retention { return limits[f] }})
	return &world{
		t: t, engine: engine,
		// Small enough that windows are evicted in nearly every run.
		hub:     stream.NewHub(engine, stream.HubOptions{WindowBytes: int64(rapid.IntRange(1, 8000).Draw(t, "window"))}),
		deleted: make(map[stream.ID]bool), lost: make(map[stream.ID]bool),
	}
}

func (w *world) close() {
	if err := w.engine.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.hub.Close()
}

func (w *world) selection(s string) selector.Selection {
	sel, err := selector.Parse(s, 16)
	if err != nil {
		w.t.Fatal(err)
	}
	return sel
}

// note finds out what was lost by the last change.
func (w *world) note() {
	page, err := w.engine.Read(context.Background(), stream.Query{
		Select: w.selection("**"), UpTo: stream.MaxID, Items: 1 << 20, Bytes: 1 << 30,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	retained := make(map[stream.ID]bool)
	for _, it := range page.Items {
		retained[it.ID] = true
	}
	for _, it := range w.all {
		if !retained[it.ID] && !w.deleted[it.ID] {
			w.lost[it.ID] = true
		}
	}
}

func (w *world) publish() {
	feed := rapid.SampledFrom(feeds).Draw(w.t, "feed")
	n := rapid.IntRange(1, 4).Draw(w.t, "items")
	event := rapid.SampledFrom([]string{"", "goal", "card"}).Draw(w.t, "event")
	b := stream.Batch{Feed: feed}
	for i := range n {
		b.Drafts = append(b.Drafts, stream.Draft{Event: event, Data: fmt.Appendf(nil, "%s-%d-%d", feed, len(w.all), i)})
	}
	r, err := w.hub.Publish(context.Background(), b)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range n {
		w.all = append(w.all, stream.Item{ID: r.First + stream.ID(i), Feed: feed, Event: event, Data: b.Drafts[i].Data})
	}
	w.note()
}

func (w *world) remove() {
	if len(w.all) == 0 {
		return
	}
	it := rapid.SampledFrom(w.all).Draw(w.t, "item")
	found, err := w.engine.Delete(context.Background(), it.Feed, it.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	if found {
		w.deleted[it.ID] = true
	}
}

func (w *world) purge() {
	if _, err := w.engine.Purge(context.Background(), rapid.SampledFrom(feeds).Draw(w.t, "feed")); err != nil {
		w.t.Fatal(err)
	}
	w.note()
}

// reader is a client: it knows what reached it, and nothing else.
type reader struct {
	w     *world
	sel   selector.Selection
	cur   *stream.Cursor
	start stream.ID // what it is owed begins above this
	pos   stream.ID // the last position that reached it
	told  stream.ID // the highest loss that it was told of
	free  stream.ID // the highest loss when it asked for what there is: counts as told
	back  bool      // it was cut and came back
	got   []stream.ID
}

func (w *world) open() {
	text := rapid.SampledFrom([]string{"a", "b", "a,b,c", "b.*", "**", "b.**,a", "*"}).Draw(w.t, "selector")
	sel := w.selection(text)
	if rapid.Bool().Draw(w.t, "filtered") {
		sel = sel.Only([]string{"goal", "message"})
	}
	r := &reader{w: w, sel: sel}
	start := stream.Start{}
	switch kind := rapid.SampledFrom([]string{"live", "all", "last", "after", "foreign", "since"}).Draw(w.t, "start"); kind {
	case "live":
		r.start = w.hub.Head()
	case "all":
		start = stream.StartAll()
		r.free = w.lostTo(sel)
	case "last":
		n := rapid.IntRange(1, 6).Draw(w.t, "n")
		start = stream.StartLast(n)
		r.free = w.lostTo(sel)
		r.start = w.hub.Head()
		for i := len(w.all) - 1; i >= 0 && n > 0; i-- {
			if it := &w.all[i]; r.selects(it) && !w.lost[it.ID] && !w.deleted[it.ID] {
				r.start = it.ID - 1
				n--
			}
		}
	case "after":
		if len(w.all) == 0 {
			return
		}
		id := rapid.SampledFrom(w.all).Draw(w.t, "position").ID
		start, r.start = stream.StartAfter(id.String()), id
	case "foreign":
		text := rapid.SampledFrom([]string{"1", "-1", "x", "9007199254740991", "99999999999999999999"}).Draw(w.t, "position")
		start = stream.StartAfter(text)
	case "since":
		if len(w.all) == 0 {
			return
		}
		it := rapid.SampledFrom(w.all).Draw(w.t, "since")
		start, r.start = stream.StartSince(it.ID.Time()), it.ID-1
	}
	cur, err := w.hub.Open(context.Background(), sel, start)
	if err != nil {
		w.t.Fatal(err)
	}
	r.cur, r.pos = cur, cur.Position()
	for i := range w.all {
		if it := &w.all[i]; it.ID > r.start && it.ID <= r.pos && r.selects(it) && !w.lost[it.ID] && !w.deleted[it.ID] {
			w.t.Fatalf("P3: the opening position %s is beyond %s, which is still to be sent", r.pos, it.ID)
		}
	}
	w.readers = append(w.readers, r)
}

// lostTo returns the highest id that the feeds of a selection have lost.
func (w *world) lostTo(sel selector.Selection) (highest stream.ID) {
	for _, it := range w.all {
		if w.lost[it.ID] && sel.Has(it.Feed) {
			highest = it.ID
		}
	}
	return highest
}

func (r *reader) selects(it *stream.Item) bool {
	return r.sel.Has(it.Feed) && r.sel.HasEvent(it.Event)
}

// step reads one delivery. Perhaps the connection is cut in it: then the
// client has a part, and comes back with the last position that it saw.
func (r *reader) step(cut int) (more bool) {
	t := r.w.t
	d, err := r.w.hub.Next(context.Background(), r.cur, stream.Bounds{
		Items: rapid.IntRange(1, 5).Draw(t, "items"), Bytes: rapid.IntRange(1, 60).Draw(t, "bytes"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.Gap != nil && cut != 0 {
		r.gap(d.Gap)
	}
	for i, e := range d.Entries {
		if cut >= 0 && i+1 >= cut {
			break
		}
		r.item(&e.Item)
	}
	if cut >= 0 {
		cur, err := r.w.hub.Open(context.Background(), r.sel, stream.StartAfter(r.pos.String()))
		if err != nil {
			t.Fatal(err)
		}
		if cur.Position() != r.pos {
			t.Fatalf("P3: a reader that came back with %s stands at %s", r.pos, cur.Position())
		}
		r.cur, r.back = cur, true
		return true
	}
	r.cur.Advance(&d)
	r.pos = r.cur.Position()
	if d.Through != r.pos && d.Gap == nil {
		t.Fatalf("the cursor is at %s after a delivery through %s", r.pos, d.Through)
	}
	return d.More
}

func (r *reader) gap(g *stream.Gap) {
	if g.ID == 0 {
		r.w.t.Fatal("P4: a gap's own position is 0")
	}
	if g.Reason != stream.Unknown {
		real := slices.ContainsFunc(r.w.all, func(it stream.Item) bool {
			return r.w.lost[it.ID] && r.sel.Has(it.Feed) && it.ID > r.pos && it.ID <= g.Through
		})
		if !real {
			r.w.t.Fatalf("P4: a false alarm: nothing selected was lost in (%s, %s]", r.pos, g.Through)
		}
	}
	if g.Through <= r.free && !r.back {
		r.w.t.Fatalf("P4: a reader that asked for what there is was told of the loss through %s, before it came", g.Through)
	}
	r.told = max(r.told, g.Through)
	r.owes(g.ID)
	r.pos = max(r.pos, g.ID)
}

func (r *reader) item(it *stream.Item) {
	if !r.selects(it) || r.w.deleted[it.ID] {
		r.w.t.Fatalf("P3: item %s was delivered, which is not selected or deleted", it.ID)
	}
	if it.ID <= r.pos {
		r.w.t.Fatalf("P1: item %s came to a reader at %s", it.ID, r.pos)
	}
	r.owes(it.ID - 1)
	r.got = append(r.got, it.ID)
	r.pos = it.ID
}

// owes checks that the reader got, or was told of, everything up to id.
func (r *reader) owes(id stream.ID) {
	for i := range r.w.all {
		it := &r.w.all[i]
		if it.ID <= r.start || it.ID <= r.pos || it.ID > id || !r.selects(it) || r.w.deleted[it.ID] {
			continue
		}
		if !r.w.lost[it.ID] {
			r.w.t.Fatalf("P3: item %s is retained, and a reader at %s was led past it to %s", it.ID, r.pos, id)
		}
		if it.ID > r.told && it.ID > r.free {
			r.w.t.Fatalf("P4: item %s was lost, and a reader at %s was led past it to %s without being told", it.ID, r.pos, id)
		}
	}
}

// finish reads to the end and checks the whole.
func (r *reader) finish() {
	for r.step(-1) {
	}
	r.pos = 0
	for i := range r.w.all {
		it := &r.w.all[i]
		if it.ID <= r.start || !r.selects(it) || r.w.deleted[it.ID] {
			continue
		}
		if _, got := slices.BinarySearch(r.got, it.ID); !got && it.ID > r.told && it.ID > r.free {
			r.w.t.Fatalf("P3/P4: item %s neither came nor was told as lost", it.ID)
		}
	}
}

// Whatever is published, deleted, trimmed and purged, and wherever readers
// start, are cut and come back: each sees exactly what P1, P3 and P4 say.
func TestP1P3P4_readers_of_any_history(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			switch op := rapid.IntRange(0, 99).Draw(t, "operation"); {
			case op < 45:
				w.publish()
			case op < 50:
				w.remove()
			case op < 58:
				w.purge()
			case op < 68:
				w.open()
			default:
				if len(w.readers) > 0 {
					cut := rapid.IntRange(-3, 3).Draw(t, "cut")
					rapid.SampledFrom(w.readers).Draw(t, "reader").step(cut)
				}
			}
		}
		for _, r := range w.readers {
			r.finish()
		}
	})
}

// Publishers and readers at the same time: every reader sees every item of its
// selection once, in order, and all see the same.
func TestP1_concurrent_readers_see_the_same_order(t *testing.T) {
	engine := memlog.Open(stream.StoreOptions{})
	hub := stream.NewHub(engine, stream.HubOptions{WindowBytes: 20_000})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	const publishers, each, readers = 4, 200, 8
	selectors := []string{"a", "a,b", "*", "**", "b,c,d", "d"}

	var reading, publishing sync.WaitGroup
	got := make([][]stream.ID, readers)
	ready := make(chan struct{}, readers)
	for i := range readers {
		sel, err := selector.Parse(selectors[i%len(selectors)], 8)
		if err != nil {
			t.Fatal(err)
		}
		reading.Go(func() {
			want := 0
			for _, f := range []string{"a", "b", "c", "d"} {
				if sel.Has(f) {
					want += each
				}
			}
			waiter := hub.Wait(sel)
			defer waiter.Close()
			cur, err := hub.Open(ctx, sel, stream.Start{})
			if err != nil {
				t.Error(err)
			}
			ready <- struct{}{}
			for len(got[i]) < want {
				d, err := hub.Next(ctx, cur, stream.Bounds{Items: 1 + i*3, Bytes: 1000})
				if err != nil {
					t.Error(err)
					return
				}
				if d.Gap != nil {
					t.Errorf("a false alarm: %+v", d.Gap)
				}
				for _, e := range d.Entries {
					got[i] = append(got[i], e.ID)
				}
				cur.Advance(&d)
				if d.More || len(got[i]) == want {
					continue
				}
				select {
				case <-waiter.C:
				case <-ctx.Done():
					t.Errorf("reader %d of %s has %d items of %d", i, sel, len(got[i]), want)
					return
				}
			}
		})
	}
	for range readers {
		<-ready
	}
	for p := range publishers {
		publishing.Go(func() {
			feed := string(rune('a' + p))
			for range each {
				if _, err := hub.Publish(ctx, stream.Batch{Feed: feed, Drafts: []stream.Draft{{Data: []byte("x")}}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	publishing.Wait()
	reading.Wait()
	for i := range got {
		if !slices.IsSorted(got[i]) || len(slices.Compact(slices.Clone(got[i]))) != len(got[i]) {
			t.Errorf("P1: reader %d got items out of order or twice", i)
		}
		if i >= len(selectors) && !slices.Equal(got[i], got[i-len(selectors)]) {
			t.Errorf("P1: two readers of the same selection saw different items")
		}
	}
	engine.Close()
	hub.Close()
}

// A burst larger than a small backlog reaches a live reader whole, and a reader
// that resumes is told what the backlog no longer has.
func TestP4_a_burst_beyond_retention(t *testing.T) {
	engine := memlog.Open(stream.StoreOptions{Retention: func(string) stream.Retention { return stream.Retention{MaxItems: 2} }})
	hub := stream.NewHub(engine, stream.HubOptions{})
	defer hub.Close()
	defer engine.Close()
	ctx := context.Background()
	sel, _ := selector.Parse("a", 1)
	live, err := hub.Open(ctx, sel, stream.Start{})
	if err != nil {
		t.Fatal(err)
	}
	begin := live.Position()
	b := stream.Batch{Feed: "a"}
	for i := range 5 {
		b.Drafts = append(b.Drafts, stream.Draft{Data: fmt.Append(nil, i)})
	}
	if _, err := hub.Publish(ctx, b); err != nil {
		t.Fatal(err)
	}
	d, err := hub.Next(ctx, live, stream.Bounds{Items: 10, Bytes: 1000})
	if err != nil || d.Gap != nil || len(d.Entries) != 5 {
		t.Errorf("who was there got %d items and the gap %+v (error %v), want 5 and none", len(d.Entries), d.Gap, err)
	}
	back, err := hub.Open(ctx, sel, stream.StartAfter(begin.String()))
	if err != nil {
		t.Fatal(err)
	}
	d, err = hub.Next(ctx, back, stream.Bounds{Items: 10, Bytes: 1000})
	if err != nil || d.Gap == nil || len(d.Entries) != 2 {
		t.Errorf("who resumed got %d items and the gap %+v (error %v), want 2 and one", len(d.Entries), d.Gap, err)
	}
}

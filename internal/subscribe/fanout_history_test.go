package subscribe_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"feedd/internal/api"
	"feedd/internal/selector"
	"feedd/internal/server/servertest"
	"feedd/internal/stream"
)

// history is a server with subscribers, and a record of all that happened.
type history struct {
	t       *rapid.T
	s       *servertest.Server
	op      int // operations so far
	all     []*record
	byID    map[stream.ID]*record
	readers []*follower
}

// record is an item that was committed once.
type record struct {
	stream.Item
	// brief: its ttl runs out in the course of the test, so that no reader must
	// get it, or be told of its loss.
	brief   time.Duration
	deleted bool
	gone    int  // the operation that found it gone, 0: none did
	lost    bool // by retention or by a purge
}

var historyFeeds = []string{"a", "b", "b.x", "b.y", "c"}

// P1, P3, P4: whatever is published, deleted, purged and trimmed, and wherever
// subscribers begin, however slow they are, when they are cut and on which
// transport they come back: each gets every retained item of its selection
// once, in order and in the same bytes, and is told of everything else before
// what follows it.
func TestP1P3P4_SubscribersOfAnyHistory(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		most := 9
		if !d.Memory {
			most = 4 // its commits take long
		}
		flag.Visit(func(f *flag.Flag) {
			if f.Name == "rapid.checks" {
				most = math.MaxInt
			}
		})
		checks, failed := 0, false
		rapid.Check(t, func(rt *rapid.T) {
			if checks++; checks > most && !failed {
				return
			}
			done := false
			defer func() { failed = failed || !done }()
			h := newHistory(t, rt, d)
			defer h.s.Stop()
			for range 2 {
				h.publish()
				h.open()
			}
			for range rapid.IntRange(20, 70).Draw(rt, "operations") {
				h.op++
				h.operate()
			}
			h.finish()
			done = true
		})
	})
}

func newHistory(t *testing.T, rt *rapid.T, d servertest.Deployment) *history {
	limits := make(map[string]stream.Retention)
	for _, f := range historyFeeds {
		limits[f] = stream.Retention{MaxItems: rapid.SampledFrom([]int{1, 3, 10, 0}).Draw(rt, "max items of "+f)}
	}
	d.Store.Retention = func(feed string) stream.Retention { return limits[feed] }
	d.Window = rapid.SampledFrom([]int64{1, 5_000, 150_000, 64 << 20}).Draw(rt, "window")
	d.SendBuffer = rapid.SampledFrom([]int{2048, 4096, 16384}).Draw(rt, "send buffer")
	d.Options = api.Options{Timeouts: api.Timeouts{Heartbeat: 10 * time.Millisecond}}
	return &history{t: rt, s: servertest.Start(t, d), byID: make(map[stream.ID]*record)}
}

func (h *history) operate() {
	t := h.t
	switch op := rapid.IntRange(0, 99).Draw(t, "operation"); {
	case op < 40:
		h.publish()
	case op < 45 && len(h.all) > 0:
		h.remove()
	case op < 49:
		h.purge()
	case op < 60 && len(h.readers) < 10:
		h.open()
	case op < 65:
		h.age()
	case len(h.readers) > 0:
		r := h.readers[rapid.IntRange(0, len(h.readers)-1).Draw(t, "reader")]
		switch how := rapid.IntRange(0, 9).Draw(t, "how"); {
		case how < 7:
			r.read(rapid.SampledFrom([]int{1, 50, 700, 5_000, 200_000}).Draw(t, "bytes"))
		case how < 9:
			r.leave(how == 8)
			r.come()
		default:
			r.leave(false) // and comes back when its turn is to read
		}
	}
}

// age lets the ttl of what was published run out.
func (h *history) age() {
	for _, rec := range h.all {
		if rec.brief > 0 {
			time.Sleep(time.Until(rec.Time.Add(rec.brief + time.Millisecond)))
		}
	}
}

func (h *history) publish() {
	t := h.t
	feed := rapid.SampledFrom(historyFeeds).Draw(t, "feed")
	var drafts []stream.Draft
	for i := range rapid.SampledFrom([]int{1, 1, 1, 2, 5}).Draw(t, "items") {
		size := rapid.SampledFrom([]int{1, 20, 20, 300, 3_000, 3_000, 30_000, 100_000}).Draw(t, "size")
		name := fmt.Sprintf("%d.%d-", len(h.all), i)
		d := stream.Draft{
			Event: rapid.SampledFrom([]string{"", "", "goal", "card"}).Draw(t, "event"),
			TTL:   rapid.SampledFrom([]time.Duration{0, 0, 0, 0, time.Hour, 10 * time.Millisecond}).Draw(t, "ttl"),
			JSON:  rapid.Bool().Draw(t, "json"),
		}
		switch text := name + strings.Repeat("x", size); {
		case size == 1:
			d.JSON, d.Data = false, []byte("y")
		case d.JSON:
			d.Data = fmt.Appendf(nil, "[%q]", text)
		default:
			d.Data = []byte(strings.ReplaceAll(text, "xxxxxxx", "x \n x\"x"))
		}
		drafts = append(drafts, d)
	}
	for i, it := range h.s.Publish(feed, drafts...) {
		rec := &record{Item: *it}
		if d := drafts[i].TTL; d > 0 && d < time.Minute {
			rec.brief = d
		}
		h.all = append(h.all, rec)
		h.byID[it.ID] = rec
	}
	h.note()
}

func (h *history) remove() {
	rec := h.all[rapid.IntRange(0, len(h.all)-1).Draw(h.t, "item")]
	found, err := h.s.Engine.Delete(context.Background(), rec.Feed, rec.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	if found {
		rec.deleted = true
	}
	h.note()
}

func (h *history) purge() {
	if _, err := h.s.Engine.Purge(context.Background(), rapid.SampledFrom(historyFeeds).Draw(h.t, "feed")); err != nil {
		h.t.Fatal(err)
	}
	h.note()
}

// note finds out what is gone.
func (h *history) note() {
	page, err := h.s.Engine.Read(context.Background(), stream.Query{
		Select: h.selection("**"), UpTo: stream.MaxID, Items: 1 << 20, Bytes: 1 << 30,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	retained := make(map[stream.ID]bool)
	for i := range page.Items {
		retained[page.Items[i].ID] = true
	}
	for _, rec := range h.all {
		if rec.gone == 0 && !retained[rec.ID] {
			rec.gone = h.op
			rec.lost = !rec.deleted && rec.brief == 0
		}
	}
}

func (h *history) selection(text string) selector.Selection {
	sel, err := selector.Parse(text, 16)
	if err != nil {
		h.t.Fatal(err)
	}
	return sel
}

// follower is a client: it knows what reached it, and nothing else.
type follower struct {
	h        *history
	sel      selector.Selection
	path     string // selector and filter
	query    string // where it begins the first time
	tr       servertest.Transport
	tap      *servertest.Tap // nil while it is away, or polls
	opened   int             // the operation in which its connection, or page, was opened
	openedAt time.Time

	last    string    // the position that it comes back with, "" for none yet
	start   stream.ID // what it is owed begins above this
	pos     stream.ID // the last position that reached it
	told    stream.ID // the highest loss that it was told of
	here    stream.ID // the same, on this connection
	free    stream.ID // the highest loss that may count as told, because it asked for what there is
	sure    stream.ID // the highest that does
	strange string    // the position that it began with, which is not this store's
	foreign bool      // it was not told so yet
	back    bool      // it was cut and came back
	got     map[stream.ID]bool
}

func (h *history) open() {
	t := h.t
	r := &follower{
		h: h, tr: drawTransport(t), got: make(map[stream.ID]bool),
		path: rapid.SampledFrom([]string{"a", "a", "b", "a,b,c", "b,a", "b.*", "**", "b.**,a", "*"}).Draw(t, "selector"),
	}
	r.sel = h.selection(r.path)
	r.path += "?"
	if rapid.IntRange(0, 3).Draw(t, "filtered") == 0 {
		r.sel = r.sel.Only([]string{"goal", "message"})
		r.path += "event=goal,message&"
	}
	switch kind := rapid.SampledFrom([]string{"now", "now", "all", "last", "after", "foreign", "since"}).Draw(t, "start"); {
	case kind == "all":
		r.query = "since=all"
		r.sure, r.free = h.lostTo(r.sel)
	case kind == "last":
		n := rapid.IntRange(1, 6).Draw(t, "n")
		r.query = fmt.Sprint("last=", n)
		r.sure, r.free = h.lostTo(r.sel)
		r.start = h.s.Hub.Head()
		for i := len(h.all) - 1; i >= 0 && n > 0; i-- {
			// What is brief may count, or not.
			if rec := h.all[i]; r.selects(rec) && (rec.gone == 0 || rec.brief > 0) {
				r.start = rec.ID - 1
				n--
			}
		}
	case kind == "after" && len(h.all) > 0:
		r.start = h.all[rapid.IntRange(0, len(h.all)-1).Draw(t, "position")].ID
		r.query = fmt.Sprint("last_event_id=", r.start)
		r.pos, r.last = r.start, r.start.String()
	case kind == "foreign":
		r.last = rapid.SampledFrom([]string{"1", "9007199254740991"}).Draw(t, "position")
		r.query, r.strange = "last_event_id="+r.last, r.last
	case kind == "since" && len(h.all) > 0:
		id := h.all[rapid.IntRange(0, len(h.all)-1).Draw(t, "since")].ID
		r.start = id - 1
		r.query = "since=" + url.QueryEscape(id.Time().Format(time.RFC3339Nano))
	default:
		r.start = h.s.Hub.Head()
		r.query = "since=now"
	}
	h.readers = append(h.readers, r)
	r.connect()
}

func drawTransport(t *rapid.T) servertest.Transport {
	name := rapid.SampledFrom([]string{"sse", "sse", "sse-envelope", "ndjson", "pages"}).Draw(t, "transport")
	i := slices.IndexFunc(servertest.Transports, func(tr servertest.Transport) bool { return tr.Name == name })
	return servertest.Transports[i]
}

// lostTo returns the highest id that the feeds of a selection have lost, for
// sure and perhaps.
func (h *history) lostTo(sel selector.Selection) (sure, perhaps stream.ID) {
	for _, rec := range h.all {
		if rec.lost && sel.Has(rec.Feed) {
			sure = rec.ID
		}
		if (rec.lost || rec.brief > 0) && sel.Has(rec.Feed) {
			perhaps = rec.ID
		}
	}
	return sure, perhaps
}

func (r *follower) selects(rec *record) bool { return r.sel.Has(rec.Feed) && r.sel.HasEvent(rec.Event) }

// connect opens a stream, or reads the first page.
func (r *follower) connect() {
	r.opened, r.openedAt, r.here = r.h.op, time.Now(), 0
	r.foreign = r.strange != "" && r.last == r.strange
	query := r.query
	if r.last != "" {
		query = "last_event_id=" + r.last
	}
	if !r.tr.Streams {
		r.page(query, 1)
		return
	}
	tp, n := r.h.s.Tap(r.path+query, r.tr, rapid.SampledFrom([]int{4096, 16384, 16384, 65536}).Draw(r.h.t, "receive buffer"))
	r.tap = tp
	if r.last != "" {
		if n.Id != r.last {
			r.h.t.Fatalf("P3: a reader that came back with %s stands at %s", r.last, n.Id)
		}
		return
	}
	r.stands(n.Id)
}

// stands takes in a position that came, which leads past nothing that is owed.
func (r *follower) stands(at string) {
	id, ok := stream.ParseID(at)
	if !ok {
		r.h.t.Fatalf("%q is no position", at)
	}
	if r.foreign {
		r.h.t.Fatalf("P4: a reader that presented %s was led to %s without being told", r.last, at)
	}
	r.owes(id)
	r.pos, r.last = max(r.pos, id), at
}

func (r *follower) leave(reset bool) {
	if r.tap == nil {
		return
	}
	if reset {
		r.tap.Reset()
	} else {
		r.tap.Conn.Close()
	}
	r.tap = nil
}

// come comes back, on another transport perhaps.
func (r *follower) come() {
	r.tr = drawTransport(r.h.t)
	r.back = true
	r.connect()
}

// read reads at most most bytes of what is there, or a page.
func (r *follower) read(most int) {
	switch {
	case !r.tr.Streams:
		r.opened, r.openedAt, r.here = r.h.op, time.Now(), 0
		query := r.query
		if r.last != "" {
			query, r.back = "last_event_id="+r.last, true
		}
		r.page(query, 1+most%7)
	case r.tap == nil:
		r.come()
	default:
		r.tap.Take(most)
		r.notes()
	}
}

func (r *follower) page(query string, limit int) {
	p := r.h.s.Page(fmt.Sprintf("%s%s&limit=%d", r.path, query, limit))
	if p.Gap != nil {
		r.gap(p.Gap, "")
	}
	for _, it := range p.Items {
		rec := r.item(it.ID)
		if want, got := plainOf(rec), string(it.Data); want != got {
			r.h.t.Fatalf("P1: item %s is %.60s on a page, want %.60s", it.ID, got, want)
		}
	}
	r.stands(p.Cursor)
}

// plainOf returns the data of an item as an envelope has it.
func plainOf(rec *record) string {
	line := servertest.FrameOf(servertest.NdjsonTransport, &rec.Item)
	_, data, _ := strings.Cut(line, `,"data":`)
	return strings.TrimSuffix(data, "}\n")
}

// notes takes in what came whole, and the end of the connection.
func (r *follower) notes() {
	for r.tap != nil {
		n, ok := r.tap.Note()
		if !ok {
			break
		}
		switch n.Kind {
		case servertest.AnItem:
			if rec := r.item(n.Id); n.Raw != servertest.FrameOf(r.tr, &rec.Item) {
				r.h.t.Fatalf("P1: item %s came as %.200q", n.Id, n.Raw)
			}
		case servertest.AGap:
			at := n.Id
			if r.tr.Name == "ndjson" {
				at = "" // a line of a gap has no position
			}
			r.gap(n.Gap, at)
		case servertest.Opening, servertest.Closing:
			if n.Id != "" {
				r.stands(n.Id)
			}
		case servertest.AComment:
		default:
			r.h.t.Fatalf("%+v", n)
		}
	}
	if r.tap != nil && r.tap.Ended != nil {
		r.cut()
	}
}

// cut is a connection that the server ended: because the item that it had
// written half of is gone, and so with nothing behind the half.
func (r *follower) cut() {
	half := string(r.tap.Buf)
	if !r.h.s.Draining() {
		known := false
		for _, rec := range r.h.all {
			known = known || (rec.gone > 0 || rec.brief > 0) && strings.HasPrefix(servertest.FrameOf(r.tr, &rec.Item), half)
		}
		// A reset may have thrown all of it away.
		if half == "" && !errors.Is(r.tap.Ended, syscall.ECONNRESET) || !known {
			r.h.t.Fatalf("P1: the stream ended with %.100q (%v), which is not half of an item that is gone", half, r.tap.Ended)
		}
	}
	r.leave(false)
}

func (r *follower) gap(g *servertest.Gap, at string) {
	through, ok := stream.ParseID(g.Through)
	if !ok {
		r.h.t.Fatalf("gap %+v", g)
	}
	if (g.Reason == "unknown") != r.foreign {
		r.h.t.Fatalf("P4: the gap %+v came to a reader with the position %s", g, r.last)
	}
	if g.Reason != "unknown" {
		real := false
		for _, rec := range r.h.all {
			real = real || (rec.lost || rec.brief > 0 && rec.gone > 0) && r.sel.Has(rec.Feed) && rec.ID > r.pos && rec.ID <= through
		}
		if !real {
			r.h.t.Fatalf("P4: a false alarm: nothing selected was lost in (%s, %s]", r.pos, g.Through)
		}
		if through <= r.sure && !r.back {
			r.h.t.Fatalf("P4: a reader that asked for what there is was told of the loss through %s, before it came", g.Through)
		}
		if through <= r.here {
			r.h.t.Fatalf("P4: the loss through %s was told twice on a connection", g.Through)
		}
	}
	r.foreign = false
	r.told, r.here = max(r.told, through), max(r.here, through)
	if at != "" {
		r.stands(at)
	}
}

func (r *follower) item(text string) *record {
	id, _ := stream.ParseID(text)
	rec := r.h.byID[id]
	switch {
	case rec == nil:
		r.h.t.Fatalf("P1: there never was an item %s", text)
	case !r.selects(rec):
		r.h.t.Fatalf("P3: item %s is not selected", text)
	case r.foreign:
		r.h.t.Fatalf("P4: item %s came to a reader that presented %s and was not told", text, r.last)
	case id <= r.pos:
		r.h.t.Fatalf("P1: item %s came to a reader at %s", text, r.pos)
	case rec.gone > 0 && rec.gone < r.opened:
		r.h.t.Fatalf("P4: item %s came on a connection that was opened after it was gone", text)
	case rec.brief > 0 && r.openedAt.After(rec.Time.Add(rec.brief+5*time.Millisecond)):
		r.h.t.Fatalf("item %s came on a connection that was opened after its ttl", text)
	}
	r.owes(id - 1)
	r.got[id] = true
	r.pos, r.last = id, text
	return rec
}

// owes checks that the reader got, or was told of, everything up to id.
func (r *follower) owes(id stream.ID) {
	for _, rec := range r.h.all {
		if rec.ID <= r.start || rec.ID <= r.pos || rec.ID > id || !r.owed(rec) {
			continue
		}
		if !rec.lost {
			r.h.t.Fatalf("P3: item %s is retained, and a reader at %s was led past it to %s", rec.ID, r.pos, id)
		}
		r.h.t.Fatalf("P4: item %s was lost, and a reader at %s was led past it to %s without being told", rec.ID, r.pos, id)
	}
}

// owed reports whether the reader is to get the item, or to be told.
func (r *follower) owed(rec *record) bool {
	switch {
	case rec.ID <= r.start || !r.selects(rec) || r.got[rec.ID] || rec.deleted || rec.brief > 0:
		return false
	case rec.lost:
		return rec.ID > r.told && rec.ID > r.free
	}
	return true
}

func (r *follower) settled() bool {
	for _, rec := range r.h.all {
		if r.owed(rec) {
			return false
		}
	}
	return !r.foreign
}

// finish reads everything to the end, and has the server end it.
func (h *history) finish() {
	h.note()
	h.op++
	begin := time.Now()
	for _, r := range h.readers {
		progress := 0
		for !r.settled() {
			if r.tap != nil && r.tr.Streams {
				progress += r.tap.Take(1 << 20)
				r.notes()
			}
			switch took := time.Since(begin); {
			case r.settled():
			case r.tap == nil || !r.tr.Streams:
				r.read(1)
			case took > servertest.StreamLife:
				h.t.Fatalf("P3/P4: a reader of %s at %s got nothing more and is owed something", r.path, r.pos)
			case took > 300*time.Millisecond && progress > 0:
				// TCP makes pauses with small buffers, and longer and longer ones.
				r.leave(true)
				r.come()
				if r.tap != nil {
					r.tap.Conn.SetReadBuffer(1 << 20)
				}
			default:
				time.Sleep(time.Millisecond)
			}
		}
	}
	h.s.Hub.Drain()
	for _, r := range h.readers {
		if r.tap == nil {
			continue
		}
		r.tap.Rest()
		r.notes()
	}
}

package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"feedd/internal/access"
	"feedd/internal/problem"

	"feedd/internal/clip"
	"feedd/internal/fanout"
	"feedd/internal/stream"
)

// subscriberRow is one subscriber in the list.
type subscriberRow struct {
	ID        string    `json:"id"`
	Transport string    `json:"transport"` // sse, ndjson, websocket or poll
	Address   string    `json:"address,omitempty"`
	Selector  string    `json:"selector"`
	Since     time.Time `json:"since"`
	// State is parked (it has everything), blocked or catching-up.
	State    string `json:"state"`
	Position string `json:"position,omitempty"`
	// Behind is how much older than the newest item of all feeds the position
	// is, in seconds; 0 for whoever has everything.
	Behind float64 `json:"behind_seconds"`
}

// listSubscribers answers GET /subscribers: at most limit that match, those first
// who have not got everything.
func (s *Server) listSubscribers(w http.ResponseWriter, r *http.Request) error {
	if err := access.NeedAdmin(r, "the list of subscribers"); err != nil {
		return err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.BadQuery.Because(err)
	}
	limit, err := number(query, "limit", 1, 1000, 100)
	if err != nil {
		return err
	}
	match := query.Get("match")
	wanted := func(addr, selector string) bool {
		return strings.Contains(addr, match) || strings.Contains(selector, match)
	}
	answer := struct {
		Subscribers []subscriberRow `json:"subscribers"`
		Total       int             `json:"total"`
	}{Subscribers: []subscriberRow{}, Total: s.Subscribers()}
	inShards := func(addr netip.AddrPort, selector string) bool { return match == "" || wanted(addr.String(), selector) }
	for _, m := range s.Shards.Members(limit, inShards) {
		row := subscriberRow{
			ID: m.ID, Transport: transportOf(m.Encoding), Address: m.Address.String(),
			Selector: m.Selector, Since: m.Joined.UTC().Truncate(time.Millisecond), State: string(m.State),
		}
		row.stand(m.Position, s.Hub.Head())
		answer.Subscribers = append(answer.Subscribers, row)
	}
	rows := append(answer.Subscribers, s.looped.rows(wanted)...)
	slices.SortStableFunc(rows, func(a, b subscriberRow) int {
		return cmp.Compare(parkedLast[a.State], parkedLast[b.State])
	})
	answer.Subscribers = rows[:min(len(rows), limit)]
	return s.answers.JSON(w, http.StatusOK, answer)
}

// stand says where a subscriber stands: 0 is not known. Whoever has everything
// may stand below the head, where nothing above was for it.
func (row *subscriberRow) stand(at, head stream.ID) {
	if at == 0 {
		return
	}
	row.Position = at.String()
	if at < head && row.State != parkedState {
		row.Behind = head.Time().Sub(at.Time()).Seconds()
	}
}

// cutSubscriber answers DELETE /subscribers/{id}.
func (s *Server) cutSubscriber(w http.ResponseWriter, r *http.Request) error {
	if err := access.NeedAdmin(r, "cutting a subscriber"); err != nil {
		return err
	}
	id, err := access.PathParam(r, "id")
	if err != nil {
		return problem.BadRequest.Because(err)
	}
	if !s.Shards.Cut(id) && !s.looped.cut(id) {
		return problem.NotFound.With("there is no subscriber %q any more", id)
	}
	s.Log.Info("subscriber cut", "id", clip.Text(id))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// transportOf names what a subscriber reads by.
func transportOf(enc *stream.Encoding) string {
	switch enc {
	case nil:
		return "poll"
	case &ndjson.Encoding:
		return "ndjson"
	case &frames.Encoding:
		return "websocket"
	}
	return "sse"
}

// parkedState is that of whoever has everything.
const parkedState = string(fanout.Parked)

var parkedLast = map[string]int{parkedState: 1}

// loops are the subscribers that have a goroutine.
type loops struct {
	mu   sync.Mutex // guards the rest
	last int
	open map[int]*looped
}

// looped is one of them.
type looped struct {
	no       int
	hub      *stream.Hub
	row      subscriberRow // as at the beginning
	position atomic.Int64
	parked   atomic.Bool
	life     context.Context // it shall end with that
	end      context.CancelFunc
}

func (ls *loops) enter(r *http.Request, sub subscription) *looped {
	l := &looped{hub: sub.hub}
	var enc *stream.Encoding // nil for a waiting page
	if sub.enc != nil {
		enc = &sub.enc.Encoding
	}
	parent := sub.lease
	if parent == nil {
		parent = context.Background()
	}
	l.life, l.end = context.WithCancel(parent)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.last++
	l.no = ls.last
	l.row = subscriberRow{
		ID: fmt.Sprintf("g%d", l.no), Transport: transportOf(enc), Selector: sub.sel.String(),
		Since: time.Now().UTC().Truncate(time.Millisecond),
	}
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		l.row.Address = addr.String()
	}
	if ls.open == nil {
		ls.open = make(map[int]*looped)
	}
	ls.open[l.no] = l
	return l
}

// stands notes where the subscriber is, and whether it has everything.
func (l *looped) stands(at stream.ID, parked bool) {
	l.position.Store(int64(at))
	l.parked.Store(parked)
}

func (ls *loops) leave(l *looped) {
	l.end()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.open, l.no)
}

// rows returns the state of those who are wanted, the oldest first.
func (ls *loops) rows(wanted func(addr, selector string) bool) (rows []subscriberRow) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, no := range slices.Sorted(maps.Keys(ls.open)) {
		l := ls.open[no]
		row := l.row
		if !wanted(row.Address, row.Selector) {
			continue
		}
		row.State = string(fanout.CatchingUp)
		if l.parked.Load() {
			row.State = parkedState
		}
		row.stand(stream.ID(l.position.Load()), l.hub.Head())
		rows = append(rows, row)
	}
	return rows
}

func (ls *loops) cut(id string) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.open {
		if l.row.ID == id {
			l.end()
			return true
		}
	}
	return false
}

// cutThose cuts all whose row, as at the beginning, says so.
func (ls *loops) cutThose(which func(row *subscriberRow) bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.open {
		if which(&l.row) {
			l.end()
		}
	}
}

// getConfig answers GET /config: the settings in force, as YAML, and what the
// acknowledgement of a publish means under them.
func (s *Server) getConfig(w http.ResponseWriter, r *http.Request) error {
	if err := access.NeedAdmin(r, "reading the settings"); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", contentTypes[".yaml"])
	h.Set("Feedd-Durability", s.Engine.Durability())
	h.Set("Cache-Control", "no-store")
	w.Write(s.Config())
	return nil
}

package subscribe

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"feedd/internal/fanout"
	"feedd/internal/stream"
)

// Row is one subscriber in the list.
type Row struct {
	ID        string    `json:"id"`
	Transport string    `json:"transport"` // sse, ndjson, websocket or poll
	Address   string    `json:"address,omitempty"`
	Selector  string    `json:"selector"`
	Since     time.Time `json:"since"`
	// State is parked (it has everything), blocked or catching-up.
	State    string `json:"state"`
	Position string `json:"position,omitempty"`
	// Behind is by how many seconds the position is older than the newest item of
	// all feeds; 0 if the subscriber has everything.
	Behind float64 `json:"behind_seconds"`
}

// The states of subscribers with a goroutine, as the shards name theirs.
const (
	parked     = string(fanout.Parked) // it has everything
	catchingUp = string(fanout.CatchingUp)
)

// List returns at most limit subscribers whose address or selector contains
// match. Subscribers that have not got everything come first.
func (rs *Readers) List(limit int, match string) []Row {
	wanted := func(addr, selector string) bool {
		return strings.Contains(addr, match) || strings.Contains(selector, match)
	}
	inShards := func(addr netip.AddrPort, selector string) bool { return match == "" || wanted(addr.String(), selector) }
	rows := []Row{}
	for _, m := range rs.shards.Members(limit, inShards) {
		row := Row{
			ID: m.ID, Transport: transportOf(m.Encoding), Address: m.Address.String(),
			Selector: m.Selector, Since: m.Joined.UTC().Truncate(time.Millisecond), State: string(m.State),
		}
		row.stand(m.Position, rs.hub.Head())
		rows = append(rows, row)
	}
	rows = append(rows, rs.register.rows(wanted)...)
	last := map[string]int{parked: 1}
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(last[a.State], last[b.State]) })
	return rows[:min(len(rows), limit)]
}

// Cut ends a subscriber by the id that it has in the list, and reports whether
// there is one.
func (rs *Readers) Cut(id string) bool { return rs.shards.Cut(id) || rs.register.cut(id) }

// transportOf names what a subscriber reads by.
func transportOf(enc *stream.Encoding) string {
	if enc == nil {
		return "poll"
	}
	for _, e := range []*Encoder{ndjson, Frames} {
		if enc == &e.Encoding {
			return e.transport
		}
	}
	return sse.transport
}

// stand says where a subscriber stands; 0: that is not known. A subscriber that
// has everything may stand below the head, if nothing above its position was
// for it.
func (row *Row) stand(at, head stream.ID) {
	if at == 0 {
		return
	}
	row.Position = at.String()
	if at < head && row.State != parked {
		row.Behind = head.Time().Sub(at.Time()).Seconds()
	}
}

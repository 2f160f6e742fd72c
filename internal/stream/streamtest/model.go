package streamtest

import (
	"slices"
	"time"

	"feedd/internal/stream"
)

// model is what a store should hold: the contract, written down in the plainest
// way. It takes ids from receipts and works out the rest itself. Losses of
// forgotten feeds are not part of it.
type model struct {
	feeds     map[string]*modelFeed
	retention func(feed string) stream.Retention
	positions map[stream.ID]bool // all ids ever given, and openings
}

type modelFeed struct {
	items  []stream.Item // without Time
	lost   stream.ID
	reason stream.Reason
}

func newModel(retention func(feed string) stream.Retention) *model {
	return &model{feeds: map[string]*modelFeed{}, retention: retention, positions: map[stream.ID]bool{}}
}

func (m *model) feed(name string) *modelFeed {
	if m.feeds[name] == nil {
		m.feeds[name] = new(modelFeed)
	}
	return m.feeds[name]
}

func (f *modelFeed) lose(n int, reason stream.Reason) {
	if n > 0 {
		f.lost, f.reason = f.items[n-1].ID, reason
		f.items = slices.Clone(f.items[n:])
	}
}

// append adds a committed batch, and trims by count.
func (m *model) append(b stream.Batch, rc stream.Receipt, now time.Time) {
	f := m.feed(b.Feed)
	for i, d := range b.Drafts {
		it := stream.Item{ID: rc.First + stream.ID(i), Feed: b.Feed, Event: d.Event, JSON: d.JSON, Data: d.Data}
		if d.TTL > 0 {
			it.Expires = now.Add(d.TTL)
		}
		f.items = append(f.items, it)
		m.positions[it.ID] = true
	}
	if most := m.retention(b.Feed).MaxItems; most > 0 {
		f.lose(len(f.items)-most, stream.Trimmed)
	}
}

// expire takes out what ran out by now.
func (m *model) expire(now time.Time) {
	for _, f := range m.feeds {
		f.items = slices.DeleteFunc(f.items, func(it stream.Item) bool { return it.Expired(now) })
	}
}

func (m *model) remove(feed string, id stream.ID) {
	f := m.feed(feed)
	f.items = slices.DeleteFunc(f.items, func(it stream.Item) bool { return it.ID == id })
}

func (m *model) purge(feed string) {
	f := m.feed(feed)
	f.lose(len(f.items), stream.Purged)
}

// items returns what a query without page limits yields.
func (m *model) items(q stream.Query) []stream.Item {
	var items []stream.Item
	for name, f := range m.feeds {
		if !q.Select.Has(name) {
			continue
		}
		for _, it := range f.items {
			if it.ID > q.After && it.ID <= q.UpTo && q.Select.HasEvent(it.Event) {
				items = append(items, it)
			}
		}
	}
	slices.SortFunc(items, func(a, b stream.Item) int { return int(a.ID - b.ID) })
	return items
}

// loss returns the Loss of a query's page.
func (m *model) loss(q stream.Query) *stream.Loss {
	loss := &stream.Loss{Resume: q.After}
	for name, f := range m.feeds {
		if !q.Select.Has(name) {
			continue
		}
		if f.lost > q.After {
			loss.Feeds = append(loss.Feeds, name)
		}
		if f.lost > loss.Through {
			loss.Through, loss.Reason = f.lost, f.reason
		}
		for _, it := range f.items {
			if it.ID > q.After && (loss.Oldest == 0 || it.ID < loss.Oldest) {
				loss.Oldest = it.ID
			}
		}
	}
	if q.Backward || loss.Through <= q.After || loss.Through <= q.LossTold {
		return nil
	}
	for name, f := range m.feeds {
		if q.Select.Has(name) && f.lost > loss.Resume && (loss.Oldest == 0 || f.lost < loss.Oldest) {
			loss.Resume = f.lost
		}
	}
	slices.Sort(loss.Feeds)
	loss.Feeds = loss.Feeds[:min(len(loss.Feeds), stream.MaxGapFeeds)]
	return loss
}

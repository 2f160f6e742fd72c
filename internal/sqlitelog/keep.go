package sqlitelog

import (
	"cmp"
	"context"
	"slices"

	"feedd/internal/selector"
	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/stream"
)

// purgeRows is how many rows a purge takes in one transaction, so that publishes
// go on between: at about 10 us a row they wait 5 ms.
const purgeRows = 500

// Feeds implements [stream.Keeper].
func (l *Log) Feeds(ctx context.Context, match selector.Selection) ([]stream.FeedInfo, error) {
	if l.closed.Load() {
		return nil, stream.ErrClosed
	}
	var list []stream.FeedInfo
	l.registry.Load().Each(match, func(f *registry.Feed) bool {
		s := f.State()
		list = append(list, stream.FeedInfo{
			Name: f.Name, Items: s.Items, Bytes: s.Bytes, Oldest: s.Oldest, Newest: s.Newest, Lost: s.Lost,
			Retention: f.Retention(s), Own: s.Own != nil,
		})
		return true
	})
	slices.SortFunc(list, func(a, b stream.FeedInfo) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Delete implements [stream.Keeper].
func (l *Log) Delete(ctx context.Context, feed string, id stream.ID) (bool, error) {
	found := false
	err := l.do(ctx, &op{frees: true, do: func(t *tx) (err error) {
		found, err = t.remove(id, feed)
		return err
	}})
	if err != nil {
		return false, err // the committer may still write to found
	}
	return found, nil
}

// Purge implements [stream.Keeper]. It takes the items in several commits, the
// oldest first, each with its loss: a reader meanwhile sees what a trimmed
// feed would show it. When ctx ends, the rest stays.
func (l *Log) Purge(ctx context.Context, name string) (int, error) {
	var through stream.ID
	if f, ok := l.registry.Load().Get(name); ok {
		through = f.State().Newest
	}
	for total := 0; ; {
		var took deleted
		err := l.do(ctx, &op{frees: true, do: func(t *tx) (err error) {
			took, err = t.purge(name, through)
			return err
		}})
		if err != nil || took.rows == 0 {
			return total, err
		}
		total += took.alive
	}
}

// purge takes some of a feed's items at or below through.
func (t *tx) purge(name string, through stream.ID) (took deleted, err error) {
	f, s := t.feed(name)
	if f == nil || s.Oldest == 0 || s.Oldest > through {
		return took, nil
	}
	took, err = t.takeOldest(f, s, t.l.rows(purgeRows), func(next stream.ID) bool { return next <= through })
	if took.lost > 0 {
		s.Lost, s.Reason = took.lost, stream.Purged
		t.tells.Purged = append(t.tells.Purged, stream.Removal{Feed: name, ID: took.lost})
	}
	return took, err
}

// SetRetention implements [stream.Keeper].
func (l *Log) SetRetention(ctx context.Context, name string, r *stream.Retention) error {
	return l.do(ctx, &op{frees: true, do: func(t *tx) error {
		if f, s := t.feed(name); r == nil {
			if f != nil {
				s.Own = nil
			}
			return nil
		}
		_, s, err := t.needFeed(name)
		if err != nil {
			return err
		}
		own := *r
		s.Own = &own
		return nil
	}})
}

// Probe implements [stream.Keeper].
func (l *Log) Probe(ctx context.Context) error {
	return l.do(ctx, &op{do: func(t *tx) error {
		if err := t.room(0, 0); err != nil {
			return err
		}
		return t.mark(database.MarkProbe, stream.IDAt(t.now))
	}})
}

package memlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

// infoFeeds is how many feeds are listed under the mutex at a time: a list of
// 100,000 must not hold up a commit, and 256 take less time than a commit on a
// disk.
const infoFeeds = 256

// Feeds implements [stream.Keeper].
func (l *Log) Feeds(ctx context.Context, match selector.Selection) ([]stream.FeedInfo, error) {
	if err := l.usable(ctx); err != nil {
		return nil, fmt.Errorf("list feeds: %w", err)
	}
	feeds := l.resolve(match)
	infos := make([]stream.FeedInfo, 0, len(feeds))
	for some := range slices.Chunk(feeds, infoFeeds) {
		l.mu.RLock()
		for _, f := range some {
			if l.feeds[f.name] == f { // else it was forgotten meanwhile
				infos = append(infos, f.info())
			}
		}
		l.mu.RUnlock()
	}
	slices.SortFunc(infos, func(a, b stream.FeedInfo) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}

func (f *feed) info() stream.FeedInfo {
	info := stream.FeedInfo{
		Name:      f.name,
		Items:     len(f.items),
		Bytes:     f.bytes,
		Newest:    f.newest,
		Lost:      f.lost.id,
		Retention: f.retention(),
		Own:       f.own != nil,
	}
	if len(f.items) > 0 {
		info.Oldest = f.items[0].item.ID
	}
	return info
}

// keep has the committer make a change to an existing feed; without one it
// changes nothing.
func (l *Log) keep(ctx context.Context, what, name string, fn func(f *feed, now time.Time, c *stream.Commit)) error {
	err := l.do(ctx, func() {
		l.change(func(now time.Time, c *stream.Commit) {
			if f := l.feeds[name]; f != nil {
				f.touched = now
				fn(f, now, c)
			}
		})
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, name, err)
	}
	return nil
}

// Delete implements [stream.Keeper].
func (l *Log) Delete(ctx context.Context, name string, id stream.ID) (bool, error) {
	found := new(bool)
	err := l.keep(ctx, "delete from", name, func(f *feed, _ time.Time, c *stream.Commit) {
		i, ok := find(f.items, id)
		if !ok {
			return
		}
		*found = true
		l.dropLocked(f.items[i])
		f.items = slices.Delete(f.items, i, i+1)
		c.Removed = append(c.Removed, stream.Removal{Feed: f.name, ID: id})
	})
	if err != nil {
		return false, err
	}
	return *found, nil
}

// Purge implements [stream.Keeper].
func (l *Log) Purge(ctx context.Context, name string) (int, error) {
	removed := new(int)
	err := l.keep(ctx, "purge", name, func(f *feed, _ time.Time, c *stream.Commit) {
		if *removed = len(f.items); *removed == 0 {
			return
		}
		l.loseLocked(f, *removed, stream.Purged)
		c.Purged = append(c.Purged, stream.Removal{Feed: f.name, ID: f.lost.id})
	})
	if err != nil {
		return 0, err
	}
	return *removed, nil
}

// SetRetention implements [stream.Keeper]. Lowered bounds hold when it returns.
func (l *Log) SetRetention(ctx context.Context, name string, r *stream.Retention) error {
	if r == nil {
		return l.keep(ctx, "set the retention of", name, func(f *feed, now time.Time, c *stream.Commit) {
			f.own = nil
			l.trimLocked(f, now, c)
		})
	}
	own := *r
	refused := new(error)
	err := l.do(ctx, func() {
		if l.feeds[name] == nil {
			if *refused = l.roomForFeed(); *refused != nil {
				return
			}
		}
		l.change(func(now time.Time, c *stream.Commit) {
			f := l.feedLocked(name, now)
			f.own = &own
			l.trimLocked(f, now, c)
		})
	})
	if err == nil {
		err = *refused
	}
	if err != nil {
		return fmt.Errorf("set the retention of %s: %w", name, err)
	}
	return nil
}

// Probe implements [stream.Keeper]: publishing works when the committer takes
// and finishes a change, and there is room for the smallest item.
func (l *Log) Probe(ctx context.Context) error {
	full := new(bool)
	err := l.do(ctx, func() { *full = !l.fits(itemCost + 1) })
	if err == nil && *full {
		err = stream.ErrFull
	}
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return nil
}

// Usage implements [stream.Keeper].
func (l *Log) Usage() stream.Usage {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return stream.Usage{
		Feeds: len(l.feeds),
		Items: l.live,
		Keys:  len(l.keys.byKey),
		Bytes: l.bytes,
	}
}

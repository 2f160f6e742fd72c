package memlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"feedd/internal/stream"
)

// Append implements [stream.Log].
func (l *Log) Append(ctx context.Context, b stream.Batch) (stream.Receipt, error) {
	if len(b.Drafts) == 0 && b.Source.Name == "" {
		return stream.Receipt{}, failed(b.Feed, errors.New("the batch is empty"))
	}
	type result struct {
		receipt stream.Receipt
		err     error
	}
	res := new(result)
	if err := l.do(ctx, func() { res.receipt, res.err = l.append(b) }); err != nil {
		return stream.Receipt{}, failed(b.Feed, err)
	}
	if res.err != nil {
		return stream.Receipt{}, failed(b.Feed, res.err)
	}
	return res.receipt, nil
}

// append runs in the committer.
func (l *Log) append(b stream.Batch) (stream.Receipt, error) {
	if receipt, known, err := l.replay(&b); known {
		return receipt, err
	}
	if err := l.room(&b); err != nil {
		return stream.Receipt{}, err
	}
	if l.opts.BeforeCommit != nil {
		if err := l.opts.BeforeCommit(); err != nil {
			return stream.Receipt{}, err
		}
	}
	var receipt stream.Receipt
	l.change(func(now time.Time, c *stream.Commit) {
		l.moveSourceLocked(b.Source)
		receipt = stream.Receipt{Feed: b.Feed}
		if len(b.Drafts) > 0 {
			receipt = l.storeLocked(&b, now, c)
		}
	})
	if l.opts.AfterCommit != nil {
		if err := l.opts.AfterCommit(); err != nil {
			return stream.Receipt{}, fmt.Errorf("%w: %w", stream.ErrOutcomeUnknown, err)
		}
	}
	return receipt, nil
}

// replay looks for an earlier batch with the same key.
func (l *Log) replay(b *stream.Batch) (receipt stream.Receipt, known bool, err error) {
	if b.Key == "" {
		return receipt, false, nil
	}
	if now := l.now(); l.keys.stale(now) > 0 {
		l.mu.Lock()
		l.forgetKeysLocked(now)
		l.mu.Unlock()
	}
	k, known := l.keys.byKey[b.KeyDigest()]
	switch {
	case !known:
		return receipt, false, nil
	case k.content != b.ContentDigest():
		return receipt, true, stream.ErrKeyReused
	}
	receipt = receiptOf(b.Feed, k)
	receipt.Replayed = true
	return receipt, true, nil
}

func receiptOf(feed string, k keyed) stream.Receipt {
	return stream.Receipt{
		Feed:  feed,
		First: k.first,
		Last:  k.first + stream.ID(k.count) - 1,
		Count: k.count,
		Time:  k.first.Time(),
	}
}

// room reports why the batch cannot be taken in.
func (l *Log) room(b *stream.Batch) error {
	if len(b.Drafts) == 0 {
		return nil // a source that moves takes the place that it had
	}
	if l.ttls.due(l.now()) {
		l.change(func(time.Time, *stream.Commit) {}) // makes room
	}
	need := int64(b.Size()) + int64(len(b.Drafts))*itemCost
	if b.Key != "" {
		need += keyCost
	}
	if l.feeds[b.Feed] == nil {
		if err := l.roomForFeed(); err != nil {
			return err
		}
		need += feedCost
	}
	if !l.fits(need) {
		return stream.ErrFull
	}
	return nil
}

// fits reports whether the store may hold need more bytes.
func (l *Log) fits(need int64) bool {
	return l.opts.Bytes <= 0 || l.bytes+need <= l.opts.Bytes
}

// roomForFeed reports why there cannot be one more feed.
func (l *Log) roomForFeed() error {
	if l.opts.Feeds > 0 && len(l.feeds) >= l.opts.Feeds {
		return stream.ErrTooManyFeeds
	}
	return nil
}

// storeLocked adds the batch and brings its feed within its retention.
func (l *Log) storeLocked(b *stream.Batch, now time.Time, c *stream.Commit) stream.Receipt {
	f := l.feedLocked(b.Feed, now)
	k := keyed{first: max(l.last+1, stream.IDAt(now)), count: len(b.Drafts)}
	c.Items = make([]stream.Item, len(b.Drafts))
	c.Before = make([]stream.ID, len(b.Drafts))
	for i := range b.Drafts {
		d := &b.Drafts[i]
		id := k.first + stream.ID(i)
		it := stream.Item{ID: id, Feed: f.name, Event: d.Event, Time: id.Time(), JSON: d.JSON, Data: d.Data}
		if d.TTL > 0 {
			it.Expires = now.Add(d.TTL).UTC().Truncate(time.Microsecond)
		}
		c.Items[i], c.Before[i] = it, max(f.newest, f.lost.id)
		l.insertLocked(f, it)
	}
	if b.Key != "" {
		k.content = b.ContentDigest()
		l.keys.add(b.KeyDigest(), k, now)
		l.bytes += keyCost
	}
	l.trimLocked(f, now, c)
	l.forgetKeysLocked(now)
	return receiptOf(f.name, k)
}

func (l *Log) insertLocked(f *feed, it stream.Item) {
	e := &entry{item: it, feed: f, ttlSlot: -1}
	f.items, l.all = append(f.items, e), append(l.all, e)
	f.newest, l.last = it.ID, it.ID
	f.bytes += int64(it.Size())
	l.bytes += int64(it.Size()) + itemCost
	l.live++
	if !it.Expires.IsZero() {
		l.ttls.add(e)
	}
}

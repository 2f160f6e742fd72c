package sqlitelog

import (
	"context"
	"fmt"
	"time"
	"unsafe"

	"zombiezen.com/go/sqlite"

	"feedd/internal/stream"
)

// Append implements stream.Log.
func (l *Log) Append(ctx context.Context, b stream.Batch) (stream.Receipt, error) {
	a := &appending{batch: b, size: b.Size()}
	if b.Key != "" {
		// Here, and not in the committer: digests are the caller's work.
		a.key, a.content = b.KeyDigest(), b.ContentDigest()
	}
	o := &op{do: a.do, n: len(b.Drafts), size: a.size}
	if err := l.do(ctx, o); err != nil {
		return stream.Receipt{}, err
	}
	return a.receipt, nil
}

// appending is a batch on its way. Its receipt is valid once the operation is
// done.
type appending struct {
	batch        stream.Batch
	size         int
	key, content stream.Digest
	receipt      stream.Receipt
}

func (a *appending) do(t *tx) error {
	b := &a.batch
	if b.Key != "" {
		// This finds a key of the same transaction too: both are committed
		// together, or neither is.
		if found, err := a.repeat(t); found || err != nil {
			return err
		}
	}
	if len(b.Drafts) == 0 && b.Source.Name != "" {
		// It takes the place that it had, so a full store is no hindrance, where
		// the WAL does not grow by it.
		if t.l.wal.stuck() || t.w.room.full {
			if err := t.room(0, 0); err != nil {
				return err
			}
		}
		a.receipt = stream.Receipt{Feed: b.Feed}
		return t.moveSource(b.Source)
	}
	if err := t.room(a.size, len(b.Drafts)); err != nil {
		return err
	}
	first := max(t.w.last+1, stream.IDAt(t.now))
	last := first + stream.ID(len(b.Drafts)) - 1
	if last > stream.MaxID {
		return refusal{fmt.Errorf("the ids are used up: the next would be %s", first)}
	}
	f, s, err := t.needFeed(b.Feed)
	if err != nil {
		return err
	}
	t.w.last = last
	for i := range b.Drafts {
		if err := t.put(f, s, first+stream.ID(i), &b.Drafts[i]); err != nil {
			return err
		}
	}
	a.receipt = stream.Receipt{Feed: b.Feed, First: first, Last: last, Count: len(b.Drafts), Time: first.Time()}
	if b.Source.Name != "" {
		if err := t.moveSource(b.Source); err != nil {
			return err
		}
	}
	if b.Key == "" {
		return nil
	}
	return a.remember(t)
}

// put inserts one item.
func (t *tx) put(f *feed, s *state, id stream.ID, d *stream.Draft) error {
	it := stream.Item{ID: id, Feed: f.name, Event: d.Event, Time: id.Time(), JSON: d.JSON, Data: d.Data}
	p := t.w.putItem
	p.BindInt64(1, int64(id))
	p.BindInt64(2, f.no)
	p.BindBool(3, d.JSON)
	if d.Event == "" {
		p.BindNull(4)
	} else {
		p.BindText(4, d.Event)
	}
	if d.TTL == 0 {
		p.BindNull(5)
	} else {
		it.Expires = t.now.Add(d.TTL).UTC().Truncate(time.Microsecond)
		p.BindInt64(5, it.Expires.UnixMicro())
	}
	// The bytes are only copied from: no string of them is kept.
	p.BindText(6, unsafe.String(unsafe.SliceData(d.Data), len(d.Data)))
	if err := run(p); err != nil {
		return err
	}
	t.tells.Items = append(t.tells.Items, it)
	t.batch = true
	t.tells.Before = append(t.tells.Before, max(s.newest, s.lost))
	s.items++
	s.bytes += int64(it.Size())
	t.written += int64(it.Size())
	s.newest = id
	if s.oldest == 0 {
		s.oldest = id
	}
	t.items++
	return nil
}

// repeat answers a batch whose key is known.
func (a *appending) repeat(t *tx) (found bool, err error) {
	q := t.w.getKey
	q.BindBytes(1, a.key[:])
	row, err := q.Step()
	if err != nil || !row {
		return false, reset(q, err)
	}
	first, last := stream.ID(q.ColumnInt64(0)), stream.ID(q.ColumnInt64(1))
	var content stream.Digest
	q.ColumnBytes(2, content[:])
	if err := q.Reset(); err != nil {
		return false, err
	}
	if age := t.l.opts.KeyAge; age > 0 && first < stream.IDAt(t.now.Add(-age)) {
		t.w.dropKey.BindInt64(1, int64(first))
		t.keys--
		return false, run(t.w.dropKey)
	}
	if content != a.content {
		return true, refusal{stream.ErrKeyReused}
	}
	a.receipt = stream.Receipt{
		Feed: a.batch.Feed, First: first, Last: last, Count: int(last-first) + 1,
		Time: first.Time(), Replayed: true,
	}
	return true, nil
}

// remember writes the key down beside the items that it brought.
func (a *appending) remember(t *tx) error {
	p := t.w.putKey
	p.BindInt64(1, int64(a.receipt.First))
	p.BindInt64(2, int64(a.receipt.Last))
	p.BindBytes(3, a.key[:])
	p.BindBytes(4, a.content[:])
	t.keys++
	if err := run(p); err != nil {
		return err
	}
	most := int64(t.l.opts.Keys)
	if n := t.l.usage.keys.Load() + t.keys - most; most > 0 && n > 0 {
		n = min(n, keySlack) // after lowered settings the rest goes with the next
		t.keys -= n
		t.w.dropOldKeys.BindInt64(1, n)
		return run(t.w.dropOldKeys)
	}
	return nil
}

// reset ends a statement that has more rows or failed.
func reset(s *sqlite.Stmt, err error) error {
	if e := s.Reset(); err == nil {
		err = e
	}
	return err
}

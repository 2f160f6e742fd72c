package sqlitelog

import (
	"context"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/stream"
)

// Read implements [stream.Log].
func (l *Log) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	return l.pages.Read(ctx, q)
}

// Floor implements [stream.Log].
func (l *Log) Floor(ctx context.Context, id stream.ID) (stream.ID, error) {
	openings := l.Openings()
	floor := openings[0].Time
	for _, o := range openings {
		if o.Time <= id {
			floor = max(floor, o.Time)
		}
	}
	if lost, ok := l.registry.Load().LastLoss(id); ok {
		floor = max(floor, lost)
	}
	if lost := l.forgotten.Get(); lost <= id {
		floor = max(floor, lost)
	}
	last, err := l.pages.LastItem(ctx, id)
	return max(floor, last), err
}

// Openings implements [stream.Log].
func (l *Log) Openings() []stream.Opening {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.openings
}

// OnCommit implements [stream.Log].
func (l *Log) OnCommit(fn func(stream.Commit)) stream.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onCommit = fn
	return max(l.openings[len(l.openings)-1].Time, l.registry.Load().Newest())
}

// SourceAt implements [stream.Log]. The committer answers it, after all that was
// queued before.
func (l *Log) SourceAt(ctx context.Context, name string) (string, error) {
	at := new(string)
	err := l.do(ctx, &op{do: func(t *tx) error {
		*at = "" // an attempt before this one may have seen what was taken back
		q := t.w.getSource
		q.BindText(1, name)
		row, err := q.Step()
		if err == nil && row {
			*at = q.ColumnText(0)
		}
		return database.Reset(q, err)
	}})
	if err != nil {
		return "", err
	}
	return *at, nil
}

// Durability implements [stream.Engine]: what was acknowledged is on disk.
func (l *Log) Durability() string { return "fsync" }

// Usage implements [stream.Keeper].
func (l *Log) Usage() stream.Usage {
	return stream.Usage{
		Feeds: l.registry.Load().Len(),
		Items: int(l.usage.items.Load()),
		Keys:  int(l.usage.keys.Load()),
		Bytes: l.usage.bytes.Load(),

		WAL:     l.wal.bytes.Load(),
		Unmoved: l.wal.unmoved.Load(),
		Reserve: l.room.Held(),
	}
}

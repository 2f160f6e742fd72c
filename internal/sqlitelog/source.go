package sqlitelog

import (
	"context"

	"feedd/internal/stream"
)

// SourceAt implements stream.Log. The committer answers it, behind all that was
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
		return reset(q, err)
	}})
	if err != nil {
		return "", err
	}
	return *at, nil
}

// moveSource writes down how far a source was taken over.
func (t *tx) moveSource(s stream.Source) error {
	t.dirty, t.batch = true, true
	p := t.w.putSource
	p.BindText(1, s.Name)
	p.BindText(2, s.At)
	return run(p)
}

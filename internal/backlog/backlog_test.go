package backlog_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"feedd/internal/backlog"
	"feedd/internal/stream"
)

func TestExceeds(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	hourOld := stream.IDAt(now.Add(-time.Hour))
	for _, c := range []struct {
		name   string
		r      stream.Retention
		items  int
		bytes  int64
		oldest stream.ID
		want   bool
	}{
		{name: "no bounds", items: 1e6, bytes: 1e9, oldest: 1},
		{name: "as many items as allowed", r: stream.Retention{MaxItems: 3}, items: 3},
		{name: "one more", r: stream.Retention{MaxItems: 3}, items: 4, want: true},
		{name: "as many bytes as allowed", r: stream.Retention{MaxBytes: 10}, items: 2, bytes: 10},
		{name: "one more byte", r: stream.Retention{MaxBytes: 10}, items: 2, bytes: 11, want: true},
		{name: "the newest item always stays", r: stream.Retention{MaxBytes: 10}, items: 1, bytes: 11},
		{name: "as old as allowed", r: stream.Retention{MaxAge: time.Hour}, items: 1, oldest: hourOld},
		{name: "older", r: stream.Retention{MaxAge: time.Hour}, items: 1, oldest: hourOld - 1, want: true},
		{name: "empty", r: stream.Retention{MaxAge: time.Hour}},
	} {
		if got := backlog.Exceeds(c.r, c.items, c.bytes, c.oldest, now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// P4: a reader is told of losses above its position that it does not know, and
// goes on before the first item that is retained.
func TestLosses(t *testing.T) {
	type loss struct {
		id   stream.ID
		feed string
	}
	for _, c := range []struct {
		name   string
		q      stream.Query
		losses []loss
		oldest stream.ID
		want   *stream.Loss
	}{
		{name: "none", q: stream.Query{After: 5}},
		{name: "the reader is behind it", q: stream.Query{After: 5}, losses: []loss{{5, "a"}}},
		{name: "the reader was told", q: stream.Query{After: 5, LossTold: 9}, losses: []loss{{9, "a"}}},
		{name: "one", q: stream.Query{After: 5}, losses: []loss{{9, "a"}}, oldest: 10,
			want: &stream.Loss{Through: 9, Oldest: 10, Resume: 9, Feeds: []string{"a"}}},
		{name: "another feed has older items", q: stream.Query{After: 5}, losses: []loss{{9, "b"}, {6, "a"}}, oldest: 7,
			want: &stream.Loss{Through: 9, Oldest: 7, Resume: 6, Feeds: []string{"a", "b"}}},
		{name: "nothing is retained", q: stream.Query{After: 5}, losses: []loss{{9, "a"}},
			want: &stream.Loss{Through: 9, Resume: 9, Feeds: []string{"a"}}},
		{name: "of a feed that was forgotten", q: stream.Query{After: 5}, losses: []loss{{9, ""}}, oldest: 12,
			want: &stream.Loss{Through: 9, Oldest: 12, Resume: 9}},
	} {
		losses := backlog.NewLosses(&c.q)
		for _, l := range c.losses {
			losses.Add(l.id, stream.Trimmed, l.feed)
		}
		if c.want != nil {
			c.want.Reason = stream.Trimmed
		}
		if diff := cmp.Diff(c.want, losses.Loss(c.oldest)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

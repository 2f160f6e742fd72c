// Package backlog is what both engines do alike with the backlog of a feed: when
// it is above the bounds of its retention, and what a reader is told of losses
// (P4).
package backlog

import (
	"slices"
	"time"

	"feedd/internal/stream"
)

// Exceeds reports whether a backlog of the given items and bytes is above the
// bounds of r. Oldest is its first item, 0 if there is none. The newest item
// alone is never more bytes than allowed, so that a feed keeps at least that.
func Exceeds(r stream.Retention, items int, bytes int64, oldest stream.ID, now time.Time) bool {
	return r.MaxItems > 0 && items > r.MaxItems ||
		r.MaxBytes > 0 && bytes > r.MaxBytes && items > 1 ||
		r.MaxAge > 0 && oldest > 0 && oldest < stream.IDAt(now.Add(-r.MaxAge))
}

// Losses collects what the feeds of one selection have lost, for one reader.
type Losses struct {
	after, lossTold stream.ID
	ids             []stream.ID // of all losses above after
	loss            stream.Loss
}

// NewLosses returns an empty collection for the reader of a query.
func NewLosses(q *stream.Query) *Losses {
	return &Losses{after: q.After, lossTold: max(q.After, q.LossTold)}
}

// Add notes the highest id that a feed has lost, and why; 0 is no loss. The name
// is "" for feeds that are not known any more.
func (l *Losses) Add(id stream.ID, reason stream.Reason, feed string) {
	if id <= l.after {
		return // the reader stands behind it
	}
	l.ids = append(l.ids, id)
	if feed != "" {
		l.loss.Feeds = append(l.loss.Feeds, feed)
	}
	if id > l.loss.Through {
		l.loss.Through, l.loss.Reason = id, reason
	}
}

// Untold reports whether there is a loss that the reader does not know of.
func (l *Losses) Untold() bool { return l.loss.Through > l.lossTold }

// Loss returns what the reader is to be told, nil if it knows. Oldest is the
// first retained item above the query's After, 0 if there is none. No Add may
// follow.
func (l *Losses) Loss(oldest stream.ID) *stream.Loss {
	if !l.Untold() {
		return nil
	}
	loss := &l.loss
	loss.Oldest, loss.Resume = oldest, l.after
	for _, id := range l.ids {
		if oldest == 0 || id < oldest {
			loss.Resume = max(loss.Resume, id)
		}
	}
	slices.Sort(loss.Feeds)
	loss.Feeds = loss.Feeds[:min(len(loss.Feeds), stream.MaxGapFeeds)]
	return loss
}

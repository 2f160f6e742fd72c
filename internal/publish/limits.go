package publish

import (
	"net/http"

	"feedd/internal/access"
	"feedd/internal/problem"
	"feedd/internal/stream"
)

// Limits bound what is published. A size is in bytes.
type Limits struct {
	// MaxItemBytes is the largest item, MaxBodyBytes the largest body of a batch,
	// and MaxBatchItems the most items in it; each at least 1.
	MaxItemBytes  int64
	MaxBodyBytes  int64
	MaxBatchItems int

	// MaxBodiesBytes is the memory for all that is being published; 0: no bound.
	// Senders without a credential may have a quarter of it.
	MaxBodiesBytes int64

	// What one address may publish without a credential, if that is allowed at
	// all. MaxAnonymousRate is publishes a second, MaxAnonymousItems items and
	// MaxAnonymousBytes bytes of bodies; of each five times as much at once; 0:
	// no bound.
	MaxAnonymousRate  int
	MaxAnonymousItems int
	MaxAnonymousBytes int64
	// MaxAnonymousItemBytes is the largest item, 0: as of others;
	// MaxAnonymousBatchItems the largest batch, up to 1: none.
	MaxAnonymousItemBytes  int64
	MaxAnonymousBatchItems int
}

func (p *Publisher) checkSizes(r *http.Request, drafts []stream.Draft) error {
	most, setting := p.largest(r)
	for i := range drafts {
		if n := int64(len(drafts[i].Data)); n > most {
			return problem.TooLarge.Hit(setting).With("item %d has %d bytes, more than %s allows: %d", i+1, n, setting, most)
		}
	}
	return nil
}

// mayBatch says why the sender of the request must not publish a batch.
func (p *Publisher) mayBatch(r *http.Request, feed string) error {
	if access.Principal(r).Anonymous() && p.limits.MaxAnonymousBatchItems <= 1 {
		refused := problem.Unauthorized.Hit("max_anonymous_batch_items")
		return refused.With("publishing more than one item at a time to %s needs an Authorization header: Bearer and the key", feed)
	}
	return nil
}

// batchItems returns how many items the sender of the request may publish at a
// time.
func (p *Publisher) batchItems(r *http.Request) int {
	if access.Principal(r).Anonymous() {
		return min(p.limits.MaxAnonymousBatchItems, p.limits.MaxBatchItems)
	}
	return p.limits.MaxBatchItems
}

// largest returns the largest item that the sender of the request may publish,
// and the setting that says so.
func (p *Publisher) largest(r *http.Request) (limit int64, setting string) {
	if most := p.limits.MaxAnonymousItemBytes; most > 0 && most < p.limits.MaxItemBytes && access.Principal(r).Anonymous() {
		return most, "max_anonymous_item_bytes"
	}
	return p.limits.MaxItemBytes, "max_item_bytes"
}

// LargestItem returns how many bytes an item may have that the sender of the
// request publishes.
func (p *Publisher) LargestItem(r *http.Request) int64 {
	limit, _ := p.largest(r)
	return limit
}

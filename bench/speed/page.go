package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"feedd/bench/measure"
)

// paging measures JSON pages at random places in the middle of the feed, which
// holds these batches.
func (b *bench) paging(ctx context.Context, s *server, batches []receipt) error {
	// The same places in every run.
	random := rand.New(rand.NewPCG(1, 2))
	middle := batches[len(batches)/10 : len(batches)*9/10]
	somewhere := func() id {
		r := middle[random.IntN(len(middle))]
		return r.First + id(random.IntN(r.Count))
	}
	for _, way := range []struct{ param, what string }{
		{"since", "a page of 100 after an id in the middle"},
		{"before", "a page of 100 before an id in the middle"},
	} {
		f := b.report.add(way.what, "ms", most(5))
		for range b.rounds {
			var times []float64
			for range pagesAround {
				took, err := s.page(ctx, way.param, somewhere())
				if err != nil {
					return err
				}
				times = addMillis(times, took)
			}
			f.round(measure.Median(times))
		}
	}
	return nil
}

// page asks for a page and returns how long it took.
func (s *server) page(ctx context.Context, param string, at id) (time.Duration, error) {
	path := fmt.Sprintf("/feeds/million?format=json&limit=%d&%s=%d", pageItems, param, at)
	begin := time.Now()
	body, err := s.call(ctx, http.MethodGet, path, nil)
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	if n := bytes.Count(body, []byte(`{"id":"`)); n != pageItems {
		return 0, fmt.Errorf("%s: %d items, not %d", path, n, pageItems)
	}
	return took, nil
}

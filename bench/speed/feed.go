package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// keepAll takes the bounds off a feed.
func (s *server) keepAll(ctx context.Context, feed string) error {
	_, err := s.call(ctx, http.MethodPut, "/feeds/"+feed+"/settings",
		[]byte(`{"retention":{"max_items":0,"max_bytes":0,"max_age":"0s"}}`))
	return err
}

// fill publishes items in batches, and returns their receipts.
func (s *server) fill(ctx context.Context, feed string, items int) ([]receipt, error) {
	if err := s.keepAll(ctx, feed); err != nil {
		return nil, err
	}
	const most = 10_000 // what a batch may have by default
	list, err := s.publishers(ctx, feed, 1, most)
	if err != nil {
		return nil, err
	}
	defer hangUp(list)
	receipts := make([]receipt, items/most)
	for i := range receipts {
		r, err := list[0].receipt()
		if err != nil {
			return nil, err
		}
		receipts[i] = r
	}
	return receipts, s.expectCount(ctx, feed, items)
}

// expectCount makes sure that the feed holds want items.
func (s *server) expectCount(ctx context.Context, feed string, want int) error {
	body, err := s.call(ctx, http.MethodGet, "/feeds?match="+feed, nil)
	if err != nil {
		return err
	}
	var list struct {
		Feeds []struct{ Count int }
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	if len(list.Feeds) != 1 || list.Feeds[0].Count != want {
		return fmt.Errorf("the feed %s should hold %d items: %s", feed, want, body)
	}
	return nil
}

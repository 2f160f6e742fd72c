package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"feedd/internal/answer"
	"feedd/internal/problem"
	"feedd/internal/selector"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

const (
	// maxPageItems is how many items a page has at most.
	maxPageItems = 1000
	// pageBytes is how large a page becomes; it has at least one item.
	pageBytes = 4 << 20
	// maxWait is how long a page may wait for an item.
	maxWait = time.Minute
)

// readPage answers with one JSON page.
func (s *Server) readPage(w http.ResponseWriter, r *http.Request, query url.Values, hub *stream.Hub, sel selector.Selection) error {
	limit, err := number(query, "limit", 1, maxPageItems, 100)
	if err != nil {
		return err
	}
	wait, err := duration(query, "wait", maxWait)
	if err != nil {
		return err
	}
	start, given, err := startOf(r, query, maxPageItems)
	if err != nil {
		return err
	}
	before := stream.ID(0)
	if v := query.Get("before"); v != "" {
		var ok bool
		if before, ok = stream.ParseID(v); !ok {
			return problem.BadQuery.With("before is an id, not %q", v)
		}
		if wait > 0 {
			return problem.BadQuery.With("wait does not go with before: there is nothing to wait for")
		}
	}
	if before == 0 && (given || wait > 0) {
		if r.Method == http.MethodHead {
			wait = 0
		}
		return s.answerPoll(w, r, poll{hub, sel, start, limit, wait, pageJSON, s.gate.Lease(r, sel)})
	}
	page, err := s.pageBack(r, hub, sel, before, limit)
	if err != nil {
		return err
	}
	answer.SetJSON(w.Header())
	s.metrics.delivered.Add(uint64(len(page.Items)))
	return s.answers.Write(w, http.StatusOK, wire.AppendPage(nil, page))
}

// pageBack returns the newest items, or those below an id.
func (s *Server) pageBack(r *http.Request, hub *stream.Hub, sel selector.Selection, before stream.ID, limit int) (wire.Page, error) {
	ctx, cancel := s.answers.Linger(r)
	defer cancel()
	items, older, at, err := hub.Before(ctx, sel, before, stream.Bounds{Items: limit, Bytes: pageBytes})
	if err != nil {
		return wire.Page{}, err
	}
	page := wire.Page{Cursor: at, More: older && before > 0}
	page.Items = appendItems(page.Items, items)
	return page, nil
}

// collect fills a page from the cursor on, as far as there are items.
func (s *Server) collect(ctx context.Context, hub *stream.Hub, cur *stream.Cursor, limit int) (wire.Page, error) {
	page := wire.Page{Cursor: cur.Position()}
	bytes := 0
	for {
		d, err := hub.Next(ctx, cur, stream.Bounds{Items: limit - len(page.Items), Bytes: pageBytes - bytes})
		if err != nil {
			return page, err
		}
		if d.Gap != nil {
			if page.Gap != nil || len(page.Items) > 0 {
				// A second loss meanwhile: the next page tells of it first.
				page.More = true
				return page, nil
			}
			page.Gap = d.Gap
			s.metrics.gaps.Add(1)
		}
		cur.Advance(&d)
		page.Cursor = cur.Position()
		page.Items = appendItems(page.Items, d.Entries)
		for _, e := range d.Entries {
			bytes += e.Size()
		}
		page.More = d.More
		if !d.More || len(page.Items) == limit || bytes >= pageBytes {
			return page, nil
		}
	}
}

func appendItems(items []*stream.Item, entries []*stream.Entry) []*stream.Item {
	for _, e := range entries {
		items = append(items, &e.Item)
	}
	return items
}

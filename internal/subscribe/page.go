package subscribe

import (
	"context"
	"net/http"
	"time"

	"feedd/internal/answer"
	"feedd/internal/problem"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

const (
	// maxPageItems is how many items a page has at most: more than a person reads,
	// and a page of small items is still made in a millisecond.
	maxPageItems = 1000
	// defaultPageItems is how many it has if the client does not say: a few
	// screens.
	defaultPageItems = 100
	// pageBytes is how large a page becomes, in bytes. It is bounded because it
	// is made in memory; 4 MiB hold maxPageItems items of 4 KiB. A page has at
	// least one item, of any size.
	pageBytes = 4 << 20
	// maxWait is how long a long poll may wait: most proxies leave a request
	// without an answer for no longer.
	maxWait = time.Minute
)

// Page answers with one JSON page.
func (rs *Readers) Page(w http.ResponseWriter, r *http.Request, q Request) error {
	limit, err := Number(q.Query, "limit", 1, maxPageItems, defaultPageItems)
	if err != nil {
		return err
	}
	wait, err := duration(q.Query, "wait", maxWait)
	if err != nil {
		return err
	}
	start, given, err := StartOf(r, q.Query, maxPageItems)
	if err != nil {
		return err
	}
	before := stream.ID(0)
	if v := q.Query.Get("before"); v != "" {
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
		return rs.LongPoll(w, r, LongPoll{q.Hub, q.Selection, start, limit, wait, pageJSON, rs.gate.Lease(r, q.Selection)})
	}
	page, err := rs.pageBack(r, q.Hub, q.Selection, before, limit)
	if err != nil {
		return err
	}
	answer.SetJSON(w.Header())
	rs.delivered.Add(uint64(len(page.Items)))
	return rs.answers.Write(w, http.StatusOK, wire.AppendPage(nil, page))
}

// pageBack returns the newest items, or the newest below an id.
func (rs *Readers) pageBack(r *http.Request, hub *stream.Hub, sel selector.Selection, before stream.ID, limit int) (wire.Page, error) {
	ctx, cancel := rs.answers.Linger(r)
	defer cancel()
	items, older, at, err := hub.Before(ctx, sel, before, stream.Bounds{Items: limit, Bytes: pageBytes})
	if err != nil {
		return wire.Page{}, err
	}
	page := wire.Page{Cursor: at, More: older && before > 0}
	page.Items = appendItems(page.Items, items)
	return page, nil
}

// collect fills a page with what comes behind the cursor.
func (rs *Readers) collect(ctx context.Context, hub *stream.Hub, cur *stream.Cursor, limit int) (wire.Page, error) {
	page := wire.Page{Cursor: cur.Position()}
	bytes := 0
	for {
		d, err := hub.Next(ctx, cur, stream.Bounds{Items: limit - len(page.Items), Bytes: pageBytes - bytes})
		if err != nil {
			return page, err
		}
		if d.Gap != nil {
			if page.Gap != nil || len(page.Items) > 0 {
				// A second loss meanwhile: the next page begins with it.
				page.More = true
				return page, nil
			}
			page.Gap = d.Gap
			rs.gaps.Add(1)
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

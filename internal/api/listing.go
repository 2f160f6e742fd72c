package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"runtime"
	"sort"
	"time"

	"feedd/internal/access"
	"feedd/internal/answer"
	"feedd/internal/problem"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// listings make the lists of feeds. With very many feeds a list takes a large
// part of a second, so lists are made one at a time and kept for a while.
// Clients that ask again and again, or all at once, take no more time than one
// client. Clients with a credential have a turn of their own, because any
// number of clients without one may wait for theirs.
type listings struct {
	hub      *stream.Hub
	engine   stream.Engine // the hub's log
	gate     *access.Gate
	answers  *answer.Answers
	format   func(stream.Retention) []byte
	rateOver time.Duration // see rateOver

	anonymous, others chan struct{} // held while one is made

	feeds kept[selector.Key, []stream.FeedInfo]
	lists kept[listKey, []byte]
}

// listKey is what an answer depends on. The selection's key has its scope, so a
// kept list is given only to clients that may read the same.
type listKey struct {
	sel         selector.Key
	admin       bool
	after, sort string
	limit       int
}

const (
	// keptFrom is from how many feeds on a list is kept, and keptFor how long: a
	// second, after which a person would miss what is new. A list of fewer feeds
	// takes a few milliseconds, and is made anew each time.
	keptFrom = 1000
	keptFor  = time.Second
	// keptLists and keptAnswers are how many are kept at the same time. They are
	// few, because a list of 100,000 feeds takes some 11 MiB, and an answer with
	// 10,000 rows 3 MiB.
	keptLists   = 2
	keptAnswers = 4
)

// list answers GET /feeds: the feeds that the principal may read. match is
// a selector, after a name to go on from; sort says what comes first, else it is
// by name.
func (ls *listings) list(w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.BadQuery.Because(err)
	}
	// An answer with 10,000 rows is 3 MiB; with 1,000, the default, it is quick.
	limit, err := subscribe.Number(query, "limit", 1, 10_000, 1000)
	if err != nil {
		return err
	}
	match := query.Get("match")
	if match == "" {
		match = "**"
	}
	sel, err := ls.gate.ParseSelector(r, match)
	if err != nil {
		return err
	}
	sel, err = ls.gate.Readable(r, sel)
	if err != nil {
		return err
	}
	key := listKey{sel.Key(), access.Principal(r).Admin(), query.Get("after"), query.Get("sort"), limit}
	if key.after != "" && key.sort != "" {
		return problem.BadQuery.With("after does not go with sort: it is a name to go on from")
	}
	list, err := ls.listing(r, sel, key)
	if err != nil {
		return err
	}
	answer.SetJSON(w.Header())
	return ls.answers.Write(w, http.StatusOK, list)
}

// listing returns the answer to a client that may read what sel selects.
func (ls *listings) listing(r *http.Request, sel selector.Selection, key listKey) (answer []byte, err error) {
	ctx := r.Context()
	if _, plain := sel.Names(); plain { // a few rows: they need not wait for a turn
		return ls.makeList(ctx, sel, key)
	}
	turn := ls.others
	if access.Principal(r).Anonymous() {
		turn = ls.anonymous
	}
	select {
	case turn <- struct{}{}:
	case <-ls.hub.Draining(): // with many before it, it would hold up the stop of the server
		return nil, &problem.Draining
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	began := time.Now()
	defer func() { rest(turn, time.Since(began), len(answer)) }()
	return ls.makeList(ctx, sel, key)
}

// makeList is listing, for the request that has the turn.
func (ls *listings) makeList(ctx context.Context, sel selector.Selection, key listKey) (answer []byte, err error) {
	if kept, ok := ls.lists.get(key); ok {
		return kept, nil
	}
	feeds, ok := ls.feeds.get(key.sel)
	if !ok {
		if feeds, err = ls.engine.Feeds(ctx, sel); err != nil {
			return nil, err
		}
		if len(feeds) >= keptFrom {
			ls.feeds.put(key.sel, feeds)
		}
	}
	all := len(feeds)
	if feeds, err = ls.sortFeeds(feeds, key.sort); err != nil {
		return nil, err
	}
	feeds = feeds[sort.Search(len(feeds), func(i int) bool { return key.after == "" || feeds[i].Name > key.after }):]
	answer = ls.appendRows(nil, feeds[:min(len(feeds), key.limit)], key.admin, len(feeds) > key.limit)
	if all >= keptFrom {
		ls.lists.put(key, answer)
	}
	return answer, nil
}

// restBytes is how many bytes of lists are sent in a second at most: a tenth of
// what a core can send.
const restBytes = 64 << 20

// rest gives the turn to the next list. Before that it waits as long as this
// list took to make and takes to send, so that clients that ask without end
// leave half of the time to other work.
func rest(turn <-chan struct{}, took time.Duration, bytes int) {
	wait := took + time.Duration(bytes)*time.Second/restBytes
	time.AfterFunc(min(wait, keptFor), func() { <-turn })
}

// rowsTurn is after how many rows other goroutines have their turn: to encode
// 256 takes less than a millisecond.
const rowsTurn = 256

// appendRows appends the answer with these feeds; more says that there are more.
func (ls *listings) appendRows(dst []byte, feeds []stream.FeedInfo, admin, more bool) []byte {
	dst = append(dst, `{"feeds":[`...)
	names := make([]string, 0, rowsTurn)
	for len(feeds) > 0 {
		some := feeds[:min(len(feeds), rowsTurn)]
		feeds = feeds[len(some):]
		names = names[:0]
		for i := range some {
			names = append(names, some[i].Name)
		}
		subscribers, rates := ls.hub.Readers(names), ls.hub.Rates(names, ls.rateOver)
		for i, f := range some {
			row := feedRow{Feed: f.Name, Count: f.Items, Bytes: f.Bytes, Subscribers: subscribers[i], Rate: rates[i]}
			if admin {
				row.Settings, row.Own = ls.format(f.Retention), f.Own
			}
			if f.Oldest > 0 {
				row.Oldest = f.Oldest.String()
			}
			if f.Newest > 0 {
				row.Newest = f.Newest.String()
			}
			b, err := json.Marshal(row)
			if err != nil {
				panic(err) // strings and numbers, and JSON of our own
			}
			dst = append(append(dst, b...), ',')
		}
		runtime.Gosched()
	}
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	dst = append(dst, `],"more":`...)
	if more {
		return append(dst, "true}\n"...)
	}
	return append(dst, "false}\n"...)
}

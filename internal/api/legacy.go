package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"feedd/internal/access"
	"feedd/internal/answer"
	"feedd/internal/clip"
	"feedd/internal/problem"
	"feedd/internal/publish"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
	"feedd/internal/wire"
)

// Legacy is the settings for the two old servers that feedd replaces, whose pages
// it serves unchanged.
type Legacy struct {
	// Feed is what POST /send_feed_item appends to and GET /real_time_feed
	// reads, Chat what /chat speaks to; "": there is none.
	Feed, Chat string
	// FeedOpen and ChatOpen let anyone publish there, and there only.
	FeedOpen, ChatOpen bool
}

const (
	// legacyWait is how long a long poll waits for an item: less than the 30 s
	// after which proxies usually give up.
	legacyWait = 25 * time.Second
	// legacyItems is how many items a poll returns at most, as many as a JSON
	// page. The next poll, which asks from the last timestamp on, gets more.
	legacyItems = 1000
)

// legacy speaks what the old feed server spoke.
type legacy struct {
	feed      string
	open      bool // anyone may publish
	hub       *stream.Hub
	gate      *access.Gate
	answers   *answer.Answers
	publisher *publish.Publisher
	readers   *subscribe.Readers
	logger    *slog.Logger
}

// sendFeedItem answers POST /send_feed_item: a form, or JSON, becomes an item.
func (l *legacy) sendFeedItem(w http.ResponseWriter, r *http.Request) error {
	if l.open {
		r = access.Grant(r, l.feed)
	}
	kind := ""
	err := l.publisher.Take(w, r, publish.Form{
		Feed: l.feed, Single: "one item is sent at a time: a form, or a JSON object", Legacy: true,
		Check: func(drafts []stream.Draft) error {
			d := &drafts[0]
			if !d.JSON || d.Data[0] != '{' {
				return problem.BadRequest.With("an item is a form, or a JSON object")
			}
			kind = typeOf(d.Data)
			return nil
		},
	})
	if err != nil {
		return err
	}
	l.logger.Info("push", "feed", l.feed, "type", kind)
	return l.answers.JSON(w, http.StatusOK, struct{}{})
}

// typeOf returns the type that an item says it has, for the logger: the text of a
// string, else its JSON, else "".
func typeOf(item []byte) string {
	var says struct{ Type json.RawMessage }
	if json.Unmarshal(item, &says) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(says.Type, &text) != nil {
		text = string(says.Type)
	}
	return clip.Text(text)
}

// realTimeFeed answers GET /real_time_feed with the items that are newer than
// the parameter since, or with the next item.
func (l *legacy) realTimeFeed(w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.BadQuery.Because(err)
	}
	sel, err := selector.Parse(l.feed, 1)
	if err != nil {
		return err
	}
	if sel, err = l.gate.Readable(r, sel); err != nil {
		return err
	}
	if err := subscribe.Misspelt(r, query, "since", []string{"since"}); err != nil {
		return err
	}
	start := stream.Start{} // the next item
	if text := query.Get("since"); text != "" {
		since, ok := wire.ParseTimestamp(text)
		if !ok {
			return problem.BadQuery.With("since is a timestamp in milliseconds, not %q", text)
		}
		// This is no position: the page may begin with any time, and cannot be told
		// that something is gone.
		start = stream.StartSince((since + 1).Time())
	}
	wait := legacyWait
	if r.Method == http.MethodHead {
		wait = 0
	}
	// This protocol cannot tell of items that are gone.
	return l.readers.LongPoll(w, r, subscribe.LongPoll{
		Hub: l.hub, Selection: sel, Start: start, Limit: legacyItems, Wait: wait,
		Form: subscribe.PageTimestamped, Lease: l.gate.Lease(r, sel),
	})
}

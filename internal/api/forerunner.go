package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"feedd/internal/access"
	"feedd/internal/problem"
	"feedd/internal/publish"

	"feedd/internal/clip"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// Forerunner is the settings for the two servers that feedd replaces, whose
// pages it serves unchanged.
type Forerunner struct {
	// Feed is what POST /send_feed_item appends to and GET /real_time_feed
	// reads, Chat what /chat speaks to; "": there is none.
	Feed, Chat string
	// FeedOpen and ChatOpen let anybody publish there, and there only.
	FeedOpen, ChatOpen bool
}

const (
	// forerunnerWait is how long a poll waits for an item.
	forerunnerWait = 25 * time.Second
	// forerunnerItems is how many items a poll returns at most. What is more
	// comes with the next, which asks from the last timestamp on.
	forerunnerItems = 1000
)

// sendFeedItem answers POST /send_feed_item: a form, or JSON, becomes an item.
func (s *Server) sendFeedItem(w http.ResponseWriter, r *http.Request) error {
	if s.Forerunner.FeedOpen {
		r = access.Grant(r, s.Forerunner.Feed)
	}
	kind := ""
	err := s.publisher.Take(w, r, publish.Form{
		Feed: s.Forerunner.Feed, Single: "one item is sent at a time: a form, or a JSON object", Legacy: true,
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
	s.Log.Info("push", "feed", s.Forerunner.Feed, "type", kind)
	return s.answers.JSON(w, http.StatusOK, struct{}{})
}

// typeOf returns the type that an item says it has, for the log: the text of a
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

// realTimeFeed answers GET /real_time_feed: the items that are newer than
// since, when there is one.
func (s *Server) realTimeFeed(w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.BadQuery.Because(err)
	}
	sel, err := selector.Parse(s.Forerunner.Feed, 1)
	if err != nil {
		return err
	}
	if sel, err = s.gate.Readable(r, sel); err != nil {
		return err
	}
	if err := misspelt(r, query, "since", []string{"since"}); err != nil {
		return err
	}
	start := stream.Start{} // the next item
	if text := query.Get("since"); text != "" {
		since, ok := wire.ParseTimestamp(text)
		if !ok {
			return problem.BadQuery.With("since is a timestamp in milliseconds, not %q", text)
		}
		// Not as a position: the page may begin with any time, and could not be
		// told that something is gone.
		start = stream.StartSince((since + 1).Time())
	}
	wait := forerunnerWait
	if r.Method == http.MethodHead {
		wait = 0
	}
	// What is gone is nothing that this protocol can tell of.
	return s.answerPoll(w, r, poll{s.Hub, sel, start, forerunnerItems, wait, pageTimestamped, s.gate.Lease(r, sel)})
}

package api

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"feedd/internal/problem"
	"feedd/internal/stream"
)

// feedRow is one feed in the list.
type feedRow struct {
	Feed        string `json:"feed"`
	Count       int    `json:"count"`
	Bytes       int64  `json:"bytes"`
	Oldest      string `json:"oldest,omitempty"`
	Newest      string `json:"newest,omitempty"`
	Subscribers int    `json:"subscribers"`
	// Rate is how many items a second came in the last rateOver.
	Rate float64 `json:"rate"`
	// What follows is for administrators: the settings in force, and whether
	// they were set for this feed alone.
	Settings json.RawMessage `json:"settings,omitempty"`
	Own      bool            `json:"own,omitempty"`
}

// rateOver is the time over which the rate of a feed is taken: long enough that
// one item does not make it jump, and short enough that a person sees it
// change.
const rateOver = 10 * time.Second

// sortFeeds returns the feeds, which are sorted by name, in another order; with
// a - before the key the largest come first. It does not change the given list,
// which is shared.
func (ls *listings) sortFeeds(feeds []stream.FeedInfo, by string) ([]stream.FeedInfo, error) {
	by, down := strings.CutPrefix(by, "-")
	var key func(f *stream.FeedInfo) float64
	switch by {
	case "", "feed":
		if down {
			feeds = slices.Clone(feeds)
			slices.Reverse(feeds)
		}
		return feeds, nil
	case "rate":
		names := make([]string, len(feeds))
		for i := range feeds {
			names[i] = feeds[i].Name
		}
		rates := make(map[string]float64, len(feeds))
		for i, rate := range ls.hub.Rates(names, ls.rateOver) {
			rates[names[i]] = rate
		}
		key = func(f *stream.FeedInfo) float64 { return rates[f.Name] }
	case "count":
		key = func(f *stream.FeedInfo) float64 { return float64(f.Items) }
	case "bytes":
		key = func(f *stream.FeedInfo) float64 { return float64(f.Bytes) }
	case "oldest":
		key = func(f *stream.FeedInfo) float64 {
			if f.Oldest == 0 {
				return math.Inf(1)
			}
			return float64(f.Oldest)
		}
	case "newest":
		key = func(f *stream.FeedInfo) float64 { return float64(f.Newest) }
	default:
		return nil, problem.BadQuery.With("sort is feed, rate, count, bytes, oldest or newest, with - before it for the largest first, not %q", by)
	}
	feeds = slices.Clone(feeds)
	slices.SortStableFunc(feeds, func(a, b stream.FeedInfo) int {
		if down {
			a, b = b, a
		}
		return cmp.Compare(key(&a), key(&b))
	})
	return feeds, nil
}

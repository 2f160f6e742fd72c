package api

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"feedd/internal/access"
	"feedd/internal/problem"

	"feedd/internal/clip"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// settingsBytes is how large the JSON of a feed's settings may be.
const settingsBytes = 64 << 10

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

// rateOver is the time over which the rate of a feed is taken.
const rateOver = 10 * time.Second

// sortFeeds returns the feeds, which are sorted by name, in another order; a -
// before what it goes by is for the largest first. An empty feed has nothing old.
// The list that it is given is others' too.
func (s *Server) sortFeeds(feeds []stream.FeedInfo, by string) ([]stream.FeedInfo, error) {
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
		for i, rate := range s.Hub.Rates(names, s.rateOver) {
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

// purge answers DELETE /feeds/{feed}.
func (s *Server) purge(w http.ResponseWriter, r *http.Request) error {
	feed, err := access.FeedName(r)
	if err != nil {
		return err
	}
	if err := access.NeedAdmin(r, "purging "+feed); err != nil {
		return err
	}
	// A purge that was begun is finished, whoever still waits for it.
	n, err := s.Engine.Purge(context.WithoutCancel(r.Context()), feed)
	if err != nil {
		return err
	}
	s.Log.Info("feed purged", "feed", clip.Text(feed), "items", n)
	return s.answers.JSON(w, http.StatusOK, struct {
		Feed   string `json:"feed"`
		Purged int    `json:"purged"`
	}{feed, n})
}

// itemOf returns the feed and id that the path names.
func itemOf(r *http.Request) (feed string, id stream.ID, err error) {
	if feed, err = access.FeedName(r); err != nil {
		return "", 0, err
	}
	text, err := access.PathParam(r, "id")
	if err != nil {
		return "", 0, problem.BadQuery.Because(err)
	}
	id, ok := stream.ParseID(text)
	if !ok {
		return "", 0, problem.NotFound.With("%q is no id", text)
	}
	return feed, id, nil
}

// getItem answers GET /feeds/{feed}/items/{id} with the item's envelope: never
// with its raw data, which a browser might take for a page.
func (s *Server) getItem(w http.ResponseWriter, r *http.Request) error {
	feed, id, err := itemOf(r)
	if err != nil {
		return err
	}
	if err := s.gate.MayRead(r, feed); err != nil {
		return err
	}
	it, err := s.Hub.Item(r.Context(), feed, id)
	if err != nil {
		return err
	}
	if it == nil {
		return problem.NotFound.With("%s has no item %s", feed, id)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	return s.answers.Write(w, http.StatusOK, wire.AppendLine(nil, it))
}

// deleteItem answers DELETE /feeds/{feed}/items/{id}.
func (s *Server) deleteItem(w http.ResponseWriter, r *http.Request) error {
	feed, id, err := itemOf(r)
	if err != nil {
		return err
	}
	if err := access.NeedAdmin(r, "deleting from "+feed); err != nil {
		return err
	}
	found, err := s.Engine.Delete(r.Context(), feed, id)
	if err != nil {
		return err
	}
	if !found {
		return problem.NotFound.With("%s has no item %s", feed, id)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// getSettings answers GET /feeds/{feed}/settings: what is in force.
func (s *Server) getSettings(w http.ResponseWriter, r *http.Request) error {
	feed, err := access.FeedName(r)
	if err != nil {
		return err
	}
	if err := access.NeedAdmin(r, "reading the settings of "+feed); err != nil {
		return err
	}
	return s.writeSettings(w, r, feed)
}

func (s *Server) writeSettings(w http.ResponseWriter, r *http.Request, feed string) error {
	sel, err := selector.Parse(feed, 1)
	if err != nil {
		return problem.BadFeed.Because(err)
	}
	feeds, err := s.Engine.Feeds(r.Context(), sel)
	if err != nil {
		return err
	}
	retention := s.BaseRetention(feed)
	if len(feeds) > 0 {
		retention = feeds[0].Retention
	}
	return s.answers.JSON(w, http.StatusOK, json.RawMessage(s.FormatRetention(retention)))
}

// putSettings answers PUT /feeds/{feed}/settings: what the body leaves out
// comes from the configuration.
func (s *Server) putSettings(w http.ResponseWriter, r *http.Request) error {
	feed, err := access.FeedName(r)
	if err != nil {
		return err
	}
	if err := access.NeedAdmin(r, "changing the settings of "+feed); err != nil {
		return err
	}
	if selector.Internal(feed) {
		return problem.Forbidden.With("%s is one of feedd's own feeds", feed)
	}
	if err := settingsType(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	h := s.bodies.Hold(r)
	defer h.Give()
	body, err := h.Read(w, r, settingsBytes, "")
	if err != nil {
		return err
	}
	retention, err := s.ParseRetention(body, s.BaseRetention(feed))
	if err != nil {
		return problem.BadSettings.Because(err)
	}
	if err := s.Engine.SetRetention(r.Context(), feed, &retention); err != nil {
		return err
	}
	s.Log.Info("settings changed", "feed", clip.Text(feed), "settings", string(s.FormatRetention(retention)))
	return s.writeSettings(w, r, feed)
}

// deleteSettings answers DELETE /feeds/{feed}/settings: the configuration
// holds again.
func (s *Server) deleteSettings(w http.ResponseWriter, r *http.Request) error {
	feed, err := access.FeedName(r)
	if err != nil {
		return err
	}
	if err := access.NeedAdmin(r, "changing the settings of "+feed); err != nil {
		return err
	}
	if err := s.Engine.SetRetention(r.Context(), feed, nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// settingsType refuses what is not JSON by its label. That of curl -d is
// forgiven, as for a publish.
func settingsType(header string) error {
	name, _, err := mime.ParseMediaType(header)
	switch {
	case header == "", err == nil && name == "application/json", err == nil && name == "application/x-www-form-urlencoded":
		return nil
	}
	return problem.UnsupportedMediaType.With("settings are application/json, not %s", header)
}

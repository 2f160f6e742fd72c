package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"mime"
	"net/http"

	"feedd/internal/access"
	"feedd/internal/answer"
	"feedd/internal/clip"
	"feedd/internal/problem"
	"feedd/internal/publish"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// settingsBytes is how large the JSON of a feed's settings may be. The few
// settings take 200 bytes, and JSON has no comments, so 64 KiB refuse only what
// is no settings.
const settingsBytes = 64 << 10

// feeds answers what is asked about single feeds and items.
type feeds struct {
	hub       *stream.Hub
	engine    stream.Engine // the hub's log
	gate      *access.Gate
	answers   *answer.Answers
	bodies    *publish.Bodies
	retention Retention
	logger    *slog.Logger
}

// purge answers DELETE /feeds/{feed}.
func (f *feeds) purge(w http.ResponseWriter, r *http.Request) error {
	feed, err := access.FeedName(r)
	if err != nil {
		return err
	}
	if err := access.NeedAdmin(r, "purging "+feed); err != nil {
		return err
	}
	// A purge is finished even if its client no longer waits.
	n, err := f.engine.Purge(context.WithoutCancel(r.Context()), feed)
	if err != nil {
		return err
	}
	f.logger.Info("feed purged", "feed", clip.Text(feed), "items", n)
	return f.answers.JSON(w, http.StatusOK, struct {
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
func (f *feeds) getItem(w http.ResponseWriter, r *http.Request) error {
	feed, id, err := itemOf(r)
	if err != nil {
		return err
	}
	if err := f.gate.MayRead(r, feed); err != nil {
		return err
	}
	it, err := f.hub.Item(r.Context(), feed, id)
	if err != nil {
		return err
	}
	if it == nil {
		return problem.NotFound.With("%s has no item %s", feed, id)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	return f.answers.Write(w, http.StatusOK, wire.AppendLine(nil, it))
}

// deleteItem answers DELETE /feeds/{feed}/items/{id}.
func (f *feeds) deleteItem(w http.ResponseWriter, r *http.Request) error {
	feed, id, err := itemOf(r)
	if err != nil {
		return err
	}
	if err := access.NeedAdmin(r, "deleting from "+feed); err != nil {
		return err
	}
	found, err := f.engine.Delete(r.Context(), feed, id)
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
func (f *feeds) getSettings(w http.ResponseWriter, r *http.Request) error {
	feed, err := access.FeedName(r)
	if err != nil {
		return err
	}
	if err := access.NeedAdmin(r, "reading the settings of "+feed); err != nil {
		return err
	}
	return f.writeSettings(w, r, feed)
}

func (f *feeds) writeSettings(w http.ResponseWriter, r *http.Request, feed string) error {
	sel, err := selector.Parse(feed, 1)
	if err != nil {
		return problem.BadFeed.Because(err)
	}
	found, err := f.engine.Feeds(r.Context(), sel)
	if err != nil {
		return err
	}
	retention := f.retention.Base(feed)
	if len(found) > 0 {
		retention = found[0].Retention
	}
	return f.answers.JSON(w, http.StatusOK, json.RawMessage(f.retention.Format(retention)))
}

// putSettings answers PUT /feeds/{feed}/settings: what the body leaves out
// comes from the configuration.
func (f *feeds) putSettings(w http.ResponseWriter, r *http.Request) error {
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
	h := f.bodies.Hold(r)
	defer h.Give()
	body, err := h.Read(w, r, settingsBytes, "")
	if err != nil {
		return err
	}
	retention, err := f.retention.Parse(body, f.retention.Base(feed))
	if err != nil {
		return problem.BadSettings.Because(err)
	}
	if err := f.engine.SetRetention(r.Context(), feed, &retention); err != nil {
		return err
	}
	f.logger.Info("settings changed", "feed", clip.Text(feed), "settings", string(f.retention.Format(retention)))
	return f.writeSettings(w, r, feed)
}

// deleteSettings answers DELETE /feeds/{feed}/settings: the configuration
// holds again.
func (f *feeds) deleteSettings(w http.ResponseWriter, r *http.Request) error {
	feed, err := access.FeedName(r)
	if err != nil {
		return err
	}
	if err := access.NeedAdmin(r, "changing the settings of "+feed); err != nil {
		return err
	}
	if err := f.engine.SetRetention(r.Context(), feed, nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// settingsType refuses a Content-Type that is not JSON. That of curl -d is
// allowed, as for a publish.
func settingsType(header string) error {
	name, _, err := mime.ParseMediaType(header)
	switch {
	case header == "", err == nil && name == "application/json", err == nil && name == "application/x-www-form-urlencoded":
		return nil
	}
	return problem.UnsupportedMediaType.With("settings are application/json, not %s", header)
}

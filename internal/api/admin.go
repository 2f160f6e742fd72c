package api

import (
	"log/slog"
	"net/http"
	"net/url"

	"feedd/internal/access"
	"feedd/internal/answer"
	"feedd/internal/clip"
	"feedd/internal/problem"
	"feedd/internal/stream"
	"feedd/internal/subscribe"
)

// admin answers what only administrators may ask.
type admin struct {
	readers *subscribe.Readers
	engine  stream.Engine
	answers *answer.Answers
	config  func() []byte // the configuration in force, as YAML
	logger  *slog.Logger
}

// listSubscribers answers GET /subscribers with at most limit subscribers that
// match. Those that have not got everything come first.
func (a *admin) listSubscribers(w http.ResponseWriter, r *http.Request) error {
	if err := access.NeedAdmin(r, "the list of subscribers"); err != nil {
		return err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.BadQuery.Because(err)
	}
	// 100 rows are a few screens; among more than 1,000 only match finds one.
	limit, err := subscribe.Number(query, "limit", 1, 1000, 100)
	if err != nil {
		return err
	}
	return a.answers.JSON(w, http.StatusOK, struct {
		Subscribers []subscribe.Row `json:"subscribers"`
		Total       int             `json:"total"`
	}{a.readers.List(limit, query.Get("match")), a.readers.Count()})
}

// cutSubscriber answers DELETE /subscribers/{id}.
func (a *admin) cutSubscriber(w http.ResponseWriter, r *http.Request) error {
	if err := access.NeedAdmin(r, "cutting a subscriber"); err != nil {
		return err
	}
	id, err := access.PathParam(r, "id")
	if err != nil {
		return problem.BadRequest.Because(err)
	}
	if !a.readers.Cut(id) {
		return problem.NotFound.With("there is no subscriber %q any more", id)
	}
	a.logger.Info("subscriber cut", "id", clip.Text(id))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// getConfig answers GET /config: the settings in force, as YAML, and what the
// acknowledgement of a publish means under them.
func (a *admin) getConfig(w http.ResponseWriter, r *http.Request) error {
	if err := access.NeedAdmin(r, "reading the settings"); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", contentTypes[".yaml"])
	h.Set("Feedd-Durability", a.engine.Durability())
	h.Set("Cache-Control", "no-store")
	w.Write(a.config())
	return nil
}

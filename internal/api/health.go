package api

import (
	"io"
	"net/http"

	"feedd/internal/problem"
	"feedd/internal/publish"
	"feedd/internal/stream"
)

// health tells a load balancer how the server is.
type health struct {
	hub     *stream.Hub
	engine  stream.Engine // the hub's log
	inPlace func() error  // nil: it always is
	ready   *publish.Readiness
}

// healthz says that the process is alive.
func (h *health) healthz(w http.ResponseWriter, r *http.Request) error {
	return writeOK(w)
}

// readyz says whether publishing works.
func (h *health) readyz(w http.ResponseWriter, r *http.Request) error {
	if h.hub.Stopping() {
		return &problem.Draining
	}
	if h.inPlace != nil {
		// If the store may be out of its place, an earlier commit proves nothing.
		if err := h.inPlace(); err != nil {
			return err
		}
	}
	if err := h.ready.Check(r.Context(), h.engine.Probe); err != nil {
		return err
	}
	return writeOK(w)
}

func writeOK(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	io.WriteString(w, "ok\n")
	return nil
}

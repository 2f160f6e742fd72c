package api

import (
	"io"
	"net/http"

	"feedd/internal/problem"
)

// healthz says that the process is alive.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) error {
	return writeOK(w)
}

// readyz says whether publishing works.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if s.draining() {
		return &problem.Draining
	}
	if s.InPlace != nil {
		// A commit proves nothing for five seconds where its file may be gone.
		if err := s.InPlace(); err != nil {
			return err
		}
	}
	if err := s.ready.Check(r.Context(), s.Engine.Probe); err != nil {
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

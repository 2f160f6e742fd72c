package api

import (
	"io/fs"
	"maps"
	"slices"
	"testing"

	"github.com/go-chi/chi/v5"
)

// Routes returns the routes that the server has.
func (s *Server) Routes() chi.Routes { return s.handler.(chi.Routes) }

// PageRoutes returns the paths of the embedded files.
func PageRoutes(t *testing.T, files fs.FS) []string {
	assets, err := loadAssets(files, true)
	if err != nil {
		t.Fatal(err)
	}
	delete(assets, "/chat") // as New does
	return slices.Collect(maps.Keys(assets))
}

package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"
)

// Routes returns the routes that the server has.
func (s *Server) Routes() chi.Routes { return s.handler.(chi.Routes) }

// PageRoutes returns the paths of the embedded files.
func (s *Server) PageRoutes() []string { return slices.Collect(maps.Keys(s.pages)) }

// PublishTypes returns the content types that may be published, sorted.
func PublishTypes() []string { return typeNames() }

// Bodies returns how many bytes of memory the publishes under way count.
func (s *Server) Bodies() int64 { return s.bodies.all.Used() }

// Unread returns how many bytes of large answers wait for their readers.
func (s *Server) Unread() int64 { return s.unread.Load() }

// LeaveUnread leaves so many bytes of memory for large answers.
func (s *Server) LeaveUnread(bytes int64) { s.unread.Store(unreadBytes - bytes) }

// Linger is linger.
func (s *Server) Linger(r *http.Request) (context.Context, context.CancelFunc) { return s.linger(r) }

// MaxLingering is maxLingering.
const MaxLingering = maxLingering

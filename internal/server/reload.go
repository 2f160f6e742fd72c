package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/internal/config"
)

// reloader reads again what can be read again while the server runs. All of it
// but shown belongs to one goroutine, that of Reload.
type reloader struct {
	load     func() (config.Config, error)
	level    *slog.LevelVar // nil: it stays
	logger   *slog.Logger
	dir      *dataDir
	auth     *auth.Authority
	sessions *auth.Sessions
	api      *api.Server

	start   *config.Config // what the server was made with
	inForce config.Config
	key     string
	shown   atomic.Pointer[[]byte] // what GET /config answers
}

func newReloader(cfg *config.Config, key string) *reloader {
	r := &reloader{start: cfg, inForce: *cfg, key: key}
	r.show(nil)
	return r
}

// bind gives it what a reload changes.
func (r *reloader) bind(o Options, dir *dataDir, authority *auth.Authority, sessions *auth.Sessions, api *api.Server) {
	r.load, r.level, r.logger = o.Load, o.Level, o.Logger
	r.dir, r.auth, r.sessions, r.api = dir, authority, sessions, api
}

// rulesOf returns what the settings say of who may do what.
func rulesOf(cfg *config.Config) auth.Rules {
	return auth.Rules{Read: cfg.ReadOpen, Publish: cfg.PublishOpen, ReadAny: cfg.AnyReadOpen}
}

// reload is Reload.
func (r *reloader) reload() {
	logger, what := r.logger, "the settings were read again"
	var changed, later []string
	if next, err := r.load(); err == nil {
		changed, later = r.take(&next)
	} else {
		logger.Error("the settings cannot be read again, so those in force stay", "err", err)
		what = "the admin key was read again"
	}
	key, err := r.readKey()
	if err != nil {
		logger.Error("the admin key cannot be read again, so the old one stays", "err", err)
		key = r.key
	}
	if key != r.key {
		changed = append(changed, "admin key")
	}
	r.permit(key, changed)
	level := slog.LevelInfo
	if len(later) > 0 {
		level = slog.LevelWarn
	}
	logger.Log(context.Background(), level, what, "changed", list(changed), "need_restart", list(later))
}

// take puts those of the new settings in force that can be, except for what
// permit does. It returns the paths of these, and of those that differ and need
// a restart.
func (r *reloader) take(next *config.Config) (changed, later []string) {
	for _, path := range r.inForce.Changes(next) {
		switch path {
		case "log.level":
			if r.level != nil {
				r.level.Set(next.Log.Level.Slog())
			}
			r.inForce.Log.Level = next.Log.Level
			changed = append(changed, path)
		case "feeds":
			changed = append(changed, "feeds.read", "feeds.publish")
		case "feeds.retention": // as it was at the start, below
		default:
			later = append(later, path)
		}
	}
	if slices.Contains(r.start.Changes(next), "feeds.retention") {
		later = append(later, "feeds.retention")
	}
	r.inForce.Feeds = next.Feeds
	r.show(later)
	return changed, later
}

func (r *reloader) readKey() (string, error) {
	if key := string(r.start.AdminKey); key != "" {
		return key, nil
	}
	// The path may now lead to another server's directory, or an empty one, so no
	// key is made there.
	if err := r.dir.lock.inPlace(); err != nil {
		return "", err
	}
	return r.dir.adminKey(r.logger)
}

// permit puts a key and the rules in force, and ends what an old key or rule
// allowed.
func (r *reloader) permit(key string, changed []string) {
	old := r.key
	if key == old && !slices.Contains(changed, "feeds.read") {
		return
	}
	r.key = key
	rules := r.inForce // a copy, because inForce changes
	r.auth.Change(key, rulesOf(&rules))
	if key != old {
		if err := r.sessions.ChangeKey(key); err != nil {
			r.logger.Warn("the end of all sessions is not stored; with the new key they are over all the same", "err", err)
		}
	}
	r.api.Recheck()
}

// show keeps the settings in force for GET /config.
func (r *reloader) show(later []string) {
	var b bytes.Buffer
	if len(later) > 0 {
		fmt.Fprintf(&b, "# Changed since the start, and in force after a restart: %s\n", strings.Join(later, ", "))
	}
	b.Write(r.inForce.YAML())
	yaml := b.Bytes()
	r.shown.Store(&yaml)
}

func (r *reloader) yaml() []byte { return *r.shown.Load() }

func list(paths []string) string {
	if len(paths) == 0 {
		return "nothing"
	}
	return strings.Join(paths, " ")
}

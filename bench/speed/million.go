package main

import (
	"context"
	"errors"
	"os"
	"time"

	"feedd/bench/measure"
)

const (
	millionItems = 1_000_000
	pagesAround  = 50 // requests in a round
	pageItems    = 100
)

// million measures a store of a million items: pages from its middle, and
// opening it.
func (b *bench) million(ctx context.Context) error {
	s, err := b.serve(ctx, "million")
	if err != nil {
		return err
	}
	defer func() { s.Kill() }()
	measure.Note("storing %s items", measure.Number(millionItems))
	begin := time.Now()
	receipts, err := s.fill(ctx, "million", millionItems)
	if err != nil {
		return err
	}
	b.report.add("batches of 10,000 over 1 connection, nothing trimmed", "items/s", nil).round(millionItems / time.Since(begin).Seconds())
	rss, peak := s.memory()
	b.report.add("memory: after 1,000,000 items", "MiB", nil).round(rss)
	b.report.add("memory: its peak", "MiB", nil).round(peak)
	if s, err = b.opening(ctx, s); err != nil {
		return err
	}
	if err := b.paging(ctx, s, receipts); err != nil {
		return err
	}
	rss, _ = s.memory()
	b.report.add("memory: opened again, after the pages", "MiB", nil).round(rss)
	return s.Stop()
}

// opening stops and kills the server and starts it again. It returns the one
// that runs at last.
func (b *bench) opening(ctx context.Context, s *server) (*server, error) {
	clean := b.report.add("opening 1,000,000 items after a clean stop", "s", most(2))
	crash := b.report.add("opening 1,000,000 items after kill -9", "s", most(2))
	wal := b.report.add("  with a WAL of", "MiB", nil)
	for range b.rounds {
		if err := s.Stop(); err != nil {
			return s, err
		}
		next, err := b.serve(ctx, "million")
		if err != nil {
			return s, err
		}
		s = next
		clean.round(s.opened.Seconds())

		if err := s.killWhilePublishing(ctx); err != nil {
			return s, err
		}
		if info, err := os.Stat(b.path("million/feedd.db-wal")); err == nil {
			wal.round(float64(info.Size()) / (1 << 20))
		}
		if next, err = b.serve(ctx, "million"); err != nil {
			return s, err
		}
		s = next
		crash.round(s.opened.Seconds())
	}
	return s, s.expectCount(ctx, "million", millionItems)
}

// killWhilePublishing kills the server in the middle of publishes to another
// feed.
func (s *server) killWhilePublishing(ctx context.Context) error {
	list, err := s.publishers(ctx, "other", 4, 256)
	if err != nil {
		return err
	}
	defer hangUp(list)
	timer := time.AfterFunc(500*time.Millisecond, func() { s.Cmd.Process.Kill() })
	defer timer.Stop()
	_, err = together(list, time.Minute, (*publisher).many)
	s.Kill()
	if err == nil {
		return errors.New("the server outlived kill -9")
	}
	return nil
}

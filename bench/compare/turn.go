package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"feedd/bench/measure"
)

// turn is a server's turn in a scenario: it was started for it, and ends with
// it.
type turn struct {
	*bench
	*process
	ctx      context.Context
	scenario string
	row      string // what the figures are filed under: the server, or a variant of it
}

// give gives each server its turn, with settings in the environment. What goes
// wrong with one does not take the others' turns.
func (b *bench) give(ctx context.Context, sc *scenario, list []server, env []string, do func(t *turn) error) error {
	for _, s := range list {
		if err := b.giveOne(ctx, sc, s, s.name, env, do); err != nil {
			return err
		}
	}
	return nil
}

// giveOne files the figures under row.
func (b *bench) giveOne(ctx context.Context, sc *scenario, s server, row string, env []string, do func(t *turn) error) error {
	began := time.Now()
	err := b.serve(ctx, s, env, func(p *process) error {
		return do(&turn{bench: b, process: p, ctx: ctx, scenario: sc.name, row: row})
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	measure.Note("%s, %s: %.0f s", sc.name, titleOf(row), time.Since(began).Seconds())
	if err == nil {
		return nil
	}
	what := fmt.Sprintf("%s, %s: %v", sc.name, titleOf(row), err)
	measure.Note("%s", what)
	if s.role == peer {
		b.remarks = append(b.remarks, what)
	} else {
		b.trouble = append(b.trouble, what)
	}
	return nil
}

// serve starts a server, lets do use it, and stops it.
func (b *bench) serve(ctx context.Context, s server, env []string, do func(*process) error) error {
	if err := quiet(ctx); err != nil {
		return err
	}
	b.server++
	dir := filepath.Join(b.dir, fmt.Sprintf("%s-%d", s.name, b.server))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := s.start(b, ctx, dir, env)
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := do(p); err != nil {
		return p.Explain(err)
	}
	return nil
}

const (
	// quietPorts is how many connections in TIME_WAIT do not disturb: each holds
	// a port, of which there are 28,000 by default. A load leaves few of them,
	// because it resets its connections in the end.
	quietPorts = 20_000
	// quietOrphans is the same for connections that have something to send yet
	// and no process: they hold memory, which is measured.
	quietOrphans = 100

	portsTimeout   = 65 * time.Second // longer than the kernel keeps them
	orphansTimeout = 10 * time.Second
)

// quiet waits until the connections of the server before are gone. Those of
// other programs may stay; that is no reason to stop.
func quiet(ctx context.Context) error {
	for began := time.Now(); ; {
		n, waited := tcpNumbers(), time.Since(began)
		if (n["tw"] <= quietPorts || waited > portsTimeout) && (n["orphan"] <= quietOrphans || waited > orphansTimeout) {
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// file files a figure.
func (t *turn) file(m metric, x float64) { t.board.add(t.scenario, t.row, m, x) }

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"feedd/bench/measure"
)

// tools are the programs that are started.
type tools struct {
	feedd string // the server that is measured
	load  string // the feedd whose bench makes the load, always of this tree
	peers string // a directory with the peers that are built
	nginx string
}

// prepare installs and builds what is needed.
func (b *bench) prepare(ctx context.Context) error {
	mod, err := measure.Output(ctx, "go", "env", "GOMOD")
	if err != nil {
		return err
	}
	b.root = filepath.Dir(mod)
	if measure.Wanted(b.servers, "nchan-1") || measure.Wanted(b.servers, "nchan-2") || measure.Wanted(b.servers, "node") {
		measure.Note("installing what is missing of the peers")
		cmd := exec.CommandContext(ctx, filepath.Join(b.root, "bench", "peers", "install"))
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("install the peers: %w", err)
		}
	}
	measure.Note("building feedd and the peers")
	t := &b.tools
	t.nginx, t.peers, t.load = "/usr/sbin/nginx", filepath.Join(b.dir, "peers"), filepath.Join(b.dir, "feedd")
	if err := os.Mkdir(t.peers, 0o755); err != nil {
		return err
	}
	if _, err := measure.Output(ctx, "go", "build", "-o", t.load, "feedd/cmd/feedd"); err != nil {
		return err
	}
	if t.feedd = b.bin; t.feedd == "" {
		t.feedd = t.load
	}
	if t.feedd, err = filepath.Abs(t.feedd); err != nil {
		return err
	}
	_, err = measure.Output(ctx, "go", "build", "-o", t.peers+string(filepath.Separator),
		"feedd/bench/peers/floor", "feedd/bench/peers/goroutines", "feedd/bench/peers/r3labs")
	return err
}

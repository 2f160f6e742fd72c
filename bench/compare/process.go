package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"feedd/bench/measure"
)

// process is a server that runs.
type process struct {
	*measure.Process
	sub  []string // the flags of feedd bench that lead to it, for subscribers
	pub  []string // and for publishers
	pids []int    // all of its processes
}

func launch(ctx context.Context, dir string, env []string, program string, args ...string) (*process, error) {
	p, err := measure.Start(ctx, dir, filepath.Join(dir, "log"), env, program, args...)
	if err != nil {
		return nil, err
	}
	return &process{Process: p, pids: []int{p.Cmd.Process.Pid}}, nil
}

// start starts a server that prints its URL, and waits for that. feedd's
// begins with a word or two; the others print nothing else.
func start(ctx context.Context, dir string, env []string, program string, args ...string) (*process, error) {
	p, err := launch(ctx, dir, env, program, args...)
	if err != nil {
		return nil, err
	}
	return p, p.WaitURL()
}

// startQuiet starts a server that prints nothing and has workers, and waits until
// it answers.
func startQuiet(ctx context.Context, dir, base string, workers int, program string, args ...string) (*process, error) {
	p, err := launch(ctx, dir, nil, program, args...)
	if err != nil {
		return nil, err
	}
	p.Base = base
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		p.Workers = childrenOf(p.Cmd.Process.Pid)
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err == nil {
			conn.Close()
		}
		select {
		case <-p.Ended:
			return nil, p.Explain(fmt.Errorf("it ended at once: %v", p.Err))
		default:
		}
		if err == nil && len(p.Workers) >= workers {
			p.pids = append(p.pids, p.Workers...)
			// The connections that asked for it are descriptors too, for a moment.
			time.Sleep(100 * time.Millisecond)
			return p, nil
		}
		if time.Since(began) > measure.StartTimeout {
			p.Kill()
			return nil, p.Explain(errors.New("it does not start"))
		}
	}
}

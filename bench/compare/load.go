package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"feedd/bench/measure"
	"feedd/internal/load"
)

// loadTimeout is how long a load may go on beyond its time: while items come, it
// waits for a server that is behind.
const loadTimeout = 90 * time.Second

// noPublish is the flag of a load that only subscribes.
const noPublish = "--no-publish"

// loading is a load that runs.
type loading struct {
	cmd         *exec.Cmd
	cancel      context.CancelFunc
	out, errors bytes.Buffer
	ended       chan struct{}
	err         error // of Wait; set before ended is closed
}

// startLoad starts a load on a server, which lasts as long as its flags say.
// With watch the server's processes are measured.
func (b *bench) startLoad(ctx context.Context, p *process, lasts time.Duration, watch bool, args ...string) (*loading, error) {
	all := append([]string{"bench", "--json"}, p.sub...)
	if slices.Contains(args, noPublish) {
		args = append(args, "--warmup=0s")
	} else {
		all = append(all, p.pub...)
	}
	if watch {
		var pids []string
		for _, pid := range p.pids {
			pids = append(pids, strconv.Itoa(pid))
		}
		all = append(all, "--pid", strings.Join(pids, ","))
	}
	ctx, cancel := context.WithTimeout(ctx, lasts+loadTimeout)
	l := &loading{cancel: cancel, ended: make(chan struct{})}
	l.cmd = exec.CommandContext(ctx, b.tools.load, append(all, args...)...)
	// It reports when it is interrupted.
	l.cmd.Cancel = func() error { return l.cmd.Process.Signal(syscall.SIGINT) }
	l.cmd.WaitDelay = 15 * time.Second // longer than its patience with a server
	l.cmd.Dir = b.dir
	l.cmd.Env = append(measure.Environment(), "FEEDD_KEY="+adminKey)
	l.cmd.Stdout, l.cmd.Stderr = &l.out, &l.errors
	if err := l.cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		l.err = l.cmd.Wait()
		close(l.ended)
	}()
	return l, nil
}

// interrupt lets it end now.
func (l *loading) interrupt() { l.cmd.Process.Signal(syscall.SIGINT) }

// report waits for the end. A report that tells of faults is one too.
func (l *loading) report() (*load.Report, error) {
	<-l.ended
	l.cancel()
	r := &load.Report{}
	if err := json.Unmarshal(l.out.Bytes(), r); err != nil {
		return nil, fmt.Errorf("the load gave no report: %w\n%s", errors.Join(l.err, err), l.errors.String())
	}
	return r, nil
}

// end makes sure that it has ended, whatever came of it.
func (l *loading) end() {
	select {
	case <-l.ended:
	default:
		l.cmd.Process.Kill()
		<-l.ended
	}
	l.cancel()
}

// run runs a load to its end.
func (b *bench) load(ctx context.Context, p *process, lasts time.Duration, args ...string) (*load.Report, error) {
	l, err := b.startLoad(ctx, p, lasts, true, args...)
	if err != nil {
		return nil, err
	}
	defer l.end()
	r, err := l.report()
	if err == nil && r.Interrupted {
		err = errors.New("the load had to be ended before its time")
	}
	return r, err
}

// looseFiles is how many descriptors more than subscribers a server may have had for
// a moment when they were counted. The last subscribers connect while it settles.
const looseFiles = 8

// waitFiles waits until the server has about n descriptors. Whether all subscribers
// were connected is in the reports.
func waitFiles(ctx context.Context, p *process, n int, l *loading) error {
	for began := time.Now(); filesOf(p.pids) < n-looseFiles; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ended:
			_, err := l.report()
			return errors.Join(errors.New("the load ended too early"), err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("the server has %d descriptors, not %d: subscribers are missing", filesOf(p.pids), n)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// flagOf makes a flag of a load with a value.
func flagOf(name string, value any) string { return fmt.Sprintf("--%s=%v", name, value) }

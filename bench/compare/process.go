package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second
)

// process is a server that runs.
type process struct {
	base  string   // its URL
	sub   []string // the flags of feedd bench that lead to it, for those who subscribe
	pub   []string // and for those who publish
	pids  []int    // all of its processes
	cmd   *exec.Cmd
	log   *os.File      // its standard error
	ended chan struct{} // closed when the process is gone
	err   error         // of Wait; set before that
}

// start starts a server that prints its URL, and waits for that. feedd's
// begins with a word or two; the others print nothing else.
func start(ctx context.Context, dir string, env []string, program string, args ...string) (*process, error) {
	p, err := newProcess(ctx, dir, env, program, args...)
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.begin(); err != nil {
		return nil, err
	}
	p.pids = []int{p.cmd.Process.Pid}
	urls := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if _, url, ok := strings.Cut(lines.Text(), "http://"); ok {
				select {
				case urls <- "http://" + url:
				default:
				}
			}
		}
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	select {
	case p.base = <-urls:
		return p, nil
	case <-p.ended:
		return nil, p.explain(fmt.Errorf("it ended at once: %v", p.err))
	case <-time.After(startTimeout):
		p.kill()
		return nil, p.explain(errors.New("it does not start"))
	}
}

// startQuiet starts a server that says nothing and has workers, and waits until
// it answers.
func startQuiet(ctx context.Context, dir, base string, workers int, program string, args ...string) (*process, error) {
	p, err := newProcess(ctx, dir, nil, program, args...)
	if err != nil {
		return nil, err
	}
	if err := p.begin(); err != nil {
		return nil, err
	}
	p.base = base
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		children := childrenOf(p.cmd.Process.Pid)
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err == nil {
			conn.Close()
		}
		select {
		case <-p.ended:
			return nil, p.explain(fmt.Errorf("it ended at once: %v", p.err))
		default:
		}
		if err == nil && len(children) >= workers {
			p.pids = append(children, p.cmd.Process.Pid)
			// The connections that asked for it are descriptors too, for a moment.
			time.Sleep(100 * time.Millisecond)
			return p, nil
		}
		if time.Since(began) > startTimeout {
			p.kill()
			return nil, p.explain(errors.New("it does not start"))
		}
	}
}

func newProcess(ctx context.Context, dir string, env []string, program string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	// With the context: a run that is interrupted leaves nothing behind.
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	cmd.Dir, cmd.Stderr = dir, log
	cmd.Env = append(environment(), env...)
	return &process{cmd: cmd, log: log, ended: make(chan struct{})}, nil
}

// begin starts the process. The file of its log is its own then.
func (p *process) begin() error {
	defer p.log.Close()
	return p.cmd.Start()
}

// environment is that of this program, without settings of feedd's.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "FEEDD_") {
			env = append(env, v)
		}
	}
	return env
}

// explain adds what the server logged last.
func (p *process) explain(err error) error {
	log, _ := os.ReadFile(p.log.Name())
	return fmt.Errorf("%w\n%s", err, log[max(0, len(log)-2000):])
}

// stop ends the server, as an operator would. A peer that does not know how to
// is killed in the end.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		p.kill()
	}
}

// kill ends the server and its workers, which would outlive it.
func (p *process) kill() {
	for _, pid := range p.pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	p.cmd.Process.Kill()
	<-p.ended
}

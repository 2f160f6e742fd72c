package measure

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// StartTimeout is how long a server may take until it can be used: a store of
	// a million items is opened within seconds, on a busy machine too.
	StartTimeout = 30 * time.Second
	// stopTimeout is longer than the 20 s for which feedd waits for its streams
	// before it ends them.
	stopTimeout = 30 * time.Second
	// lastWords is how many bytes of its log an error shows.
	lastWords = 2000
)

// Process is a server that was started.
type Process struct {
	Base    string // its URL, once WaitURL has returned
	Workers []int  // processes of its own that would outlive it if it is killed
	Cmd     *exec.Cmd
	Ended   chan struct{} // closed when the process is gone
	Err     error         // of Wait; set before that

	log  string // the file of its standard error
	urls chan string
}

// Start starts a program in a directory, without the settings of feedd that are in
// this program's environment. Its standard error goes to the end of a file. The
// process ends with ctx, so that a run that is interrupted leaves nothing behind.
func Start(ctx context.Context, dir, logFile string, env []string, program string, args ...string) (*Process, error) {
	log, err := os.OpenFile(logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // it is the process's own then
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	cmd.Dir, cmd.Stderr, cmd.Env = dir, log, append(Environment(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &Process{Cmd: cmd, Ended: make(chan struct{}), log: logFile, urls: make(chan string, 1)}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if _, url, ok := strings.Cut(lines.Text(), "http://"); ok {
				select {
				case p.urls <- "http://" + url:
				default: // only the first counts
				}
			}
		}
		p.Err = cmd.Wait()
		close(p.Ended)
	}()
	return p, nil
}

// WaitURL waits until the server prints its URL. Where it does not, it is ended.
func (p *Process) WaitURL() error {
	select {
	case p.Base = <-p.urls:
		return nil
	case <-p.Ended:
		return p.Explain(fmt.Errorf("it ended at once: %v", p.Err))
	case <-time.After(StartTimeout):
		p.Kill()
		return p.Explain(errors.New("it does not start"))
	}
}

// Environment is that of this program, without settings of feedd.
func Environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "FEEDD_") {
			env = append(env, v)
		}
	}
	return env
}

// Explain adds what the server logged last.
func (p *Process) Explain(err error) error {
	log, _ := os.ReadFile(p.log)
	return fmt.Errorf("%w\n%s", err, log[max(0, len(log)-lastWords):])
}

// Stop ends the server as an operator would. A server that does not end is killed.
func (p *Process) Stop() error {
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.Ended:
		if p.Err != nil {
			return p.Explain(fmt.Errorf("it ended: %w", p.Err))
		}
		return nil
	case <-time.After(stopTimeout):
		p.Kill()
		return p.Explain(errors.New("it does not stop"))
	}
}

// Kill ends the server as a crash would, where it still runs.
func (p *Process) Kill() {
	for _, pid := range p.Workers {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	p.Cmd.Process.Kill()
	<-p.Ended
}

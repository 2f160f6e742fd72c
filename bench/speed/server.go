package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startTimeout is how long a server may take to answer.
	startTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second
	// adminKey is the key of all servers. They live on loopback and in a
	// directory of their own, for seconds.
	adminKey = "feedd_speed"
	banner   = "feedd is ready: "
)

// server is a running feedd.
type server struct {
	base   string        // its URL
	opened time.Duration // from its start until /readyz said that publishing works
	cmd    *exec.Cmd
	log    string        // the file of its standard error
	ended  chan struct{} // closed when the process is gone
	err    error         // of Wait; set before that
}

// serve starts a feedd on the data directory of that name and waits until it
// is ready.
func (b *bench) serve(ctx context.Context, data string) (*server, error) {
	log, err := os.OpenFile(b.path(data+".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// With the context: a run that is interrupted leaves nothing behind.
	cmd := exec.CommandContext(ctx, b.bin, "serve", "--listen", "127.0.0.1:0", "--data", b.path(data))
	cmd.Env = append(defaults(), "FEEDD_ADMIN_KEY="+adminKey)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, log: log.Name(), ended: make(chan struct{})}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addresses := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), banner); ok {
				addresses <- url
			}
		}
		s.err = cmd.Wait()
		close(s.ended)
	}()
	select {
	case s.base = <-addresses:
	case <-s.ended:
		return nil, s.explain(fmt.Errorf("feedd ended: %v", s.err))
	case <-time.After(startTimeout):
		s.kill()
		return nil, s.explain(errors.New("feedd does not start"))
	}
	for s.ready(ctx) != nil {
		if time.Since(begin) > startTimeout {
			s.kill()
			return nil, s.explain(errors.New("feedd is not ready"))
		}
		time.Sleep(time.Millisecond)
	}
	s.opened = time.Since(begin)
	return s, nil
}

// defaults is the environment without settings of feedd's.
func defaults() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "FEEDD_") {
			env = append(env, v)
		}
	}
	return env
}

func (s *server) ready(ctx context.Context) error {
	_, err := s.call(ctx, http.MethodGet, "/readyz", nil)
	return err
}

// explain adds what the server logged last.
func (s *server) explain(err error) error {
	log, _ := os.ReadFile(s.log)
	return fmt.Errorf("%w\n%s", err, log[max(0, len(log)-2000):])
}

// stop ends the server as an operator would.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.ended:
		if s.err != nil {
			return s.explain(fmt.Errorf("feedd ended: %w", s.err))
		}
		return nil
	case <-time.After(stopTimeout):
		s.kill()
		return s.explain(errors.New("feedd does not stop"))
	}
}

// kill ends the server as a crash would, where it still runs.
func (s *server) kill() {
	s.cmd.Process.Kill()
	<-s.ended
}

// call makes a request as the administrator, and returns the body of the
// answer, which must be a 2xx.
func (s *server) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+adminKey)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	return answer(res)
}

// answer reads the body of an answer, which must be a 2xx.
func answer(res *http.Response) ([]byte, error) {
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s\n%s", res.Request.Method, res.Request.URL.Path, res.Status, b)
	}
	return b, nil
}

// memory returns the resident memory of the server in MiB, now and at its
// peak, or 0 where the system does not tell.
func (s *server) memory() (now, peak float64) {
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseFloat(fields[1], 64)
		switch fields[0] {
		case "VmRSS:":
			now = kib / 1024
		case "VmHWM:":
			peak = kib / 1024
		}
	}
	return now, peak
}

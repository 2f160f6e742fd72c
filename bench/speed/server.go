package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"feedd/bench/measure"
)

// adminKey is the key of all servers. They live on loopback and in a directory of
// their own, for seconds.
const adminKey = "feedd_speed"

// server is a running feedd.
type server struct {
	*measure.Process
	opened time.Duration // from its start until /readyz said that publishing works
}

// serve starts a feedd on the data directory of that name and waits until it
// is ready.
func (b *bench) serve(ctx context.Context, data string) (*server, error) {
	begin := time.Now()
	p, err := measure.Start(ctx, "", b.path(data+".log"), []string{"FEEDD_ADMIN_KEY=" + adminKey},
		b.bin, "serve", "--listen", "127.0.0.1:0", "--data", b.path(data))
	if err != nil {
		return nil, err
	}
	if err := p.WaitURL(); err != nil {
		return nil, err
	}
	s := &server{Process: p}
	for s.ready(ctx) != nil {
		if time.Since(begin) > measure.StartTimeout {
			s.Kill()
			return nil, s.Explain(errors.New("feedd is not ready"))
		}
		time.Sleep(time.Millisecond)
	}
	s.opened = time.Since(begin)
	return s, nil
}

func (s *server) ready(ctx context.Context) error {
	_, err := s.call(ctx, http.MethodGet, "/readyz", nil)
	return err
}

// call makes a request as the administrator, and returns the body of the
// answer, which must be a 2xx.
func (s *server) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.Base+path, bytes.NewReader(body))
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
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(s.Cmd.Process.Pid) + "/status")
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

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serveTest is a server whose output and signals are the test's.
type serveTest struct {
	*testing.T
	data, address string
	cmd           *exec.Cmd
	ended         chan error
	log           *lockedBuffer // standard error, where the test reads it
}

// lockedBuffer is a buffer for two goroutines.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// hangs is how long anything may take here before it is taken to stand still.
const hangs = time.Minute

// newServe prepares the binary on a free address. Its output is the test's to
// set, in cmd; what is left is read and thrown away, and its log kept.
func newServe(t *testing.T, args ...string) *serveTest {
	t.Helper()
	s := &serveTest{T: t, data: filepath.Join(t.TempDir(), "data"), address: lastingAddress(t), log: new(lockedBuffer)}
	s.cmd = exec.Command(binary(t), append([]string{"serve", "--listen", s.address, "--data", s.data}, args...)...)
	s.cmd.Stderr = s.log
	return s
}

// start runs the server until it is ready.
func (s *serveTest) start() {
	s.Helper()
	if err := s.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.cmd.Wait() }()
	s.Cleanup(func() {
		s.cmd.Process.Kill()
		if s.Failed() {
			s.Log("its log:\n", s.log.String())
		}
	})
	s.until("it is ready", func() bool {
		status, _ := s.ask("GET", "/readyz", "", "")
		return status == http.StatusOK
	})
}

// until waits for a condition.
func (s *serveTest) until(what string, is func() bool) {
	s.Helper()
	for end := time.Now().Add(hangs); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatal("it does not come to this: ", what)
		}
	}
}

func (s *serveTest) logs(text string) {
	s.Helper()
	s.until("the log has "+text, func() bool { return strings.Contains(s.log.String(), text) })
}

// ask makes a request, with a key where it is not empty, and returns status 0
// where there is no answer.
func (s *serveTest) ask(method, path, key, body string) (int, string) {
	req, err := http.NewRequest(method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	client := &http.Client{Timeout: hangs}
	resp, err := client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func (s *serveTest) key() string {
	s.Helper()
	b, err := os.ReadFile(filepath.Join(s.data, "admin.key"))
	if err != nil {
		s.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (s *serveTest) signal(sig syscall.Signal) {
	s.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.Fatal(err)
	}
}

// endsWell wants the server to end with status 0, its store closed.
func (s *serveTest) endsWell() {
	s.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			s.Error("the server ended with ", err)
		}
	case <-time.After(hangs):
		s.Fatal("the server does not end")
	}
	if _, err := os.Stat(filepath.Join(s.data, "feedd.db-wal")); err == nil {
		s.Error("the store was not closed")
	}
}

// reader opens a stream, and returns a channel with all of it once it ends.
func (s *serveTest) reader(selector, key string) <-chan string {
	s.Helper()
	req, _ := http.NewRequest("GET", "http://"+s.address+"/feeds/"+selector, nil)
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.Fatal(resp, err)
	}
	all := make(chan string, 1)
	go func() {
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		all <- string(b)
	}()
	return all
}

func (s *serveTest) ends(stream <-chan string) string {
	s.Helper()
	select {
	case all := <-stream:
		return all
	case <-time.After(hangs):
		s.Fatal("the stream does not end")
	}
	return ""
}

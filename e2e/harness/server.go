package harness

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is the real binary, which can be killed and started again on the same
// address and data. A failed test shows its log. Its methods end the test where
// they say nothing of errors.
type Server struct {
	Address string   // 127.0.0.1:port, the same after each start
	Data    string   // the data directory
	Env     []string // settings, as NAME=value; of a name the last counts; read at each start
	Log     *Buffer  // standard error, unless the test gives Cmd another
	// Cmd is what Start runs when nothing ran yet, for the test to change, and
	// then the process that was started last.
	Cmd *exec.Cmd

	t       *testing.T
	binary  string
	args    []string      // of serve
	ended   chan struct{} // closed when the process has ended
	endedBy error         // what Wait returned, once ended is closed
}

// Option changes a Server before it starts.
type Option func(*Server)

// With sets settings, as NAME=value: FEEDD_HEARTBEAT=2s.
func With(env ...string) Option {
	return func(s *Server) { s.Env = append(s.Env, env...) }
}

// WithArgs adds arguments to feedd serve.
func WithArgs(args ...string) Option {
	return func(s *Server) { s.args = append(s.args, args...) }
}

// WithConfig gives a configuration file with this text.
func WithConfig(text string) Option {
	return func(s *Server) {
		s.t.Helper()
		file := filepath.Join(s.t.TempDir(), "feedd.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
		s.Env = append(s.Env, "FEEDD_CONFIG="+file)
	}
}

// Start runs a new server until the test ends.
func Start(t *testing.T, options ...Option) *Server {
	t.Helper()
	s := New(t, options...)
	s.Start()
	return s
}

// New prepares a server with a new data directory, and does not start it.
func New(t *testing.T, options ...Option) *Server {
	t.Helper()
	s := &Server{t: t, Address: LastingAddress(t), Data: filepath.Join(t.TempDir(), "data"), Log: new(Buffer), binary: Binary(t)}
	for _, option := range options {
		option(s)
	}
	s.Cmd = s.command()
	t.Cleanup(func() {
		if s.Running() {
			s.Kill()
		}
		if log := s.Log.String(); t.Failed() && log != "" {
			t.Logf("the server's log:\n%s", log[max(0, len(log)-mostLog):])
		}
	})
	return s
}

// mostLog is how much of a log a failed test shows, in bytes: its end says why,
// and a log of a long test would hide what failed.
const mostLog = 20_000

// At is a server that runs already, started otherwise.
func At(t *testing.T, address, data string) *Server {
	return &Server{t: t, Address: address, Data: data, binary: Binary(t)}
}

func (s *Server) command() *exec.Cmd {
	cmd := exec.Command(s.binary, append([]string{"serve", "--listen", s.Address, "--data", s.Data}, s.args...)...)
	cmd.Stderr = s.Log
	return cmd
}

// Start runs the server, and returns when it is ready.
func (s *Server) Start() {
	s.t.Helper()
	if s.Cmd.Process != nil {
		s.Cmd = s.command()
	}
	s.Cmd.Env = append(os.Environ(), s.Env...)
	if err := s.Cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func() {
		s.endedBy = s.Cmd.Wait()
		close(s.ended)
	}()
	Await(s.t, "the server is ready", func() bool {
		if !s.Running() {
			s.t.Fatalf("the server ended: %v", s.endedBy)
		}
		status, _ := s.Ask("GET", "/readyz", "", "")
		return status == http.StatusOK
	})
}

// Running reports whether the process was started and has not ended.
func (s *Server) Running() bool {
	if s.ended == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// Signal sends a signal.
func (s *Server) Signal(sig os.Signal) {
	s.t.Helper()
	if err := s.Cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Ended is closed when the process has ended.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Wait waits until the process ends, and returns why it did.
func (s *Server) Wait() error {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(Patience):
		s.t.Fatal("the server does not end")
	}
	// A POST on a connection of before would fail, and not be sent again.
	http.DefaultClient.CloseIdleConnections()
	return s.endedBy
}

// Stop ends the server with a signal.
func (s *Server) Stop(how os.Signal) {
	s.t.Helper()
	s.Signal(how)
	s.Wait() // tells of the signal
}

// Kill ends the server as a power loss would, as far as the process is concerned.
func (s *Server) Kill() {
	s.t.Helper()
	s.Stop(syscall.SIGKILL)
}

// Restart ends the server with a signal and starts it again.
func (s *Server) Restart(how os.Signal) {
	s.t.Helper()
	s.Stop(how)
	s.Start()
}

// WantEnd waits until the server ends, and checks that it did with status 0, its
// store closed.
func (s *Server) WantEnd() {
	s.t.Helper()
	if err := s.Wait(); err != nil {
		s.t.Error("the server ended with ", err)
	}
	if _, err := os.Stat(filepath.Join(s.Data, "feedd.db-wal")); err == nil {
		s.t.Error("the store was not closed")
	}
}

// AwaitLog waits until the log has a text.
func (s *Server) AwaitLog(text string) {
	s.t.Helper()
	Await(s.t, "the log has "+text, func() bool { return strings.Contains(s.Log.String(), text) })
}

// Command is a command of the binary, which finds the server by itself.
func (s *Server) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, args...)
	cmd.Env = append(os.Environ(), "FEEDD_SERVER="+s.URL(), "FEEDD_DATA="+s.Data)
	return cmd
}

// Run runs a command of the binary against the server and returns what it prints.
func (s *Server) Run(stdin string, args ...string) (stdout string) {
	s.t.Helper()
	cmd := s.Command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("feedd %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// Link returns a new address of the admin page that signs in, once.
func (s *Server) Link() string {
	s.t.Helper()
	return strings.TrimSpace(s.Run("", "link", "--data", s.Data))
}

// URL returns http://address.
func (s *Server) URL() string { return "http://" + s.Address }

// Key returns the admin key.
func (s *Server) Key() string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.Data, "admin.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

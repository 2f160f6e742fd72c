package command_test

import (
	"bufio"
	"errors"
	"feedd/e2e/harness"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The signals of ordinary life end nothing, whatever the log goes to.
func TestServe_SignalsThatEndNothing(t *testing.T) {
	s := harness.New(t)
	s.Start()
	stream := s.Reader("main", "")
	for _, sig := range []syscall.Signal{
		syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGVTALRM, syscall.SIGPROF,
		syscall.SIGXFSZ, syscall.SIGXCPU, syscall.SIGWINCH, syscall.SIGCHLD, syscall.SIGIO, syscall.SIGTTOU, syscall.SIGHUP,
	} {
		if sig == syscall.SIGTTOU { // stops, as it does every process
			s.Signal(sig)
			s.Signal(syscall.SIGCONT)
			continue
		}
		s.Signal(sig)
	}
	s.AwaitLog("the settings were read again")
	s.AwaitLog("a signal was ignored")
	if status, _ := s.Ask("POST", "/feeds/main", s.Key(), "hello"); status != http.StatusCreated {
		t.Errorf("a publish gets %d", status)
	}
	s.Signal(syscall.SIGTERM)
	s.Signal(syscall.SIGINT) // the same stop, passed on by a parent as well
	s.Signal(syscall.SIGHUP)
	s.WantClosing(stream)
	s.WantEnd()
}

// SIGQUIT says what the server was doing, and stops it as SIGTERM does (P9).
func TestServe_Quit(t *testing.T) {
	s := harness.New(t)
	s.Start()
	stream := s.Reader("main", "")
	s.Signal(syscall.SIGQUIT)
	s.WantClosing(stream)
	s.WantEnd()
	// All goroutines, and not the first lines: the HTTP server's comes late.
	if log := s.Log.String(); !strings.Contains(log, "SIGQUIT") || !strings.Contains(log, "goroutine 1 [running]") || !strings.Contains(log, "net/http.(*Server).Serve(") {
		t.Error("the log does not say what it was doing")
	}
}

// An operator sees why a stop takes long.
func TestServe_QuitDuringTheStop(t *testing.T) {
	s := harness.New(t)
	stopsLong(t, s)
	s.Signal(syscall.SIGTERM)
	s.AwaitLog("msg=stopping")
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-s.Ended():
			err := s.Wait()
			if log := s.Log.String(); err == nil || !strings.Contains(log, "SIGQUIT: quit") || !strings.Contains(log, "(*Core).stopRequests(") {
				t.Errorf("it ended with %v, and the log does not say where it stood", err)
			}
			return
		case <-tick.C:
			s.Cmd.Process.Signal(syscall.SIGQUIT)
		}
	}
}

// Who cannot wait for a clean stop asks again, and the process ends by that
// signal.
func TestServe_SecondSignalEndsItAtOnce(t *testing.T) {
	s := harness.New(t)
	stopsLong(t, s)
	s.Signal(syscall.SIGTERM)
	s.AwaitLog("msg=stopping")
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-s.Ended():
			err := s.Wait()
			if err == nil || err.Error() != "signal: terminated" {
				t.Errorf("it ended with %v", err)
			}
			return
		case <-tick.C:
			s.Cmd.Process.Signal(syscall.SIGTERM)
		}
	}
}

// It does so also where that signal was ignored when it began, as SIGINT is in
// the background of a script.
func TestServe_SecondSignalThatWasIgnored(t *testing.T) {
	s := harness.New(t)
	s.Cmd.Args = append([]string{"sh", "-c", `trap "" INT; exec "$0" "$@"`}, s.Cmd.Args...)
	s.Cmd.Path = "/bin/sh"
	stopsLong(t, s)
	s.Signal(syscall.SIGINT)
	s.AwaitLog("msg=stopping")
	hang := time.After(harness.Patience)
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-s.Ended():
			err := s.Wait()
			if err == nil || err.Error() != "exit status 130" {
				t.Errorf("it ended with %v", err)
			}
			return
		case <-tick.C:
			s.Cmd.Process.Signal(syscall.SIGINT)
		case <-hang:
			t.Fatal("it does not end")
		}
	}
}

// stopsLong starts a server whose clean stop waits for a publish.
func stopsLong(t *testing.T, s *harness.Server) {
	t.Helper()
	s.Env = append(s.Env, "FEEDD_SHUTDOWN_TIMEOUT=1h", "FEEDD_LIMITS_BODY_TIMEOUT=1m")
	s.Start()
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /feeds/main HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", s.Key())
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatal(line, err)
	}
}

// SIGHUP puts in force what can be, says what cannot, and keeps what is in force
// where the file is bad.
func TestServe_HangupReadsTheSettingsAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "feedd.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("log: {level: warn}\n")
	s := harness.New(t, harness.WithArgs("--config", file))
	s.Start()
	key := s.Key()
	if status, _ := s.Ask("POST", "/feeds/staff", key, "before"); status != http.StatusCreated {
		t.Fatal(status)
	}
	open, closed, pattern := s.Reader("main", ""), s.Reader("staff", ""), s.Reader("**", "")

	write("log: {level: info}\nfeeds: [{match: staff, read: token}, {match: free, publish: anyone}]\nlimits: {max_feeds: 7}\nheartbeat: 9s\n")
	s.Signal(syscall.SIGHUP)
	s.AwaitLog(`changed="log.level feeds.read feeds.publish" need_restart="heartbeat limits.max_feeds feeds.retention"`)
	s.EndOf(closed)
	s.EndOf(pattern)
	select {
	case all := <-open:
		t.Errorf("the reader of an open feed was cut: %q", all)
	default:
	}
	if status, _ := s.Ask("GET", "/feeds/staff?format=json", "", ""); status != http.StatusUnauthorized {
		t.Errorf("reading a closed feed: %d", status)
	}
	if status, _ := s.Ask("POST", "/feeds/free", "", "x"); status != http.StatusCreated {
		t.Errorf("publishing to an open feed: %d", status)
	}
	_, shown := s.Ask("GET", "/config", key, "")
	for _, want := range []string{"after a restart: heartbeat, limits.max_feeds, feeds.retention\n", "level: info\n", "max_feeds: 100000\n", "match: staff\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("GET /config does not say %q:\n%s", want, shown)
		}
	}

	write("log: {level: loud}\n")
	s.Signal(syscall.SIGHUP)
	s.AwaitLog("the settings cannot be read again, so those in force stay")
	if status, _ := s.Ask("GET", "/feeds/staff?format=json", "", ""); status != http.StatusUnauthorized {
		t.Errorf("after a bad file the rules are gone: %d", status)
	}
	os.Remove(file)
	s.Signal(syscall.SIGHUP)
	s.AwaitLog("no such file")
	s.Signal(syscall.SIGTERM)
	s.WantClosing(open)
	s.WantEnd()
}

// Another admin key ends what the old one allowed (P8).
func TestServe_HangupTakesAnotherKey(t *testing.T) {
	s := harness.New(t)
	s.Start()
	old := s.Key()
	jar := &http.Client{Timeout: harness.Patience}
	resp, err := jar.Post("http://"+s.Address+"/session", "application/json", strings.NewReader(`{"key":"`+old+`"}`))
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	cookie := resp.Cookies()[0]
	bySession := func() int {
		req, _ := http.NewRequest("GET", "http://"+s.Address+"/subscribers", nil)
		req.AddCookie(cookie)
		resp, err := jar.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := bySession(); got != http.StatusOK {
		t.Fatal(got)
	}
	stats, pattern := s.Reader("_stats", old), s.Reader("**", old)
	if err := os.WriteFile(filepath.Join(s.Data, "admin.key"), []byte("another-key-of-some-length\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Signal(syscall.SIGHUP)
	s.AwaitLog(`changed="admin key"`)
	s.EndOf(stats)
	s.EndOf(pattern)
	if status, _ := s.Ask("POST", "/feeds/main", old, "x"); status != http.StatusUnauthorized {
		t.Errorf("the old key: %d", status)
	}
	if status, _ := s.Ask("POST", "/feeds/main", "another-key-of-some-length", "x"); status != http.StatusCreated {
		t.Errorf("the new key: %d", status)
	}
	if got := bySession(); got == http.StatusOK {
		t.Error("a session of the old key goes on")
	}
	os.WriteFile(filepath.Join(s.Data, "admin.key"), nil, 0o600)
	s.Signal(syscall.SIGHUP)
	s.AwaitLog("the admin key cannot be read again, so the old one stays")
	if status, _ := s.Ask("POST", "/feeds/main", "another-key-of-some-length", "x"); status != http.StatusCreated {
		t.Errorf("the key that stays: %d", status)
	}

	// Another directory in its place is not asked for a key, and gets none.
	moved := s.Data + ".moved"
	if err := errors.Join(os.Rename(s.Data, moved), os.Mkdir(s.Data, 0o700)); err != nil {
		t.Fatal(err)
	}
	s.Signal(syscall.SIGHUP)
	s.AwaitLog("the data directory is another one than the open one")
	harness.Await(t, "the key was looked at", func() bool {
		return strings.Count(s.Log.String(), "the admin key cannot be read again") == 2
	})
	if _, err := os.Stat(filepath.Join(s.Data, "admin.key")); err == nil {
		t.Error("a key was made in another directory")
	}
	if status, _ := s.Ask("GET", "/subscribers", "another-key-of-some-length", ""); status != http.StatusOK {
		t.Errorf("the key that stays: %d", status)
	}
	if err := errors.Join(os.RemoveAll(s.Data), os.Rename(moved, s.Data)); err != nil {
		t.Fatal(err)
	}
	s.Signal(syscall.SIGTERM)
	s.WantEnd()
}

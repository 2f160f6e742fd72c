package e2e

import (
	"bufio"
	"errors"
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
	s := newServe(t)
	s.start()
	stream := s.reader("main", "")
	for _, sig := range []syscall.Signal{
		syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGVTALRM, syscall.SIGPROF,
		syscall.SIGXFSZ, syscall.SIGXCPU, syscall.SIGWINCH, syscall.SIGCHLD, syscall.SIGIO, syscall.SIGTTOU, syscall.SIGHUP,
	} {
		if sig == syscall.SIGTTOU { // stops, as it does every process
			s.signal(sig)
			s.signal(syscall.SIGCONT)
			continue
		}
		s.signal(sig)
	}
	s.logs("the settings were read again")
	s.logs("a signal was ignored")
	if status, _ := s.ask("POST", "/feeds/main", s.key(), "hello"); status != http.StatusCreated {
		t.Errorf("a publish gets %d", status)
	}
	s.signal(syscall.SIGTERM)
	s.signal(syscall.SIGINT) // the same stop, passed on by a parent as well
	s.signal(syscall.SIGHUP)
	if all := s.ends(stream); !strings.Contains(all, "event: closing\n") {
		t.Errorf("the reader had %q", all)
	}
	s.endsWell()
}

// SIGQUIT says what the server was doing, and stops it as SIGTERM does (P9).
func TestServe_Quit(t *testing.T) {
	s := newServe(t)
	s.start()
	stream := s.reader("main", "")
	s.signal(syscall.SIGQUIT)
	if all := s.ends(stream); !strings.Contains(all, "event: closing\n") {
		t.Errorf("the reader had %q", all)
	}
	s.endsWell()
	// All goroutines, and not the first lines: the HTTP server's comes late.
	if log := s.log.String(); !strings.Contains(log, "SIGQUIT") || !strings.Contains(log, "goroutine 1 [running]") || !strings.Contains(log, "net/http.(*Server).Serve(") {
		t.Error("the log does not say what it was doing")
	}
}

// An operator sees why a stop takes long.
func TestServe_QuitDuringTheStop(t *testing.T) {
	s := newServe(t)
	s.stopsLong()
	s.signal(syscall.SIGTERM)
	s.logs("msg=stopping")
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case err := <-s.ended:
			if log := s.log.String(); err == nil || !strings.Contains(log, "SIGQUIT: quit") || !strings.Contains(log, "(*serverGroup).stop(") {
				t.Errorf("it ended with %v, and the log does not say where it stood", err)
			}
			return
		case <-tick.C:
			s.cmd.Process.Signal(syscall.SIGQUIT)
		}
	}
}

// Who cannot wait for a clean stop asks again, and the process ends by that
// signal.
func TestServe_SecondSignalEndsItAtOnce(t *testing.T) {
	s := newServe(t)
	s.stopsLong()
	s.signal(syscall.SIGTERM)
	s.logs("msg=stopping")
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case err := <-s.ended:
			if err == nil || err.Error() != "signal: terminated" {
				t.Errorf("it ended with %v", err)
			}
			return
		case <-tick.C:
			s.cmd.Process.Signal(syscall.SIGTERM)
		}
	}
}

// It does so also where that signal was ignored when it began, as SIGINT is in
// the background of a script.
func TestServe_SecondSignalThatWasIgnored(t *testing.T) {
	s := newServe(t)
	s.cmd.Args = append([]string{"sh", "-c", `trap "" INT; exec "$0" "$@"`}, s.cmd.Args...)
	s.cmd.Path = "/bin/sh"
	s.stopsLong()
	s.signal(syscall.SIGINT)
	s.logs("msg=stopping")
	hang := time.After(hangs)
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case err := <-s.ended:
			if err == nil || err.Error() != "exit status 130" {
				t.Errorf("it ended with %v", err)
			}
			return
		case <-tick.C:
			s.cmd.Process.Signal(syscall.SIGINT)
		case <-hang:
			t.Fatal("it does not end")
		}
	}
}

// stopsLong starts a server whose clean stop waits for a publish.
func (s *serveTest) stopsLong() {
	s.Helper()
	s.cmd.Env = append(os.Environ(), "FEEDD_SHUTDOWN_TIMEOUT=1h", "FEEDD_LIMITS_BODY_TIMEOUT=1m")
	s.start()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /feeds/main HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", s.key())
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		s.Fatal(line, err)
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
	s := newServe(t, "--config", file)
	s.start()
	key := s.key()
	if status, _ := s.ask("POST", "/feeds/staff", key, "before"); status != http.StatusCreated {
		t.Fatal(status)
	}
	open, closed, pattern := s.reader("main", ""), s.reader("staff", ""), s.reader("**", "")

	write("log: {level: info}\nfeeds: [{match: staff, read: token}, {match: free, publish: anyone}]\nlimits: {max_feeds: 7}\nheartbeat: 9s\n")
	s.signal(syscall.SIGHUP)
	s.logs(`changed="log.level feeds.read feeds.publish" need_restart="heartbeat limits.max_feeds feeds.retention"`)
	s.ends(closed)
	s.ends(pattern)
	select {
	case all := <-open:
		t.Errorf("the reader of an open feed was cut: %q", all)
	default:
	}
	if status, _ := s.ask("GET", "/feeds/staff?format=json", "", ""); status != http.StatusUnauthorized {
		t.Errorf("reading a closed feed: %d", status)
	}
	if status, _ := s.ask("POST", "/feeds/free", "", "x"); status != http.StatusCreated {
		t.Errorf("publishing to an open feed: %d", status)
	}
	_, shown := s.ask("GET", "/config", key, "")
	for _, want := range []string{"after a restart: heartbeat, limits.max_feeds, feeds.retention\n", "level: info\n", "max_feeds: 100000\n", "match: staff\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("GET /config does not say %q:\n%s", want, shown)
		}
	}

	write("log: {level: loud}\n")
	s.signal(syscall.SIGHUP)
	s.logs("the settings cannot be read again, so those in force stay")
	if status, _ := s.ask("GET", "/feeds/staff?format=json", "", ""); status != http.StatusUnauthorized {
		t.Errorf("after a bad file the rules are gone: %d", status)
	}
	os.Remove(file)
	s.signal(syscall.SIGHUP)
	s.logs("no such file")
	s.signal(syscall.SIGTERM)
	if all := s.ends(open); !strings.Contains(all, "event: closing\n") {
		t.Errorf("the reader had %q", all)
	}
	s.endsWell()
}

// Another admin key ends what the old one allowed (P8).
func TestServe_HangupTakesAnotherKey(t *testing.T) {
	s := newServe(t)
	s.start()
	old := s.key()
	jar := &http.Client{Timeout: hangs}
	resp, err := jar.Post("http://"+s.address+"/session", "application/json", strings.NewReader(`{"key":"`+old+`"}`))
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	cookie := resp.Cookies()[0]
	bySession := func() int {
		req, _ := http.NewRequest("GET", "http://"+s.address+"/subscribers", nil)
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
	stats, pattern := s.reader("_stats", old), s.reader("**", old)
	if err := os.WriteFile(filepath.Join(s.data, "admin.key"), []byte("another-key-of-some-length\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.logs(`changed="admin key"`)
	s.ends(stats)
	s.ends(pattern)
	if status, _ := s.ask("POST", "/feeds/main", old, "x"); status != http.StatusUnauthorized {
		t.Errorf("the old key: %d", status)
	}
	if status, _ := s.ask("POST", "/feeds/main", "another-key-of-some-length", "x"); status != http.StatusCreated {
		t.Errorf("the new key: %d", status)
	}
	if got := bySession(); got == http.StatusOK {
		t.Error("a session of the old key goes on")
	}
	os.WriteFile(filepath.Join(s.data, "admin.key"), nil, 0o600)
	s.signal(syscall.SIGHUP)
	s.logs("the admin key cannot be read again, so the old one stays")
	if status, _ := s.ask("POST", "/feeds/main", "another-key-of-some-length", "x"); status != http.StatusCreated {
		t.Errorf("the key that stays: %d", status)
	}

	// Another directory in its place is not asked for a key, and gets none.
	moved := s.data + ".moved"
	if err := errors.Join(os.Rename(s.data, moved), os.Mkdir(s.data, 0o700)); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.logs("the data directory is another one than the open one")
	s.until("the key was looked at", func() bool {
		return strings.Count(s.log.String(), "the admin key cannot be read again") == 2
	})
	if _, err := os.Stat(filepath.Join(s.data, "admin.key")); err == nil {
		t.Error("a key was made in another directory")
	}
	if status, _ := s.ask("GET", "/subscribers", "another-key-of-some-length", ""); status != http.StatusOK {
		t.Errorf("the key that stays: %d", status)
	}
	if err := errors.Join(os.RemoveAll(s.data), os.Rename(moved, s.data)); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGTERM)
	s.endsWell()
}

package command_test

import (
	"bufio"
	"encoding/json"
	"feedd/e2e/harness"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stalledPipe returns a pipe's end for writing, which takes nothing, and its
// end for reading, from which nothing was read yet.
func stalledPipe(t *testing.T) (w, r *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	if err := w.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for _, err = w.Write(make([]byte, 4096)); err == nil; _, err = w.Write(make([]byte, 4096)) {
	}
	return w, r
}

var droppedLine = regexp.MustCompile(`msg="(\d+) log lines were dropped, because [^"]*"`)

// A log whose reader stands still holds up no publish and no stop, and says
// what it lost when the reader goes on.
func TestServe_LogNobodyTakes(t *testing.T) {
	s := harness.New(t, harness.With("FEEDD_LOG_MAX_QUEUE_BYTES=64KiB", "FEEDD_LEGACY_FEED_PUBLISH=anyone", "FEEDD_LIMITS_MAX_ANONYMOUS_RATE=0"))
	w, r := stalledPipe(t)
	s.Cmd.Stdout, s.Cmd.Stderr = w, w
	s.Start()
	post := func(n int) {
		t.Helper()
		var posts sync.WaitGroup
		for range 20 {
			posts.Go(func() {
				for i := range n / 20 {
					resp, err := http.PostForm("http://"+s.Address+"/send_feed_item", url.Values{"type": {"a"}, "text": {fmt.Sprint(i)}})
					if err != nil {
						t.Error(err)
						return
					}
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						t.Error(resp.Status)
					}
				}
			})
		}
		posts.Wait()
	}
	post(1000) // some 90 bytes of log each: more than the queue holds
	_, metrics := s.Ask("GET", "/metrics", "", "")
	if m := regexp.MustCompile(`(?m)^feedd_log_dropped_total [1-9]`).FindString(metrics); m == "" {
		t.Error("no dropped line is counted")
	}
	stream := s.Reader("main", "")
	s.Signal(syscall.SIGHUP)

	// The reader goes on.
	if err := r.SetReadDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if droppedLine.MatchString(line) {
			break
		}
	}
	// It stands still again, for good: the pipe takes 64 KiB, the queue as much.
	post(2000)
	s.Signal(syscall.SIGTERM)
	s.WantClosing(stream)
	s.WantEnd()
}

// A log whose reader has gone harms only the log. So it is with Ctrl-C in
// `feedd serve 2>&1 | tee log`, which ends tee first.
func TestServe_LogPipeBroken(t *testing.T) {
	for _, json := range []bool{false, true} {
		t.Run(fmt.Sprintf("json=%v", json), func(t *testing.T) {
			s := harness.New(t)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			s.Cmd.Stdout, s.Cmd.Stderr = w, w
			if json {
				s.Env = append(s.Env, "FEEDD_LOG_FORMAT=json")
			}
			s.Start()
			w.Close()
			r.Close()
			stream := s.Reader("main", "")
			s.Signal(syscall.SIGHUP) // a log line
			s.Signal(syscall.SIGUSR1)
			if status, _ := s.Ask("POST", "/feeds/main", s.Key(), "x"); status != http.StatusCreated {
				t.Errorf("a publish gets %d", status)
			}
			harness.Await(t, "the lines are counted as dropped", func() bool {
				_, metrics := s.Ask("GET", "/metrics", "", "")
				return regexp.MustCompile(`(?m)^feedd_log_dropped_total [1-9]`).MatchString(metrics)
			})
			s.Signal(syscall.SIGINT)
			s.WantClosing(stream)
			s.WantEnd()
		})
	}
}

// An error ends as before where its reader is gone: with status 1.
func TestServe_FailsWithoutAReader(t *testing.T) {
	s := harness.New(t)
	l, err := net.Listen("tcp", s.Address)
	if err != nil {
		t.Skip(err) // another program took the address
	}
	defer l.Close()
	w, _ := stalledPipe(t)
	s.Cmd.Stdout, s.Cmd.Stderr = w, w
	if err := s.Cmd.Run(); s.Cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
}

// A ticket is a key for ten minutes: it is not written where it stays (P8). With
// JSON nothing but JSON goes out, an error at the end too.
func TestServe_NoTicketButOnATerminal(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			s := harness.New(t, harness.With("FEEDD_LOG_FORMAT="+format, "FEEDD_PUBLIC_URL=https://feeds.example.com/live/"))
			var out harness.Buffer
			s.Cmd.Stdout = &out
			s.Start()
			link, err := exec.Command(s.Cmd.Path, "link", "--data", s.Data).CombinedOutput()
			if err != nil || !strings.HasPrefix(string(link), "https://feeds.example.com/live/admin#ticket=") {
				t.Errorf("feedd link: %v, %s", err, link)
			}
			if format == "json" {
				again := exec.Command(s.Cmd.Path, "serve", "--listen", "127.0.0.1:0", "--data", s.Data)
				again.Env = s.Cmd.Env
				again.Stdout, again.Stderr = &out, &out
				if err := again.Run(); err == nil {
					t.Error("two servers have one directory")
				}
			}
			s.Signal(syscall.SIGTERM)
			s.WantEnd()
			all := out.String() + s.Log.String()
			if strings.Contains(all, "ticket=") || strings.Contains(all, s.Key()) {
				t.Errorf("a credential is in %q", all)
			}
			switch {
			case format == "text":
				if !strings.Contains(all, "link --data "+s.Data+"\n") || !strings.Contains(all, "https://feeds.example.com/live/admin") {
					t.Errorf("it does not say how to get a link: %q", all)
				}
			default:
				for line := range strings.Lines(all) {
					if !json.Valid([]byte(line)) {
						t.Errorf("this is no JSON: %q", line)
					}
				}
			}
		})
	}
}

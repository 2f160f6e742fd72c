package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pageServer is a running feedd.
type pageServer struct {
	bin, data, address string
	env                []string // beyond that of the test; the last of a name counts
	link               string   // to the admin page, as feedd link printed it
	cmd                *exec.Cmd
}

// startForPage runs the binary on a free port of loopback, with a new data
// directory, until the test ends.
func startForPage(t *testing.T, bin string, env ...string) *pageServer {
	t.Helper()
	s := &pageServer{bin: bin, data: filepath.Join(t.TempDir(), "data"), address: "127.0.0.1:0", env: env}
	s.start(t)
	t.Cleanup(func() {
		if s.cmd != nil {
			s.stop(t, syscall.SIGKILL)
		}
	})
	return s
}

// start runs the server, on its old port where it had one, and returns when it
// serves.
func (s *pageServer) start(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(pagePatience); !s.tryStart(t); {
		if time.Now().After(end) {
			t.Fatal("the server does not get ready")
		}
	}
}

// tryStart reports whether the server serves; false: its old port is taken for
// the moment, by a connection of whatever else runs on this machine.
func (s *pageServer) tryStart(t *testing.T) bool {
	t.Helper()
	var said bytes.Buffer
	s.cmd = exec.Command(s.bin, "serve", "--listen", s.address, "--data", s.data)
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stderr = io.MultiWriter(t.Output(), &said)
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "feedd is ready: http://"); ok && address != s.address { // a front reads it meanwhile
			s.address = address
		}
		if strings.Contains(lines.Text(), "  admin  ") { // it has said all that is read here
			link, err := exec.Command(s.bin, "link", "--data", s.data).Output()
			if err != nil {
				t.Fatal("feedd link: ", err)
			}
			s.link = strings.TrimSpace(string(link))
			return true
		}
	}
	s.cmd.Wait() // it has ended; what it said tells why
	s.cmd = nil
	if !strings.Contains(said.String(), "address already in use") {
		t.Fatal("the server does not get ready")
	}
	return false
}

// stop ends the server with a signal.
func (s *pageServer) stop(t *testing.T, how syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(how); err != nil {
		t.Error(err)
	}
	s.cmd.Wait() // tells of the signal
	s.cmd = nil
	// A POST on a connection of before would fail, and not be sent again.
	http.DefaultClient.CloseIdleConnections()
}

func (s *pageServer) url() string { return "http://" + s.address }

// do makes a request with the admin key.
func (s *pageServer) do(t *testing.T, method, path, contentType, body string) (status int, answer []byte) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(s.data, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.url()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(key)))
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// publish stores an item and returns the row that a page for its feed alone
// shows for it, when it is plain text.
func (s *pageServer) publish(t *testing.T, feed, event, contentType, data string) pageRow {
	t.Helper()
	path := "/feeds/" + feed
	if event != "" {
		path += "?event=" + url.QueryEscape(event)
	}
	status, body := s.do(t, "POST", path, contentType, data)
	var receipt struct{ ID string }
	if err := json.Unmarshal(body, &receipt); err != nil || status != http.StatusCreated {
		t.Fatalf("publish to %s: %d %s", feed, status, body)
	}
	return pageRow{ID: receipt.ID, Event: event, Text: data}
}

// front is a server before this one that answers what scripts ask of feeds as
// the test wants. It returns its URL.
func (s *pageServer) front(t *testing.T, feeds http.HandlerFunc) string {
	t.Helper()
	backend, err := url.Parse(s.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(backend)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/feeds/") && !strings.Contains(r.Header.Get("Accept"), "text/html") {
			feeds(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// frontForStreams is a front that leaves pages alone.
func (s *pageServer) frontForStreams(t *testing.T, streams http.HandlerFunc) string {
	return s.front(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") == "text/event-stream" {
			streams(w, r)
		} else {
			s.pass(w, r, 1<<20)
		}
	})
}

// frontThatCuts is a front that can be away: cut ends what goes through it, and
// everything after until mend. When it has returned nothing goes through.
func (s *pageServer) frontThatCuts(t *testing.T) (address string, cut, mend func()) {
	there, leave := context.WithCancel(context.Background())
	var mu sync.Mutex // guards there and leave, and passing.Add against Wait
	var passing sync.WaitGroup
	address = s.front(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		there := there
		if there.Err() != nil {
			mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		passing.Add(1)
		mu.Unlock()
		defer passing.Done()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(there, cancel)()
		s.pass(w, r.WithContext(ctx), 1<<20)
		if there.Err() != nil {
			panic(http.ErrAbortHandler)
		}
	})
	cut = func() {
		mu.Lock()
		leave()
		mu.Unlock()
		passing.Wait()
	}
	return address, cut, func() {
		mu.Lock()
		defer mu.Unlock()
		there, leave = context.WithCancel(context.Background())
	}
}

// pass answers with at most limit bytes of the real server's answer. A handler
// that returns then ends the stream well, one that panics breaks it; what the
// page had not read of that one yet may be lost with it.
func (s *pageServer) pass(w http.ResponseWriter, r *http.Request, limit int64) {
	req := r.Clone(r.Context())
	req.RequestURI = ""
	req.URL.Scheme, req.URL.Host, req.Host = "http", s.address, s.address
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	if resp.StatusCode != http.StatusOK {
		io.Copy(w, resp.Body)
		return
	}
	io.CopyN(crumbs{w, http.NewResponseController(w)}, resp.Body, limit)
}

// crumbs writes in pieces of a few bytes, which cut lines and letters.
type crumbs struct {
	io.Writer
	rc *http.ResponseController
}

func (w crumbs) Write(p []byte) (n int, err error) {
	for piece := range slices.Chunk(p, 7) {
		m, err := w.Writer.Write(piece)
		if n += m; err != nil {
			return n, err
		}
		w.rc.Flush()
	}
	return n, nil
}

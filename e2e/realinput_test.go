package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// realInput returns the lines of a file of input: a few of our own, which are
// hard to carry, or more of the world's from the directory FEEDD_TEST_DATA.
func realInput(t *testing.T, name string) []string {
	dir := cmp.Or(os.Getenv("FEEDD_TEST_DATA"), filepath.Join("testdata", "input"))
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// realServer is the real binary, which can be killed and started again on the
// same address and data.
type realServer struct {
	t       *testing.T
	bin     string
	dir     string
	env     []string // beyond that of the test
	address string
	cmd     *exec.Cmd
}

func startReal(t *testing.T, env ...string) *realServer {
	t.Helper()
	s := &realServer{t: t, dir: t.TempDir(), env: env}
	s.bin = binary(t)
	s.address = lastingAddress(t)
	s.start()
	t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
	})
	return s
}

// lastingAddress returns an address that is free, and that no connection takes
// for its own end while the server is away: the port is below those that the
// kernel gives out.
func lastingAddress(t *testing.T) string {
	t.Helper()
	l, err := listenLasting()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func listenLasting() (l net.Listener, err error) {
	for range 100 {
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000))); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("there is no free port: %w", err)
}

func (s *realServer) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.bin, "serve", "--listen", s.address, "--data", filepath.Join(s.dir, "data"))
	s.cmd.Stderr = os.Stderr
	s.cmd.Env = append(os.Environ(), s.env...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	// Its first line says that it is ready.
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		s.t.Fatalf("the server said %q: %v", line, err)
	}
}

// kill ends it as a power loss would, as far as the process is concerned.
func (s *realServer) kill() {
	s.cmd.Process.Signal(syscall.SIGKILL)
	s.cmd.Wait()
	s.cmd = nil
	http.DefaultClient.CloseIdleConnections() // as pageServer.stop does
}

func (s *realServer) url(path string) string { return "http://" + s.address + path }

func (s *realServer) key() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "data", "admin.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// feedd runs a command of the binary against the server.
func (s *realServer) feedd(stdin string, args ...string) (stdout string) {
	s.t.Helper()
	cmd := exec.Command(s.bin, args...)
	cmd.Env = append(os.Environ(), "FEEDD_SERVER="+s.url(""), "FEEDD_DATA="+filepath.Join(s.dir, "data"))
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("feedd %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func (s *realServer) get(path, accept string) io.ReadCloser {
	s.t.Helper()
	req, err := http.NewRequest("GET", s.url(path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %s", path, resp.Status)
	}
	return resp.Body
}

// sseEvent is an event as the HTML standard's rules give it to a page.
type sseEvent struct{ id, event, data string }

// nextSSE reads up to the end of the next event that has data. It returns
// io.ErrUnexpectedEOF or another error where the stream ends before that: what
// was read of the event then is nothing, as in a browser.
func nextSSE(r *bufio.Reader) (e sseEvent, err error) {
	var data []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return sseEvent{}, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if data != nil {
				e.data = strings.Join(data, "\n")
				return e, nil
			}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.event = value
		case "data":
			data = append(data, value)
		}
	}
}

func (s *realServer) bySSE(feed string, n int) (items []string) {
	s.t.Helper()
	body := s.get("/feeds/"+feed+"?since=all", "text/event-stream")
	defer body.Close()
	for r := bufio.NewReader(body); len(items) < n; {
		e, err := nextSSE(r)
		if err != nil {
			s.t.Fatal(err)
		}
		items = append(items, e.data)
	}
	return items
}

type envelope struct {
	ID   string          `json:"id"`
	Data json.RawMessage `json:"data"`
}

func (s *realServer) byNDJSON(feed string, n int) (items []string) {
	s.t.Helper()
	body := s.get("/feeds/"+feed+"?since=all", "application/x-ndjson")
	defer body.Close()
	for d := json.NewDecoder(body); len(items) < n; {
		var e envelope
		if err := d.Decode(&e); err != nil {
			s.t.Fatal(err)
		}
		if e.Data != nil {
			items = append(items, string(e.Data))
		}
	}
	return items
}

func (s *realServer) byPages(feed string, limit int) (items []string) {
	s.t.Helper()
	for cursor := "0"; ; {
		body := s.get(fmt.Sprintf("/feeds/%s?limit=%d&since=%s", feed, limit, cursor), "application/json")
		var page struct {
			Items  []envelope
			Cursor string
			More   bool
			Gap    any
		}
		err := json.NewDecoder(body).Decode(&page)
		body.Close()
		if err != nil || page.Gap != nil {
			s.t.Fatalf("a page after %s: error %v, gap %v", cursor, err, page.Gap)
		}
		for _, e := range page.Items {
			items = append(items, string(e.Data))
		}
		if cursor = page.Cursor; !page.More {
			return items
		}
	}
}

// sameJSON compares items as JSON values, one by one.
func sameJSON(t *testing.T, how string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d items, want %d", how, len(got), len(want))
	}
	for i := range want {
		if g, w := jsonValue(t, got[i]), jsonValue(t, want[i]); !reflect.DeepEqual(g, w) {
			t.Fatalf("%s: item %d is\n%s\nwant\n%s", how, i, got[i], want[i])
		}
	}
}

func jsonValue(t *testing.T, s string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %q", err, s)
	}
	return v
}

// Real items, published by the real command, come back as the same JSON
// values, in order, on every transport, also after a restart.
func TestP1P3_real_input_on_every_transport(t *testing.T) {
	files := map[string][]string{
		"tweets": realInput(t, "tweets.ndjson"),
		"events": realInput(t, "github-events.ndjson"),
	}
	s := startReal(t)
	for feed, lines := range files {
		s.feedd(strings.Join(lines, "\n")+"\n", "publish", "--feed", feed, "--lines")
	}
	for _, when := range []string{"live", "after a restart"} {
		for feed, lines := range files {
			n := len(lines)
			sameJSON(t, feed+" by SSE "+when, s.bySSE(feed, n), lines)
			sameJSON(t, feed+" by NDJSON "+when, s.byNDJSON(feed, n), lines)
			for _, limit := range []int{1, 7, 1000} {
				sameJSON(t, fmt.Sprintf("%s by pages of %d %s", feed, limit, when), s.byPages(feed, limit), lines)
			}
			tailed := s.feedd("", "tail", feed, "--since", "all", "-n", fmt.Sprint(n))
			sameJSON(t, feed+" by feedd tail "+when, strings.Split(strings.TrimSpace(tailed), "\n"), lines)
		}
		if when == "live" {
			s.kill()
			s.start()
		}
	}
}

// The server is killed with -9 again and again while items are published:
// nothing acknowledged is missing, nothing is stored twice, and a subscriber
// that is cut off each time gets each item once.
func TestP2P3P7_kill_in_the_middle_of_publishing(t *testing.T) {
	lines := realInput(t, "tweets.ndjson")
	const publishers, each, kills = 4, 400, 5
	s := startReal(t)
	key := s.key()
	ctx, cancel := context.WithTimeout(context.Background(), 2*pagePatience)
	defer cancel()

	// A subscriber with the rules of a browser: it comes back with the last id.
	var received []sseEvent
	var subscriber sync.WaitGroup
	subscriber.Go(func() { received = s.follow(ctx, "crash", publishers*each) })

	acked := make(chan struct{}, publishers*each)
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				name := fmt.Sprintf("%d-%d", p, i)
				body := fmt.Sprintf(`{"name":%q,"line":%s}`, name, lines[i%len(lines)])
				if err := s.publishUntil(ctx, key, "crash", name, body); err != nil {
					t.Error(err)
					return
				}
				acked <- struct{}{}
			}
		})
	}
	for range kills {
		for range publishers * each / (kills + 1) {
			<-acked
		}
		s.kill()
		s.start()
	}
	publishing.Wait()
	subscriber.Wait()

	stored := s.byPages("crash", 1000)
	checkNames := func(how string, items []string) {
		t.Helper()
		seen := make(map[string]int)
		next := make([]int, publishers)
		for _, item := range items {
			var v struct {
				Name string
				Line json.RawMessage
			}
			if err := json.Unmarshal([]byte(item), &v); err != nil {
				t.Fatal(err)
			}
			seen[v.Name]++
			var p, i int
			fmt.Sscanf(v.Name, "%d-%d", &p, &i)
			if i != next[p] {
				t.Fatalf("%s: item %s where %d-%d was due", how, v.Name, p, next[p])
			}
			next[p]++
			if !reflect.DeepEqual(jsonValue(t, string(v.Line)), jsonValue(t, lines[i%len(lines)])) {
				t.Fatalf("%s: item %s is damaged", how, v.Name)
			}
		}
		if len(seen) != publishers*each || len(items) != publishers*each {
			t.Errorf("%s: %d items, %d different ones, want %d", how, len(items), len(seen), publishers*each)
		}
	}
	checkNames("stored", stored)
	var got []string
	for i, e := range received {
		got = append(got, e.data)
		if i > 0 && len(e.id) == len(received[i-1].id) && e.id <= received[i-1].id {
			t.Errorf("P1: id %s after %s", e.id, received[i-1].id)
		}
	}
	checkNames("the subscriber", got)
	if !slices.Equal(got, stored) {
		t.Error("the subscriber saw another order than the store has")
	}
}

// publishUntil publishes with a key until it is acknowledged.
func (s *realServer) publishUntil(ctx context.Context, key, feed, idempotency, body string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, "POST", s.url("/feeds/"+feed), strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", idempotency)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			answer, e := io.ReadAll(resp.Body)
			resp.Body.Close()
			switch {
			case e == nil && (resp.StatusCode == http.StatusCreated || resp.StatusCode == http.StatusOK):
				return nil
			case resp.StatusCode < 500 && resp.StatusCode >= 400:
				return fmt.Errorf("publish %s: %s %s", idempotency, resp.Status, answer)
			}
		}
		if !pause(ctx) {
			return ctx.Err()
		}
	}
}

// follow reads n items, and reconnects as a browser does.
func (s *realServer) follow(ctx context.Context, feed string, n int) (events []sseEvent) {
	last := "0"
	for len(events) < n && ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, "GET", s.url("/feeds/"+feed), nil)
		if err != nil {
			s.t.Error(err)
			return events
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("Last-Event-ID", last)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			pause(ctx)
			continue
		}
		for r := bufio.NewReader(resp.Body); len(events) < n; {
			e, err := nextSSE(r)
			if err != nil {
				break
			}
			switch e.event {
			case "gap":
				s.t.Errorf("P4: a false alarm: %s", e.data)
			case "":
				events = append(events, e)
			}
			last = e.id
		}
		resp.Body.Close()
	}
	return events
}

// pause waits a moment before another try, unless ctx ends.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

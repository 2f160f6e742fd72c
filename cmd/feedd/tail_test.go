package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"feedd/internal/client"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// stocked is a server with three items, in two feeds.
func stocked(t *testing.T) *fakeServer {
	s := newFakeServer(t)
	s.add(stream.Item{Feed: "news", Data: []byte("some text\nin two lines")})
	s.add(stream.Item{Feed: "news", Event: "goal", JSON: true, Data: []byte(`{"a":1}`)})
	s.add(stream.Item{Feed: "chat.one", JSON: true, Data: []byte(`"x"`)})
	return s
}

func TestTailPrints(t *testing.T) {
	for args, want := range map[string]string{
		"news":           "some text\nin two lines\n{\"a\":1}\nx\n",
		"news,chat.one":  "news: some text\nin two lines\nnews: {\"a\":1}\nchat.one: x\n",
		"**":             "news: some text\nin two lines\nnews: {\"a\":1}\nchat.one: x\n",
		"--json news":    "envelopes",
		"--json news,**": "envelopes",
	} {
		t.Run(args, func(t *testing.T) {
			s := stocked(t)
			if want == "envelopes" {
				var b []byte
				for i := range s.items {
					b = wire.AppendLine(b, &s.items[i])
				}
				want = string(b)
			}
			stdout, stderr, err := execute(t.Context(), newTailCmd(), nil, append(strings.Fields(args), "-n", "3")...)
			if err != nil || stdout != want || stderr != "" {
				t.Errorf("%v; stderr %q; stdout %q, want %q", err, stderr, stdout, want)
			}
		})
	}
}

func TestTailAsksForWhatTheFlagsSay(t *testing.T) {
	for args, want := range map[string]string{
		"":                             "/feeds/main?envelope=true",
		"a.*,b --since 10m":            "/feeds/a.%2A%2Cb?envelope=true&since=10m",
		"--last 5 --event goal,card x": "/feeds/x?envelope=true&event=goal%2Ccard&last=5",
	} {
		s := stocked(t)
		if _, _, err := execute(t.Context(), newTailCmd(), nil, append(strings.Fields(args), "--count", "1")...); err != nil {
			t.Fatal(err)
		}
		if got := s.last().URL.String(); got != want {
			t.Errorf("%s: asked for %s, want %s", args, got, want)
		}
	}
}

func TestTailUsage(t *testing.T) {
	newFakeServer(t)
	for _, args := range []string{"a b", "--last -1", "--count -1", "--since all --last 3", "--heartbeat 0s", "--nonsense", "--server gopher://x"} {
		_, _, err := execute(t.Context(), newTailCmd(), nil, strings.Fields(args)...)
		if !errors.As(err, new(usageError)) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// A lost connection costs a note, a gap another, and no item.
func TestTailTellsOfGapsAndReconnects(t *testing.T) {
	s := stocked(t)
	n := 0
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if n++; n > 1 {
			return true
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Write(wire.AppendSSEGap(nil, &stream.Gap{Through: 9, Reason: stream.Trimmed, Feeds: []string{"news", "chat"}, ID: 1}))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	stdout, stderr, err := execute(t.Context(), newTailCmd(), nil, "news", "-n", "2")
	if err != nil || stdout != "{\"a\":1}\nx\n" {
		t.Errorf("%v; stdout %q", err, stdout)
	}
	want := regexp.MustCompile(`^gap: items up to 9 are gone \(trimmed\) in news, chat\nreconnecting in 1(\.\d)? s: .+\n$`)
	if !want.MatchString(stderr) {
		t.Errorf("stderr %q", stderr)
	}
}

func TestTailRefused(t *testing.T) {
	s := newFakeServer(t)
	s.before = func(w http.ResponseWriter, _ *http.Request) bool { problem(w, 401, "a key is needed"); return false }
	_, _, err := execute(t.Context(), newTailCmd(), nil)
	var refused *client.Error
	if !errors.As(err, &refused) || err.Error() != "follow main: 401 Unauthorized: a key is needed" {
		t.Error(err)
	}
}

func TestTailEndsWellWhenInterrupted(t *testing.T) {
	s := stocked(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &watcher{after: 3, then: cancel}
	if err := executeTo(ctx, newTailCmd(), nil, out, io.Discard, "news"); err != nil {
		t.Error(err)
	}
	s.CloseClientConnections()
	// And while it waits for a server that is not there.
	s.before = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	if err := executeTo(ctx, newTailCmd(), nil, io.Discard, &watcher{after: 1, then: cancel}, "news"); err != nil {
		t.Error(err)
	}
}

// watcher calls then with the after-th write.
type watcher struct {
	after int
	then  func()
}

func (w *watcher) Write(p []byte) (int, error) {
	if w.after--; w.after == 0 {
		w.then()
	}
	return len(p), nil
}

func TestTailEndsWellOnAClosedPipe(t *testing.T) {
	s := stocked(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	done := make(chan error)
	go func() { done <- executeTo(t.Context(), newTailCmd(), nil, w, io.Discard, "news") }()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	for range 3 {
		s.add(stream.Item{Feed: "news", Data: []byte("more")})
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTailTamesWhatATerminalWouldObey(t *testing.T) {
	m := client.Message{Item: &wire.Envelope{Feed: "news", Data: []byte(`"a\u001b[31mb\r\n\tc\u0007\u009b"`)}}
	for tame, want := range map[bool]string{false: "a\x1b[31mb\r\n\tc\a\u009b\n", true: `a\x1b[31mb\x0d` + "\n\tc" + `\x07\x9b` + "\n"} {
		var out bytes.Buffer
		if err := (&printer{out: &out, tame: tame}).message(m); err != nil || out.String() != want {
			t.Errorf("%v: %q, want %q", err, out.String(), want)
		}
	}
}

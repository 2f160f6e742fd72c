package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feedd/internal/client"
)

// publishInput runs feedd publish --lines over an input.
func publishInput(t *testing.T, s *fakeServer, in io.Reader, args ...string) (stderr string) {
	t.Helper()
	_, stderr, err := execute(t.Context(), newPublishCmd(), in, append([]string{"--lines"}, args...)...)
	if err != nil {
		t.Errorf("%v; stderr %q", err, stderr)
	}
	return stderr
}

func TestPublishLinesGoesOnBehindABadLine(t *testing.T) {
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for name, tc := range map[string]struct {
		bad, arg, published, note string
	}{
		"not JSON":                   {"{oops", "--json", "", "line 39 is left out: the data is not JSON"},
		"an object that ends early":  {`{"a":1`, "--json", "", "line 39 is left out: the data is not JSON"},
		"not UTF-8":                  {"a\xffb\xc3", "--text", "a\ufffdb\ufffd\n", "line 39 is not UTF-8"},
		"not UTF-8 in JSON":          {"{\"a\":\"\xe4\"}", "", "json {\"a\":\"\ufffd\"}\n", "line 39 is not UTF-8"},
		"not UTF-8 and no JSON":      {"{\xff}", "--json", "", "line 39 is left out"},
		"too large for the server":   {strings.Repeat("x", 5000), "--text", "", "line 39 is left out: 413"},
		"too large for a batch":      {strings.Repeat("x", maxBatchBytes+1), "--text", "", "line 39 is left out: 413"},
		"too long for the command":   {strings.Repeat("x", maxLine+1), "--text", "", "line 39 is left out: it has more than 16 MiB"},
		"refused by the server only": {deep, "--json", "", "line 39 is left out: 400"},
		"a NUL":                      {"a\x00b", "--text", "a\x00b\n", ""},
		"a carriage return":          {"a\rb\r", "--text", "a\rb\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeServer(t)
			s.maxItem = 4000
			kind := ""
			if tc.arg != "--text" {
				kind = "json "
			}
			in := strings.Repeat("1\n", 37) + "\n" + tc.bad + "\n" + strings.Repeat("2\n", 19) + "2"
			stderr := publishInput(t, s, strings.NewReader(in), append(strings.Fields(tc.arg), "--timeout", "1m")...)
			want := strings.Repeat(kind+"1\n", 37) + tc.published + strings.Repeat(kind+"2\n", 20)
			if got := s.data(); got != want {
				t.Errorf("published %q, want %q", got, want)
			}
			if tc.note == "" {
				if !summaryLine.MatchString(stderr) {
					t.Errorf("stderr %q", stderr)
				}
				return
			}
			last := "1 line was left out"
			if tc.published != "" {
				last = "1 line was changed, because of bytes that are not UTF-8"
			}
			if !strings.HasPrefix(stderr, tc.note) || !strings.HasSuffix(stderr, "/s)\n"+last+"\n") {
				t.Errorf("stderr %q", stderr)
			}
		})
	}
}

// Many bad lines are told of with a few notes, and all are counted.
func TestPublishLinesTellsSeldom(t *testing.T) {
	s := newFakeServer(t)
	var in strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&in, "{\"n\":%d}\nbad\n", i)
	}
	stderr := publishInput(t, s, strings.NewReader(in.String()), "--json")
	if n := strings.Count(s.data(), "\n"); n != 2000 {
		t.Errorf("%d items", n)
	}
	if n := strings.Count(stderr, " is left out"); n < 10 || n > 30 || !strings.HasSuffix(stderr, "\n2000 lines were left out\n") {
		t.Errorf("%d notes; stderr ends %q", n, stderr[max(0, len(stderr)-100):])
	}
}

// One line that is too large does not make all later batches small.
func TestPublishLinesKeepsItsBatchesAfterALargeLine(t *testing.T) {
	s := newFakeServer(t)
	s.maxItem = 1000
	in := numberedLines(300) + strings.Repeat("x", 2000) + "\n" + numberedLines(3000)
	publishInput(t, s, strings.NewReader(in))
	if n := len(s.requests); n > 100 {
		t.Errorf("%d requests for 3300 lines", n)
	}
}

// A line without an end is read in bounded memory, and what follows is published.
func TestPublishLinesBoundsAnEndlessLine(t *testing.T) {
	s := newFakeServer(t)
	endless := io.LimitReader(zeros{}, 20*maxLine)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	stderr := publishInput(t, s, io.MultiReader(strings.NewReader("a\n"), endless, strings.NewReader("\nb\n")))
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8*maxLine {
		t.Errorf("%d MiB were allocated for a line of %d", grown>>20, 20*maxLine>>20)
	}
	if s.data() != "a\nb\n" || !strings.Contains(stderr, "line 2 is left out: it has more than 16 MiB") {
		t.Errorf("published %q; stderr %q", s.data(), stderr)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What is wrong with every request ends the command, and is no fault of a line.
func TestPublishLinesEndsWhereNoLineWouldBeTaken(t *testing.T) {
	for status, detail := range map[int]string{400: "bad-feed", 401: "no key", 403: "no", 404: "gone", 405: "no"} {
		s := newFakeServer(t)
		s.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"type":%q}`, detail)
			return false
		}
		_, _, err := execute(t.Context(), newPublishCmd(), strings.NewReader("a\nb\n"), "--lines")
		if err == nil || !strings.HasSuffix(err.Error(), "; 0 items were published before") || len(s.requests) != 1 {
			t.Errorf("%d: %v after %d requests", status, err, len(s.requests))
		}
	}
}

// A fault inside the server passes, and nothing is stored twice meanwhile.
func TestPublishLinesWaitsForAServerThatFails(t *testing.T) {
	s := newFakeServer(t)
	var n atomic.Int32
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if n.Add(1) == 1 {
			s.publish(httpDiscard{}, r)
			problem(w, 500, "a fault")
			return false
		}
		return true
	}
	stderr := publishInput(t, s, strings.NewReader("a\nb\n"))
	if s.data() != "a\nb\n" || !strings.HasPrefix(stderr, "publishing again: publish main: 500") {
		t.Errorf("published %q; stderr %q", s.data(), stderr)
	}
}

// Where the key is changed while lines are published, on the server before or
// after the file, they wait until the two agree.
func TestPublishLinesTakesAnotherKey(t *testing.T) {
	s := newFakeServer(t)
	file := filepath.Join(t.TempDir(), "key")
	write := func(key string) {
		if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
			t.Error(err)
		}
	}
	write("old")
	in, lines := io.Pipe()
	var refused atomic.Int32
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		switch key := r.Header.Get("Authorization"); {
		case key == "Bearer old" && s.data() == "":
			return true
		case key == "Bearer new":
			return true
		}
		if refused.Add(1) == 2 {
			write("new")
		}
		problem(w, http.StatusUnauthorized, "another key")
		return false
	}
	go func() {
		io.WriteString(lines, "a\n")
		for s.data() == "" {
			time.Sleep(time.Millisecond)
		}
		io.WriteString(lines, "b\n")
		lines.Close()
	}()
	if stderr := publishInput(t, s, in, "--key-file", file); s.data() != "a\nb\n" {
		t.Errorf("published %q; stderr %q", s.data(), stderr)
	}
}

// The errors that may pass are those of the server, and a slow way to it.
func TestMayPass(t *testing.T) {
	for status, want := range map[int]bool{400: false, 401: false, 403: false, 404: false, 408: true, 413: false, 429: false, 500: true, 503: false, 520: true} {
		if got := mayPass(fmt.Errorf("x: %w", &client.Error{Status: status})); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
}

func TestPublishLinesTakesAByteOrderMarkOff(t *testing.T) {
	s := newFakeServer(t)
	publishInput(t, s, strings.NewReader("\ufeff{\"a\":1}\r\n{\"b\":2}\r\n"), "--json")
	if want := "json {\"a\":1}\njson {\"b\":2}\n"; s.data() != want {
		t.Errorf("published %q", s.data())
	}
}

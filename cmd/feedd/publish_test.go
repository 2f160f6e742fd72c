package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"feedd/internal/client"
)

func TestPublishOneItem(t *testing.T) {
	for name, tc := range map[string]struct {
		args  []string
		stdin string
		want  string
	}{
		"arguments":                        {[]string{"hello,", "world"}, "", "hello, world\n"},
		"arguments are text":               {[]string{`{"a":1}`}, "", `{"a":1}` + "\n"},
		"arguments are JSON if told":       {[]string{"--json", `{"a":`, `1}`}, "", `json {"a":1}` + "\n"},
		"input less one newline":           {nil, "a\nb\n\n", "a\nb\n\n"},
		"input with CRLF":                  {nil, "a\r\n", "a\n"},
		"input that is JSON":               {nil, "{\n \"a\": 1\n}\n", `json {"a":1}` + "\n"},
		"input that is a string is text":   {nil, `"a"`, `"a"` + "\n"},
		"input that is a string with json": {[]string{"--json"}, `"a"`, `json "a"` + "\n"},
		"input as text":                    {[]string{"--text"}, "42\n", "42\n"},
		"data that looks like a flag":      {[]string{"--", "--json"}, "", "--json\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeServer(t)
			stdout, stderr, err := execute(t.Context(), newPublishCmd(), strings.NewReader(tc.stdin), tc.args...)
			if err != nil || stdout != "1\n" || stderr != "" {
				t.Errorf("%v; stdout %q, stderr %q", err, stdout, stderr)
			}
			if got := s.data(); got != tc.want {
				t.Errorf("published %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPublishSaysWhatTheFlagsSay(t *testing.T) {
	s := newFakeServer(t)
	args := []string{"--feed", "a.b", "--event", "goal", "--ttl", "7d", "--idempotency-key", "k1", "x"}
	for range 2 {
		stdout, _, err := execute(t.Context(), newPublishCmd(), nil, args...)
		if err != nil || stdout != "1\n" {
			t.Fatalf("%v; stdout %q", err, stdout)
		}
	}
	r := s.last()
	if got := r.URL.String() + " " + r.Header.Get("Idempotency-Key"); got != "/feeds/a.b?event=goal&ttl=168h0m0s k1" {
		t.Error(got)
	}
}

func TestPublishRefusesBadData(t *testing.T) {
	s := newFakeServer(t)
	for _, tc := range []struct{ stdin, arg, want string }{
		{"", "", "empty"}, {"\n", "", "empty"}, {"\xff", "", "UTF-8"}, {"{", "--json", "not JSON"}, {"", "--json", "not JSON"},
	} {
		_, _, err := execute(t.Context(), newPublishCmd(), strings.NewReader(tc.stdin), strings.Fields(tc.arg)...)
		if err == nil || !strings.Contains(err.Error(), tc.want) || errors.As(err, new(usageError)) {
			t.Errorf("%q: %v", tc.stdin, err)
		}
	}
	if len(s.requests) != 0 {
		t.Error("the server was asked")
	}
}

func TestPublishUsage(t *testing.T) {
	newFakeServer(t)
	for _, args := range []string{
		"--nonsense", "--ttl soon x", "--ttl 0s x", "--json --text x", "--lines x", "--lines --idempotency-key k", "--strict x", "--event gap x", "--feed a..b x",
		"--timeout -1s x", "--timeout soon x", "--server ftp://localhost x", "--server http://a:b@localhost x", "--feed= x",
	} {
		_, _, err := execute(t.Context(), newPublishCmd(), strings.NewReader("x"), strings.Fields(args)...)
		if !errors.As(err, new(usageError)) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestPublishGivesUpAfterTheTimeout(t *testing.T) {
	s := newFakeServer(t)
	s.before = func(w http.ResponseWriter, _ *http.Request) bool { problem(w, 503, "draining"); return false }
	_, stderr, err := execute(t.Context(), newPublishCmd(), nil, "--timeout", "400ms", "x")
	if err == nil || !strings.Contains(err.Error(), "given up after 0.4 s") || !strings.Contains(err.Error(), "draining") {
		t.Error(err)
	}
	if !regexp.MustCompile(`^publishing again in 0\.\d s: 503 Service Unavailable: draining\n`).MatchString(stderr) {
		t.Errorf("stderr %q", stderr)
	}
}

var summaryLine = regexp.MustCompile(`(?m)^published (\d+) items? in \d+\.\d s \(\d+/s\)\n\z`)

func numberedLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i+1)
	}
	return b.String()
}

func TestPublishLinesInOrder(t *testing.T) {
	s := newFakeServer(t)
	in := numberedLines(1203)
	stdout, stderr, err := execute(t.Context(), newPublishCmd(), strings.NewReader(in), "--lines", "--event", "e")
	if err != nil || stdout != "" || s.data() != in {
		t.Errorf("%v; stdout %q; published %d bytes of %d", err, stdout, len(s.data()), len(in))
	}
	if m := summaryLine.FindStringSubmatch(stderr); m == nil || m[1] != "1203" {
		t.Errorf("stderr %q", stderr)
	}
	if slices.Max(s.batches) > maxBatchLines || len(s.batches) > 1203/10 {
		t.Errorf("batches %v", s.batches)
	}
	if s.items[0].Event != "e" || s.items[1202].Event != "e" {
		t.Error("the event name is lost")
	}
}

func TestPublishLinesKinds(t *testing.T) {
	const in = "plain\n\n{\"a\": 1}\r\n  \n\"quoted\"\n42\nlast {"
	for args, want := range map[string]string{
		"":       "plain\njson {\"a\":1}\n\"quoted\"\njson 42\nlast {\n",
		"--text": "plain\n{\"a\": 1}\n\"quoted\"\n42\nlast {\n",
	} {
		s := newFakeServer(t)
		_, _, err := execute(t.Context(), newPublishCmd(), strings.NewReader(in), append(strings.Fields(args), "--lines")...)
		if err != nil || s.data() != want {
			t.Errorf("%v; published %q, want %q", err, s.data(), want)
		}
	}
	s := newFakeServer(t)
	_, _, err := execute(t.Context(), newPublishCmd(), strings.NewReader("\"a\"\n{\"b\": 1}\n"), "--lines", "--json")
	if want := "json \"a\"\njson {\"b\":1}\n"; err != nil || s.data() != want {
		t.Errorf("%v; published %q, want %q", err, s.data(), want)
	}
}

// A line is published without waiting for the next one or for the end.
func TestPublishLinesIsLive(t *testing.T) {
	s := newFakeServer(t)
	in, feed := io.Pipe()
	done := make(chan error)
	go func() {
		_, _, err := execute(t.Context(), newPublishCmd(), in, "--lines")
		done <- err
	}()
	for i := range 3 {
		fmt.Fprintf(feed, "line %d\n", i)
		s.wait(t, i+1)
	}
	feed.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Connections that are lost before and after the commit lose and double
// nothing.
func TestPublishLinesThroughFailures(t *testing.T) {
	s := newFakeServer(t)
	var n atomic.Int32 // the requests are on different connections
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		switch n.Add(1) {
		case 1, 4:
			panic(http.ErrAbortHandler)
		case 2, 5:
			s.publish(httpDiscard{}, r)
			panic(http.ErrAbortHandler)
		}
		return true
	}
	in := numberedLines(700)
	_, stderr, err := execute(t.Context(), newPublishCmd(), strings.NewReader(in), "--lines")
	if err != nil || s.data() != in {
		t.Errorf("%v; published %d bytes of %d", err, len(s.data()), len(in))
	}
	if strings.Count(stderr, "publishing again in ") < 2 || !summaryLine.MatchString(stderr) {
		t.Errorf("stderr %q", stderr)
	}
}

// httpDiscard is an answer that no client gets.
type httpDiscard struct{}

func (httpDiscard) Header() http.Header         { return http.Header{} }
func (httpDiscard) Write(p []byte) (int, error) { return len(p), nil }
func (httpDiscard) WriteHeader(int)             {}

func TestPublishLinesStrictEndsAtTheBadLine(t *testing.T) {
	for name, tc := range map[string]struct {
		bad, arg, want string
	}{
		"not JSON":                   {"{oops", "--json", "not JSON"},
		"not UTF-8":                  {"\xff", "--text", "UTF-8"},
		"too large for the server":   {strings.Repeat("x", 5000), "--text", "413"},
		"too large for a batch":      {strings.Repeat("x", maxBatchBytes+1), "--text", "413"},
		"refused by the server only": {strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "--json", "4"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeServer(t)
			s.maxItem = 4000
			in := strings.Repeat("1\n", 37) + "\n" + tc.bad + "\n" + strings.Repeat("1\n", 20)
			_, stderr, err := execute(t.Context(), newPublishCmd(), strings.NewReader(in), "--lines", "--strict", tc.arg)
			if err == nil || errors.As(err, new(usageError)) || stderr != "" {
				t.Fatalf("%v; stderr %q", err, stderr)
			}
			msg := err.Error()
			if !strings.HasPrefix(msg, "line 39: ") || !strings.HasSuffix(msg, "; 37 items were published before") || !strings.Contains(msg, tc.want) {
				t.Error(msg)
			}
			if len(s.items) != 37 {
				t.Errorf("%d items", len(s.items))
			}
		})
	}
}

func TestPublishLinesFitsTheServersBatches(t *testing.T) {
	s := newFakeServer(t)
	s.maxBatch = 40
	in := numberedLines(2000)
	_, _, err := execute(t.Context(), newPublishCmd(), strings.NewReader(in), "--lines")
	if err != nil || s.data() != in {
		t.Errorf("%v; published %d bytes of %d", err, len(s.data()), len(in))
	}
	if extra := len(s.requests) - len(s.batches); extra > 50 {
		t.Errorf("%d requests were refused: the limit was not learned", extra)
	}
}

func TestPublishLinesRefusedForGood(t *testing.T) {
	s := newFakeServer(t)
	s.before = func(w http.ResponseWriter, _ *http.Request) bool { problem(w, 403, "no"); return false }
	_, _, err := execute(t.Context(), newPublishCmd(), strings.NewReader("a\nb\n"), "--lines")
	var refused *client.Error
	if !errors.As(err, &refused) || !strings.HasSuffix(err.Error(), "403 Forbidden: no; 0 items were published before") || len(s.requests) != 1 {
		t.Errorf("%v after %d requests", err, len(s.requests))
	}
}

// What was read is published before an interrupted command ends.
func TestPublishLinesInterrupted(t *testing.T) {
	s := newFakeServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.before = func(http.ResponseWriter, *http.Request) bool { cancel(); return true }
	in, feed := io.Pipe()
	done := make(chan error)
	go func() {
		_, _, err := execute(ctx, newPublishCmd(), in, "--lines")
		done <- err
	}()
	io.WriteString(feed, "a\nb\n")
	err := <-done
	feed.Close()
	if err == nil || err.Error() != "interrupted; 2 items were published before" || s.data() != "a\nb\n" {
		t.Errorf("%v; published %q", err, s.data())
	}
}

func TestKeyIsChosen(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("admin.key", "admin\n")
	given, empty := file("given.key", " given\n"), file("empty.key", "\n")
	for _, tc := range []struct{ server, env, file, want string }{
		{"http://127.0.0.1:8001", "", "", "admin"},
		{"localhost:8001", "", "", "admin"},
		{"[::1]:8001", "", "", "admin"},
		{"example.org", "", "", ""},
		{"https://localhost.example.org", "", "", ""},
		{"0.0.0.0:8001", "", "", ""},
		{"192.168.1.1:8001", "", "", ""},
		{"localhost", "env", "", "env"},
		{"example.org", "env", "", "env"},
		{"example.org", "env", given, "given"},
		{"localhost", "", given, "given"},
		{"localhost", "", empty, "error"},
		{"localhost", "", filepath.Join(dir, "absent"), "error"},
	} {
		t.Setenv("FEEDD_KEY", tc.env)
		u, err := client.ParseServer(tc.server)
		if err != nil {
			t.Fatal(err)
		}
		key, err := (&target{keyFile: tc.file, data: dir}).key(u)
		if err != nil {
			key = "error"
		}
		if key != tc.want {
			t.Errorf("%+v: %q, %v", tc, key, err)
		}
	}
	t.Setenv("FEEDD_KEY", "")
	u, _ := client.ParseServer("localhost")
	if key, err := (&target{data: filepath.Join(dir, "absent")}).key(u); key != "" || err != nil {
		t.Errorf("without a data directory: %q, %v", key, err)
	}
}

func TestKeyIsSent(t *testing.T) {
	s := newFakeServer(t)
	if err := os.WriteFile(filepath.Join(os.Getenv("FEEDD_DATA"), "admin.key"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := strings.TrimPrefix(s.URL, "http://")
	if _, _, err := execute(t.Context(), newPublishCmd(), nil, "--server", server, "x"); err != nil {
		t.Fatal(err)
	}
	if got := s.last().Header.Get("Authorization"); got != "Bearer s3cret" {
		t.Errorf("Authorization: %q", got)
	}
}

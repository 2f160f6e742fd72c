package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"feedd/internal/client"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// post is what a publish said.
type post struct {
	path, query, kind, key, auth, body string
	at                                 time.Time
}

// store takes publishes, each key once.
type store struct {
	mu     sync.Mutex // guards the three below
	posts  []post
	stored []string // bodies
	keys   map[string]bool

	// fault, if set, answers the try-th publish (from 0), after it was stored
	// if it says so by commit; false has it answered as usual.
	fault func(try int, w http.ResponseWriter, commit func()) bool
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p := post{
		r.URL.Path, r.URL.Query().Encode(), r.Header.Get("Content-Type"),
		r.Header.Get("Idempotency-Key"), r.Header.Get("Authorization"), string(body), time.Now(),
	}
	s.mu.Lock()
	s.posts = append(s.posts, p)
	try := len(s.posts) - 1
	s.mu.Unlock()
	commit := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.keys[p.key] {
			s.stored = append(s.stored, p.body)
		}
		if s.keys == nil {
			s.keys = make(map[string]bool)
		}
		s.keys[p.key] = true
	}
	if s.fault != nil && s.fault(try, w, commit) {
		return
	}
	status := http.StatusCreated
	if s.has(p.key) {
		w.Header().Set("Idempotent-Replay", "true")
		status = http.StatusOK
	}
	commit()
	w.Header().Set("Feedd-Durability", "fsync")
	w.WriteHeader(status)
	if strings.Contains(p.kind, "ndjson") {
		fmt.Fprintf(w, `{"feed":"news","count":%d,"first":"1","last":"9"}`, strings.Count(p.body, "\n"))
	} else {
		fmt.Fprint(w, `{"id":"7","feed":"news","time":"2026-11-22T06:13:20.000001Z"}`)
	}
}

func (s *store) has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[key]
}

// seen returns the posts so far.
func (s *store) seen() []post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posts
}

var hello = client.Draft{Data: []byte("hello")}

func TestPublishOneItem(t *testing.T) {
	s := &store{}
	inBubble(t, s.ServeHTTP, func(t *testing.T, w *world) {
		drafts := []client.Draft{
			hello,
			{Event: "goal", TTL: 90 * time.Second, JSON: true, Data: []byte(`{"a": 1}`)},
		}
		for _, d := range drafts {
			r, err := w.client.Publish(t.Context(), "news", d, "my key")
			if err != nil || r.First != "7" || r.Last != "7" || r.Count != 1 || r.Feed != "news" || r.Durability != "fsync" {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		p := s.seen()
		p[0].at, p[1].at = time.Time{}, time.Time{}
		want := []post{
			{"/feeds/news", "", "text/plain; charset=utf-8", "my key", "Bearer k3y", "hello", time.Time{}},
			{"/feeds/news", "event=goal&ttl=1m30s", "application/json", "my key", "Bearer k3y", `{"a": 1}`, time.Time{}},
		}
		if d := cmp.Diff(want, p, cmp.AllowUnexported(post{})); d != "" {
			t.Error(d)
		}
	})
}

// What fails in passing is sent again with the same key, and stored once.
func TestPublishIsStoredOnceWhateverFailed(t *testing.T) {
	faults := map[string]func(w http.ResponseWriter, commit func()){
		"no answer":                   func(http.ResponseWriter, func()) { cut() },
		"no answer after the commit":  func(_ http.ResponseWriter, commit func()) { commit(); cut() },
		"cut answer after the commit": func(w http.ResponseWriter, commit func()) { commit(); send(w, `{"id":`); cut() },
		"silence":                     func(http.ResponseWriter, func()) { time.Sleep(time.Hour) },
		"429":                         func(w http.ResponseWriter, _ func()) { w.WriteHeader(429) },
		"502":                         func(w http.ResponseWriter, _ func()) { w.WriteHeader(502) },
		"503":                         func(w http.ResponseWriter, _ func()) { w.WriteHeader(503) },
		"503 outcome-unknown, stored": func(w http.ResponseWriter, commit func()) { commit(); w.WriteHeader(503) },
		"504":                         func(w http.ResponseWriter, _ func()) { w.WriteHeader(504) },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			s := &store{fault: func(try int, w http.ResponseWriter, commit func()) bool {
				if try < 3 {
					fault(w, commit)
				}
				return try < 3
			}}
			inBubble(t, s.ServeHTTP, func(t *testing.T, w *world) {
				if _, err := w.client.Publish(t.Context(), "news", hello, ""); err != nil {
					t.Fatal(err)
				}
				keys := make(map[string]bool)
				posts := s.seen()
				for _, p := range posts {
					keys[p.key] = true
				}
				if len(posts) < 4 || len(keys) != 1 || !slices.Equal(s.stored, []string{"hello"}) {
					t.Errorf("%d posts with the keys %v stored %q", len(posts), keys, s.stored)
				}
			})
		})
	}
}

func TestPublishWaitsForAServerThatIsDown(t *testing.T) {
	s := &store{}
	inBubble(t, s.ServeHTTP, func(t *testing.T, w *world) {
		w.net.setDown(true)
		time.AfterFunc(time.Minute, func() { w.net.setDown(false) })
		begin := time.Now()
		if _, err := w.client.Publish(t.Context(), "news", hello, ""); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < time.Minute || took > 65*time.Second || len(w.heard()) > 30 {
			t.Errorf("took %v and %d tries", took, len(w.heard()))
		}
	})
}

func TestPublishHonoursRetryAfter(t *testing.T) {
	for name, header := range map[string]func() string{
		"seconds": func() string { return "60" },
		"date":    func() string { return time.Now().Add(time.Minute).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &store{fault: func(try int, w http.ResponseWriter, _ func()) bool {
				if try == 0 {
					w.Header().Set("Retry-After", header())
					w.WriteHeader(503)
				}
				return try == 0
			}}
			inBubble(t, s.ServeHTTP, func(t *testing.T, w *world) {
				if _, err := w.client.Publish(t.Context(), "news", hello, ""); err != nil {
					t.Fatal(err)
				}
				if d := s.seen()[1].at.Sub(s.seen()[0].at); d < time.Minute || d > 90*time.Second {
					t.Errorf("tried again after %v", d)
				}
			})
		})
	}
}

func TestPublishIsBoundedByTheContext(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.net.setDown(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		_, err := w.client.Publish(ctx, "news", hello, "")
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errRefused) || time.Since(begin) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestPublishRefusedForGood(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 409, 413, 415, 422, 500} {
		s := &store{fault: func(_ int, w http.ResponseWriter, _ func()) bool {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			fmt.Fprint(w, `{"type":"/problems/x","title":"No","detail":"because \u001b[31m","status":400}`)
			return true
		}}
		inBubble(t, s.ServeHTTP, func(t *testing.T, w *world) {
			_, err := w.client.Publish(t.Context(), "news", hello, "")
			var refused *client.Error
			if !errors.As(err, &refused) || len(s.seen()) != 1 {
				t.Fatalf("%d: %v after %d tries", status, err, len(s.seen()))
			}
			want := &client.Error{Status: status, Type: "/problems/x", Title: "No", Detail: "because  [31m"}
			if d := cmp.Diff(want, refused); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPublishAnswerOfAnotherServer(t *testing.T) {
	for _, body := range []string{"", "<html>", "{}", `{"count":3}`, `[]`} {
		inBubble(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) }, func(t *testing.T, w *world) {
			if _, err := w.client.Publish(t.Context(), "news", hello, ""); err == nil || !strings.Contains(err.Error(), "feedd") {
				t.Errorf("%q: %v", body, err)
			}
		})
	}
}

// The server's codec reads each batch as the drafts that went in.
func TestPublishBatchArrivesExactly(t *testing.T) {
	text := client.Draft{Data: []byte("a \"line\"\nand \u2028 <more> \\ \x00")}
	object := client.Draft{JSON: true, Data: []byte(" {\"a\" :\n 1e400, \"b\": \"<\u2028>\"} ")}
	str := client.Draft{JSON: true, Data: []byte(`"s"`)}
	named := client.Draft{Event: "goal", TTL: 36 * time.Hour, Data: []byte("x")}
	for name, drafts := range map[string][]client.Draft{
		"text":       {text},
		"mixed":      {text, object, named},
		"json":       {object, str, object},
		"json named": {{Event: "e", TTL: time.Minute, JSON: true, Data: []byte("1")}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &store{}
			inBubble(t, s.ServeHTTP, func(t *testing.T, w *world) {
				r, err := w.client.PublishBatch(t.Context(), "news", drafts, "")
				if err != nil || r.Count != len(drafts) || r.First != "1" || r.Last != "9" {
					t.Fatalf("%+v, %v", r, err)
				}
				p := s.seen()[0]
				parse := wire.ParseEnvelopes
				if p.kind == "application/x-ndjson" {
					parse = wire.ParseLines
				}
				got, err := parse([]byte(p.body), 100)
				if err != nil {
					t.Fatal(err)
				}
				var want []stream.Draft
				for _, d := range drafts {
					w := stream.Draft{JSON: d.JSON, Data: d.Data}
					if d.JSON {
						w.Data = bytes.ReplaceAll(d.Data, []byte("\n"), nil)
						w.Data = bytes.ReplaceAll(w.Data, []byte(" "), nil)
					}
					if p.query == "" {
						w.Event, w.TTL = d.Event, d.TTL
					} else if p.query != "event=e&ttl=1m0s" {
						t.Errorf("query %q", p.query)
					}
					want = append(want, w)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

func TestPublishBatchNamesTheBadDraft(t *testing.T) {
	good := client.Draft{Data: []byte("x")}
	for name, bad := range map[string]client.Draft{
		"empty": {}, "not JSON": {JSON: true, Data: []byte("{")}, "no JSON": {JSON: true},
		"not UTF-8": {Data: []byte("\xff")}, "JSON not UTF-8": {JSON: true, Data: []byte("\"\xff\"")},
	} {
		s := &store{}
		inBubble(t, s.ServeHTTP, func(t *testing.T, w *world) {
			_, err := w.client.PublishBatch(t.Context(), "news", []client.Draft{good, bad}, "")
			var e *client.DraftError
			if !errors.As(err, &e) || e.Index != 1 || len(s.seen()) != 0 {
				t.Errorf("%s: %v after %d posts", name, err, len(s.seen()))
			}
		})
	}
}

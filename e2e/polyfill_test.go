package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// P3: the polyfill of EventSource that is used most says in the address where it
// goes on, whatever the page's address said first. It misses nothing of what is
// published around a kill, and gets nothing twice.
func TestP3_PolyfillMissesNothingOverARestart(t *testing.T) {
	missing := nodeMissing()
	if _, err := os.Stat(filepath.Join(nodeClients, "node_modules", "event-source-polyfill")); missing == "" && err != nil {
		missing = "npm ci was not run in " + nodeClients
	}
	if missing != "" {
		t.Skip(missing)
	}
	s := startForPage(t, binary(t))
	from := s.publish(t, "news", "", "text/plain", "0").ID
	var readers []*reader
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for _, query := range []string{"", "?since=" + from, "?last=0", "?last_event_id=" + from, "?lastEventId=" + from + "&_=1"} {
		r := newReader(query, s.url()+"/feeds/news"+query)
		readers = append(readers, r)
		running.Go(func() { readWithNode("event-source-polyfill.mjs")(ctx, r) })
	}
	awaitNumber(t, "readers", len(readers), func() int { return connections(t, s.address) })
	var want []string
	publish := func() {
		text := fmt.Sprint("item ", len(want)+1)
		want = append(want, s.publish(t, "news", "", "text/plain", text).ID+" "+text)
	}
	arrive := func() {
		t.Helper()
		limit, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		for _, r := range readers {
			r.await(limit, len(want))
			got, err := r.soFar()
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, e := range got {
				list = append(list, e.id+" "+e.data)
			}
			if fmt.Sprint(list) != fmt.Sprint(want) {
				t.Fatalf("%q got %q, want %q", r.name, list, want)
			}
		}
	}
	publish()
	arrive()
	s.stop(t, syscall.SIGKILL)
	s.start(t)
	publish() // before they come back
	publish()
	arrive()
	awaitNumber(t, "readers", len(readers), func() int { return connections(t, s.address) })
	publish() // what comes twice comes before that
	arrive()
}

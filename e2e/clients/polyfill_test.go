package clients_test

import (
	"context"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
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
	s := harness.Start(t)
	from := browser.Publish(s, "news", "", "text/plain", "0").ID
	var readers []*reader
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for _, query := range []string{"", "?since=" + from, "?last=0", "?last_event_id=" + from, "?lastEventId=" + from + "&_=1"} {
		r := newReader(query, s.URL()+"/feeds/news"+query)
		readers = append(readers, r)
		running.Go(func() { readWithNode("event-source-polyfill.mjs")(ctx, r) })
	}
	s.AwaitConnections(len(readers))
	var want []string
	publish := func() {
		text := fmt.Sprint("item ", len(want)+1)
		want = append(want, browser.Publish(s, "news", "", "text/plain", text).ID+" "+text)
	}
	arrive := func() {
		t.Helper()
		limit, stop := context.WithTimeout(ctx, harness.Patience)
		defer stop()
		for _, r := range readers {
			r.await(limit, len(want))
			got, err := r.soFar()
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, e := range got {
				list = append(list, e.ID+" "+e.Data)
			}
			if fmt.Sprint(list) != fmt.Sprint(want) {
				t.Fatalf("%q got %q, want %q", r.name, list, want)
			}
		}
	}
	publish()
	arrive()
	s.Restart(syscall.SIGKILL)
	publish() // before they come back
	publish()
	arrive()
	s.AwaitConnections(len(readers))
	publish() // what comes twice comes before that
	arrive()
}

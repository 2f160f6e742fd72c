package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"feedd/internal/api"
	"feedd/internal/publish"
	"feedd/internal/server/servertest"
)

// The client of that time: it polls, shows what came, and polls again with the
// last timestamp, as JavaScript has it, in which a number is a double. Bursts of
// items in the same millisecond are neither lost nor doubled.
func TestLegacy_ClientLoopLosesAndDoublesNothing(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Options = api.Options{Legacy: servertest.Legacy}
		s := servertest.Start(t, d)
		const bursts, each = 40, 25
		s.Do("POST", "/feeds/main", `{"n":-1}`, "Content-Type: application/json").MustStatus(t, http.StatusCreated)
		since := ""
		poll := func() (items []struct {
			N         int
			Timestamp json.Number
		}) {
			path := "/real_time_feed"
			if since != "" {
				path += "?since=" + since
			}
			s.Get(path, "Authorization:").MustStatus(t, http.StatusOK).Decode(t, &items)
			if len(items) > 0 {
				f, err := strconv.ParseFloat(string(items[len(items)-1].Timestamp), 64)
				if err != nil {
					t.Fatal(err)
				}
				since = strconv.FormatFloat(f, 'f', -1, 64)
			}
			return items
		}
		since = "0"
		if first := poll(); len(first) != 1 || first[0].N != -1 {
			t.Fatalf("the first poll gives %+v", first)
		}
		var publishing sync.WaitGroup
		publishing.Go(func() {
			for i := range bursts {
				var b strings.Builder
				for j := range each {
					fmt.Fprintf(&b, "{\"n\":%d}\n", i*each+j)
				}
				s.Do("POST", "/feeds/main", b.String(), "Content-Type: application/x-ndjson").MustStatus(t, http.StatusCreated)
			}
		})
		defer publishing.Wait()
		want := 0
		for want < bursts*each {
			for _, it := range poll() {
				if it.N != want {
					t.Fatalf("item %d came, want %d", it.N, want)
				}
				want++
			}
		}
	})
}

func TestLegacy_WaitsForTheNextItem(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Legacy: servertest.Legacy}})
	s.Put("main", "before")
	got := make(chan string, 1)
	go func() { got <- s.Get("/real_time_feed").Body }()
	s.AwaitSubscribers(1)
	body := "type=headline&text=It+works&text=again"
	if a := s.Do("POST", "/send_feed_item", body, "Content-Type: application/x-www-form-urlencoded").MustStatus(t, http.StatusOK); a.Body != "{}\n" {
		t.Errorf("the answer is %q", a.Body)
	}
	var items []map[string]any
	servertest.Answer{Body: <-got}.Decode(t, &items)
	if len(items) != 1 || items[0]["type"] != "headline" || fmt.Sprint(items[0]["text"]) != "[It works again]" || items[0]["timestamp"] == nil {
		t.Errorf("%v", items)
	}
	if log := s.Logs.String(); !strings.Contains(log, "push") || !strings.Contains(log, "type=headline") {
		t.Errorf("the log does not tell of the push: %s", log)
	}
}

// P8: both are closed to strangers, unless they are opened; then they open
// nothing else, and only so fast.
func TestP8_LegacyPagesAreClosedByDefault(t *testing.T) {
	t.Parallel()
	item := func(s *servertest.Server, headers ...string) servertest.Answer {
		return s.Do("POST", "/send_feed_item", `{"type":"x"}`, append(headers, "Content-Type: application/json")...)
	}
	closed := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Legacy: servertest.Legacy}})
	item(closed, "Authorization:").MustProblem(t, 401, "unauthorized")
	item(closed).MustStatus(t, http.StatusOK)
	none := servertest.Start(t, servertest.Deployment{Memory: true})
	item(none).MustProblem(t, 404, "not-found")
	none.Get("/real_time_feed").MustProblem(t, 404, "not-found")

	open := servertest.Legacy
	open.FeedOpen, open.ChatOpen = true, true
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Legacy: open, Publish: publish.Limits{MaxAnonymousRate: 1}}})
	s.Do("POST", "/feeds/main", "x", "Authorization:").MustProblem(t, 401, "unauthorized")
	refused := 0
	for range 30 {
		if a := item(s, "Authorization:"); a.Status == http.StatusTooManyRequests {
			a.MustProblem(t, 429, "too-many-publishes")
			if a.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			refused++
		}
	}
	if refused == 0 || refused > 25 {
		t.Errorf("%d of 30 are refused", refused)
	}
	item(s).MustStatus(t, http.StatusOK) // who has the key is not bounded
	if n := s.Metric(`feedd_limit_hits_total{limit="max_anonymous_rate"}`); int(n) != refused {
		t.Errorf("the metric is %v", n)
	}
}

// P1: in the chat everybody sees every message once, their own too, in the same
// order.
func TestLegacy_Chat(t *testing.T) {
	t.Parallel()
	open := servertest.Legacy
	open.ChatOpen = true
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Legacy: open}})
	const clients, each = 20, 20
	conns := make([]*websocket.Conn, clients)
	for i := range conns {
		conn, _, err := s.DialChat()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		servertest.Frame(t, conn)
		conns[i] = conn
	}
	seen := make([][]string, clients)
	var all sync.WaitGroup
	for i, conn := range conns {
		all.Go(func() {
			answers := 0
			for len(seen[i]) < clients*each || answers < each {
				f := servertest.Frame(t, conn)
				if strings.Contains(f, `"ref"`) {
					answers++
					continue
				}
				seen[i] = append(seen[i], servertest.NoteOf(t, f).Data)
			}
		})
		all.Go(func() {
			for n := range each {
				servertest.Say(t, conn, websocket.MessageText, fmt.Sprintf(`{"ref":"%d","event":"broadcast","data":"%d says %d"}`, n, i, n))
			}
		})
	}
	all.Wait()
	for i := range seen {
		if !slices.Equal(seen[i], seen[0]) {
			t.Errorf("client %d saw another chat than client 0", i)
		}
	}
	once := slices.Sorted(slices.Values(seen[0]))
	if len(slices.Compact(once)) != clients*each {
		t.Errorf("some messages came twice")
	}
}

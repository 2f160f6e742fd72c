package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	gocmp "github.com/google/go-cmp/cmp"
)

// TestFeed drives feed.js in chromium, against the real binary: every item
// once and in order (P1), over cuts and restarts (P3), and gaps (P4).
func TestFeed(t *testing.T) {
	inBrowser(t, []browserTest{
		{"begins where it is told", testFeedStarts},
		{"iterates, and stops", testFeedIterates},
		{"says nothing more when it is closed", testFeedClosed},
		{"P1 P3 loses and doubles nothing when events are cut in the middle", testFeedCut},
		{"P4 each tab is told of a gap", testFeedGap},
		{"polls behind a proxy that keeps events back", testFeedBuffered},
		{"polls where there is no EventSource", testFeedNoEventSource},
		{"takes what comes slowly", testFeedTrickle},
		{"notices a dead connection", testFeedDead},
		{"P5 a slow iterator holds no more than it must, and misses nothing", testFeedSlow},
		{"says why it is refused, and stays away", testFeedRefused},
		{"says what is wrong with what it was given", testFeedMisused},
		{"leaves a stream that is no feed's", testFeedForeign},
		{"comes back when it was refused for a while", testFeedTooMany},
	})
}

// feedHelpers make a Feed in a tab and note what it says.
const feedHelpers = `
	globalThis.got = [];    // "id data" and "gap reason"
	globalThis.states = [];
	globalThis.load = async () => {
		globalThis.Feed = (await import("/feed.js")).Feed;
		return "";
	};
	globalThis.follow = (url, options) => {
		globalThis.feed = new Feed(url, options);
		feed.addEventListener("item", e => got.push(e.detail.id + " " + e.detail.data));
		feed.addEventListener("gap", e => got.push("gap " + e.detail.reason));
		feed.addEventListener("state", e => states.push(e.detail.is + (e.detail.by ? " by " + e.detail.by : "")));
		return "";
	};`

// noIcon is what chromium says of a style sheet that it shows as a page.
const noIcon = `status of 404`

// feedTab opens a tab without a page of its own: the style sheet's, whose
// policy lets it load feed.js. It follows a feed.
func feedTab(t *testing.T, browser context.Context, address, feed string, options map[string]any, scripts ...string) *pageTab {
	t.Helper()
	tab := openPage(t, browser, address+"/shared/style.css", append(scripts, feedHelpers)...)
	if options == nil {
		options = map[string]any{}
	}
	opts, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	tab.eval("load()")
	tab.eval(fmt.Sprintf("follow(%q, %s)", feed, opts))
	return tab
}

// waitLive waits until the tab's Feed is live.
func (tab *pageTab) waitLive() {
	tab.t.Helper()
	tab.wait(`feed.state.is === "live"`)
}

// wantGot waits for the last of these, and checks that exactly they came.
func (tab *pageTab) wantGot(want ...string) {
	tab.t.Helper()
	tab.wait(fmt.Sprintf("got.at(-1) === %q", want[len(want)-1]))
	var got []string
	if err := json.Unmarshal([]byte(tab.eval("JSON.stringify(got)")), &got); err != nil {
		tab.t.Fatal(err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		tab.t.Errorf("what came (-want +got):\n%s", diff)
	}
}

// say publishes a text and returns it as a tab notes it.
func (s *pageServer) say(t *testing.T, feed, text string) string {
	t.Helper()
	return s.publish(t, feed, "", "text/plain", text).ID + " " + text
}

// subscribers returns how many readers a feed has.
func (s *pageServer) subscribers(t *testing.T, feed string) int {
	t.Helper()
	_, body := s.do(t, "GET", "/feeds", "", "")
	var list struct {
		Feeds []struct {
			Feed        string
			Subscribers int
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, f := range list.Feeds {
		if f.Feed == feed {
			return f.Subscribers
		}
	}
	return 0
}

// awaitReaders waits until a feed has so many.
func (s *pageServer) awaitReaders(t *testing.T, feed string, want int) {
	t.Helper()
	awaitNumber(t, "readers of "+feed, want, func() int { return s.subscribers(t, feed) })
}

func testFeedStarts(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	for i, tt := range []struct {
		name    string
		query   string
		options func(third string) map[string]any
		want    []int // of the items before, by their numbers
	}{
		{"last", "", func(string) map[string]any { return map[string]any{"last": 2} }, []int{4, 5}},
		{"the last none", "", func(string) map[string]any { return map[string]any{"last": 0} }, nil},
		{"last of all", "", func(string) map[string]any { return map[string]any{"last": 1e9} }, []int{0, 1, 2, 3, 4, 5}},
		{"since an id", "", func(third string) map[string]any { return map[string]any{"since": third, "last": 1} }, []int{3, 4, 5}},
		{"since all", "", func(string) map[string]any { return map[string]any{"since": "all"} }, []int{0, 1, 2, 3, 4, 5}},
		{"since the number 0", "", func(string) map[string]any { return map[string]any{"since": 0, "last": 1} }, []int{0, 1, 2, 3, 4, 5}},
		{"behind an id", "", func(third string) map[string]any { return map[string]any{"lastEventId": third, "since": "all"} }, []int{3, 4, 5}},
		{"behind the number 0", "", func(string) map[string]any { return map[string]any{"lastEventId": 0} }, []int{0, 1, 2, 3, 4, 5}},
		{"behind no id yet", "", func(string) map[string]any { return map[string]any{"lastEventId": "", "last": 1} }, []int{5}},
		{"some names", "", func(string) map[string]any { return map[string]any{"since": "all", "event": []string{"goal", "card"}} }, []int{5}},
		{"now", "", func(string) map[string]any { return nil }, nil},
		{"last in the URL", "?last=2", func(string) map[string]any { return nil }, []int{4, 5}},
		{"since in the URL", "?since=all", func(string) map[string]any { return nil }, []int{0, 1, 2, 3, 4, 5}},
		{"an id in the URL", "?last_event_id=0&event=goal", func(string) map[string]any { return nil }, []int{5}},
		{"names one by one in the URL", "?event=card&event=goal", func(string) map[string]any { return nil }, nil},
		{"in the URL and not", "?since=all", func(third string) map[string]any { return map[string]any{"since": third} }, []int{3, 4, 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			feed := fmt.Sprintf("starts.%d", i)
			var all, want []string
			for i := range 5 {
				all = append(all, s.say(t, feed, fmt.Sprint(i)))
			}
			all = append(all, s.publish(t, feed, "goal", "text/plain", "5").ID+" 5")
			for _, n := range tt.want {
				want = append(want, all[n])
			}
			third, _, _ := strings.Cut(all[2], " ")
			tab := feedTab(t, browser, s.url(), "/feeds/"+feed+tt.query, tt.options(third))
			tab.waitLive()
			want = append(want, s.publish(t, feed, "goal", "text/plain", "live").ID+" live")
			tab.wantGot(want...)
			tab.wantQuiet(noIcon)
		})
	}
	t.Run("an item as it is", func(t *testing.T) {
		tab := feedTab(t, browser, s.url(), "/feeds/news", map[string]any{"lastEventId": "0", "event": "goal"})
		for _, by := range []string{"a page", "the stream"} {
			tab.eval(`feed.addEventListener("item", e => globalThis.item = e.detail), ""`)
			goal := s.publish(t, "news", "goal", "application/json", `{"n":12345678901234567890,"s":"}]"}`)
			tab.wait(fmt.Sprintf("globalThis.item?.id === %q", goal.ID))
			got := tab.eval("JSON.stringify([item.feed, item.event, item.line.replace(/\"time\":\"[^\"]*\",/, ''), typeof item.data.n, feed.lastEventId])")
			line := `{"id":"` + goal.ID + `","feed":"news","event":"goal","data":{"n":12345678901234567890,"s":"}]"}}`
			want, _ := json.Marshal([]string{"news", "goal", line, "number", goal.ID})
			if got != string(want) {
				t.Errorf("by %s the item is\n%s\nnot\n%s", by, got, want)
			}
			tab.waitLive()
		}
	})
}

func testFeedIterates(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	want := []string{s.say(t, "news", "0"), s.say(t, "news", "1")}
	tab := feedTab(t, browser, s.url(), "/feeds/other", nil)
	tab.eval(`feed.close(), ""`)
	tab.eval(`globalThis.seen = []; globalThis.done = ""; follow("/feeds/news", {last: 10});
		(async () => {
			for await (const item of feed) {
				seen.push(item.gap ? "gap " + item.gap.reason : item.id + " " + item.data);
				if (item.data === "leave") break;
			}
			done = "left";
			for await (const item of feed) seen.push(item.id + " " + item.data);
			done = "closed";
		})(); ""`)
	tab.waitLive()
	want = append(want, s.say(t, "news", "2"))
	tab.wantGot(want...)
	s.do(t, "DELETE", "/feeds/news", "", "")
	leave := s.say(t, "news", "leave")
	tab.wait(`done === "left"`)
	after := s.say(t, "news", "after")
	tab.wait(`seen.at(-1)?.endsWith("after")`)
	if got, want := tab.eval(`seen.join()`), strings.Join(append(want, leave, after), ","); got != want {
		t.Errorf("the iterator gave\n%s\nnot\n%s", got, want)
	}
	tab.eval(`feed.close(), ""`)
	tab.wait(`done === "closed" && feed.state.is === "closed"`)
	s.awaitReaders(t, "news", 0)
	tab.wantQuiet(noIcon)
}

func testFeedCut(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	// Each stream breaks somewhat further on: in an item, in a letter, between
	// the data and the id, while more is published.
	const cuts = 40
	var streams atomic.Int32
	front := s.frontForStreams(t, func(w http.ResponseWriter, r *http.Request) {
		n := streams.Add(1)
		if n > cuts {
			s.pass(w, r, 1<<20)
			return
		}
		s.pass(w, r, 80+int64(17*n))
		if n%3 == 0 {
			panic(http.ErrAbortHandler)
		}
	})
	tab := feedTab(t, browser, front, "/feeds/main", nil, hastyPauses)
	tab.waitLive()
	var want []string
	for i := 0; streams.Load() <= cuts; i++ {
		want = append(want, s.say(t, "main", fmt.Sprintf("%d ä %s", i, strings.Repeat("☃", i%40))))
	}
	tab.waitLive()
	want = append(want, s.say(t, "main", "the last"))
	tab.wantGot(want...)
	tab.wantQuiet(noIcon, goneAway)
}

func testFeedGap(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	front, cut, mend := s.frontThatCuts(t)
	want := []string{s.say(t, "news", "seen")}
	var tabs []*pageTab
	for _, share := range []bool{true, true, false} {
		tab := feedTab(t, browser, front, "/feeds/news", map[string]any{"last": 5, "share": share})
		tab.waitLive()
		tabs = append(tabs, tab)
	}
	cut()
	for _, tab := range tabs {
		tab.wait(`feed.state.is === "waiting"`)
	}
	s.say(t, "news", "never seen")
	if status, body := s.do(t, "DELETE", "/feeds/news", "", ""); status != http.StatusOK {
		t.Fatalf("purge: %d %s", status, body)
	}
	mend()
	want = append(want, "gap purged", s.say(t, "news", "kept"))
	for _, tab := range tabs {
		tab.wantGot(want...)
		tab.waitLive()
	}
	want = append(want, s.say(t, "news", "live"))
	for _, tab := range tabs {
		tab.wantGot(want...)
		tab.wantQuiet(noIcon, goneAway)
	}
}

// keepsEventsBack is a proxy that gives a stream's bytes when it has many.
func keepsEventsBack(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func testFeedBuffered(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	want := []string{s.say(t, "news", "first")}
	tab := feedTab(t, browser, s.frontForStreams(t, keepsEventsBack), "/feeds/news", map[string]any{"last": 5})
	tab.wantGot(want...) // at once, whatever becomes of the stream
	tab.wait(`feed.state.by === "polling"`)
	for i := range 20 {
		want = append(want, s.say(t, "news", fmt.Sprint(i)))
	}
	tab.wantGot(want...)
	other := feedTab(t, browser, tab.eval("location.origin"), "/feeds/news", map[string]any{"last": 5})
	other.waitLive()
	say := s.say(t, "news", "to both")
	want = append(want, say)
	tab.wantGot(want...)
	other.wait(fmt.Sprintf("got.at(-1) === %q", say))
	tab.wantQuiet(noIcon)
}

func testFeedNoEventSource(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := feedTab(t, browser, s.url(), "/feeds/news", nil, `delete globalThis.EventSource`)
	tab.wait(`feed.state.by === "polling"`)
	var want []string
	for i := range 5 {
		want = append(want, s.say(t, "news", fmt.Sprint(i)))
		tab.wantGot(want...) // each by an answer of its own
	}
	s.stop(t, syscall.SIGTERM)
	tab.wait(`feed.state.is === "waiting"`)
	s.start(t)
	want = append(want, s.say(t, "news", "after"))
	tab.wantGot(want...)
	tab.wantQuiet(noIcon, goneAway, `status of 503`)
}

// trickle waits before each piece of an answer.
type trickle struct {
	http.ResponseWriter
	wait time.Duration
}

func (w trickle) Write(p []byte) (int, error) {
	time.Sleep(w.wait)
	return w.ResponseWriter.Write(p)
}

func (w trickle) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func testFeedTrickle(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	// The page has two seconds of patience in the place of forty; an answer
	// takes longer, but something of it comes all the time.
	const patience = 2 * time.Second
	front := s.front(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "last=") {
			w = trickle{w, patience / 8}
		}
		s.pass(w, r, 1<<20)
	})
	want := s.say(t, "news", "first")
	tab := feedTab(t, browser, front, "/feeds/news", map[string]any{"last": 1}, fmt.Sprintf(`{
		const hasty = ms => ms === 40_000 ? %d : ms;
		const wait = setTimeout, limit = AbortSignal.timeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, hasty(ms), ...args);
		AbortSignal.timeout = ms => limit.call(AbortSignal, hasty(ms));
	}`, patience.Milliseconds()))
	tab.wantGot(want)
	tab.wantQuiet(noIcon)
}

func testFeedDead(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	var streams atomic.Int32
	front := s.frontForStreams(t, func(w http.ResponseWriter, r *http.Request) {
		if streams.Add(1) > 1 {
			s.pass(w, r, 1<<20)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"cursor\":%q}\n\n", r.URL.Query().Get("last_event_id"))
		http.NewResponseController(w).Flush()
		<-r.Context().Done() // the page must end it
	})
	tab := feedTab(t, browser, front, "/feeds/news", nil, hasty(100, 35_000)) // its patience with a silent stream
	tab.wait(`states.includes("live by stream")`)
	tab.wantGot(s.say(t, "news", "behind the silence"))
	if n := streams.Load(); n < 2 {
		t.Errorf("the item came over the dead connection, of %d", n)
	}
	tab.wantQuiet(noIcon)
}

func testFeedSlow(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := feedTab(t, browser, s.url(), "/feeds/news", nil)
	tab.waitLive()
	// It takes the first item, and then waits to be let on.
	tab.eval(`globalThis.seen = [];
		globalThis.on = Promise.withResolvers();
		(async () => {
			for await (const item of feed) {
				seen.push(item.data);
				await on.promise;
			}
		})(); ""`)
	const n = 5000
	for from := 0; from < n; from += 500 {
		var batch strings.Builder
		for i := range 500 {
			fmt.Fprintln(&batch, from+i)
		}
		if status, body := s.do(t, "POST", "/feeds/news", "application/x-ndjson", batch.String()); status != http.StatusCreated {
			t.Fatalf("publish a batch: %d %s", status, body)
		}
	}
	tab.wait(`got.length >= 1000`)
	tab.eval(`new Promise(resolve => setTimeout(resolve, 300, ""))`) // time for too much to come
	if got := tab.eval(`String(got.length)`); got > "2100" || len(got) != 4 {
		t.Errorf("the feed read %s items ahead of its iterator", got)
	}
	tab.eval(`on.resolve(), ""`)
	tab.wait(fmt.Sprintf(`seen.length >= %d`, n))
	if got := tab.eval(`String(seen.length === 5000 && seen.every((v, i) => v === i))`); got != "true" {
		t.Error("the iterator did not give all items in order")
	}
	tab.wantQuiet(noIcon)
}

func testFeedRefused(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := feedTab(t, browser, s.url(), "/feeds/_stats", nil)
	tab.wait(`feed.state.is === "refused"`)
	if got := tab.eval(`feed.state.problem.status + " " + feed.state.problem.type`); got != "401 unauthorized" {
		t.Errorf("the problem is %s", got)
	}
	if got := tab.eval(`(async () => { for await (const item of feed); })().catch(err => err.name + " " + err.problem.status)`); got != "Refusal 401" {
		t.Errorf("iterating gave %s", got)
	}
	tab.wantQuiet(noIcon, `status of 401`)
}

func testFeedMisused(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	for _, tt := range []struct {
		url     string
		options map[string]any
		want    string
	}{
		{"/feeds/news", map[string]any{"last": "x"}, `refused: last is a number from 0 to 1000, not "x"`},
		{"/feeds/news", map[string]any{"last": -1}, `refused: last is a number from 0 to 1000, not "-1"`},
		{"/feeds/a b", nil, `refused: bad feed name "a b"`},
		{"/feeds", nil, "waiting: The answer is not a feed's page"},
		{"/", nil, "waiting: The answer is not a feed's page"},
	} {
		tab := feedTab(t, browser, s.url(), tt.url, tt.options)
		tab.wait(`feed.state.problem`)
		if got := tab.eval(`feed.state.is + ": " + (feed.state.problem.detail ?? feed.state.problem.title)`); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s with %v: %s, not %s", tt.url, tt.options, got, tt.want)
		}
		tab.wantQuiet(noIcon, `status of 400`)
		tab.close()
	}
}

// testFeedForeign reads streams that are none of a feed.
func testFeedForeign(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	for _, said := range []string{"null", "hello"} {
		var mended atomic.Bool
		front := s.frontForStreams(t, func(w http.ResponseWriter, r *http.Request) {
			if mended.Load() {
				s.pass(w, r, 1<<20)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: "+said+"\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		tab := feedTab(t, browser, front, "/feeds/news", nil, hastyRetries)
		tab.wait(`states.includes("waiting")`)
		mended.Store(true)
		tab.waitLive()
		tab.wantGot(s.say(t, "news", said))
		tab.wantQuiet(noIcon)
		tab.close()
	}
}

func testFeedTooMany(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	refuse := make(chan struct{})
	front := s.frontForStreams(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-refuse:
			s.pass(w, r, 1<<20)
		default:
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: {\"closing\":{\"reason\":\"too-many-subscribers\",\"retry\":300}}\nretry: 300\n\n")
		}
	})
	tab := feedTab(t, browser, front, "/feeds/news", nil)
	tab.wait(`feed.state.is === "waiting" && feed.state.reason === "too-many-subscribers"`)
	if got := tab.eval(`String(states.some(s => s.startsWith("live")))`); got != "false" {
		t.Error("the feed was live in between")
	}
	close(refuse)
	tab.wait(`feed.state.by === "stream"`)
	want := s.say(t, "news", "live")
	tab.wantGot(want)
	tab.do(chromedp.Navigate("about:blank"))
}

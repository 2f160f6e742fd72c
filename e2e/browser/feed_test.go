package browser_test

import (
	"encoding/json"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
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

func testFeedStarts(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
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
				all = append(all, browser.Say(s, feed, fmt.Sprint(i)))
			}
			all = append(all, browser.Publish(s, feed, "goal", "text/plain", "5").ID+" 5")
			for _, n := range tt.want {
				want = append(want, all[n])
			}
			third, _, _ := strings.Cut(all[2], " ")
			tab := b.OpenFeed(t, s.URL(), "/feeds/"+feed+tt.query, tt.options(third))
			tab.WaitLive()
			want = append(want, browser.Publish(s, feed, "goal", "text/plain", "live").ID+" live")
			tab.WantGot(want...)
			tab.WantQuiet(browser.NoIcon)
		})
	}
	t.Run("an item as it is", func(t *testing.T) {
		tab := b.OpenFeed(t, s.URL(), "/feeds/news", map[string]any{"lastEventId": "0", "event": "goal"})
		for _, by := range []string{"a page", "the stream"} {
			tab.Eval(`feed.addEventListener("item", e => globalThis.item = e.detail), ""`)
			goal := browser.Publish(s, "news", "goal", "application/json", `{"n":12345678901234567890,"s":"}]"}`)
			tab.Wait(fmt.Sprintf("globalThis.item?.id === %q", goal.ID))
			got := tab.Eval("JSON.stringify([item.feed, item.event, item.line.replace(/\"time\":\"[^\"]*\",/, ''), typeof item.data.n, feed.lastEventId])")
			line := `{"id":"` + goal.ID + `","feed":"news","event":"goal","data":{"n":12345678901234567890,"s":"}]"}}`
			want, _ := json.Marshal([]string{"news", "goal", line, "number", goal.ID})
			if got != string(want) {
				t.Errorf("by %s the item is\n%s\nnot\n%s", by, got, want)
			}
			tab.WaitLive()
		}
	})
}

func testFeedIterates(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	want := []string{browser.Say(s, "news", "0"), browser.Say(s, "news", "1")}
	tab := b.OpenFeed(t, s.URL(), "/feeds/other", nil)
	tab.CloseFeed()
	tab.Eval(`globalThis.seen = []; globalThis.done = ""; follow("/feeds/news", {last: 10});
		(async () => {
			for await (const item of feed) {
				seen.push(item.gap ? "gap " + item.gap.reason : item.id + " " + item.data);
				if (item.data === "leave") break;
			}
			done = "left";
			for await (const item of feed) seen.push(item.id + " " + item.data);
			done = "closed";
		})(); ""`)
	tab.WaitLive()
	want = append(want, browser.Say(s, "news", "2"))
	tab.WantGot(want...)
	s.Purge("news")
	leave := browser.Say(s, "news", "leave")
	tab.Wait(`done === "left"`)
	after := browser.Say(s, "news", "after")
	tab.Wait(`seen.at(-1)?.endsWith("after")`)
	if got, want := tab.Eval(`seen.join()`), strings.Join(append(want, leave, after), ","); got != want {
		t.Errorf("the iterator gave\n%s\nnot\n%s", got, want)
	}
	tab.CloseFeed()
	tab.Wait(`done === "closed" && feed.state.is === "closed"`)
	s.AwaitSubscribers("news", 0)
	tab.WantQuiet(browser.NoIcon)
}

func testFeedCut(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	// Each stream breaks somewhat further on: in an item, in a letter, between
	// the data and the id, while more is published.
	const cuts = 40
	var streams atomic.Int32
	front := s.FrontForStreams(func(w http.ResponseWriter, r *http.Request) {
		n := streams.Add(1)
		if n > cuts {
			s.Pass(w, r, 1<<20)
			return
		}
		s.Pass(w, r, 80+int64(17*n))
		if n%3 == 0 {
			panic(http.ErrAbortHandler)
		}
	})
	tab := b.OpenFeed(t, front, "/feeds/main", nil, browser.HastyPauses)
	tab.WaitLive()
	var want []string
	for i := 0; streams.Load() <= cuts; i++ {
		want = append(want, browser.Say(s, "main", fmt.Sprintf("%d ä %s", i, strings.Repeat("☃", i%40))))
	}
	tab.WaitLive()
	want = append(want, browser.Say(s, "main", "the last"))
	tab.WantGot(want...)
	tab.WantQuiet(browser.NoIcon, browser.GoneAway)
}

func testFeedGap(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	front, cut, mend := s.FrontThatCuts()
	want := []string{browser.Say(s, "news", "seen")}
	var tabs []*browser.Tab
	for _, share := range []bool{true, true, false} {
		tab := b.OpenFeed(t, front, "/feeds/news", map[string]any{"last": 5, "share": share})
		tab.WaitLive()
		tabs = append(tabs, tab)
	}
	cut()
	for _, tab := range tabs {
		tab.WaitFeed("waiting")
	}
	browser.Say(s, "news", "never seen")
	s.Purge("news")
	mend()
	want = append(want, "gap purged", browser.Say(s, "news", "kept"))
	for _, tab := range tabs {
		tab.WantGot(want...)
		tab.WaitLive()
	}
	want = append(want, browser.Say(s, "news", "live"))
	for _, tab := range tabs {
		tab.WantGot(want...)
		tab.WantQuiet(browser.NoIcon, browser.GoneAway)
	}
}

// keepsEventsBack is a proxy that gives a stream's bytes when it has many.
func keepsEventsBack(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func testFeedBuffered(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	want := []string{browser.Say(s, "news", "first")}
	tab := b.OpenFeed(t, s.FrontForStreams(keepsEventsBack), "/feeds/news", map[string]any{"last": 5})
	tab.WantGot(want...) // at once, whatever becomes of the stream
	tab.WaitFeedBy("polling")
	for i := range 20 {
		want = append(want, browser.Say(s, "news", fmt.Sprint(i)))
	}
	tab.WantGot(want...)
	other := b.OpenFeed(t, tab.Eval("location.origin"), "/feeds/news", map[string]any{"last": 5})
	other.WaitLive()
	say := browser.Say(s, "news", "to both")
	want = append(want, say)
	tab.WantGot(want...)
	other.Wait(fmt.Sprintf("got.at(-1) === %q", say))
	tab.WantQuiet(browser.NoIcon)
}

func testFeedNoEventSource(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenFeed(t, s.URL(), "/feeds/news", nil, `delete globalThis.EventSource`)
	tab.WaitFeedBy("polling")
	var want []string
	for i := range 5 {
		want = append(want, browser.Say(s, "news", fmt.Sprint(i)))
		tab.WantGot(want...) // each by an answer of its own
	}
	s.Stop(syscall.SIGTERM)
	tab.WaitFeed("waiting")
	s.Start()
	want = append(want, browser.Say(s, "news", "after"))
	tab.WantGot(want...)
	tab.WantQuiet(browser.NoIcon, browser.GoneAway, `status of 503`)
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

func testFeedTrickle(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	// The page has two seconds of patience in the place of forty; an answer
	// takes longer, but something of it comes all the time.
	const patience = 2 * time.Second
	front := s.Front(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "last=") {
			w = trickle{w, patience / 8}
		}
		s.Pass(w, r, 1<<20)
	})
	want := browser.Say(s, "news", "first")
	tab := b.OpenFeed(t, front, "/feeds/news", map[string]any{"last": 1}, fmt.Sprintf(`{
		const hasty = ms => ms === 40_000 ? %d : ms;
		const wait = setTimeout, limit = AbortSignal.timeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, hasty(ms), ...args);
		AbortSignal.timeout = ms => limit.call(AbortSignal, hasty(ms));
	}`, patience.Milliseconds()))
	tab.WantGot(want)
	tab.WantQuiet(browser.NoIcon)
}

func testFeedDead(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	var streams atomic.Int32
	front := s.FrontForStreams(func(w http.ResponseWriter, r *http.Request) {
		if streams.Add(1) > 1 {
			s.Pass(w, r, 1<<20)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"cursor\":%q}\n\n", r.URL.Query().Get("last_event_id"))
		http.NewResponseController(w).Flush()
		<-r.Context().Done() // the page must end it
	})
	tab := b.OpenFeed(t, front, "/feeds/news", nil, browser.Hasty(100, 35_000)) // its patience with a silent stream
	tab.Wait(`states.includes("live by stream")`)
	tab.WantGot(browser.Say(s, "news", "behind the silence"))
	if n := streams.Load(); n < 2 {
		t.Errorf("the item came over the dead connection, of %d", n)
	}
	tab.WantQuiet(browser.NoIcon)
}

func testFeedSlow(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenFeed(t, s.URL(), "/feeds/news", nil)
	tab.WaitLive()
	// It takes the first item, and then waits to be let on.
	tab.Eval(`globalThis.seen = [];
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
		s.PublishLines("news", batch.String())
	}
	tab.Wait(`got.length >= 1000`)
	tab.Eval(`new Promise(resolve => setTimeout(resolve, 300, ""))`) // time for too much to come
	if got := tab.Eval(`String(got.length)`); got > "2100" || len(got) != 4 {
		t.Errorf("the feed read %s items ahead of its iterator", got)
	}
	tab.Eval(`on.resolve(), ""`)
	tab.Wait(fmt.Sprintf(`seen.length >= %d`, n))
	if got := tab.Eval(`String(seen.length === 5000 && seen.every((v, i) => v === i))`); got != "true" {
		t.Error("the iterator did not give all items in order")
	}
	tab.WantQuiet(browser.NoIcon)
}

func testFeedRefused(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenFeed(t, s.URL(), "/feeds/_stats", nil)
	tab.WaitFeed("refused")
	if got := tab.Eval(`feed.state.problem.status + " " + feed.state.problem.type`); got != "401 unauthorized" {
		t.Errorf("the problem is %s", got)
	}
	if got := tab.Eval(`(async () => { for await (const item of feed); })().catch(err => err.name + " " + err.problem.status)`); got != "Refusal 401" {
		t.Errorf("iterating gave %s", got)
	}
	tab.WantQuiet(browser.NoIcon, `status of 401`)
}

func testFeedMisused(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
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
		tab := b.OpenFeed(t, s.URL(), tt.url, tt.options)
		tab.Wait(`feed.state.problem`)
		if got := tab.Eval(`feed.state.is + ": " + (feed.state.problem.detail ?? feed.state.problem.title)`); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s with %v: %s, not %s", tt.url, tt.options, got, tt.want)
		}
		tab.WantQuiet(browser.NoIcon, `status of 400`)
		tab.Close()
	}
}

// testFeedForeign reads streams that are none of a feed.
func testFeedForeign(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	for _, said := range []string{"null", "hello"} {
		var mended atomic.Bool
		front := s.FrontForStreams(func(w http.ResponseWriter, r *http.Request) {
			if mended.Load() {
				s.Pass(w, r, 1<<20)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: "+said+"\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		tab := b.OpenFeed(t, front, "/feeds/news", nil, browser.HastyRetries)
		tab.Wait(`states.includes("waiting")`)
		mended.Store(true)
		tab.WaitLive()
		tab.WantGot(browser.Say(s, "news", said))
		tab.WantQuiet(browser.NoIcon)
		tab.Close()
	}
}

func testFeedTooMany(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	refuse := make(chan struct{})
	front := s.FrontForStreams(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-refuse:
			s.Pass(w, r, 1<<20)
		default:
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: {\"closing\":{\"reason\":\"too-many-subscribers\",\"retry\":300}}\nretry: 300\n\n")
		}
	})
	tab := b.OpenFeed(t, front, "/feeds/news", nil)
	tab.Wait(`feed.state.is === "waiting" && feed.state.reason === "too-many-subscribers"`)
	if got := tab.Eval(`String(states.some(s => s.startsWith("live")))`); got != "false" {
		t.Error("the feed was live in between")
	}
	close(refuse)
	tab.WaitFeedBy("stream")
	want := browser.Say(s, "news", "live")
	tab.WantGot(want)
	tab.Navigate("about:blank")
}

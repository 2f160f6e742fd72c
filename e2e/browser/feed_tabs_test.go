package browser_test

import (
	"cmp"
	"context"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestFeedTabs has many tabs, which share a connection: each gets every item of its
// own once and in order (P1), whichever tab goes or sleeps (P3).
func TestFeedTabs(t *testing.T) {
	inBrowser(t, []browserTest{
		{"P3 many tabs share one connection, and survive its tab and the server", testFeedShared},
		{"P3 tabs with other feeds share it, too", testFeedUnion},
		{"P1 an answer to the feeds before is not taken for one to all", testFeedUnionLate},
		{"tabs that are gone leave room on it", testFeedUnionOutgrown},
		{"a feed that is closed to one tab is so to that one only", testFeedUnionRefused},
		{"what is refused only together is read apart", testFeedUnionTooLarge},
		{"takes the connection from a tab that sleeps", testFeedAsleep},
		{"P3 a tab that crashes leaves the others whole", testFeedCrashed},
	})
}

func testFeedShared(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	want := []string{browser.Say(s, "news", "first")}
	// More tabs than HTTP/1.1 has connections for.
	var tabs []*browser.Tab
	for range 8 {
		tabs = append(tabs, b.OpenFeed(t, s.URL(), "/feeds/news", map[string]any{"last": 5}))
	}
	all := func(check func(tab *browser.Tab)) {
		t.Helper()
		for _, tab := range tabs {
			check(tab)
		}
	}
	all((*browser.Tab).WaitLive)
	say := func(text string) { want = append(want, browser.Say(s, "news", text)) }
	say("live")
	all(func(tab *browser.Tab) { tab.WantGot(want...) })
	if n := s.Subscribers("news"); n != 1 {
		t.Errorf("%d tabs have %d connections", len(tabs), n)
	}

	// The first tab has the connection. It goes while more is published.
	stop := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				say(fmt.Sprintf("while it goes %d", i))
			}
		}
	})
	tabs[0].Close()
	tabs = tabs[1:]
	s.AwaitSubscribers("news", 1)
	close(stop)
	publisher.Wait()
	say("after it went")
	all(func(tab *browser.Tab) { tab.WantGot(want...) })

	for _, how := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		s.Stop(how)
		all(func(tab *browser.Tab) { tab.WaitFeed("waiting") })
		s.Start()
		say("while they wait")
		all((*browser.Tab).WaitLive)
		say("live again")
		all(func(tab *browser.Tab) { tab.WantGot(want...) })
	}
	if n := s.Subscribers("news"); n != 1 {
		t.Errorf("%d tabs have %d connections", len(tabs), n)
	}
	all(func(tab *browser.Tab) { tab.WantQuiet(browser.NoIcon, browser.GoneAway) })
}

func testFeedAsleep(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	// This tab has the lock, and says nothing.
	sleeper := b.Open(t, s.URL()+"/shared/style.css")
	sleeper.Eval(`new Promise(resolve => navigator.locks.request("feedd 2 " + location.origin + "/feeds/", () => {
		resolve("");
		return new Promise(() => {});
	}).catch(err => globalThis.lost = err.name))`)
	want := []string{browser.Say(s, "news", "first")}
	tab := b.OpenFeed(t, s.URL(), "/feeds/news", map[string]any{"last": 5})
	tab.WaitLive()
	sleeper.Wait(`globalThis.lost === "AbortError"`)
	want = append(want, browser.Say(s, "news", "live"))
	tab.WantGot(want...)

	// A Feed that wakes up and finds its lock gone hears the other tab.
	tab.Eval(`new Promise(resolve => navigator.locks.request("feedd 2 " + location.origin + "/feeds/", {steal: true}, () => {
		setTimeout(resolve, 100, "");
	}))`)
	s.AwaitSubscribers("news", 1)
	want = append(want, browser.Say(s, "news", "again"))
	tab.WantGot(want...)
	tab.WantQuiet(browser.NoIcon)
}

func testFeedCrashed(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	want := []string{browser.Say(s, "news", "first")}
	var tabs []*browser.Tab
	for range 3 {
		tab := b.OpenFeed(t, s.URL(), "/feeds/news", map[string]any{"last": 5})
		tab.WaitLive()
		tabs = append(tabs, tab)
	}
	// The first has the connection. Nothing answers a crash.
	var crash sync.WaitGroup
	crash.Go(func() {
		chromedp.Do(tabs[0].Context(), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, page.Crash, cdp.Empty{})
			return err
		}))
	})
	for _, tab := range tabs[1:] {
		tab.Wait(`states.lastIndexOf("connecting") > states.indexOf("live by stream")`)
	}
	tabs[0].Close()
	crash.Wait()
	want = append(want, browser.Say(s, "news", "after the crash"))
	for _, tab := range tabs[1:] {
		tab.WaitLive()
		tab.WantGot(want...)
		tab.WantQuiet(browser.NoIcon)
	}
	s.AwaitConnections(1)
}

func testFeedUnion(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	wants := []struct {
		selector string
		event    string
		feeds    []string // of those below
	}{
		{"news", "", []string{"news"}},
		{"sports.*", "", []string{"sports.ski", "sports.golf"}},
		{"sports.**", "goal", []string{"sports.ski", "sports.golf", "sports.ski.jump"}},
		{"news,sports.golf", "message", []string{"news", "sports.golf"}},
		{"*", "", []string{"news", "newspaper"}},
		{"**", "goal,card", []string{"news", "newspaper", "sports.ski", "sports.golf", "sports.ski.jump"}},
		{"a.b.c", "", nil},
	}
	var tabs []*browser.Tab
	want := make([][]string, len(wants))
	for _, w := range wants {
		tab := b.OpenFeed(t, s.URL(), "/feeds/"+w.selector, map[string]any{"event": w.event})
		tab.WaitLive()
		tabs = append(tabs, tab)
	}
	publish := func(round int) {
		for _, feed := range []string{"news", "newspaper", "sports.ski", "sports.golf", "sports.ski.jump"} {
			for _, event := range []string{"", "goal"} {
				text := fmt.Sprintf("%d %s %s", round, feed, event)
				got := browser.Publish(s, feed, event, "text/plain", text).ID + " " + text
				for i, w := range wants {
					passes := w.event == "" || strings.Contains(w.event, cmp.Or(event, "message"))
					if passes && slices.Contains(w.feeds, feed) {
						want[i] = append(want[i], got)
					}
				}
			}
		}
	}
	check := func() {
		t.Helper()
		for i, tab := range tabs {
			if len(want[i]) > 0 {
				tab.WantGot(want[i]...)
			} else if got := tab.Eval(`got.join()`); got != "" {
				t.Errorf("%s got %s", wants[i].selector, got)
			}
		}
	}
	publish(1)
	check()
	if n := s.Connections(); n != 1 {
		t.Errorf("%d tabs have %d connections", len(tabs), n)
	}
	// The tab with the connection goes, and then the server.
	tabs[0].Close()
	tabs, wants, want = tabs[1:], wants[1:], want[1:]
	publish(2)
	check()
	s.Restart(syscall.SIGKILL)
	publish(3)
	check()
	for _, tab := range tabs {
		tab.WaitLive()
	}
	if n := s.Connections(); n != 1 {
		t.Errorf("%d tabs have %d connections", len(tabs), n)
	}
	for _, tab := range tabs {
		tab.WantQuiet(browser.NoIcon, browser.GoneAway)
	}
}

// holdAnswers keeps an answer that has come whole from the script, while hold is
// set, as a busy machine does for a moment: what else happens comes before it.
const holdAnswers = `
	globalThis.hold = %t;
	{
		const text = Response.prototype.text;
		Response.prototype.text = async function() {
			const whole = await text.call(this);
			if (hold) await new Promise(resolve => globalThis.release = () => { hold = false; resolve(); return ""; });
			return whole;
		};
	}`

// The tab with the connection has an answer in its hands when it learns that
// another wants more.
func testFeedUnionLate(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	browser.Say(s, "news", "before")
	first := b.OpenFeed(t, s.URL(), "/feeds/news", nil, `delete globalThis.EventSource;`, fmt.Sprintf(holdAnswers, false))
	first.WaitLive()
	s.AwaitSubscribers("news", 1)
	first.Eval(`hold = true, ""`)
	second := b.OpenFeed(t, s.URL(), "/feeds/sports", nil, fmt.Sprintf(holdAnswers, true))
	second.Wait(`globalThis.release`)
	sports := browser.Say(s, "sports", "while the answer is on its way")
	news := browser.Say(s, "news", "the answer")
	first.Wait(`globalThis.release`)
	second.Eval(`release()`)
	second.WaitLive()
	first.Eval(`release()`)
	second.WantGot(sports, browser.Say(s, "sports", "after it"))
	first.WantGot(news)
	for _, tab := range []*browser.Tab{first, second} {
		tab.WantQuiet(browser.NoIcon)
	}
}

func testFeedUnionOutgrown(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenFeed(t, s.URL(), "/feeds/first", nil)
	tab.WaitLive()
	stays := b.OpenFeed(t, s.URL(), "/feeds/stays", nil)
	stays.WaitLive()
	// Others come and go, with more names than one connection has.
	for i := range 3 {
		var names []string
		for j := range 30 {
			names = append(names, fmt.Sprintf("gone.%d.%d", i, j))
		}
		gone := b.OpenFeed(t, s.URL(), "/feeds/"+strings.Join(names, ","), nil)
		gone.WaitLive()
		gone.WantGot(browser.Say(s, names[0], "to the one that goes"))
		s.AwaitConnections(1)
		gone.Close()
	}
	tab.WantGot(browser.Say(s, "first", "to the first"))
	stays.WantGot(browser.Say(s, "stays", "to the one that stays"))
}

func testFeedUnionRefused(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	// To a front that knows of a feed that was closed after its tab began.
	closed := make(chan struct{})
	front := s.Front(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-closed:
			if strings.Contains(r.URL.Path, "closed") {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusUnauthorized)
				io.WriteString(w, `{"status":401,"type":"unauthorized","title":"A valid credential is needed"}`)
				return
			}
		default:
		}
		s.Pass(w, r, 1<<20)
	})
	open := b.OpenFeed(t, front, "/feeds/open", nil)
	open.WaitLive()
	shut := b.OpenFeed(t, front, "/feeds/closed", nil)
	shut.WaitLive()
	var others []*browser.Tab
	for _, feed := range []string{"a", "b"} {
		other := b.OpenFeed(t, front, "/feeds/"+feed, nil)
		other.WaitLive()
		others = append(others, other)
	}
	first := browser.Say(s, "open", "first")
	open.WantGot(first)
	shut.WantGot(browser.Say(s, "closed", "first"))
	close(closed)
	s.Restart(syscall.SIGKILL)
	shut.WaitFeed("refused")
	open.WaitLive()
	open.WantGot(first, browser.Say(s, "open", "second"))
	for i, feed := range []string{"a", "b"} {
		others[i].WantGot(browser.Say(s, feed, "to who was let in"))
	}
	s.AwaitConnections(1)
}

func testFeedUnionTooLarge(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	// The third tab takes its time to find out that it is not the one who is
	// refused: the others have come together again by then.
	const slow = 300 * time.Millisecond
	alone, apart := context.WithCancel(t.Context())
	front := s.Front(func(w http.ResponseWriter, r *http.Request) {
		third := r.URL.Path == "/feeds/third"
		switch {
		case strings.Count(r.URL.Path, ",") > 1:
			w.WriteHeader(http.StatusRequestURITooLong)
			return
		case third && r.Header.Get("Accept") == "text/event-stream":
			apart()
		case third:
			time.Sleep(slow)
		}
		s.Pass(w, r, 1<<20)
	})
	feeds := []string{"first", "second", "third"}
	var tabs []*browser.Tab
	for _, feed := range feeds {
		tab := b.OpenFeed(t, front, "/feeds/"+feed, nil)
		tab.Wait(`feed.lastEventId !== ""`)
		tabs = append(tabs, tab)
	}
	select {
	case <-alone.Done():
	case <-time.After(harness.Patience):
		t.Error("the third tab has no connection of its own")
	}
	for i, feed := range feeds {
		tabs[i].WantGot(browser.Say(s, feed, "to who reads it"))
	}
}

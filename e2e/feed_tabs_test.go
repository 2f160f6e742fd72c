package e2e

import (
	"cmp"
	"context"
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

func testFeedShared(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	want := []string{s.say(t, "news", "first")}
	// More tabs than HTTP/1.1 has connections for.
	var tabs []*pageTab
	for range 8 {
		tabs = append(tabs, feedTab(t, browser, s.url(), "/feeds/news", map[string]any{"last": 5}))
	}
	all := func(check func(tab *pageTab)) {
		t.Helper()
		for _, tab := range tabs {
			check(tab)
		}
	}
	all((*pageTab).waitLive)
	say := func(text string) { want = append(want, s.say(t, "news", text)) }
	say("live")
	all(func(tab *pageTab) { tab.wantGot(want...) })
	if n := s.subscribers(t, "news"); n != 1 {
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
	tabs[0].close()
	tabs = tabs[1:]
	s.awaitReaders(t, "news", 1)
	close(stop)
	publisher.Wait()
	say("after it went")
	all(func(tab *pageTab) { tab.wantGot(want...) })

	for _, how := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		s.stop(t, how)
		all(func(tab *pageTab) { tab.wait(`feed.state.is === "waiting"`) })
		s.start(t)
		say("while they wait")
		all((*pageTab).waitLive)
		say("live again")
		all(func(tab *pageTab) { tab.wantGot(want...) })
	}
	if n := s.subscribers(t, "news"); n != 1 {
		t.Errorf("%d tabs have %d connections", len(tabs), n)
	}
	all(func(tab *pageTab) { tab.wantQuiet(noIcon, goneAway) })
}

func testFeedAsleep(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	// This tab has the lock, and says nothing.
	sleeper := openPage(t, browser, s.url()+"/shared/style.css")
	sleeper.eval(`new Promise(resolve => navigator.locks.request("feedd 2 " + location.origin + "/feeds/", () => {
		resolve("");
		return new Promise(() => {});
	}).catch(err => globalThis.lost = err.name))`)
	want := []string{s.say(t, "news", "first")}
	tab := feedTab(t, browser, s.url(), "/feeds/news", map[string]any{"last": 5})
	tab.waitLive()
	sleeper.wait(`globalThis.lost === "AbortError"`)
	want = append(want, s.say(t, "news", "live"))
	tab.wantGot(want...)

	// A Feed that wakes up and finds its lock gone hears the other tab.
	tab.eval(`new Promise(resolve => navigator.locks.request("feedd 2 " + location.origin + "/feeds/", {steal: true}, () => {
		setTimeout(resolve, 100, "");
	}))`)
	s.awaitReaders(t, "news", 1)
	want = append(want, s.say(t, "news", "again"))
	tab.wantGot(want...)
	tab.wantQuiet(noIcon)
}

func testFeedCrashed(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	want := []string{s.say(t, "news", "first")}
	var tabs []*pageTab
	for range 3 {
		tab := feedTab(t, browser, s.url(), "/feeds/news", map[string]any{"last": 5})
		tab.waitLive()
		tabs = append(tabs, tab)
	}
	// The first has the connection. Nothing answers a crash.
	var crash sync.WaitGroup
	crash.Go(func() {
		chromedp.Do(tabs[0].ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, page.Crash, cdp.Empty{})
			return err
		}))
	})
	for _, tab := range tabs[1:] {
		tab.wait(`states.lastIndexOf("connecting") > states.indexOf("live by stream")`)
	}
	tabs[0].close()
	crash.Wait()
	want = append(want, s.say(t, "news", "after the crash"))
	for _, tab := range tabs[1:] {
		tab.waitLive()
		tab.wantGot(want...)
		tab.wantQuiet(noIcon)
	}
	awaitNumber(t, "connections", 1, func() int { return connections(t, s.address) })
}

func testFeedUnion(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
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
	var tabs []*pageTab
	want := make([][]string, len(wants))
	for _, w := range wants {
		tab := feedTab(t, browser, s.url(), "/feeds/"+w.selector, map[string]any{"event": w.event})
		tab.waitLive()
		tabs = append(tabs, tab)
	}
	publish := func(round int) {
		for _, feed := range []string{"news", "newspaper", "sports.ski", "sports.golf", "sports.ski.jump"} {
			for _, event := range []string{"", "goal"} {
				text := fmt.Sprintf("%d %s %s", round, feed, event)
				got := s.publish(t, feed, event, "text/plain", text).ID + " " + text
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
				tab.wantGot(want[i]...)
			} else if got := tab.eval(`got.join()`); got != "" {
				t.Errorf("%s got %s", wants[i].selector, got)
			}
		}
	}
	publish(1)
	check()
	if n := connections(t, s.address); n != 1 {
		t.Errorf("%d tabs have %d connections", len(tabs), n)
	}
	// The tab with the connection goes, and then the server.
	tabs[0].close()
	tabs, wants, want = tabs[1:], wants[1:], want[1:]
	publish(2)
	check()
	s.stop(t, syscall.SIGKILL)
	s.start(t)
	publish(3)
	check()
	for _, tab := range tabs {
		tab.waitLive()
	}
	if n := connections(t, s.address); n != 1 {
		t.Errorf("%d tabs have %d connections", len(tabs), n)
	}
	for _, tab := range tabs {
		tab.wantQuiet(noIcon, goneAway)
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
func testFeedUnionLate(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.say(t, "news", "before")
	first := feedTab(t, browser, s.url(), "/feeds/news", nil, `delete globalThis.EventSource;`, fmt.Sprintf(holdAnswers, false))
	first.waitLive()
	s.awaitReaders(t, "news", 1)
	first.eval(`hold = true, ""`)
	second := feedTab(t, browser, s.url(), "/feeds/sports", nil, fmt.Sprintf(holdAnswers, true))
	second.wait(`globalThis.release`)
	sports := s.say(t, "sports", "while the answer is on its way")
	news := s.say(t, "news", "the answer")
	first.wait(`globalThis.release`)
	second.eval(`release()`)
	second.waitLive()
	first.eval(`release()`)
	second.wantGot(sports, s.say(t, "sports", "after it"))
	first.wantGot(news)
	for _, tab := range []*pageTab{first, second} {
		tab.wantQuiet(noIcon)
	}
}

func testFeedUnionOutgrown(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := feedTab(t, browser, s.url(), "/feeds/first", nil)
	tab.waitLive()
	stays := feedTab(t, browser, s.url(), "/feeds/stays", nil)
	stays.waitLive()
	// Others come and go, with more names than one connection has.
	for i := range 3 {
		var names []string
		for j := range 30 {
			names = append(names, fmt.Sprintf("gone.%d.%d", i, j))
		}
		gone := feedTab(t, browser, s.url(), "/feeds/"+strings.Join(names, ","), nil)
		gone.waitLive()
		gone.wantGot(s.say(t, names[0], "to the one that goes"))
		awaitNumber(t, "connections", 1, func() int { return connections(t, s.address) })
		gone.close()
	}
	tab.wantGot(s.say(t, "first", "to the first"))
	stays.wantGot(s.say(t, "stays", "to the one that stays"))
}

func testFeedUnionRefused(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	// To a front that knows of a feed that was closed after its tab began.
	closed := make(chan struct{})
	front := s.front(t, func(w http.ResponseWriter, r *http.Request) {
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
		s.pass(w, r, 1<<20)
	})
	open := feedTab(t, browser, front, "/feeds/open", nil)
	open.waitLive()
	shut := feedTab(t, browser, front, "/feeds/closed", nil)
	shut.waitLive()
	var others []*pageTab
	for _, feed := range []string{"a", "b"} {
		other := feedTab(t, browser, front, "/feeds/"+feed, nil)
		other.waitLive()
		others = append(others, other)
	}
	first := s.say(t, "open", "first")
	open.wantGot(first)
	shut.wantGot(s.say(t, "closed", "first"))
	close(closed)
	s.stop(t, syscall.SIGKILL)
	s.start(t)
	shut.wait(`feed.state.is === "refused"`)
	open.waitLive()
	open.wantGot(first, s.say(t, "open", "second"))
	for i, feed := range []string{"a", "b"} {
		others[i].wantGot(s.say(t, feed, "to who was let in"))
	}
	awaitNumber(t, "connections", 1, func() int { return connections(t, s.address) })
}

func testFeedUnionTooLarge(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	// The third tab takes its time to find out that it is not the one who is
	// refused: the others have come together again by then.
	const slow = 300 * time.Millisecond
	alone, apart := context.WithCancel(t.Context())
	front := s.front(t, func(w http.ResponseWriter, r *http.Request) {
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
		s.pass(w, r, 1<<20)
	})
	feeds := []string{"first", "second", "third"}
	var tabs []*pageTab
	for _, feed := range feeds {
		tab := feedTab(t, browser, front, "/feeds/"+feed, nil)
		tab.wait(`feed.lastEventId !== ""`)
		tabs = append(tabs, tab)
	}
	select {
	case <-alone.Done():
	case <-time.After(pagePatience):
		t.Error("the third tab has no connection of its own")
	}
	for i, feed := range feeds {
		tabs[i].wantGot(s.say(t, feed, "to who reads it"))
	}
}

package browser_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// TestReaderHeld reads, pauses and goes down while items come: they are counted, and
// none is missed when the reader lets go (P3), or its loss is told (P4).
func TestReaderHeld(t *testing.T) {
	inBrowser(t, []browserTest{
		{"counts while it is paused, and misses nothing", testReaderPauses},
		{"counts what comes while the reader is further down or in an item", testReaderHolds},
		{"begins at the newest when too many wait", testReaderTooMany},
		{"counts anew what waits for another filter", testReaderRecounts},
		{"counts once what it reads before its stream brings it", testReaderCountsOnce},
		{"marks what went while it was paused", testReaderPausedGap},
		{"marks what went once where the stream tells it late", testReaderLateGap},
		{"goes all the way up when more wait than it knows of", testReaderCatchesUp},
		{"stays at the newest while older items are on their way", testReaderOlderLate},
		{"leaves no hole where older items come before newer ones", testReaderBothLate},
		{"goes on upwards when it resumes at the upper end", testReaderResumesApart},
	})
}

func testReaderPauses(t *testing.T, b *browser.Browser) {
	s, tab := openReader(t, b, 10)
	tab.Press("p")
	tab.WaitPaused()
	for i := range 37 {
		s.Batch("main", 10+i, 1)
	}
	tab.WaitPausedBehind(37)
	// The button that says so lies on no other.
	if got := tab.Eval(`(() => {
		const {top, right, bottom, left} = document.querySelector("#new").getBoundingClientRect();
		return [...document.querySelectorAll("a, button:not(#new), input, #connection")].filter(element => {
			const box = element.getBoundingClientRect();
			return box.width && box.top < bottom && box.bottom > top && box.left < right && box.right > left;
		}).map(element => element.outerHTML).join("\n");
	})()`); got != "" {
		t.Errorf("the count of new items covers\n%s", got)
	}
	tab.WantRun(0, 9)
	// What comes while it catches up is neither lost nor doubled.
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		// Not as fast as it can be: a page beside a busy machine keeps up with it.
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		for n := 47; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			case <-pace.C:
				s.Batch("main", n, 1)
			}
		}
	}()
	tab.Wait(`document.querySelector("#details").textContent > ", paused, behind by 45"`)
	tab.Click("#pause")
	tab.Wait(`document.querySelector("#new").hidden && document.querySelector("#details").textContent === ""`)
	for i := range 20 { // off and on
		tab.Press("p")
		tab.Eval(fmt.Sprintf(`new Promise(resolve => setTimeout(resolve, %d, ""))`, i))
		tab.Press("p")
	}
	close(stop)
	n := <-done
	s.Batch("main", n, 1)
	tab.WaitAllShown(strconv.Itoa(n))
	// It may have begun anew meanwhile, if too many waited.
	if first, last := tab.WantDense(); last != n {
		t.Errorf("at the end there are %d to %d, not to %d", first, last, n)
	}
	tab.WantQuiet()
}

func testReaderHolds(t *testing.T, b *browser.Browser) {
	s, tab := openReader(t, b, 50)
	tab.Scroll(1200)
	tab.Wait(`scrollY === 1200`)
	tab.TwoFrames()
	s.Batch("main", 50, 20)
	tab.WaitNewButton(20)
	tab.Wait(`(({left, top}) => document.elementFromPoint(left + 20, top + 5)?.id === "new")(document.querySelector("#new").getBoundingClientRect())`)
	tab.WantRun(0, 49)
	tab.Click("#new")
	tab.Wait(`rows()[0]?.text === "69" && scrollY === 0`)

	// By keys: j goes into the list, which then stands still.
	tab.Press("j")
	tab.Press("j")
	tab.Press("j")
	tab.Press("k")
	if got := tab.Eval(`document.activeElement.querySelector(".data").textContent`); got != "68" {
		t.Errorf("the keys led to item %q", got)
	}
	s.Batch("main", 70, 3)
	tab.WaitNewButton(3)
	if got := tab.Rows()[0].Text; got != "69" {
		t.Errorf("the list moved to %s while the reader was in an item", got)
	}
	tab.Press(kb.Escape)
	tab.Wait(`rows()[0]?.text === "72" && document.querySelector("#new").hidden`)
	tab.WantDense()

	// The keys can be switched off.
	// By script: to scroll down to it would load older items, which move it.
	tab.ClickByScript("#shortcuts")
	tab.Press("p")
	if got := tab.Text("#pause"); got != "Pause" {
		t.Error("a key that is off paused the page")
	}
	tab.WantQuiet()
}

func testReaderTooMany(t *testing.T, b *browser.Browser) {
	s, tab := openReader(t, b, 10)
	tab.Click("#pause")
	s.Batch("main", 10, 3000)
	tab.WaitPausedBehind(3_000)
	tab.WantRun(0, 9)
	tab.Click("#pause")
	tab.Wait(`rows()[0]?.text === "3009" && rows().length === 50`)
	tab.WantRun(2960, 3009)
	s.Batch("main", 3010, 1)
	tab.WaitNewest("3010")
	if got := tab.Eval(`document.activeElement.id`); got != "pause" {
		t.Errorf("the focus went from the button to %q", got)
	}
	// What a feed begins with is there also while the page is paused.
	s.Batch("other", 0, 5)
	tab.Press("p")
	tab.WaitPaused()
	tab.Choose("other")
	tab.Wait(`rows()[0]?.text === "4" && state() === "live"`)
	s.Batch("other", 5, 2)
	tab.WaitPausedBehind(2)
	tab.WantRun(0, 4)
	tab.WantQuiet()
}

func testReaderRecounts(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	// All that comes is kept.
	s.Want(http.StatusOK, "PUT", "/feeds/main/settings", "application/json", `{"retention":{"max_items":0}}`)
	s.Batch("main", 0, 10)
	tab := b.Open(t, s.URL())
	tab.WaitRows(10)
	tab.WaitState("live")
	tab.Pause()
	s.Batch("main", 10, 3000)
	tab.WaitPausedBehind(3_000)

	tab.Filter("300") // 300, 1300, 2300 and ten more
	tab.WaitPausedBehind(13)
	s.Batch("main", 3299, 2)
	tab.WaitNewButton(14)
	tab.Filter("")
	tab.WaitPausedBehind(3_002)
	tab.Filter("of nobody")
	tab.WaitPausedBehind(0)
	tab.Filter("10") // also the first of all
	s.Batch("main", 10, 1)
	tab.WaitPausedBehind(160)
	// What comes while it is counted is counted once.
	tab.Eval(`(() => { const real = fetch; globalThis.gate = Promise.withResolvers();
		globalThis.fetch = async (...asked) => { const answer = await real(...asked);
			if (String(asked[0]).includes("limit=1000") && !(await answer.clone().json()).more) { gate.asked = true; await gate.promise; }
			return answer; }; return ""; })()`)
	tab.Filter("300")
	tab.Wait(`gate.asked === true`)
	s.Batch("main", 300, 1)
	tab.WaitPausedBehind(161)
	tab.Eval(`gate.resolve(), ""`)
	tab.WaitPausedBehind(15)

	// Not all of very many is looked through. The last of them has the text.
	tab.Filter("1008999")
	tab.WaitPausedBehind(0)
	s.Batch("main", 1_000_000, 9000)
	tab.WaitPausedBehind(1)
	tab.Filter("")
	tab.WaitText("#new", "10,001 or more new items, show")
	// Few of the first match: the page does not look through all the others for
	// more.
	tab.Filter("100899")
	tab.WaitPausedBehind(0)
	tab.Click("#pause")
	tab.Wait(`rows()[0]?.text === "1008999" && rows().length === 10 && document.querySelector("#details").textContent === ""`)
	tab.Filter("")
	tab.Wait(`rows().length >= 50`)
	s.Batch("main", 1_009_000, 1)
	tab.WaitNewest("1009000")
	tab.WantQuiet()
}

func testReaderCountsOnce(t *testing.T, b *browser.Browser) {
	s, tab := openReader(t, b, 10, browser.SlowStream)
	tab.Pause()
	s.Batch("main", 10, 3)
	tab.WaitPausedBehind(3)
	tab.HoldStream()
	s.Batch("main", 13, 2)
	tab.Filter("1")
	tab.WaitPausedBehind(5)
	s.Batch("main", 15, 1)
	tab.FreeStream()
	tab.WaitStreamShown("15")
	if got := tab.Text("#details"); got != ", paused, behind by 6" {
		t.Errorf("the page says %q, not that 6 wait", got)
	}
	tab.WantQuiet()
}

func testReaderPausedGap(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	want := []browser.Row{browser.Publish(s, "main", "", "text/plain", "seen")}
	tab := b.Open(t, s.URL())
	tab.WaitRows(1)
	tab.WaitState("live")
	tab.Pause()
	browser.Publish(s, "main", "", "text/plain", "never seen")
	tab.WaitPausedBehind(1)
	s.Purge("main")
	want = append(want, browser.Row{Gap: true, Text: "items are missing here: purged"}, browser.Publish(s, "main", "", "text/plain", "kept"))
	tab.WaitPausedBehind(2)
	tab.Click("#pause")
	tab.WaitRows(3)
	want = append(want, browser.Publish(s, "main", "", "text/plain", "live"))
	tab.WaitRows(4)
	tab.WantRows(want)
	tab.WantQuiet()
}

// A loss that a page of newer items told is told again by the Feed, which asks
// for itself.
func testReaderLateGap(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	front, cut, mend := s.FrontThatCuts()
	want := []browser.Row{browser.Publish(s, "main", "", "text/plain", "seen")}
	tab := b.Open(t, front, browser.HastyPauses, browser.Gates)
	tab.WaitRows(1)
	for _, meanwhile := range []bool{false, true} { // while the page of newer ones is asked for
		tab.WaitState("live")
		tab.Press("p")
		browser.Publish(s, "main", "", "text/plain", "never seen")
		tab.WaitPausedBehind(1)
		cut()
		tab.WaitState("reconnecting")
		browser.Publish(s, "main", "", "text/plain", "nor this")
		s.Purge("main")
		want = append(want, browser.Row{Gap: true, Text: "items are missing here: purged"}, browser.Publish(s, "main", "", "text/plain", "kept"))
		tab.ShutOf("/feed.js", "limit=1000") // its connection may ask the same
		mend()
		tab.Wait(`state() === "live" && asked("limit=1000")`)
		if meanwhile {
			tab.Shut("limit=500")
			tab.Press("p")
			tab.WaitAsked("limit=500")
			tab.Release("limit=1000")
			tab.WaitText("#details", ", behind by 2")
			tab.Release("limit=500")
		} else {
			tab.Press("p")
			tab.WaitRows(len(want))
			tab.Release("limit=1000")
		}
		want = append(want, browser.Publish(s, "main", "", "text/plain", "live"))
		tab.Wait(`rows()[0]?.id === "` + want[len(want)-1].ID + `"`)
		tab.WantRows(want)
	}
	tab.WantQuiet(browser.GoneAway)
}

func testReaderCatchesUp(t *testing.T, b *browser.Browser) {
	s, tab := openReader(t, b, 10, browser.SlowStream)
	tab.Click("#pause")
	s.Batch("main", 10, 300)
	tab.WaitPausedBehind(300)
	tab.HoldStream()
	s.Batch("main", 310, 400)
	tab.Click("#pause")
	tab.Wait(`rows()[0]?.text === "709" && scrollY === 0`)
	tab.WantDense()
	tab.FreeStream()
	s.Batch("main", 710, 1)
	tab.WaitAllShown("710")
	tab.WantDense()
	tab.WantQuiet()
}

// deep opens a page and scrolls down until it has as many rows as it may.
func deep(t *testing.T, b *browser.Browser, s *harness.Server) *browser.Tab {
	t.Helper()
	s.Batch("main", 0, 600)
	tab := b.Open(t, s.URL(), browser.Gates)
	tab.WaitRows(50)
	tab.WaitState("live")
	tab.Wait(`(scrollTo(0, 1e6), rows().length === 500)`)
	tab.Wait(`document.querySelector("#items.flows") === null`)
	return tab
}

func testReaderBothLate(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := deep(t, b, s)
	if got := tab.Rows()[0].Text; got != "599" {
		t.Fatalf("the first row is %s already", got)
	}
	tab.Eval(`shut("before="), shut("last_event_id="), ""`)
	tab.ScrollDownUntilAsked("before=")
	s.Batch("main", 600, 1)
	tab.WaitNewButton(1)
	tab.Scroll(0)
	tab.WaitAsked("last_event_id=")
	tab.Scroll(browser.Bottom)
	tab.Wait(`scrollY > 0`)
	tab.TwoFrames()
	tab.Release("before=")
	tab.Wait(`Number(rows().at(-1)?.text) <= 50`) // at the end of the list it may have gone on
	tab.Release("last_event_id=")
	tab.TwoFrames()
	tab.WantDense()
	tab.ScrollUpTo("600")
	tab.WantDense()
	tab.WantQuiet()
}

func testReaderResumesApart(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := deep(t, b, s)
	tab.Press("p")
	tab.Shut("before=")
	tab.ScrollDownUntilAsked("before=")
	tab.Eval(`release("before="), shut("before="), ""`) // one page, and no other
	tab.WaitNewest("549")                               // as many less above
	s.Batch("main", 600, 10)
	tab.WaitPausedBehind(10)
	tab.Scroll(0)
	tab.Wait(`scrollY === 0`)
	tab.TwoFrames()
	if got := tab.Rows()[0].Text; got != "549" {
		t.Errorf("a paused page went on to %s", got)
	}
	tab.Press("p")
	tab.Wait(`rows()[0]?.text === "599" && scrollY > 0`) // by a page, the reader's place is kept
	tab.ScrollUpTo("609")
	s.Batch("main", 610, 1)
	tab.Wait(`(scrollTo(0, 0), rows()[0]?.text === "610" && document.querySelector("#details").textContent === "")`)
	tab.WantDense()
	tab.WantQuiet()
}

func testReaderOlderLate(t *testing.T, b *browser.Browser) {
	s, tab := openReader(t, b, 100, browser.Gates)
	tab.Eval(`shut("before="), scrollTo(0, 1e6), ""`)
	tab.WaitAsked("before=")
	tab.Wait(`!document.querySelector("#items.flows")`)
	tab.Scroll(0)
	tab.Wait(`document.querySelector("#items.flows") !== null`)
	s.Batch("main", 100, 450) // as many as there is room for
	tab.Wait(`rows()[0]?.text === "549" && rows().length === 500`)
	tab.Release("before=")
	tab.TwoFrames()
	s.Batch("main", 550, 1)
	tab.WaitAllShown("550")
	tab.WantDense()
	// Further down there is all that is older.
	tab.Wait(`(scrollTo(0, 1e6), rows().at(-1)?.text === "0")`)
	tab.WantDense()
	tab.WantQuiet()
}

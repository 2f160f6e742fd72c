package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
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

func testReaderPauses(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 10)
	tab := openPage(t, browser, s.url())
	tab.waitRows(10)
	tab.wait(`state() === "live"`)
	tab.press("p")
	tab.wait(`document.querySelector("#pause").textContent === "Resume"`)
	for i := range 37 {
		s.batch(t, "main", 10+i, 1)
	}
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 37"`)
	// The button that says so lies on no other.
	if got := tab.eval(`(() => {
		const {top, right, bottom, left} = document.querySelector("#new").getBoundingClientRect();
		return [...document.querySelectorAll("a, button:not(#new), input, #connection")].filter(element => {
			const box = element.getBoundingClientRect();
			return box.width && box.top < bottom && box.bottom > top && box.left < right && box.right > left;
		}).map(element => element.outerHTML).join("\n");
	})()`); got != "" {
		t.Errorf("the count of new items covers\n%s", got)
	}
	tab.wantRun(0, 9)
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
				s.batch(t, "main", n, 1)
			}
		}
	}()
	tab.wait(`document.querySelector("#details").textContent > ", paused, behind by 45"`)
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	tab.wait(`document.querySelector("#new").hidden && document.querySelector("#details").textContent === ""`)
	for i := range 20 { // off and on
		tab.press("p")
		tab.eval(fmt.Sprintf(`new Promise(resolve => setTimeout(resolve, %d, ""))`, i))
		tab.press("p")
	}
	close(stop)
	n := <-done
	s.batch(t, "main", n, 1)
	tab.wait(fmt.Sprintf(`rows()[0]?.text === "%d" && document.querySelector("#details").textContent === ""`, n))
	// It may have begun anew meanwhile, if too many waited.
	if first, last := tab.wantDense(); last != n {
		t.Errorf("at the end there are %d to %d, not to %d", first, last, n)
	}
	tab.wantQuiet()
}

func testReaderHolds(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 50)
	tab := openPage(t, browser, s.url())
	tab.waitRows(50)
	tab.wait(`state() === "live"`)
	tab.eval(`scrollTo(0, 1200), ""`)
	tab.wait(`scrollY === 1200`)
	tab.twoFrames()
	s.batch(t, "main", 50, 20)
	tab.wait(`document.querySelector("#new").textContent === "20 new items, show"`)
	tab.wait(`(({left, top}) => document.elementFromPoint(left + 20, top + 5)?.id === "new")(document.querySelector("#new").getBoundingClientRect())`)
	tab.wantRun(0, 49)
	tab.do(chromedp.Click(chromedp.CSS("#new")))
	tab.wait(`rows()[0]?.text === "69" && scrollY === 0`)

	// By keys: j goes into the list, which then stands still.
	tab.press("j")
	tab.press("j")
	tab.press("j")
	tab.press("k")
	if got := tab.eval(`document.activeElement.querySelector(".data").textContent`); got != "68" {
		t.Errorf("the keys led to item %q", got)
	}
	s.batch(t, "main", 70, 3)
	tab.wait(`document.querySelector("#new").textContent === "3 new items, show"`)
	if got := tab.rows()[0].Text; got != "69" {
		t.Errorf("the list moved to %s while the reader was in an item", got)
	}
	tab.press(kb.Escape)
	tab.wait(`rows()[0]?.text === "72" && document.querySelector("#new").hidden`)
	tab.wantDense()

	// The keys can be switched off.
	// By script: whoever scrolls down to it has older items loaded, which move it.
	tab.eval(`document.querySelector("#shortcuts").click(), ""`)
	tab.press("p")
	if got := tab.eval(`document.querySelector("#pause").textContent`); got != "Pause" {
		t.Error("a key that is off paused the page")
	}
	tab.wantQuiet()
}

func testReaderTooMany(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 10)
	tab := openPage(t, browser, s.url())
	tab.waitRows(10)
	tab.wait(`state() === "live"`)
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	s.batch(t, "main", 10, 3000)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 3,000"`)
	tab.wantRun(0, 9)
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	tab.wait(`rows()[0]?.text === "3009" && rows().length === 50`)
	tab.wantRun(2960, 3009)
	s.batch(t, "main", 3010, 1)
	tab.wait(`rows()[0]?.text === "3010"`)
	if got := tab.eval(`document.activeElement.id`); got != "pause" {
		t.Errorf("the focus went from the button to %q", got)
	}
	// What a feed begins with is there also while the page is paused.
	s.batch(t, "other", 0, 5)
	tab.press("p")
	tab.wait(`document.querySelector("#pause").textContent === "Resume"`)
	tab.eval(`document.querySelector("#selector").value = "other", document.querySelector("#choose").requestSubmit(), ""`)
	tab.wait(`rows()[0]?.text === "4" && state() === "live"`)
	s.batch(t, "other", 5, 2)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 2"`)
	tab.wantRun(0, 4)
	tab.wantQuiet()
}

func testReaderRecounts(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	// All that comes is kept.
	if status, body := s.do(t, "PUT", "/feeds/main/settings", "application/json", `{"retention":{"max_items":0}}`); status != http.StatusOK {
		t.Fatalf("settings: %d %s", status, body)
	}
	s.batch(t, "main", 0, 10)
	tab := openPage(t, browser, s.url())
	tab.waitRows(10)
	tab.wait(`state() === "live"`)
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	tab.wait(`document.querySelector("#pause").textContent === "Resume"`)
	s.batch(t, "main", 10, 3000)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 3,000"`)

	tab.filter("300") // 300, 1300, 2300 and ten more
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 13"`)
	s.batch(t, "main", 3299, 2)
	tab.wait(`document.querySelector("#new").textContent === "14 new items, show"`)
	tab.filter("")
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 3,002"`)
	tab.filter("of nobody")
	tab.wait(`document.querySelector("#details").textContent === ", paused"`)
	tab.filter("10") // also the first of all
	s.batch(t, "main", 10, 1)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 160"`)
	// What comes while it is counted is counted once.
	tab.eval(`(() => { const real = fetch; globalThis.gate = Promise.withResolvers();
		globalThis.fetch = async (...asked) => { const answer = await real(...asked);
			if (String(asked[0]).includes("limit=1000") && !(await answer.clone().json()).more) { gate.asked = true; await gate.promise; }
			return answer; }; return ""; })()`)
	tab.filter("300")
	tab.wait(`gate.asked === true`)
	s.batch(t, "main", 300, 1)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 161"`)
	tab.eval(`gate.resolve(), ""`)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 15"`)

	// Not all of very many is looked through. The last of them has the text.
	tab.filter("1008999")
	tab.wait(`document.querySelector("#details").textContent === ", paused"`)
	s.batch(t, "main", 1_000_000, 9000)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 1"`)
	tab.filter("")
	tab.wait(`document.querySelector("#new").textContent === "10,001 or more new items, show"`)
	// Few of the first match: nobody looks through all the others for more.
	tab.filter("100899")
	tab.wait(`document.querySelector("#details").textContent === ", paused"`)
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	tab.wait(`rows()[0]?.text === "1008999" && rows().length === 10 && document.querySelector("#details").textContent === ""`)
	tab.filter("")
	tab.wait(`rows().length >= 50`)
	s.batch(t, "main", 1_009_000, 1)
	tab.wait(`rows()[0]?.text === "1009000"`)
	tab.wantQuiet()
}

// slowStream makes a page's streams bring nothing while late is a promise that
// waits, and says with shown which the last was that the page has shown.
const slowStream = `globalThis.EventSource = class extends EventSource {
	set onmessage(hear) {
		super.onmessage = async message => {
			await globalThis.late;
			hear(message);
			requestAnimationFrame(() => requestAnimationFrame(() => { globalThis.shown = JSON.parse(message.data).data; }));
		};
	}
}`

func testReaderCountsOnce(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 10)
	tab := openPage(t, browser, s.url(), slowStream)
	tab.waitRows(10)
	tab.wait(`state() === "live"`)
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	tab.wait(`document.querySelector("#pause").textContent === "Resume"`)
	s.batch(t, "main", 10, 3)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 3"`)
	tab.eval(`globalThis.late = new Promise(come => { globalThis.come = come; }), ""`)
	s.batch(t, "main", 13, 2)
	tab.filter("1")
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 5"`)
	s.batch(t, "main", 15, 1)
	tab.eval(`come(), ""`)
	tab.wait(`shown === "15"`)
	if got := tab.eval(`document.querySelector("#details").textContent`); got != ", paused, behind by 6" {
		t.Errorf("the page says %q, not that 6 wait", got)
	}
	tab.wantQuiet()
}

func testReaderPausedGap(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	want := []pageRow{s.publish(t, "main", "", "text/plain", "seen")}
	tab := openPage(t, browser, s.url())
	tab.waitRows(1)
	tab.wait(`state() === "live"`)
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	tab.wait(`document.querySelector("#pause").textContent === "Resume"`)
	s.publish(t, "main", "", "text/plain", "never seen")
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 1"`)
	if status, body := s.do(t, "DELETE", "/feeds/main", "", ""); status != http.StatusOK {
		t.Fatalf("purge: %d %s", status, body)
	}
	want = append(want, pageRow{Gap: true, Text: "items are missing here: purged"}, s.publish(t, "main", "", "text/plain", "kept"))
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 2"`)
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	tab.waitRows(3)
	want = append(want, s.publish(t, "main", "", "text/plain", "live"))
	tab.waitRows(4)
	tab.wantRows(want)
	tab.wantQuiet()
}

// A loss that a page of newer items told is told again by the Feed, which asks
// for itself.
func testReaderLateGap(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	front, cut, mend := s.frontThatCuts(t)
	want := []pageRow{s.publish(t, "main", "", "text/plain", "seen")}
	tab := openPage(t, browser, front, hastyPauses, gates)
	tab.waitRows(1)
	for _, meanwhile := range []bool{false, true} { // while the page of newer ones is asked for
		tab.wait(`state() === "live"`)
		tab.press("p")
		s.publish(t, "main", "", "text/plain", "never seen")
		tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 1"`)
		cut()
		tab.wait(`state() === "reconnecting"`)
		s.publish(t, "main", "", "text/plain", "nor this")
		if status, body := s.do(t, "DELETE", "/feeds/main", "", ""); status != http.StatusOK {
			t.Fatalf("purge: %d %s", status, body)
		}
		want = append(want, pageRow{Gap: true, Text: "items are missing here: purged"}, s.publish(t, "main", "", "text/plain", "kept"))
		tab.eval(`shut("limit=1000", "/feed.js"), ""`) // its connection may ask the same
		mend()
		tab.wait(`state() === "live" && asked("limit=1000")`)
		if meanwhile {
			tab.eval(`shut("limit=500"), ""`)
			tab.press("p")
			tab.wait(`asked("limit=500")`)
			tab.eval(`release("limit=1000"), ""`)
			tab.wait(`document.querySelector("#details").textContent === ", behind by 2"`)
			tab.eval(`release("limit=500"), ""`)
		} else {
			tab.press("p")
			tab.waitRows(len(want))
			tab.eval(`release("limit=1000"), ""`)
		}
		want = append(want, s.publish(t, "main", "", "text/plain", "live"))
		tab.wait(`rows()[0]?.id === "` + want[len(want)-1].ID + `"`)
		tab.wantRows(want)
	}
	tab.wantQuiet(goneAway)
}

func testReaderCatchesUp(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 10)
	tab := openPage(t, browser, s.url(), slowStream)
	tab.waitRows(10)
	tab.wait(`state() === "live"`)
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	s.batch(t, "main", 10, 300)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 300"`)
	tab.eval(`globalThis.late = new Promise(come => { globalThis.come = come; }), ""`)
	s.batch(t, "main", 310, 400)
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	tab.wait(`rows()[0]?.text === "709" && scrollY === 0`)
	tab.wantDense()
	tab.eval(`come(), ""`)
	s.batch(t, "main", 710, 1)
	tab.wait(`rows()[0]?.text === "710" && document.querySelector("#details").textContent === ""`)
	tab.wantDense()
	tab.wantQuiet()
}

// gates keep back the answers to a page's questions that have a text in their
// URL, those of one script where that is named.
const gates = `(() => {
	const real = fetch, gates = new Map();
	globalThis.shut = (text, script = "") => { gates.set(text, {...Promise.withResolvers(), script, asked: false}); };
	globalThis.asked = text => gates.get(text).asked;
	globalThis.release = text => {
		gates.get(text).resolve();
		gates.delete(text);
	};
	globalThis.fetch = async (...asked) => {
		const {stack} = new Error();
		const answer = await real(...asked);
		for (const [text, gate] of [...gates]) { // one that is shut later keeps back others
			if (!String(asked[0]).includes(text) || !stack.includes(gate.script)) continue;
			gate.asked = true;
			await gate.promise;
		}
		return answer;
	};
})()`

// deep opens a page and scrolls down until it has as many rows as it may.
func deep(t *testing.T, browser context.Context, s *pageServer) *pageTab {
	t.Helper()
	s.batch(t, "main", 0, 600)
	tab := openPage(t, browser, s.url(), gates)
	tab.waitRows(50)
	tab.wait(`state() === "live"`)
	tab.wait(`(scrollTo(0, 1e6), rows().length === 500)`)
	tab.wait(`document.querySelector("#items.flows") === null`)
	return tab
}

func testReaderBothLate(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := deep(t, browser, s)
	if got := tab.rows()[0].Text; got != "599" {
		t.Fatalf("the first row is %s already", got)
	}
	tab.eval(`shut("before="), shut("last_event_id="), ""`)
	tab.wait(`(scrollTo(0, scrollY - 1), scrollTo(0, 1e6), asked("before="))`)
	s.batch(t, "main", 600, 1)
	tab.wait(`document.querySelector("#new").textContent === "1 new item, show"`)
	tab.eval(`scrollTo(0, 0), ""`)
	tab.wait(`asked("last_event_id=")`)
	tab.eval(`scrollTo(0, 1e6), ""`)
	tab.wait(`scrollY > 0`)
	tab.twoFrames()
	tab.eval(`release("before="), ""`)
	tab.wait(`Number(rows().at(-1)?.text) <= 50`) // at the end of the list it may have gone on
	tab.eval(`release("last_event_id="), ""`)
	tab.twoFrames()
	tab.wantDense()
	tab.wait(`(scrollTo(0, 0), rows()[0]?.text === "600")`)
	tab.wantDense()
	tab.wantQuiet()
}

func testReaderResumesApart(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := deep(t, browser, s)
	tab.press("p")
	tab.eval(`shut("before="), ""`)
	tab.wait(`(scrollTo(0, scrollY - 1), scrollTo(0, 1e6), asked("before="))`)
	tab.eval(`release("before="), shut("before="), ""`) // one page, and no other
	tab.wait(`rows()[0]?.text === "549"`)               // as many less above
	s.batch(t, "main", 600, 10)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 10"`)
	tab.eval(`scrollTo(0, 0), ""`)
	tab.wait(`scrollY === 0`)
	tab.twoFrames()
	if got := tab.rows()[0].Text; got != "549" {
		t.Errorf("a paused page went on to %s", got)
	}
	tab.press("p")
	tab.wait(`rows()[0]?.text === "599" && scrollY > 0`) // by a page, the reader's place is kept
	tab.wait(`(scrollTo(0, 0), rows()[0]?.text === "609")`)
	s.batch(t, "main", 610, 1)
	tab.wait(`(scrollTo(0, 0), rows()[0]?.text === "610" && document.querySelector("#details").textContent === "")`)
	tab.wantDense()
	tab.wantQuiet()
}

func testReaderOlderLate(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 100)
	tab := openPage(t, browser, s.url(), gates)
	tab.waitRows(50)
	tab.wait(`state() === "live"`)
	tab.eval(`shut("before="), scrollTo(0, 1e6), ""`)
	tab.wait(`asked("before=")`)
	tab.wait(`!document.querySelector("#items.flows")`)
	tab.eval(`scrollTo(0, 0), ""`)
	tab.wait(`document.querySelector("#items.flows") !== null`)
	s.batch(t, "main", 100, 450) // as many as there is room for
	tab.wait(`rows()[0]?.text === "549" && rows().length === 500`)
	tab.eval(`release("before="), ""`)
	tab.twoFrames()
	s.batch(t, "main", 550, 1)
	tab.wait(`rows()[0]?.text === "550" && document.querySelector("#details").textContent === ""`)
	tab.wantDense()
	// Further down there is all that is older.
	tab.wait(`(scrollTo(0, 1e6), rows().at(-1)?.text === "0")`)
	tab.wantDense()
	tab.wantQuiet()
}

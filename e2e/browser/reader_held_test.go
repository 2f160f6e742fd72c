package browser_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
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

func testReaderPauses(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("main", 0, 10)
	tab := b.Open(t, s.URL())
	tab.WaitRows(10)
	tab.Wait(`state() === "live"`)
	tab.Press("p")
	tab.Wait(`document.querySelector("#pause").textContent === "Resume"`)
	for i := range 37 {
		s.Batch("main", 10+i, 1)
	}
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 37"`)
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
	tab.Do(chromedp.Click(chromedp.CSS("#pause")))
	tab.Wait(`document.querySelector("#new").hidden && document.querySelector("#details").textContent === ""`)
	for i := range 20 { // off and on
		tab.Press("p")
		tab.Eval(fmt.Sprintf(`new Promise(resolve => setTimeout(resolve, %d, ""))`, i))
		tab.Press("p")
	}
	close(stop)
	n := <-done
	s.Batch("main", n, 1)
	tab.Wait(fmt.Sprintf(`rows()[0]?.text === "%d" && document.querySelector("#details").textContent === ""`, n))
	// It may have begun anew meanwhile, if too many waited.
	if first, last := tab.WantDense(); last != n {
		t.Errorf("at the end there are %d to %d, not to %d", first, last, n)
	}
	tab.WantQuiet()
}

func testReaderHolds(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("main", 0, 50)
	tab := b.Open(t, s.URL())
	tab.WaitRows(50)
	tab.Wait(`state() === "live"`)
	tab.Eval(`scrollTo(0, 1200), ""`)
	tab.Wait(`scrollY === 1200`)
	tab.TwoFrames()
	s.Batch("main", 50, 20)
	tab.Wait(`document.querySelector("#new").textContent === "20 new items, show"`)
	tab.Wait(`(({left, top}) => document.elementFromPoint(left + 20, top + 5)?.id === "new")(document.querySelector("#new").getBoundingClientRect())`)
	tab.WantRun(0, 49)
	tab.Do(chromedp.Click(chromedp.CSS("#new")))
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
	tab.Wait(`document.querySelector("#new").textContent === "3 new items, show"`)
	if got := tab.Rows()[0].Text; got != "69" {
		t.Errorf("the list moved to %s while the reader was in an item", got)
	}
	tab.Press(kb.Escape)
	tab.Wait(`rows()[0]?.text === "72" && document.querySelector("#new").hidden`)
	tab.WantDense()

	// The keys can be switched off.
	// By script: whoever scrolls down to it has older items loaded, which move it.
	tab.Eval(`document.querySelector("#shortcuts").click(), ""`)
	tab.Press("p")
	if got := tab.Eval(`document.querySelector("#pause").textContent`); got != "Pause" {
		t.Error("a key that is off paused the page")
	}
	tab.WantQuiet()
}

func testReaderTooMany(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("main", 0, 10)
	tab := b.Open(t, s.URL())
	tab.WaitRows(10)
	tab.Wait(`state() === "live"`)
	tab.Do(chromedp.Click(chromedp.CSS("#pause")))
	s.Batch("main", 10, 3000)
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 3,000"`)
	tab.WantRun(0, 9)
	tab.Do(chromedp.Click(chromedp.CSS("#pause")))
	tab.Wait(`rows()[0]?.text === "3009" && rows().length === 50`)
	tab.WantRun(2960, 3009)
	s.Batch("main", 3010, 1)
	tab.Wait(`rows()[0]?.text === "3010"`)
	if got := tab.Eval(`document.activeElement.id`); got != "pause" {
		t.Errorf("the focus went from the button to %q", got)
	}
	// What a feed begins with is there also while the page is paused.
	s.Batch("other", 0, 5)
	tab.Press("p")
	tab.Wait(`document.querySelector("#pause").textContent === "Resume"`)
	tab.Eval(`document.querySelector("#selector").value = "other", document.querySelector("#choose").requestSubmit(), ""`)
	tab.Wait(`rows()[0]?.text === "4" && state() === "live"`)
	s.Batch("other", 5, 2)
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 2"`)
	tab.WantRun(0, 4)
	tab.WantQuiet()
}

func testReaderRecounts(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	// All that comes is kept.
	if status, body := s.Do("PUT", "/feeds/main/settings", "application/json", `{"retention":{"max_items":0}}`); status != http.StatusOK {
		t.Fatalf("settings: %d %s", status, body)
	}
	s.Batch("main", 0, 10)
	tab := b.Open(t, s.URL())
	tab.WaitRows(10)
	tab.Wait(`state() === "live"`)
	tab.Do(chromedp.Click(chromedp.CSS("#pause")))
	tab.Wait(`document.querySelector("#pause").textContent === "Resume"`)
	s.Batch("main", 10, 3000)
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 3,000"`)

	tab.Filter("300") // 300, 1300, 2300 and ten more
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 13"`)
	s.Batch("main", 3299, 2)
	tab.Wait(`document.querySelector("#new").textContent === "14 new items, show"`)
	tab.Filter("")
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 3,002"`)
	tab.Filter("of nobody")
	tab.Wait(`document.querySelector("#details").textContent === ", paused"`)
	tab.Filter("10") // also the first of all
	s.Batch("main", 10, 1)
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 160"`)
	// What comes while it is counted is counted once.
	tab.Eval(`(() => { const real = fetch; globalThis.gate = Promise.withResolvers();
		globalThis.fetch = async (...asked) => { const answer = await real(...asked);
			if (String(asked[0]).includes("limit=1000") && !(await answer.clone().json()).more) { gate.asked = true; await gate.promise; }
			return answer; }; return ""; })()`)
	tab.Filter("300")
	tab.Wait(`gate.asked === true`)
	s.Batch("main", 300, 1)
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 161"`)
	tab.Eval(`gate.resolve(), ""`)
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 15"`)

	// Not all of very many is looked through. The last of them has the text.
	tab.Filter("1008999")
	tab.Wait(`document.querySelector("#details").textContent === ", paused"`)
	s.Batch("main", 1_000_000, 9000)
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 1"`)
	tab.Filter("")
	tab.Wait(`document.querySelector("#new").textContent === "10,001 or more new items, show"`)
	// Few of the first match: nobody looks through all the others for more.
	tab.Filter("100899")
	tab.Wait(`document.querySelector("#details").textContent === ", paused"`)
	tab.Do(chromedp.Click(chromedp.CSS("#pause")))
	tab.Wait(`rows()[0]?.text === "1008999" && rows().length === 10 && document.querySelector("#details").textContent === ""`)
	tab.Filter("")
	tab.Wait(`rows().length >= 50`)
	s.Batch("main", 1_009_000, 1)
	tab.Wait(`rows()[0]?.text === "1009000"`)
	tab.WantQuiet()
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

func testReaderCountsOnce(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("main", 0, 10)
	tab := b.Open(t, s.URL(), slowStream)
	tab.WaitRows(10)
	tab.Wait(`state() === "live"`)
	tab.Do(chromedp.Click(chromedp.CSS("#pause")))
	tab.Wait(`document.querySelector("#pause").textContent === "Resume"`)
	s.Batch("main", 10, 3)
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 3"`)
	tab.Eval(`globalThis.late = new Promise(come => { globalThis.come = come; }), ""`)
	s.Batch("main", 13, 2)
	tab.Filter("1")
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 5"`)
	s.Batch("main", 15, 1)
	tab.Eval(`come(), ""`)
	tab.Wait(`shown === "15"`)
	if got := tab.Eval(`document.querySelector("#details").textContent`); got != ", paused, behind by 6" {
		t.Errorf("the page says %q, not that 6 wait", got)
	}
	tab.WantQuiet()
}

func testReaderPausedGap(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	want := []browser.Row{browser.Publish(s, "main", "", "text/plain", "seen")}
	tab := b.Open(t, s.URL())
	tab.WaitRows(1)
	tab.Wait(`state() === "live"`)
	tab.Do(chromedp.Click(chromedp.CSS("#pause")))
	tab.Wait(`document.querySelector("#pause").textContent === "Resume"`)
	browser.Publish(s, "main", "", "text/plain", "never seen")
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 1"`)
	if status, body := s.Do("DELETE", "/feeds/main", "", ""); status != http.StatusOK {
		t.Fatalf("purge: %d %s", status, body)
	}
	want = append(want, browser.Row{Gap: true, Text: "items are missing here: purged"}, browser.Publish(s, "main", "", "text/plain", "kept"))
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 2"`)
	tab.Do(chromedp.Click(chromedp.CSS("#pause")))
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
	tab := b.Open(t, front, browser.HastyPauses, gates)
	tab.WaitRows(1)
	for _, meanwhile := range []bool{false, true} { // while the page of newer ones is asked for
		tab.Wait(`state() === "live"`)
		tab.Press("p")
		browser.Publish(s, "main", "", "text/plain", "never seen")
		tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 1"`)
		cut()
		tab.Wait(`state() === "reconnecting"`)
		browser.Publish(s, "main", "", "text/plain", "nor this")
		if status, body := s.Do("DELETE", "/feeds/main", "", ""); status != http.StatusOK {
			t.Fatalf("purge: %d %s", status, body)
		}
		want = append(want, browser.Row{Gap: true, Text: "items are missing here: purged"}, browser.Publish(s, "main", "", "text/plain", "kept"))
		tab.Eval(`shut("limit=1000", "/feed.js"), ""`) // its connection may ask the same
		mend()
		tab.Wait(`state() === "live" && asked("limit=1000")`)
		if meanwhile {
			tab.Eval(`shut("limit=500"), ""`)
			tab.Press("p")
			tab.Wait(`asked("limit=500")`)
			tab.Eval(`release("limit=1000"), ""`)
			tab.Wait(`document.querySelector("#details").textContent === ", behind by 2"`)
			tab.Eval(`release("limit=500"), ""`)
		} else {
			tab.Press("p")
			tab.WaitRows(len(want))
			tab.Eval(`release("limit=1000"), ""`)
		}
		want = append(want, browser.Publish(s, "main", "", "text/plain", "live"))
		tab.Wait(`rows()[0]?.id === "` + want[len(want)-1].ID + `"`)
		tab.WantRows(want)
	}
	tab.WantQuiet(browser.GoneAway)
}

func testReaderCatchesUp(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("main", 0, 10)
	tab := b.Open(t, s.URL(), slowStream)
	tab.WaitRows(10)
	tab.Wait(`state() === "live"`)
	tab.Do(chromedp.Click(chromedp.CSS("#pause")))
	s.Batch("main", 10, 300)
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 300"`)
	tab.Eval(`globalThis.late = new Promise(come => { globalThis.come = come; }), ""`)
	s.Batch("main", 310, 400)
	tab.Do(chromedp.Click(chromedp.CSS("#pause")))
	tab.Wait(`rows()[0]?.text === "709" && scrollY === 0`)
	tab.WantDense()
	tab.Eval(`come(), ""`)
	s.Batch("main", 710, 1)
	tab.Wait(`rows()[0]?.text === "710" && document.querySelector("#details").textContent === ""`)
	tab.WantDense()
	tab.WantQuiet()
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
func deep(t *testing.T, b *browser.Browser, s *harness.Server) *browser.Tab {
	t.Helper()
	s.Batch("main", 0, 600)
	tab := b.Open(t, s.URL(), gates)
	tab.WaitRows(50)
	tab.Wait(`state() === "live"`)
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
	tab.Wait(`(scrollTo(0, scrollY - 1), scrollTo(0, 1e6), asked("before="))`)
	s.Batch("main", 600, 1)
	tab.Wait(`document.querySelector("#new").textContent === "1 new item, show"`)
	tab.Eval(`scrollTo(0, 0), ""`)
	tab.Wait(`asked("last_event_id=")`)
	tab.Eval(`scrollTo(0, 1e6), ""`)
	tab.Wait(`scrollY > 0`)
	tab.TwoFrames()
	tab.Eval(`release("before="), ""`)
	tab.Wait(`Number(rows().at(-1)?.text) <= 50`) // at the end of the list it may have gone on
	tab.Eval(`release("last_event_id="), ""`)
	tab.TwoFrames()
	tab.WantDense()
	tab.Wait(`(scrollTo(0, 0), rows()[0]?.text === "600")`)
	tab.WantDense()
	tab.WantQuiet()
}

func testReaderResumesApart(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := deep(t, b, s)
	tab.Press("p")
	tab.Eval(`shut("before="), ""`)
	tab.Wait(`(scrollTo(0, scrollY - 1), scrollTo(0, 1e6), asked("before="))`)
	tab.Eval(`release("before="), shut("before="), ""`) // one page, and no other
	tab.Wait(`rows()[0]?.text === "549"`)               // as many less above
	s.Batch("main", 600, 10)
	tab.Wait(`document.querySelector("#details").textContent === ", paused, behind by 10"`)
	tab.Eval(`scrollTo(0, 0), ""`)
	tab.Wait(`scrollY === 0`)
	tab.TwoFrames()
	if got := tab.Rows()[0].Text; got != "549" {
		t.Errorf("a paused page went on to %s", got)
	}
	tab.Press("p")
	tab.Wait(`rows()[0]?.text === "599" && scrollY > 0`) // by a page, the reader's place is kept
	tab.Wait(`(scrollTo(0, 0), rows()[0]?.text === "609")`)
	s.Batch("main", 610, 1)
	tab.Wait(`(scrollTo(0, 0), rows()[0]?.text === "610" && document.querySelector("#details").textContent === "")`)
	tab.WantDense()
	tab.WantQuiet()
}

func testReaderOlderLate(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("main", 0, 100)
	tab := b.Open(t, s.URL(), gates)
	tab.WaitRows(50)
	tab.Wait(`state() === "live"`)
	tab.Eval(`shut("before="), scrollTo(0, 1e6), ""`)
	tab.Wait(`asked("before=")`)
	tab.Wait(`!document.querySelector("#items.flows")`)
	tab.Eval(`scrollTo(0, 0), ""`)
	tab.Wait(`document.querySelector("#items.flows") !== null`)
	s.Batch("main", 100, 450) // as many as there is room for
	tab.Wait(`rows()[0]?.text === "549" && rows().length === 500`)
	tab.Eval(`release("before="), ""`)
	tab.TwoFrames()
	s.Batch("main", 550, 1)
	tab.Wait(`rows()[0]?.text === "550" && document.querySelector("#details").textContent === ""`)
	tab.WantDense()
	// Further down there is all that is older.
	tab.Wait(`(scrollTo(0, 1e6), rows().at(-1)?.text === "0")`)
	tab.WantDense()
	tab.WantQuiet()
}

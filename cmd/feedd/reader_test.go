package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestReader drives what a reader does on the page: in chromium, against the
// real binary.
func TestReader(t *testing.T) {
	inBrowser(t, []browserTest{
		{"scrolls back to the first item and up again, in bounds", testReaderScrolls},
		{"counts while it is paused, and misses nothing", testReaderPauses},
		{"counts what comes while the reader is further down or in an item", testReaderHolds},
		{"begins at the newest when too many wait", testReaderTooMany},
		{"counts anew what waits for another filter", testReaderRecounts},
		{"marks what went while it was paused", testReaderPausedGap},
		{"shows an item in its place", testReaderPermalink},
		{"goes to a time", testReaderJumps},
		{"goes to a time to come while items come", testReaderAhead},
		{"goes up to the newest before the connection is there", testReaderUnfollowed},
		{"filters by text and by event", testReaderFilters},
		{"copies an item", testReaderCopies},
		{"is told by a few words aloud", testReaderAloud},
		{"says when older items cannot be read", testReaderFails},
		{"says when newer items cannot be read, and asks again after a while", testReaderFailsNewer},
		{"goes on by itself when the server is there again", testReaderAway},
		{"knows its oldest item where that is under a gap", testReaderOldest},
	})
}

// batch publishes n items with the texts "from", "from+1", ...
func (s *pageServer) batch(t *testing.T, feed string, from, n int) {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "\"%d\"\n", from+i)
	}
	if status, body := s.do(t, "POST", "/feeds/"+feed, "application/x-ndjson", lines.String()); status != http.StatusCreated {
		t.Fatalf("publish a batch: %d %s", status, body)
	}
}

// wantRun checks that the rows are the numbers from one to the other, the
// newest first, without a hole.
func (tab *pageTab) wantRun(first, last int) {
	tab.t.Helper()
	tab.areRun(tab.rows(), first, last)
}

func (tab *pageTab) areRun(rows []pageRow, first, last int) {
	tab.t.Helper()
	if len(rows) != last-first+1 {
		tab.t.Fatalf("there are %d rows, not %d to %d", len(rows), first, last)
	}
	for i, row := range rows {
		if row.Text != strconv.Itoa(last-i) {
			tab.t.Fatalf("row %d is %q, not %d", i, row.Text, last-i)
		}
	}
}

// wantDense checks that no row is missing between the first and the last, and
// that they are in bounds.
func (tab *pageTab) wantDense() (first, last int) {
	tab.t.Helper()
	rows := tab.rows()
	if len(rows) == 0 || len(rows) > 500 {
		tab.t.Fatalf("there are %d rows", len(rows))
	}
	last, _ = strconv.Atoi(rows[0].Text)
	first = last - len(rows) + 1
	tab.areRun(rows, first, last)
	return first, last
}

// filter has only items with a text shown.
func (tab *pageTab) filter(text string) {
	tab.t.Helper()
	tab.eval(`document.querySelector("#words").value = ` + jsString(text) + `, document.querySelector("#words").dispatchEvent(new Event("input")), ""`)
}

// press types keys, as a reader does.
func (tab *pageTab) press(keys string) {
	tab.t.Helper()
	tab.do(chromedp.KeyEvent(keys))
}

func testReaderScrolls(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 1200)
	tab := openPage(t, browser, s.url())
	tab.waitRows(50)
	tab.wait(`state() === "live"`)
	tab.wantRun(1150, 1199)

	// To the end of the list, again and again, until there is nothing older. At
	// each step the row that the reader looks at stays where it was.
	tab.eval(`scrollTo(0, 600), ""`)
	tab.wait(`!document.querySelector("#items").matches(".flows")`) // all rows have their sizes
	for range 60 {
		if tab.eval(`String(document.querySelector("#older").hidden)`) == "true" {
			break
		}
		tab.eval(`globalThis.row = document.querySelector("#items > li:last-child"); scrollTo(0, 1e9); globalThis.y = row.getBoundingClientRect().top; ""`)
		tab.wait(`row.nextSibling || document.querySelector("#older").hidden`)
		if got := tab.eval(`row.isConnected ? String(Math.round(row.getBoundingClientRect().top - y)) : "gone"`); got != "0" {
			t.Fatalf("the row that the reader looks at moved by %s", got)
		}
	}
	if first, last := tab.wantDense(); first != 0 || last != 499 {
		t.Fatalf("at the end there are %d to %d", first, last)
	}
	if got := tab.eval(`document.querySelector("#end").textContent`); got != "This is all that the server has." {
		t.Errorf("at the end it says %q", got)
	}
	s.publish(t, "main", "", "application/json", `"1200"`)
	tab.wait(`document.querySelector("#new").textContent === "1 new item, show"`)
	tab.wantRun(0, 499)

	// And up, by the list's upper end.
	for range 60 {
		if tab.eval(`String(document.querySelector("#newer").hidden)`) == "true" {
			break
		}
		tab.eval(`globalThis.newest = rows()[0].id; scrollTo(0, 600); ""`)
		tab.eval(`new Promise(resolve => requestAnimationFrame(() => { scrollTo(0, 0); resolve(""); }))`)
		tab.wait(`rows()[0].id !== newest || document.querySelector("#newer").hidden`)
	}
	tab.wait(`rows()[0]?.text === "1200"`)
	if first, last := tab.wantDense(); last != 1200 || first != 701 {
		t.Fatalf("up again there are %d to %d", first, last)
	}
	s.publish(t, "main", "", "application/json", `"1201"`)
	tab.eval(`scrollTo(0, 0), ""`)
	tab.wait(`rows()[0]?.text === "1201"`)
	tab.wantDense()
	tab.wantQuiet()
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
		n := 47
		for ; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
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
	tab.eval(`new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve(""))))`)
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
	tab.do(chromedp.Click(chromedp.CSS("#pause")))
	tab.wait(`rows()[0]?.text === "1008999" && rows().length === 50 && document.querySelector("#details").textContent === ""`)
	s.batch(t, "main", 1_009_000, 1)
	tab.wait(`rows()[0]?.text === "1009000"`)
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

func testReaderPermalink(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "news", 0, 200)
	item := s.publish(t, "news", "", "application/json", `"200"`)
	s.batch(t, "news", 201, 199)
	tab := openPage(t, browser, s.url()+"/?feed=news&at="+item.ID)
	const here = `document.querySelector("#items > .here .data")?.textContent`
	tab.wait(here + ` === "200" && state() === "live"`)
	if first, last := tab.wantDense(); first > 176 || last < 225 {
		t.Errorf("around the item there are %d to %d", first, last)
	}
	if got := tab.eval(`const r = document.querySelector(".here").getBoundingClientRect(); String(r.top >= 0 && r.bottom <= innerHeight && document.activeElement.matches(".here"))`); got != "true" {
		t.Error("the item is not in the window, with the focus")
	}
	// Its neighbours both ways, to the newest and on.
	tab.do(chromedp.Click(chromedp.CSS("#older")))
	tab.press(kb.Escape)
	tab.eval(`scrollTo(0, 0), ""`)
	for range 20 {
		if tab.eval(`String(document.querySelector("#newer").hidden)`) == "true" {
			break
		}
		tab.eval(`globalThis.newest = rows()[0].id; document.querySelector("#newer").click(); ""`)
		tab.wait(`rows()[0].id !== newest || document.querySelector("#newer").hidden`)
	}
	tab.wait(`rows()[0]?.text === "399"`)
	tab.eval(`scrollTo(0, 0), ""`)
	tab.eval(`new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve(""))))`)
	s.batch(t, "news", 400, 1)
	tab.wait(`rows()[0]?.text === "400"`)
	tab.wantDense()

	// By the link of a row, at the feed's own address, and back.
	tab.do(chromedp.Navigate(s.url() + "/feeds/news"))
	tab.waitRows(50)
	tab.do(chromedp.Click(chromedp.CSS("#items > li:nth-child(3) .time")))
	tab.wait(here + ` === "398"`)
	if got, want := tab.eval(`location.pathname + location.search`), "/?feed=news&at="; !strings.HasPrefix(got, want) {
		t.Errorf("the item's address is %s", got)
	}
	s.batch(t, "news", 401, 1)
	tab.press(kb.Escape)
	tab.eval(`scrollTo(0, 0), ""`) // it may have been scrolled to the item
	tab.wait(`rows()[0]?.text === "401"`)
	tab.eval(`history.back(), ""`)
	tab.wait(`location.pathname === "/feeds/news" && !document.querySelector(".here") && rows()[0]?.text === "401"`)

	// An item that went.
	if status, body := s.do(t, "DELETE", "/feeds/news/items/"+item.ID, "", ""); status != http.StatusNoContent && status != http.StatusOK {
		t.Fatalf("delete: %d %s", status, body)
	}
	tab.do(chromedp.Navigate(s.url() + "/?feed=news&at=" + item.ID))
	tab.wait(`document.querySelector("#message").textContent.includes("is not here")`)
	tab.wait(here + ` === "201"`)
	// No position at all.
	tab.do(chromedp.Navigate(s.url() + "/?feed=news&at=nonsense"))
	tab.wait(`document.querySelector("#message").textContent.startsWith("nonsense cannot be shown") && rows()[0]?.text === "401"`)
	tab.wait(`state() === "live"`)
	tab.eval(`globalThis.row = document.querySelector("#items > li"), ""`)
	s.stop(t, syscall.SIGKILL)
	tab.wait(`state() === "reconnecting"`)
	s.start(t)
	s.batch(t, "news", 402, 1)
	tab.wait(`rows()[0]?.text === "402"`)
	if got := tab.eval(`String(row.isConnected)`); got != "true" {
		t.Error("where the server came back the page began anew, for no place")
	}
	tab.wantQuiet(`status of 400`, goneAway)
}

func testReaderJumps(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openPage(t, browser, s.url()+"/?feed=news")
	// What people write, by the page's own clock and zone.
	got := tab.eval(`(async () => {
		const {placeOf} = await import("/when.js");
		const now = new Date(2026, 10, 22, 15, 0, 0);
		const local = (...args) => new Date(...args).toISOString();
		const wrong = [];
		for (const [text, want] of [
			["1763792000000001", "1763792000000001"],
			["14:30", local(2026, 10, 22, 14, 30)], ["15:30", local(2026, 10, 21, 15, 30)], ["9:05:07", local(2026, 10, 22, 9, 5, 7)],
			["2:30 pm", local(2026, 10, 22, 14, 30)], ["2PM", local(2026, 10, 22, 14)], ["12 am", local(2026, 10, 22)],
			["yesterday 14:30", local(2026, 10, 21, 14, 30)], ["Yesterday", local(2026, 10, 21)], ["today, 8:00", local(2026, 10, 22, 8)],
			["2026-11-20", local(2026, 10, 20)], ["2026-11-20 14:30", local(2026, 10, 20, 14, 30)], ["2026-11-20T14:30:01", local(2026, 10, 20, 14, 30, 1)],
			["20.11.2026 14:30", local(2026, 10, 20, 14, 30)], ["20.11. 14:30", local(2026, 10, 20, 14, 30)],
			["2026-11-20T14:30:01.5Z", "2026-11-20T14:30:01.500Z"], ["2026-11-20 14:30:01+02:00", "2026-11-20T12:30:01.000Z"],
			["10m", local(now - 600_000)], ["2 hours ago", local(now - 7_200_000)], ["3d", local(now - 3 * 86_400_000)], ["45 s", local(now - 45_000)],
			["", undefined], ["14", undefined], ["25:00", undefined], ["14:60", undefined], ["13 pm", undefined], ["31.2.2026", undefined],
			["11/12/2026", undefined], ["soon", undefined], ["2026-13-01", undefined], ["nonsense 14:30", undefined],
		]) {
			const got = placeOf(text, now);
			if (got !== want) wrong.push(text + ": " + got + ", not " + want);
		}
		return wrong.join("\n");
	})()`)
	if got != "" {
		t.Error(got)
	}

	s.batch(t, "news", 0, 200)
	// The time between two items.
	middle := s.publish(t, "news", "", "application/json", `"200"`)
	us, err := strconv.ParseInt(middle.ID, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	between := time.UnixMicro(us).Truncate(time.Millisecond).Add(time.Millisecond) // a page's times have no more
	for time.Now().Before(between) {
		runtime.Gosched()
	}
	at := between.UTC().Format("2006-01-02T15:04:05.000Z")
	after := s.publish(t, "news", "", "application/json", `"201"`)
	s.batch(t, "news", 202, 198)
	tab.wait(`rows()[0]?.text === "399"`)
	jump := func(to string) {
		// By script: what is loaded meanwhile moves the button.
		tab.eval(fmt.Sprintf(`document.querySelector("#place").value = %q, document.querySelector("#goto").requestSubmit(), ""`, to))
	}
	jump(at)
	tab.wait(`document.querySelector("#items > .here .data")?.textContent === "201"`)
	tab.wantDense()
	jump(middle.ID)
	tab.wait(`document.querySelector("#items > .here .data")?.textContent === "200"`)
	tab.wantDense()
	jump("soon")
	tab.wait(`document.querySelector("#place").getAttribute("aria-invalid") === "true" && document.querySelector("#message").textContent.startsWith("Write a time")`)
	if got := tab.eval(`new URLSearchParams(location.search).get("at")`); got != middle.ID {
		t.Errorf("what is no place led to %s", got)
	}
	jump("1h") // before the first
	tab.wait(`document.querySelector("#items > .here .data")?.textContent === "0"`)
	// Ids that the server never gave are places, too.
	for id, nearest := range map[string]string{"123456": "0", "9007199254740000": "399"} {
		jump(id)
		tab.wait(fmt.Sprintf(`document.querySelector("#items > .here .data")?.textContent === %q && document.querySelector("#message").textContent.startsWith("The item %s is not here")`, nearest, id))
		tab.wantDense()
	}
	jump(after.ID)
	tab.wait(`document.querySelector("#items > .here .data")?.textContent === "201" && document.querySelector("#place").getAttribute("aria-invalid") === "false"`)
	tab.press(kb.Escape)
	tab.press("n")
	tab.wait(`rows()[0]?.text === "399" && !document.querySelector(".here")`)
	tab.wantQuiet()
}

// An item that comes between the two pages around a place is there once.
func testReaderAhead(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 10)
	var between sync.Once
	front := s.front(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("before") {
			between.Do(func() { s.batch(t, "main", 10, 1) })
		}
		s.pass(w, r, 1<<20)
	})
	tab := openPage(t, browser, front+"/?at="+time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339))
	tab.wait(`document.querySelector("#items > .here") && state() === "live"`)
	tab.press(kb.Escape)
	s.batch(t, "main", 11, 1)
	tab.wait(`rows()[0]?.text === "11"`)
	tab.wantRun(0, 11)
	tab.wantQuiet()
}

// What is published before the connection of a page that shows a place knows
// where it begins is not lost.
func testReaderUnfollowed(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 10)
	item := s.publish(t, "main", "", "application/json", `"10"`)
	s.batch(t, "main", 11, 49)
	follow := make(chan struct{})
	front := s.front(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("since") == "now" {
			select {
			case <-follow:
			case <-r.Context().Done():
				return
			}
		}
		s.pass(w, r, 1<<20)
	})
	tab := openPage(t, browser, front+"/?at="+item.ID)
	tab.wait(`document.querySelector("#items > .here .data")?.textContent === "10"`)
	tab.press(kb.Escape)
	tab.eval(`document.querySelector("#newer").click(), ""`)
	tab.wait(`rows()[0].text === "59"`)
	s.batch(t, "main", 60, 1)
	close(follow)
	tab.wait(`state() === "live"`)
	tab.eval(`document.querySelector("#newer").click(), ""`)
	tab.wait(`document.querySelector("#newer").hidden`)
	tab.eval(`scrollTo(0, 0), ""`)
	tab.wait(`document.querySelector("#items").matches(".flows")`)
	s.batch(t, "main", 61, 1)
	tab.wait(`rows()[0].text === "61"`)
	tab.wantRun(0, 61)
	tab.wantQuiet()
}

func testReaderFilters(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	for i := range 120 {
		event := ""
		if i%10 == 0 {
			event = "goal"
		}
		s.publish(t, "news", event, "application/json", fmt.Sprintf(`{"text":"%d"}`, i))
	}
	tab := openPage(t, browser, s.url()+"/?feed=news")
	tab.waitRows(50)
	tab.wait(`state() === "live"`)
	const seen = `rows().filter(row => !document.querySelector("[data-id='" + row.id + "']").hidden).map(row => row.text).join()`

	tab.press("/")
	tab.wait(`document.activeElement.id === "words"`)
	tab.eval(`document.activeElement.value = "", ""`) // chromedp types the key nevertheless
	tab.press("11")
	tab.wait(seen + ` === "119,118,117,116,115,114,113,112,111,110"`)
	s.publish(t, "news", "", "text/plain", "of no interest")
	s.publish(t, "news", "", "text/plain", "11 men")
	tab.wait(seen + `.startsWith("11 men,119")`)
	tab.do(chromedp.Click(chromedp.CSS("#older")))
	tab.wait(seen + `.endsWith("110,11") && document.querySelector("#older").hidden`)
	tab.filter("of nobody")
	tab.wait(seen + ` === "" && document.querySelector("#end").textContent.startsWith("No item here has this text.")`)
	// Without it everything is there again, also what was passed over.
	tab.filter("")
	tab.wait(`rows().length >= 50 && rows()[1]?.text === "of no interest"`)

	tab.eval(`document.querySelector("#events").value = "goal, card", document.querySelector("#narrow").requestSubmit(), ""`)
	tab.wait(`rows().length === 12 && rows().every(row => row.event === "goal") && location.search === "?feed=news&event=goal%2Ccard"`)
	s.publish(t, "news", "", "text/plain", "no name")
	s.publish(t, "news", "card", "text/plain", "red")
	tab.wait(`rows()[0]?.text === "red" && rows().length === 13`)
	other := s.publish(t, "news", "foul", "text/plain", "another name")
	tab.eval(fmt.Sprintf(`document.querySelector("#place").value = %q, document.querySelector("#goto").requestSubmit(), ""`, other.ID))
	tab.wait(`document.querySelector("#message").textContent.includes(", or the filter leaves it out") && document.querySelector(".here .data")?.textContent === "red"`)
	tab.wantQuiet()
}

func testReaderCopies(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	front := s.url()
	item := s.publish(t, "news", "goal", "application/json", `{"n":12345678901234567890,"s":"it's"}`)
	tab := openPage(t, browser, front+"/?feed=news")
	tab.allow("clipboard-read", "clipboard-write")
	tab.waitRows(1)
	tab.do(chromedp.Click(chromedp.CSS("#items .copy")))
	copied := func(what string) string {
		t.Helper()
		tab.eval(`document.querySelector("#said").textContent = "", ""`)
		tab.do(chromedp.Click(chromedp.CSS(`.menu [data-copy="` + what + `"]`)))
		tab.wait(`document.querySelector("#said").textContent === "Copied"`)
		return tab.eval(`navigator.clipboard.readText()`)
	}
	if got, want := copied("link"), front+"/?feed=news&at="+item.ID; got != want {
		t.Errorf("the link is %s, not %s", got, want)
	}
	_, line := s.do(t, "GET", "/feeds/news/items/"+item.ID, "", "")
	if got, want := copied("json"), strings.TrimSpace(string(line)); got != want {
		t.Errorf("the JSON is\n%s\nnot\n%s", got, want)
	}
	if out, err := exec.Command("sh", "-c", copied("curl")+" --silent").Output(); err != nil || strings.TrimSpace(string(out)) != strings.TrimSpace(string(line)) {
		t.Errorf("the command gives %s, %v", out, err)
	}
	// The script goes on behind the item, and hears all, whatever their names.
	next := s.publish(t, "news", "card", "text/plain", "next")
	last := s.publish(t, "news", "", "text/plain", "last")
	tab.wait(`document.body.innerText.includes("2 new items")`) // what it says moves the menu
	if got, want := tab.eval(`new Promise(resolve => { const said = [], console = {log: (...args) => said.push(args.join(" ")) === 2 && (feed.close(), resolve(said.join()))};`+copied("source")+` })`), next.ID+" card next,"+last.ID+"  last"; got != want {
		t.Errorf("the script logs %s, not %s", got, want)
	}
	tab.press(kb.Escape)
	if got := tab.eval(`String(document.querySelector(".menu") === null && document.activeElement.matches(".copy"))`); got != "true" {
		t.Error("the menu is not closed, or its button has not the focus")
	}

	// The key that opens a menu closes that of another row, and out of the list.
	tab.press("c")
	tab.wait(`document.querySelector(".menu") !== null`)
	tab.eval(`document.activeElement.blur(), ""`)
	tab.press("c")
	tab.wait(`document.querySelector(".menu") === null`)

	// A browser that does not let it: the text is there, chosen.
	tab.eval(`Object.defineProperty(navigator, "clipboard", {value: undefined}), ""`)
	tab.press("c")
	tab.do(chromedp.Click(chromedp.CSS(`.menu [data-copy="link"]`)))
	tab.wait(`getSelection().toString().startsWith(location.origin + "/?feed=news&at=")`)
	// By script: the rows that were held back come now, and move what is below.
	tab.eval(`document.querySelector("#elsewhere summary").click(), ""`)
	tab.wait(`document.querySelector("#elsewhere").open ?? true`)
	tab.eval(`document.querySelector("#elsewhere button").click(), ""`)
	tab.wait(`getSelection().toString() === "curl -N " + location.origin + "/feeds/news"`)
	tab.wantQuiet()
}

// allow lets the page do what a reader would be asked for.
func (tab *pageTab) allow(names ...string) {
	tab.t.Helper()
	for _, name := range names {
		tab.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, browser.SetPermission, browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted,
			})
			return err
		}))
	}
}

func testReaderAloud(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openPage(t, browser, s.url(), `
		globalThis.heard = [];
		addEventListener("DOMContentLoaded", () => new MutationObserver(() => heard.push(document.querySelector("#aloud").textContent))
			.observe(document.querySelector("#aloud"), {childList: true, characterData: true, subtree: true}));`, hastyClock)
	tab.wait(pageConnected)
	s.publish(t, "main", "", "text/plain", "the only one")
	tab.wait(`heard.at(-1) === "New: the only one"`)
	s.batch(t, "main", 0, 300)
	tab.wait(`rows()[0]?.text === "299" && /^\d+ new items$/.test(heard.at(-1))`)
	if got := tab.eval(`heard.join("|")`); strings.Count(got, "|") > 5 || strings.Contains(got, "New: 2") {
		t.Errorf("300 items were told as %s", got)
	}
	// What another feed begins with is not new.
	s.batch(t, "other", 0, 5)
	tab.do(chromedp.Reload())
	tab.wait(`rows()[0]?.text === "299" && ` + pageConnected)
	tab.eval(`document.querySelector("#selector").value = "other", document.querySelector("#choose").requestSubmit(), ""`)
	tab.wait(`rows().length === 5 && ` + pageConnected)
	s.publish(t, "other", "", "text/plain", "new here")
	tab.wait(`heard.length > 0 && rows().length === 6`)
	if got := tab.eval(`heard.join("|")`); got != "New: new here" {
		t.Errorf("one item was told as %s", got)
	}
	tab.wantQuiet()
}

// testReaderAway does to a page whose server is away what asks for items.
func testReaderAway(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 200)
	tab := openPage(t, browser, s.url())
	tab.waitRows(50)
	tab.wait(`state() === "live"`)
	away := func() {
		t.Helper()
		s.stop(t, syscall.SIGKILL)
		tab.wait(`state() === "reconnecting"`)
	}
	// Older items, by scrolling.
	away()
	tab.eval(`scrollTo(0, 1e9), ""`)
	tab.wait(`document.querySelector("#end").textContent === "Older items cannot be read: the server does not answer."`)
	s.start(t)
	tab.wait(`rows().length > 50 && document.querySelector("#end").textContent === ""`)
	tab.wantDense()

	// Newer items, by an end of the pause.
	tab.eval(`scrollTo(0, 0), ""`)
	tab.wait(`document.querySelector("#new").hidden`)
	tab.press("p")
	tab.wait(`state() === "live" && document.querySelector("#pause").textContent === "Resume"`)
	s.batch(t, "main", 200, 3)
	tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 3"`)
	away()
	tab.press("p")
	tab.wait(`document.querySelector("#pause").textContent === "Pause"`)
	s.start(t)
	s.batch(t, "main", 203, 1)
	tab.wait(`rows()[0].text === "203" && document.querySelector("#message").hidden && document.querySelector("#details").textContent === ""`)
	// It asked when the server was there, not before.
	if got := tab.eval(`String(performance.getEntriesByType("resource").filter(({name}) => name.includes("limit=500")).length)`); got != "1" {
		t.Errorf("the page asked %s times for what it had counted", got)
	}
	tab.wantDense()

	// An item in its place.
	away()
	tab.eval(`document.querySelector("#items > li:nth-child(40) .time").click(), ""`)
	tab.wait(`/^\d+ cannot be shown: the server does not answer\.$/.test(document.querySelector("#message").textContent)`)
	s.start(t)
	tab.wait(`document.querySelector("#items > .here .data")?.textContent === "164" && document.querySelector("#message").hidden && document.querySelector("#empty").hidden`)
	tab.wantDense()
	tab.wantQuiet(goneAway)
}

func testReaderOldest(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openPage(t, browser, s.url())
	tab.wait(`state() === "live"`)
	if got := tab.eval(`import("/list.js").then(({List}) => {
		const row = id => document.querySelector(id).content.firstElementChild.cloneNode(true);
		const list = new List(document.createElement("ol"), {itemRow: () => row("#item"), gapRow: () => row("#gap")});
		const item = id => ({item: {id: String(id), feed: "main", time: "", data: ""}});
		list.addNewer([item(1), item(2), item(3), {gap: {reason: "purged"}}, item(4), item(5)]);
		return [list.dropOldest(5), list.dropOldest(3), list.length, list.dropOldest(0)].join();
	})`); got != "2,4,3," {
		t.Errorf("the oldest items are %s", got)
	}
	tab.wantQuiet()
}

func testReaderFails(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 60)
	broken := make(chan struct{})
	front := s.front(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-broken:
		default:
			if r.URL.Query().Has("before") {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusServiceUnavailable)
				json.NewEncoder(w).Encode(map[string]string{"title": "Not now", "detail": "it is late"})
				return
			}
		}
		s.pass(w, r, 1<<20)
	})
	tab := openPage(t, browser, front)
	tab.waitRows(50)
	tab.do(chromedp.Click(chromedp.CSS("#older")))
	tab.wait(`document.querySelector("#end").textContent === "Older items cannot be read: Not now: it is late."`)
	close(broken)
	tab.do(chromedp.Click(chromedp.CSS("#older")))
	tab.wait(`rows().length === 60 && document.querySelector("#end").textContent === "This is all that the server has."`)
	tab.wantQuiet(`status of 503`)
}

func testReaderFailsNewer(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.batch(t, "main", 0, 10)
	var answer atomic.Pointer[http.HandlerFunc] // nil: the server's
	var asked atomic.Int32
	front := s.front(t, func(w http.ResponseWriter, r *http.Request) {
		if broken := answer.Load(); broken != nil && r.URL.Query().Get("limit") == "500" {
			asked.Add(1)
			(*broken)(w, r)
			return
		}
		s.pass(w, r, 1<<20)
	})
	// It waits a twentieth of what it means to for an answer, looks whether there
	// is something to do when the test wants it to, too, and is as late as that says.
	tab := openPage(t, browser, front, `{
		const {timeout} = AbortSignal, every = setInterval, {now} = Date;
		AbortSignal.timeout = ms => timeout.call(AbortSignal, ms / 20);
		globalThis.setInterval = (f, ms) => every(globalThis.look = f, ms);
		globalThis.late = 0;
		Date.now = () => now() + late;
	}`)
	tab.waitRows(10)
	tab.wait(`state() === "live"`)
	says := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const unreadable = "the server's answer cannot be read"
	n := 10
	for _, tt := range []struct {
		answer http.HandlerFunc
		words  string
	}{
		{says(503, "application/problem+json", `{"title":"Not now","detail":"it is late"}`), "Not now: it is late"},
		{says(502, "application/json", `{"message":"Bad gateway"}`), unreadable},
		{says(502, "text/html", "<h1>Bad gateway</h1>"), unreadable},
		{says(200, "text/html", "<h1>Welcome</h1>"), unreadable},
		{says(200, "application/json", "{}"), unreadable},
		{says(200, "application/json", "null"), unreadable},
		{func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "the server does not answer"},
	} {
		tab.press("p")
		tab.wait(`document.querySelector("#pause").textContent === "Resume"`)
		s.batch(t, "main", n, 3)
		n += 3
		tab.wait(`document.querySelector("#details").textContent === ", paused, behind by 3"`)
		asked.Store(0)
		answer.Store(&tt.answer)
		tab.press("p")
		tab.wait(fmt.Sprintf(`document.querySelector("#message").textContent === "Newer items cannot be read: %s."`, tt.words))
		tab.eval(`(async () => {
			for (let i = 0; i < 10; i++) {
				look();
				await new Promise(resolve => setTimeout(resolve, 20));
			}
			return "";
		})()`)
		if n := asked.Load(); n != 1 {
			t.Errorf("%s: the page asked %d times", tt.words, n)
		}
		answer.Store(nil)
		tab.eval(`late += 20_000, ""`)
		tab.wait(fmt.Sprintf(`rows()[0].text === "%d" && document.querySelector("#message").hidden && document.querySelector("#details").textContent === ""`, n-1))
		tab.wantRun(0, n-1)
	}
	tab.wantQuiet(`status of 50[23]`)
}

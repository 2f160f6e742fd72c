package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

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
			.observe(document.querySelector("#aloud"), {childList: true, characterData: true, subtree: true}));`, hasty(10, 1_000, 10_000)) // how often it is told
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
	if got := tab.eval(`import("/reader/list.js").then(({List}) => {
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

package browser_test

import (
	"encoding/json"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

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

func testReaderScrolls(t *testing.T, b *browser.Browser) {
	s, tab := openReader(t, b, 1200)
	tab.WantRun(1150, 1199)

	// To the end of the list, again and again, until there is nothing older. At
	// each step the row that the reader looks at stays where it was.
	tab.Scroll(600)
	tab.Wait(`!document.querySelector("#items").matches(".flows")`) // all rows have their sizes
	for range 60 {
		if tab.Hidden("#older") {
			break
		}
		tab.Eval(`globalThis.row = document.querySelector("#items > li:last-child"); scrollTo(0, 1e9); globalThis.y = row.getBoundingClientRect().top; ""`)
		tab.Wait(`row.nextSibling || document.querySelector("#older").hidden`)
		if got := tab.Eval(`row.isConnected ? String(Math.round(row.getBoundingClientRect().top - y)) : "gone"`); got != "0" {
			t.Fatalf("the row that the reader looks at moved by %s", got)
		}
	}
	if first, last := tab.WantDense(); first != 0 || last != 499 {
		t.Fatalf("at the end there are %d to %d", first, last)
	}
	if got := tab.Text("#end"); got != "This is all that the server has." {
		t.Errorf("at the end it says %q", got)
	}
	browser.Publish(s, "main", "", "application/json", `"1200"`)
	tab.WaitNewButton(1)
	tab.WantRun(0, 499)

	// And up, by the list's upper end.
	for range 60 {
		if tab.Hidden("#newer") {
			break
		}
		tab.Eval(`globalThis.newest = rows()[0].id; scrollTo(0, 600); ""`)
		tab.Eval(`new Promise(resolve => requestAnimationFrame(() => { scrollTo(0, 0); resolve(""); }))`)
		tab.Wait(`rows()[0].id !== newest || document.querySelector("#newer").hidden`)
	}
	tab.WaitNewest("1200")
	if first, last := tab.WantDense(); last != 1200 || first != 701 {
		t.Fatalf("up again there are %d to %d", first, last)
	}
	browser.Publish(s, "main", "", "application/json", `"1201"`)
	tab.Scroll(0)
	tab.WaitNewest("1201")
	tab.WantDense()
	tab.WantQuiet()
}

func testReaderFilters(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	for i := range 120 {
		event := ""
		if i%10 == 0 {
			event = "goal"
		}
		browser.Publish(s, "news", event, "application/json", fmt.Sprintf(`{"text":"%d"}`, i))
	}
	tab := b.Open(t, s.URL()+"/?feed=news")
	tab.WaitRows(50)
	tab.WaitState("live")
	const seen = `rows().filter(row => !document.querySelector("[data-id='" + row.id + "']").hidden).map(row => row.text).join()`

	tab.Press("/")
	tab.Wait(`document.activeElement.id === "words"`)
	tab.Eval(`document.activeElement.value = "", ""`) // chromedp types the key nevertheless
	tab.Press("11")
	tab.Wait(seen + ` === "119,118,117,116,115,114,113,112,111,110"`)
	browser.Publish(s, "news", "", "text/plain", "of no interest")
	browser.Publish(s, "news", "", "text/plain", "11 men")
	tab.Wait(seen + `.startsWith("11 men,119")`)
	tab.Click("#older")
	tab.Wait(seen + `.endsWith("110,11") && document.querySelector("#older").hidden`)
	tab.Filter("of nobody")
	tab.Wait(seen + ` === "" && document.querySelector("#end").textContent.startsWith("No item here has this text.")`)
	// Without it everything is there again, also what was passed over.
	tab.Filter("")
	tab.Wait(`rows().length >= 50 && rows()[1]?.text === "of no interest"`)

	tab.Eval(`document.querySelector("#events").value = "goal, card", document.querySelector("#narrow").requestSubmit(), ""`)
	tab.Wait(`rows().length === 12 && rows().every(row => row.event === "goal") && location.search === "?feed=news&event=goal%2Ccard"`)
	browser.Publish(s, "news", "", "text/plain", "no name")
	browser.Publish(s, "news", "card", "text/plain", "red")
	tab.Wait(`rows()[0]?.text === "red" && rows().length === 13`)
	other := browser.Publish(s, "news", "foul", "text/plain", "another name")
	tab.Eval(fmt.Sprintf(`document.querySelector("#place").value = %q, document.querySelector("#goto").requestSubmit(), ""`, other.ID))
	tab.Wait(`document.querySelector("#message").textContent.includes(", or the filter leaves it out") && document.querySelector(".here .data")?.textContent === "red"`)
	tab.WantQuiet()
}

func testReaderCopies(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	front := s.URL()
	item := browser.Publish(s, "news", "goal", "application/json", `{"n":12345678901234567890,"s":"it's"}`)
	tab := b.Open(t, front+"/?feed=news")
	tab.Allow("clipboard-read", "clipboard-write")
	tab.WaitRows(1)
	tab.Click("#items .copy")
	copied := func(what string) string {
		t.Helper()
		tab.Eval(`document.querySelector("#said").textContent = "", ""`)
		tab.Do(chromedp.Click(chromedp.CSS(`.menu [data-copy="` + what + `"]`)))
		tab.WaitText("#said", "Copied")
		return tab.Eval(`navigator.clipboard.readText()`)
	}
	if got, want := copied("link"), front+"/?feed=news&at="+item.ID; got != want {
		t.Errorf("the link is %s, not %s", got, want)
	}
	_, line := s.Do("GET", "/feeds/news/items/"+item.ID, "", "")
	if got, want := copied("json"), strings.TrimSpace(string(line)); got != want {
		t.Errorf("the JSON is\n%s\nnot\n%s", got, want)
	}
	if out, err := exec.Command("sh", "-c", copied("curl")+" --silent").Output(); err != nil || strings.TrimSpace(string(out)) != strings.TrimSpace(string(line)) {
		t.Errorf("the command gives %s, %v", out, err)
	}
	// The script goes on behind the item, and hears all, whatever their names.
	next := browser.Publish(s, "news", "card", "text/plain", "next")
	last := browser.Publish(s, "news", "", "text/plain", "last")
	tab.Wait(`document.body.innerText.includes("2 new items")`) // what it says moves the menu
	if got, want := tab.Eval(`new Promise(resolve => { const said = [], console = {log: (...args) => said.push(args.join(" ")) === 2 && (feed.close(), resolve(said.join()))};`+copied("source")+` })`), next.ID+" card next,"+last.ID+"  last"; got != want {
		t.Errorf("the script logs %s, not %s", got, want)
	}
	tab.Press(kb.Escape)
	if got := tab.Eval(`String(document.querySelector(".menu") === null && document.activeElement.matches(".copy"))`); got != "true" {
		t.Error("the menu is not closed, or its button has not the focus")
	}

	// The key that opens a menu closes that of another row, and out of the list.
	tab.Press("c")
	tab.Wait(`document.querySelector(".menu") !== null`)
	tab.Eval(`document.activeElement.blur(), ""`)
	tab.Press("c")
	tab.Wait(`document.querySelector(".menu") === null`)

	// A browser that does not let it: the text is there, chosen.
	tab.Eval(`Object.defineProperty(navigator, "clipboard", {value: undefined}), ""`)
	tab.Press("c")
	tab.Do(chromedp.Click(chromedp.CSS(`.menu [data-copy="link"]`)))
	tab.Wait(`getSelection().toString().startsWith(location.origin + "/?feed=news&at=")`)
	// By script: the rows that were held back come now, and move what is below.
	tab.ClickByScript("#elsewhere summary")
	tab.Wait(`document.querySelector("#elsewhere").open ?? true`)
	tab.ClickByScript("#elsewhere button")
	tab.Wait(`getSelection().toString() === "curl -N " + location.origin + "/feeds/news"`)
	tab.WantQuiet()
}

func testReaderAloud(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL(), `
		globalThis.heard = [];
		addEventListener("DOMContentLoaded", () => new MutationObserver(() => heard.push(document.querySelector("#aloud").textContent))
			.observe(document.querySelector("#aloud"), {childList: true, characterData: true, subtree: true}));`, browser.Hasty(10, 1_000, 10_000)) // how often it is told
	tab.WaitConnected()
	browser.Publish(s, "main", "", "text/plain", "the only one")
	tab.Wait(`heard.at(-1) === "New: the only one"`)
	s.Batch("main", 0, 300)
	tab.Wait(`rows()[0]?.text === "299" && /^\d+ new items$/.test(heard.at(-1))`)
	if got := tab.Eval(`heard.join("|")`); strings.Count(got, "|") > 5 || strings.Contains(got, "New: 2") {
		t.Errorf("300 items were told as %s", got)
	}
	// What another feed begins with is not new.
	s.Batch("other", 0, 5)
	tab.Reload()
	tab.Wait(`rows()[0]?.text === "299" && ` + browser.Connected)
	tab.Choose("other")
	tab.Wait(`rows().length === 5 && ` + browser.Connected)
	browser.Publish(s, "other", "", "text/plain", "new here")
	tab.Wait(`heard.length > 0 && rows().length === 6`)
	if got := tab.Eval(`heard.join("|")`); got != "New: new here" {
		t.Errorf("one item was told as %s", got)
	}
	tab.WantQuiet()
}

// testReaderAway does to a page whose server is away what asks for items.
func testReaderAway(t *testing.T, b *browser.Browser) {
	s, tab := openReader(t, b, 200)
	away := func() {
		t.Helper()
		s.Kill()
		tab.WaitState("reconnecting")
	}
	// Older items, by scrolling.
	away()
	tab.Scroll(browser.Bottom)
	tab.WaitText("#end", "Older items cannot be read: the server does not answer.")
	s.Start()
	tab.Wait(`rows().length > 50 && document.querySelector("#end").textContent === ""`)
	tab.WantDense()

	// Newer items, by an end of the pause.
	tab.Scroll(0)
	tab.WaitHidden("#new")
	tab.Press("p")
	tab.Wait(`state() === "live" && document.querySelector("#pause").textContent === "Resume"`)
	s.Batch("main", 200, 3)
	tab.WaitPausedBehind(3)
	away()
	tab.Press("p")
	tab.WaitText("#pause", "Pause")
	s.Start()
	s.Batch("main", 203, 1)
	tab.Wait(`rows()[0].text === "203" && document.querySelector("#message").hidden && document.querySelector("#details").textContent === ""`)
	// It asked when the server was there, not before.
	if got := tab.Eval(`String(performance.getEntriesByType("resource").filter(({name}) => name.includes("limit=500")).length)`); got != "1" {
		t.Errorf("the page asked %s times for what it had counted", got)
	}
	tab.WantDense()

	// An item in its place.
	away()
	tab.ClickByScript("#items > li:nth-child(40) .time")
	tab.Wait(`/^\d+ cannot be shown: the server does not answer\.$/.test(document.querySelector("#message").textContent)`)
	s.Start()
	tab.Wait(`document.querySelector("#items > .here .data")?.textContent === "164" && document.querySelector("#message").hidden && document.querySelector("#empty").hidden`)
	tab.WantDense()
	tab.WantQuiet(browser.GoneAway)
}

func testReaderOldest(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL())
	tab.WaitState("live")
	if got := tab.Eval(`import("/reader/list.js").then(({List}) => {
		const row = id => document.querySelector(id).content.firstElementChild.cloneNode(true);
		const list = new List(document.createElement("ol"), {itemRow: () => row("#item"), gapRow: () => row("#gap")});
		const item = id => ({item: {id: String(id), feed: "main", time: "", data: ""}});
		list.addNewer([item(1), item(2), item(3), {gap: {reason: "purged"}}, item(4), item(5)]);
		return [list.dropOldest(5), list.dropOldest(3), list.length, list.dropOldest(0)].join();
	})`); got != "2,4,3," {
		t.Errorf("the oldest items are %s", got)
	}
	tab.WantQuiet()
}

func testReaderFails(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("main", 0, 60)
	broken := make(chan struct{})
	front := s.Front(func(w http.ResponseWriter, r *http.Request) {
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
		s.Pass(w, r, 1<<20)
	})
	tab := b.Open(t, front)
	tab.WaitRows(50)
	tab.Click("#older")
	tab.WaitText("#end", "Older items cannot be read: Not now: it is late.")
	close(broken)
	tab.Click("#older")
	tab.Wait(`rows().length === 60 && document.querySelector("#end").textContent === "This is all that the server has."`)
	tab.WantQuiet(`status of 503`)
}

func testReaderFailsNewer(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("main", 0, 10)
	var answer atomic.Pointer[http.HandlerFunc] // nil: the server's
	var asked atomic.Int32
	front := s.Front(func(w http.ResponseWriter, r *http.Request) {
		if broken := answer.Load(); broken != nil && r.URL.Query().Get("limit") == "500" {
			asked.Add(1)
			(*broken)(w, r)
			return
		}
		s.Pass(w, r, 1<<20)
	})
	// It waits a twentieth of what it means to for an answer, looks whether there
	// is something to do when the test wants it to, too, and is as late as that says.
	tab := b.Open(t, front, `{
		const wait = setTimeout, every = setInterval, {now} = Date;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, ms === 40_000 ? ms / 20 : ms, ...args);
		globalThis.setInterval = (f, ms) => every(globalThis.look = f, ms);
		globalThis.late = 0;
		Date.now = () => now() + late;
	}`)
	tab.WaitRows(10)
	tab.WaitState("live")
	says := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const proxy, unreadable = "the server answers 502 Bad Gateway", "The answer is not a feed's page"
	n := 10
	for _, tt := range []struct {
		answer http.HandlerFunc
		words  string
	}{
		{says(503, "application/problem+json", `{"title":"Not now","detail":"it is late"}`), "Not now: it is late"},
		{says(502, "application/json", `{"message":"Bad gateway"}`), proxy},
		{says(502, "text/html", "<h1>Bad gateway</h1>"), proxy},
		{says(200, "text/html", "<h1>Welcome</h1>"), unreadable},
		{says(200, "application/json", "{}"), unreadable},
		{says(200, "application/json", "null"), unreadable},
		{func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "the server does not answer"},
	} {
		tab.Press("p")
		tab.WaitPaused()
		s.Batch("main", n, 3)
		n += 3
		tab.WaitPausedBehind(3)
		asked.Store(0)
		answer.Store(&tt.answer)
		tab.Press("p")
		tab.Wait(fmt.Sprintf(`document.querySelector("#message").textContent === "Newer items cannot be read: %s."`, tt.words))
		tab.Eval(`(async () => {
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
		tab.Eval(`late += 20_000, ""`)
		tab.Wait(fmt.Sprintf(`rows()[0].text === "%d" && document.querySelector("#message").hidden && document.querySelector("#details").textContent === ""`, n-1))
		tab.WantRun(0, n-1)
	}
	tab.WantQuiet(`status of 50[23]`)
}

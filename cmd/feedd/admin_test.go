package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"
)

// TestAdmin drives the admin page in chromium, against the real binary.
func TestAdmin(t *testing.T) {
	inBrowser(t, []browserTest{
		{"signs in by the link that serve prints, once", testAdminLink},
		{"P8 signs in by the key, and out", testAdminKey},
		{"publishes with one click, which a reader sees within a second", testAdminOneClick},
		{"publishes and previews the example of each kind", testAdminKinds},
		{"publishes JSON as it is written, and says where it is wrong", testAdminJSON},
		{"P7 stores once what it sends twice", testAdminRetry},
		{"keeps what was sent, to be sent again or changed", testAdminHistory},
		{"takes nothing for HTML", testAdminHostile},
		{"sorts and filters many feeds", testAdminFeeds},
		{"changes what a feed keeps, and takes it back", testAdminRetention},
		{"purges after a question", testAdminPurge},
		{"purges nothing that it did not ask about", testAdminPurgeSlowly},
		{"says that a browser keeps no cookie", testAdminNoCookie},
		{"stays when another tab has signed in anew", testAdminStale},
		{"lists subscribers and cuts one, who comes back", testAdminSubscribers},
		{"shows the settings, and no secret", testAdminSettings},
		{"draws figures, for mouse and keys", testAdminPlots},
		{"chooses scales that stand still", testAdminScales},
		{"draws what comes while a clock stands still", testAdminClock},
		{"goes on by itself after a restart", testAdminRestart},
		{"can be read and used, in all looks", testAdminLooks},
	})
}

const (
	// adminIsIn is true when somebody is signed in, adminIsOut when the form is
	// there.
	adminIsIn  = `document.querySelector("#inside")?.hidden === false`
	adminIsOut = `document.querySelector("#signin")?.hidden === false`
)

// adminHelpers are what the tests ask the admin page with.
const adminHelpers = `
	globalThis.$ = selector => document.querySelector(selector);
	globalThis.click = (selector, text) => {
		const all = [...document.querySelectorAll(selector)];
		(text === undefined ? all[0] : all.find(e => e.textContent === text)).click();
		return "";
	};
	globalThis.fill = (selector, value) => {
		$(selector).value = value;
		$(selector).dispatchEvent(new Event("input", {bubbles: true}));
		$(selector).dispatchEvent(new Event("change", {bubbles: true}));
		return "";
	};
	globalThis.rowOf = feed => $("#feeds tr[data-feed='" + feed + "']");
	globalThis.cell = (feed, column) => rowOf(feed)?.querySelector("[data-column=" + column + "]").textContent;
	globalThis.listed = () => [...document.querySelectorAll("#feeds tbody tr")].map(row => row.dataset.feed).join();`

// openAdmin opens the admin page by the printed link.
func openAdmin(t *testing.T, browser context.Context, s *pageServer, scripts ...string) *pageTab {
	t.Helper()
	tab := openPage(t, browser, s.link, append(scripts, adminHelpers)...)
	tab.wait(adminIsIn)
	return tab
}

// item returns an item as the server has it.
func (s *pageServer) item(t *testing.T, feed, id string) (event, data string) {
	t.Helper()
	status, body := s.do(t, "GET", "/feeds/"+feed+"/items/"+id, "", "")
	var item struct {
		Event string
		Data  json.RawMessage
	}
	if err := json.Unmarshal(body, &item); err != nil || status != http.StatusOK {
		t.Fatalf("%s of %s: %d %s", id, feed, status, body)
	}
	return item.Event, string(item.Data)
}

// wantNoTicket checks that no address that the tab was at has a ticket in it.
func (tab *pageTab) wantNoTicket() {
	tab.t.Helper()
	tab.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		history, err := cdp.Call(ctx, target, page.GetNavigationHistory, cdp.Empty{})
		for _, entry := range history.Entries {
			if strings.Contains(entry.URL, "ticket") {
				tab.t.Errorf("the history has %s", entry.URL)
			}
		}
		return err
	}))
	if got := tab.eval(`location.href`); strings.Contains(got, "ticket") {
		tab.t.Errorf("the address is %s", got)
	}
}

// signOut signs out of the admin page, which loads it anew.
func (tab *pageTab) signOut() {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, pagePatience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS("#signout"))); err != nil {
		tab.t.Fatal(err)
	}
	tab.wait(adminIsOut)
}

func testAdminLink(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	tab.wantNoTicket()
	tab.do(chromedp.Reload())
	tab.wait(adminIsIn)

	// Who is in stays in, whatever the link is worth.
	again := openPage(t, browser, s.link, adminHelpers)
	again.wait(adminIsIn)
	again.signOut()
	again.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.link))
	again.wait(adminIsOut + ` && /used already, or is older than ten minutes/.test($("#signin-problem").textContent)`)
	again.wantNoTicket()
	again.wantQuiet(`status of 401`)

	// The other tab is told, and a new link in the same tab is enough.
	tab.wait(adminIsOut + ` && /session has ended/.test($("#signin-problem").textContent)`)
	out, err := exec.Command(bin, "link", "--data", s.data).Output()
	if err != nil {
		t.Fatal(err)
	}
	tab.eval(`location.href = ` + jsString(strings.TrimSpace(string(out))) + `; ""`)
	tab.wait(adminIsIn)
	tab.wantNoTicket()
	tab.wantQuiet(`status of 401`)
}

func jsString(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func testAdminKey(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openPage(t, browser, s.url()+"/admin", adminHelpers)
	tab.wait(adminIsOut)
	if got := tab.eval(`$("#signin-problem").checkVisibility() + " " + $("#inside").checkVisibility() + " " + $("#key").autocomplete + " " + $("#key").type`); got != "false false current-password password" {
		t.Errorf("a stranger sees %s", got)
	}
	tab.do(chromedp.SendKeys(chromedp.CSS("#key"), "wrong"+kb.Enter))
	tab.wait(`/^This is not the key/.test($("#signin-problem").textContent) && $("#signin-problem").checkVisibility()`)

	key, err := os.ReadFile(filepath.Join(s.data, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	tab.do(chromedp.SendKeys(chromedp.CSS("#key"), strings.TrimSpace(string(key))+kb.Enter))
	tab.wait(adminIsIn)
	secret := jsString(strings.TrimSpace(string(key)))
	if got := tab.eval(`[document.cookie, localStorage.length, sessionStorage.length, $("#key").value, document.documentElement.outerHTML.includes(` + secret + `)].join("|")`); got != "|0|0||false" {
		t.Errorf("the page keeps %s", got)
	}
	tab.do(chromedp.Reload())
	tab.wait(adminIsIn)
	tab.signOut()
	if got := tab.eval(`fetch("/session").then(answer => answer.text())`); got != "{\"admin\":false}\n" {
		t.Errorf("after signing out the session is %s", got)
	}
	if got := tab.eval(`fetch("/config").then(({status}) => String(status))`); got != "401" {
		t.Errorf("after signing out the settings are answered with %s", got)
	}
	tab.wantQuiet(`status of 401`)
}

// The demonstration: two windows, one click.
func testAdminOneClick(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	reader := openPage(t, browser, s.url()+"/")
	reader.wait(emptyIsSeen)
	reader.eval(`new MutationObserver(() => globalThis.seen ??= rows().length && Date.now()).observe(document.querySelector("#items"), {childList: true}); ""`)
	tab := openAdmin(t, browser, s)
	tab.eval(`$("#examples button").addEventListener("click", () => globalThis.clicked = Date.now(), {capture: true}); ""`)
	tab.do(chromedp.Click(chromedp.CSS("#examples button")))
	reader.wait(`globalThis.seen > 0`)
	took := reader.eval(`String(seen - ` + tab.eval(`String(clicked)`) + `)`)
	var ms int
	if _, err := fmt.Sscan(took, &ms); err != nil || ms < 0 || ms > 1000 {
		t.Errorf("the item was on the other page after %s ms", took)
	}
	t.Logf("the item was on the other page after %s ms", took)
	if got := reader.rows()[0].Text; !strings.Contains(got, "The bridge is open again") {
		t.Errorf("the reader sees %q", got)
	}
	tab.wait(`/^Published to main in .* It is on disk\.$/.test($("#result").textContent)`)
	if got, want := tab.eval(`$("#result a").textContent`), reader.rows()[0].ID; got != want {
		t.Errorf("the page says that %s was published, not %s", got, want)
	}
	tab.wait(`cell("main", "count") === "1"`)
	reader.wantQuiet()
	tab.wantQuiet()
}

func testAdminKinds(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	examples := tab.eval(`import("/kindforms.js").then(({KINDS}) => JSON.stringify(KINDS))`)
	var kinds map[string]struct {
		Label   string
		Example json.RawMessage
	}
	if err := json.Unmarshal([]byte(examples), &kinds); err != nil || len(kinds) < 7 {
		t.Fatalf("%d kinds: %v", len(kinds), err)
	}
	n := 0
	for kind, about := range kinds {
		tab.eval(`click("#examples button", ` + jsString(about.Label) + `)`)
		n++
		tab.wait(fmt.Sprintf(`document.querySelectorAll("#sent a").length === %d`, n))
		var want, got any
		_, data := s.item(t, "main", tab.eval(`$("#sent a").textContent`))
		json.Unmarshal(about.Example, &want)
		json.Unmarshal([]byte(data), &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the example of %s is published with a difference:\n%s", kind, diff)
		}
		// The form has it, too, and the preview is what readers see.
		if got := tab.eval(`$("#kind").value + " " + $("#preview .data")?.classList.contains(` + jsString(kind) + `)`); got != kind+" true" {
			t.Errorf("after the example of %s the form and preview are %s", kind, got)
		}
		tab.eval(`click("#compose .primary")`)
		n++
		tab.wait(fmt.Sprintf(`document.querySelectorAll("#sent a").length === %d`, n))
		if _, again := s.item(t, "main", tab.eval(`$("#sent a").textContent`)); again != data {
			t.Errorf("the form of %s publishes %s, not %s", kind, again, data)
		}
		switch kind {
		case "photo":
			tab.wait(`$("#preview img")?.naturalWidth > 0`)
		case "video":
			tab.eval(`$("#preview video").play().then(() => "")`)
			tab.wait(`$("#preview video").duration > 1`)
		}
	}
	tab.eval(`click("#examples button", "JSON")`)
	tab.wait(fmt.Sprintf(`document.querySelectorAll("#sent a").length === %d`, n+1))
	if _, data := s.item(t, "main", tab.eval(`$("#sent a").textContent`)); data != tab.eval(`JSON.stringify(JSON.parse($("#field-body").value))`) {
		t.Errorf("the example of JSON is published as %s", data)
	}
	tab.wantQuiet()
}

func testAdminJSON(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	tab.eval(`fill("#kind", "application/json")`)
	if got := tab.eval(`JSON.parse($("#field-body").value).headline`); got != "The bridge is open again" {
		t.Errorf("JSON begins with %q, not with what was in the form", got)
	}
	tab.eval(`fill("#field-body", '{"é":1,}')`)
	tab.wait(`$("#preview").textContent === "This is not JSON yet."`)
	tab.do(chromedp.Click(chromedp.CSS("#compose .primary")))
	tab.wait(`/not valid JSON.*offset 8/.test($("#result").textContent)`)
	// é has two bytes and is one character.
	if got := tab.eval(`[document.activeElement.id, $("#field-body").selectionStart, $("#field-body").getAttribute("aria-invalid")].join()`); got != "field-body,7,true" {
		t.Errorf("the caret is at %s", got)
	}
	const data = `{"n":12345678901234567890.10,"n":1}`
	tab.eval(`fill("#field-body", ` + jsString(data) + `); fill("#to-feed", "a.b"); fill("#event-name", "goal"); fill("#ttl", "soon")`)
	tab.wait(`/12345678901234567890\.10/.test($("#preview").textContent)`)
	tab.eval(`click("#compose .primary")`)
	tab.wait(`/ttl/.test($("#result").textContent)`)
	tab.eval(`fill("#ttl", "1h"); click("#compose .primary")`)
	tab.wait(`/^Published to a\.b/.test($("#result").textContent)`)
	if event, got := s.item(t, "a.b", tab.eval(`$("#result a").textContent`)); event != "goal" || got != data {
		t.Errorf("what is stored is %s as %q", got, event)
	}
	if got := tab.eval(`new URL($("#reader").href).search`); got != "?feed=a.b" {
		t.Errorf("the link to the reader leads to %s", got)
	}
	tab.eval(`fill("#to-feed", "no feed"); click("#compose .primary")`)
	tab.wait(`/^The feed name is not valid/.test($("#result").textContent)`)
	tab.eval(`fill("#to-feed", "a.b"); fill("#kind", "text/plain"); fill("#field-body", "plain {text}"); click("#compose .primary")`)
	tab.wait(`/^Published to a\.b/.test($("#result").textContent)`)
	if _, got := s.item(t, "a.b", tab.eval(`$("#result a").textContent`)); got != `"plain {text}"` {
		t.Errorf("the text is stored as %s", got)
	}
	tab.wantQuiet(`status of 400`)
}

func testAdminRetry(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	var publishes, lost atomic.Int64
	lost.Store(1)
	address := s.front(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" && publishes.Add(1) <= lost.Load() {
			// It is stored, and the answer is lost. (Where the connection just
			// ended, chromium would repeat the publish by itself.)
			s.pass(&deaf{header: http.Header{}}, r, 1<<20)
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		s.pass(w, r, 1<<20)
	})
	s.link = strings.Replace(s.link, s.url(), address, 1)
	tab := openAdmin(t, browser, s, hastyClock)
	tab.eval(`click("#examples button", "Text")`)
	tab.wait(`/^An earlier attempt had stored it, once/.test($("#result").textContent)`)
	tab.wait(`cell("main", "count") === "1"`)

	// All attempts fail: only the user can settle it.
	lost.Store(1000)
	tab.eval(`click("#examples button", "Headline")`)
	tab.wait(`/Whether it is stored is not known/.test($("#result").textContent)`)
	lost.Store(0)
	tab.eval(`click("#compose .primary")`)
	tab.wait(`/^An earlier attempt had stored it, once/.test($("#result").textContent)`)
	tab.eval(`click("#sent button", "Try again")`)
	tab.wait(`!document.querySelector("#sent .bad")`)
	tab.wait(`cell("main", "count") === "2"`)
	if got := tab.eval(`$("#sent a").textContent + " " + document.querySelectorAll("#sent li").length`); !strings.HasSuffix(got, " 3") {
		t.Errorf("what was sent is %s", got)
	}
	tab.wantQuiet(`status of 502`)
}

// deaf takes an answer that nobody gets.
type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) Write(p []byte) (int, error) { return len(p), nil }
func (d *deaf) WriteHeader(int)             {}
func (d *deaf) Flush()                      {}

func testAdminHistory(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	tab.eval(`fill("#to-feed", "one"); fill("#event-name", "news"); fill("#field-headline", "First"); click("#compose .primary")`)
	tab.wait(`document.querySelectorAll("#sent a").length === 1`)
	tab.eval(`fill("#to-feed", "two"); fill("#event-name", ""); click("#examples button", "Score")`)
	tab.wait(`document.querySelectorAll("#sent a").length === 2`)

	tab.eval(`[...document.querySelectorAll("#sent li")].at(-1).querySelectorAll("button")[1].click(); ""`) // edit
	if got := tab.eval(`["#to-feed", "#event-name", "#kind", "#field-headline"].map(id => $(id).value).join() + " " + document.activeElement.id`); got != "one,news,headline,First field-headline" {
		t.Errorf("what was sent first comes back as %s", got)
	}
	tab.eval(`[...document.querySelectorAll("#sent li")].at(-1).querySelector("button").click(); ""`) // again
	tab.wait(`document.querySelectorAll("#sent a").length === 3`)
	first, again := tab.eval(`[...document.querySelectorAll("#sent a")].at(-1).textContent`), tab.eval(`$("#sent a").textContent`)
	if first == again {
		t.Error("sending again is the same item")
	}
	_, a := s.item(t, "one", first)
	if _, b := s.item(t, "one", again); a != b {
		t.Errorf("sending %s again sends %s", a, b)
	}
	tab.wantQuiet()
}

func testAdminHostile(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	n := 0
	for _, text := range hostileTexts {
		for _, kind := range []string{"text/plain", "application/json", "headline"} {
			body, field := text, "body"
			switch kind {
			case "application/json":
				body = `{` + jsString(text) + `:` + jsString(text) + `}`
			case "headline":
				field = "headline"
			}
			n++
			tab.eval(fmt.Sprintf(`fill("#to-feed", "main"); fill("#kind", %q); fill("#field-%s", %s); click("#compose .primary")`, kind, field, jsString(body)))
			tab.wait(fmt.Sprintf(`document.querySelectorAll("#sent a").length === %d`, n))
			tab.wait(`$("#preview").textContent.includes(` + jsString(strings.Split(text, "\n")[0]) + `) || ` + fmt.Sprint(kind == "application/json"))
		}
		// The problem says what it is about.
		tab.eval(`fill("#to-feed", ` + jsString(text) + `); click("#compose .primary")`)
		tab.wait(`$("#result").classList.contains("bad")`)
		tab.eval(`fill("#match", ` + jsString(text) + `)`)
		tab.wait(`!$("#feeds .notice").hidden`)
	}
	if got := tab.eval(`String(window.harmed)`); got != "undefined" {
		t.Errorf("published data ran: %s", got)
	}
	if got := tab.eval(`[...document.querySelectorAll("#publish *, #feeds *, #message *")].filter(e =>
		/^(script|style|svg|iframe|object|embed|base|meta)$/i.test(e.tagName) ||
		[...e.attributes].some(a => /^(on|style|srcdoc|formaction)/i.test(a.name)) ||
		[e.href, e.src].some(address => address && !/^(https?:\/\/|mailto:)/.test(address))).map(e => e.outerHTML).join()`); got != "" {
		t.Errorf("published data became %s", got)
	}
	tab.wantQuiet(`status of 40[04]`)
}

func testAdminFeeds(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	for i := range 120 {
		s.publish(t, fmt.Sprintf("many.f%03d", i), "", "text/plain", "x")
	}
	for range 3 {
		s.publish(t, "sports.football", "", "text/plain", "a longer one")
	}
	s.publish(t, "sports", "", "text/plain", "x")
	tab := openAdmin(t, browser, s)
	tab.eval(`$("#feeds").scrollIntoView(); ""`)
	tab.wait(`document.querySelectorAll("#feeds tbody tr").length === 100 && /^The first 100 feeds of 122 in this order\.$/.test($("#feeds .shown").textContent)`)
	// What is not among the first hundred by name comes first by another order.
	tab.do(chromedp.Click(chromedp.CSS(`#feeds [data-sort=bytes]`)))
	tab.wait(`listed().startsWith("sports.football,many.f000") && document.querySelectorAll("#feeds tbody tr").length === 100`)
	tab.do(chromedp.Click(chromedp.CSS(`#feeds [data-sort=subscribers]`)))
	tab.wait(`/^The first 100 feeds of 122 by name; they alone are sorted\.$/.test($("#feeds .shown").textContent) && !rowOf("sports.football")`)
	tab.do(chromedp.Click(chromedp.CSS(`#feeds [data-sort=feed]`)))
	tab.wait(`/in this order\.$/.test($("#feeds .shown").textContent) && listed().startsWith("many.f000,")`)
	tab.do(chromedp.Click(chromedp.CSS("#feeds .more")))
	tab.wait(`document.querySelectorAll("#feeds tbody tr").length === 122 && $("#feeds .shown").textContent === "122 feeds." && $("#feeds .more").hidden`)

	tab.do(chromedp.Click(chromedp.CSS(`#feeds [data-sort=count]`)))
	tab.wait(`listed().startsWith("sports.football,many.f000")`)
	if got := tab.eval(`$("#feeds th[aria-sort]").getAttribute("aria-sort") + " " + $("#feeds th[aria-sort]").textContent`); got != "descending Items" {
		t.Errorf("the table is sorted %s", got)
	}
	tab.do(chromedp.Click(chromedp.CSS(`#feeds [data-sort=count]`)))
	tab.wait(`listed().endsWith("sports.football")`)

	tab.do(chromedp.SendKeys(chromedp.CSS("#match"), "sports"))
	tab.wait(`listed() === "sports,sports.football"`)
	tab.eval(`fill("#match", "sports.*")`)
	tab.wait(`listed() === "sports.football"`)
	if got := tab.eval(`cell("sports.football", "count") + " " + cell("sports.football", "bytes") + " " + new URL(rowOf("sports.football").querySelector("a").href).search`); got != "3 36 B ?feed=sports.football" {
		t.Errorf("the row says %s", got)
	}
	tab.eval(`fill("#match", "a..b")`)
	tab.wait(`/^The selector is not valid/.test($("#feeds .notice").textContent)`)
	tab.eval(`fill("#match", "nothing")`)
	tab.wait(`listed() === "" && $("#feeds .shown").textContent === "No feed has such a name." && $("#feeds .notice").hidden`)
	tab.wantQuiet(`status of 400`)
}

func testAdminRetention(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	for range 10 {
		s.publish(t, "news", "", "text/plain", "x")
	}
	tab := openAdmin(t, browser, s)
	tab.eval(`$("#feeds").scrollIntoView(); ""`)
	keep := `rowOf("news")?.querySelector("[data-act=keep]").textContent`
	tab.wait(keep + ` === "10,000 items, 64MiB, 30d"`)
	tab.do(chromedp.Click(chromedp.CSS(`[data-feed=news] [data-act=keep]`)))
	tab.wait(`$("#keep").open && document.activeElement.id === "max_items"`)
	if got := tab.eval(`["#max_items", "#max_bytes", "#max_age"].map(id => $(id).value).join() + " " + $("#keep-reset").checkVisibility()`); got != "10000,64MiB,30d false" {
		t.Errorf("the form begins with %s", got)
	}
	tab.eval(`fill("#max_items", "4"); fill("#max_bytes", ""); fill("#max_age", "a while"); click("#keep .primary")`)
	tab.wait(`/^The settings are not valid/.test($("#keep-problem").textContent) && $("#keep-problem").checkVisibility()`)
	tab.eval(`fill("#max_age", "12h"); click("#keep .primary")`)
	tab.wait(`!$("#keep").open && ` + keep + ` === "4 items, 64MiB, 12h (own)" && cell("news", "count") === "4"`)
	if got := tab.eval(`document.activeElement.dataset.act`); got != "keep" {
		t.Errorf("the keyboard is at %s", got)
	}
	if _, got := s.do(t, "GET", "/feeds/news/settings", "", ""); string(got) != `{"retention":{"max_items":4,"max_bytes":"64MiB","max_age":"12h"}}`+"\n" {
		t.Errorf("the settings are %s", got)
	}
	tab.do(chromedp.Click(chromedp.CSS(`[data-feed=news] [data-act=keep]`)))
	tab.wait(`$("#keep").open`)
	tab.eval(`click("#keep-cancel")`)
	tab.wait(`!$("#keep").open`)
	tab.do(chromedp.Click(chromedp.CSS(`[data-feed=news] [data-act=keep]`)), chromedp.Click(chromedp.CSS("#keep-reset")))
	tab.wait(`!$("#keep").open && ` + keep + ` === "10,000 items, 64MiB, 30d"`)
	tab.wantQuiet(`status of 400`)
}

func testAdminPurge(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	for range 3 {
		s.publish(t, "news", "", "text/plain", "x")
	}
	s.publish(t, "other", "", "text/plain", "x")
	tab := openAdmin(t, browser, s)
	tab.eval(`$("#feeds").scrollIntoView(); ""`)
	tab.wait(`cell("news", "count") === "3"`)
	// The question knows of what came since the table was made.
	s.publish(t, "news", "", "text/plain", "x")
	const purge = `[data-feed=news] [data-act=purge]`
	for _, how := range []chromedp.Action[chromedp.Void]{chromedp.Click(chromedp.CSS("#question-no")), chromedp.KeyEvent(kb.Escape)} {
		tab.do(chromedp.Click(chromedp.CSS(purge)))
		tab.wait(`$("#question").open && document.activeElement.id === "question-no"`)
		if got := tab.eval(`["title", "text", "yes"].map(part => $("#question-" + part).textContent).join("|")`); !strings.HasPrefix(got, "Purge news?|All 4 items of news are removed") || !strings.HasSuffix(got, "|Purge 4 items") {
			t.Errorf("the question is %s", got)
		}
		tab.do(how)
		tab.wait(`!$("#question").open && document.activeElement.dataset.act === "purge"`)
		if _, body := s.do(t, "GET", "/feeds/news?last=10&format=json", "", ""); strings.Count(string(body), `"id"`) != 4 {
			t.Errorf("after no there is %s", body)
		}
	}
	tab.do(chromedp.Click(chromedp.CSS(purge)), chromedp.Click(chromedp.CSS("#question-yes")))
	tab.wait(`$("#message span")?.textContent === "4 items of news were removed." && cell("news", "count") === "0" && cell("other", "count") === "1"`)
	tab.wantQuiet()
}

// Two clicks while the server is slow: the second question is not asked over
// the first.
func testAdminPurgeSlowly(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.publish(t, "one", "", "text/plain", "x")
	s.publish(t, "two", "", "text/plain", "x")
	tab := openAdmin(t, browser, s)
	tab.eval(`$("#feeds").scrollIntoView(); ""`)
	tab.wait(`cell("two", "count") === "1"`)
	tab.eval(`{
		const ask = fetch, slow = new Promise(resolve => globalThis.answer = resolve);
		globalThis.fetch = async (path, ...rest) => { if (path.startsWith("/feeds?")) await slow; return ask(path, ...rest); };
		click("[data-feed=one] [data-act=purge]");
		click("[data-feed=two] [data-act=purge]");
	} ""`)
	tab.eval(`answer(); ""`)
	tab.wait(`$("#question").open`)
	asked := tab.eval(`fetch("/feeds?").then(() => /Purge (.*)\?/.exec($("#question-title").textContent)[1])`)
	tab.do(chromedp.Click(chromedp.CSS("#question-yes")))
	tab.wait(`cell(` + jsString(asked) + `, "count") === "0"`)
	other := map[string]string{"one": "two", "two": "one"}[asked]
	tab.eval(`fetch("/feeds/` + other + `", {method: "POST", body: "x"}).then(() => "")`)
	if _, body := s.do(t, "GET", "/feeds/"+other+"?last=10&format=json", "", ""); strings.Count(string(body), `"id"`) != 2 {
		t.Errorf("%s, about which the page did not ask, has %s", other, body)
	}
	tab.wantQuiet()
}

// A browser that keeps no cookie: one of a proxy that says https where there is
// none would be such a case.
func testAdminNoCookie(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	key, err := os.ReadFile(filepath.Join(s.data, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	tab := openPage(t, browser, s.url()+"/admin", `{
		const ask = fetch;
		globalThis.fetch = (path, options) => ask(path, {...options, credentials: "omit"});
	}`, adminHelpers)
	tab.wait(adminIsOut)
	tab.do(chromedp.SendKeys(chromedp.CSS("#key"), strings.TrimSpace(string(key))+kb.Enter))
	tab.wait(adminIsOut + ` && /does not keep the cookie/.test($("#signin-problem").textContent)`)
	tab.wantQuiet()
}

// What another tab's sign-in finds under way still has the cookie of before: here
// the first request for figures, and the first for settings or feeds, have none.
func testAdminStale(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openPage(t, browser, s.link, `{
		const ask = fetch;
		globalThis.stale = new Set();
		globalThis.fetch = (path, options) => {
			const kind = /_stats/.test(path) ? "figures" : /^\/(config|feeds\?)/.test(path) ? "others" : "";
			if (!kind || stale.has(kind)) return ask(path, options);
			stale.add(kind);
			return ask(path, {...options, credentials: "omit"});
		};
	}`, adminHelpers)
	tab.wait(`stale.size === 2 && $("#state").dataset.is === "live" && ` + adminIsIn)
	s.publish(t, "news", "", "application/json", `1`)
	tab.eval(`$("#feeds").scrollIntoView(), ""`) // it is fetched while it is seen
	tab.wait(`rowOf("news") && ` + adminIsIn)
	tab.wantQuiet(`status of 401`)
}

func testAdminSubscribers(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	reader := openPage(t, browser, s.url()+"/style.css")
	reader.eval(`globalThis.opened = 0; globalThis.source = new EventSource("/feeds/cut.*,me"); source.onopen = () => opened++; ""`)
	reader.wait(`opened === 1`)
	// Nobody asks for what nobody sees.
	tab.wait(`$("#state").textContent === "live" && ` + plotted + ` >= 3`)
	if got := tab.eval(`performance.getEntriesByType("resource").map(({name}) => name).filter(name => name.includes("/subscribers?")).join()`); got != "" {
		t.Errorf("the page asks for %s", got)
	}
	tab.eval(`$("#subscribers").scrollIntoView(); globalThis.mine = () => [...document.querySelectorAll("#subscribers tbody tr")].filter(row => row.querySelector(".selector").textContent === "cut.*,me"); ""`)
	tab.wait(`mine().length === 1`)
	first := tab.eval(`mine()[0].dataset.id`)
	if got := tab.eval(`[...mine()[0].children].map(cell => cell.textContent).join("|")`); !strings.HasPrefix(got, "127.0.0.1:") || !strings.Contains(got, "|SSE|cut.*,me|") || !strings.HasSuffix(got, " s|up to date|–|Cut…") {
		t.Errorf("the subscriber is %s", got)
	}
	total := `Number(/^[\d,]+/.exec($("#subscribers .shown").textContent)) === document.querySelectorAll("#subscribers tbody tr").length`
	tab.wait(total)
	// One is found by what it reads, or by its address.
	only := func(text string) {
		tab.eval(`$("#whom").value = ` + jsString(text) + `; $("#whom").dispatchEvent(new Event("input")); ""`)
	}
	only("cut.*")
	tab.wait(`/^1 of \d+ subscribers with this/.test($("#subscribers .shown").textContent) && mine().length === 1`)
	only(tab.eval(`mine()[0].cells[0].textContent`))
	tab.wait(`$("#whom").value.startsWith("127.") && document.querySelectorAll("#subscribers tbody tr").length === 1 && mine().length === 1`)
	only("nobody")
	tab.wait(`/^0 of /.test($("#subscribers .shown").textContent) && mine().length === 0`)
	only("")
	tab.wait(`mine().length === 1`)
	tab.wait(total)

	tab.eval(`mine()[0].querySelector("button").click(); ""`)
	tab.wait(`$("#question").open`)
	tab.do(chromedp.Click(chromedp.CSS("#question-no")))
	tab.wait(`!$("#question").open`)
	if got := reader.eval(`String(opened)`); got != "1" {
		t.Errorf("after no the reader was opened %s times", got)
	}
	tab.eval(`mine()[0].querySelector("button").click(); ""`)
	tab.do(chromedp.Click(chromedp.CSS("#question-yes")))
	tab.wait(`/was cut\.$/.test($("#message span")?.textContent)`)
	reader.wait(`opened === 2`)
	tab.wait(`mine().length === 1 && mine()[0].dataset.id !== ` + jsString(first))
	// Out of sight nobody asks any more, for as long as two more turns.
	const asked = `performance.getEntriesByType("resource").filter(({name}) => name.includes("/subscribers?")).length`
	tab.eval(`scrollTo(0, 0); ""`)
	tab.wait(`$("#subscribers").getBoundingClientRect().top > innerHeight + 100`)
	before := tab.eval(`String(` + asked + `)`)
	tab.wait(plotted + ` >= 5 + ` + tab.eval(`String(`+plotted+`)`))
	if got := tab.eval(`String(` + asked + ` <= 1 + ` + before + `)`); got != "true" {
		t.Error("the page goes on asking for what nobody sees")
	}
	tab.eval(`$("#subscribers").scrollIntoView(); ""`)
	tab.wantQuiet()

	// One that takes nothing falls behind.
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url()+"/feeds/slow", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	large := strings.Repeat("x", 1<<20)
	for range 16 {
		s.publish(t, "slow", "", "text/plain", large)
	}
	tab.wait(`(() => { fetch("/feeds/other", {method: "POST", body: "x"});
		return [...document.querySelectorAll("#subscribers tbody tr")].some(row => /\|slow\|.*\|its connection is full\|behind by [1-9][\d.]* s\|/.test([...row.children].map(cell => cell.textContent).join("|"))); })()`)
}

func testAdminSettings(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	tab.wait(`/^on disk, and survives/.test($("#settings .durability").textContent)`)
	key, err := os.ReadFile(filepath.Join(s.data, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	_, yaml := s.do(t, "GET", "/config", "", "")
	shown := tab.eval(`$("#settings pre").textContent`)
	if shown != string(yaml) || !strings.Contains(shown, "max_items: 10000") {
		t.Errorf("the settings are\n%s\nnot\n%s", shown, yaml)
	}
	if strings.Contains(tab.eval(`document.documentElement.outerHTML`), strings.TrimSpace(string(key))) {
		t.Error("the key is in the page")
	}
	tab.eval(`navigator.clipboard.writeText = async text => { globalThis.copied = text; }; click("#settings button")`)
	tab.wait(`$("#message span")?.textContent === "The configuration was copied."`)
	if got := tab.eval(`copied`); got != shown {
		t.Errorf("what is copied is %s", got)
	}
	tab.eval(`navigator.clipboard.writeText = async () => { throw new Error("no"); }; click("#settings button")`)
	tab.wait(`/chosen, to be copied/.test($("#message span")?.textContent)`)
	if got := tab.eval(`getSelection().toString().trim()`); got != strings.TrimSpace(shown) {
		t.Errorf("what is chosen is %s", got)
	}
	tab.wantQuiet()
}

// plotted is how many values the line of the first plot has.
const plotted = `(document.querySelector(".line").getAttribute("d")?.match(/[ML]/g)?.length ?? 0)`

func testAdminPlots(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	tab.eval(`globalThis.plot = title => [...document.querySelectorAll(".plot")].find(plot => plot.ariaLabel === title); ""`)
	tab.wait(`plot("Subscribers").querySelector(".now").textContent === "1"`)
	tab.wait(plotted + ` >= 4`)
	s.publish(t, "main", "", "text/plain", "x")
	tab.wait(`/^from 0\/s to [\d.]+\/s$/.test(plot("Published").querySelector(".ranges").textContent)`)
	tab.wait(`[...document.querySelectorAll(".plot")].map(plot => plot.ariaLabel).join() === "Published,Delivered,Delay,Subscribers,Backlog on disk,Memory"`)

	// The past is there at once.
	past := tab.eval(`String(` + plotted + `)`)
	tab.do(chromedp.Reload())
	tab.wait(plotted + ` > 0`)
	if got := tab.eval(`String(` + plotted + ` >= ` + past + `)`); got != "true" {
		t.Errorf("after the page was loaded anew there are fewer figures than %s", past)
	}

	// By keys: a value of before, in all plots, and back.
	tab.do(chromedp.Focus(chromedp.CSS(".canvas")), chromedp.KeyEvent(kb.Home))
	tab.wait(`document.querySelectorAll(".cursor[visibility=visible]").length === 6`)
	first := tab.eval(`$(".canvas").ariaValueText`)
	tab.do(chromedp.KeyEvent(kb.ArrowRight))
	tab.wait(`/^\d\d:\d\d:\d\d: [\d.]+\/s$/.test($(".canvas").ariaValueText) && $(".canvas").ariaValueText !== ` + jsString(first))
	tab.wait(`$(".plot .now").textContent === $(".canvas").ariaValueText`)
	tab.do(chromedp.KeyEvent(kb.Escape))
	tab.wait(`!document.querySelector(".cursor[visibility=visible]")`)

	// By mouse: the middle of the shown time is before there was anything, so
	// the first value is meant.
	tab.eval(`(() => { const box = $(".canvas").getBoundingClientRect();
		$(".canvas").dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + box.width / 2, clientY: box.top + 50})); return ""; })()`)
	tab.wait(`document.querySelectorAll(".cursor[visibility=visible]").length === 6 && $(".plot .now").textContent === ` + jsString(first))
	tab.wantQuiet()
}

// The scale of a plot, step by step as values come.
func testAdminScales(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openPage(t, browser, s.url()+"/style.css")
	got := tab.eval(`import("/plot.js").then(({scaleFor}) => {
		const run = (values, base) => {
			let top = 0;
			return values.map(value => top = scaleFor(value, top, base).top).join();
		};
		const bad = [];
		for (let i = 0; i < 20000; i++) for (const base of [10, 1024]) {
			const value = 2 ** (Math.random() * 50 - 3);
			const {top, step} = scaleFor(value, 0, base);
			if (!(top >= value * (1 - 1e-9) && top <= 2.5 * value + 1e-9 && top / step <= 4.001 && scaleFor(top, 0, base).top <= top * 1.001)) bad.push([value, base, top, step]);
		}
		return [run([4, 7, 12, 11, 9, 7, 3], 10), run([1 << 20, 700000, 3 << 20], 1024), bad.slice(0, 5).join(";")].join("|");
	})`)
	if want := `4,7.5,15,15,15,15,3|1048576,1048576,3145728|`; got != want {
		t.Errorf("the scales are %s, want %s", got, want)
	}
}

// The times of figures, where the clock of the server is set back for 4 s, and
// where it is late now and then.
func testAdminClock(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openPage(t, browser, s.url()+"/style.css")
	got := tab.eval(`import("/overview.js").then(({timeAfter}) => {
		const run = times => {
			let last;
			return times.map(time => last = timeAfter(last, time, 1)).join();
		};
		return [run([1000, 2000, 2000, 2000, 2000, 6000, 7000]), run([1000, 2300, 3000, 4000, 9000])].join("|");
	})`)
	if want := `1000,2000,3000,4000,5000,6000,7000|1000,2300,3000,4000,9000`; got != want {
		t.Errorf("the times are %s, want %s", got, want)
	}
}

func testAdminRestart(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	tab.wait(`$("#state").textContent === "live" && ` + plotted + ` >= 3`)
	s.stop(t, syscall.SIGKILL)
	tab.wait(`$("#state").textContent === "reconnecting"`)
	// Long enough for a gap in the line.
	tab.eval(`globalThis.gone = Date.now(); ""`)
	tab.wait(`Date.now() - gone > 3000`)
	before := tab.eval(`String(` + plotted + `)`)
	t.Setenv("FEEDD_RETENTION_MAX_ITEMS", "4321")
	s.start(t)
	tab.wait(`$("#state").textContent === "live" && ` + plotted + ` > 2 + ` + before)
	tab.wait(`$("#settings pre").textContent.includes("max_items: 4321")`)
	if got := tab.eval(`String($(".line").getAttribute("d").split("M").length - 1)`); got != "2" {
		t.Errorf("the line has %s parts, not the two with the gap between", got)
	}
	tab.eval(`click("#examples button")`)
	tab.wait(`/^Published to main/.test($("#result").textContent)`)
	tab.wait(`cell("main", "count") === "1"`)
	if got := tab.eval(`String($("#signin").hidden)`); got != "true" {
		t.Error("the session did not survive the restart")
	}

	// With another key all sessions have ended; an open page finds out.
	s.stop(t, syscall.SIGKILL)
	if err := os.Remove(filepath.Join(s.data, "admin.key")); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	tab.wait(adminIsOut + ` && /session has ended/.test($("#signin-problem").textContent)`)
	tab.wantQuiet(`status of 401|ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_CONNECTION_RESET`)
}

// adminLooks measures what is seen: texts without enough contrast, controls
// without a name.
const adminLooks = `
	globalThis.faint = () => {
		const rgb = color => color.match(/[\d.]+/g).map(Number);
		const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
		const backOf = element => {
			for (; element; element = element.parentElement) {
				const color = rgb(getComputedStyle(element).backgroundColor);
				if (color.length < 4 || color[3] === 1) return color;
			}
			return [255, 255, 255];
		};
		const found = [];
		const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		for (let node; node = texts.nextNode();) {
			const element = node.parentElement;
			if (!node.data.trim() || !element.checkVisibility() || element.closest("script, option, :disabled, .unseen")) continue;
			const style = getComputedStyle(element);
			const [a, b] = [light(rgb(element.closest("svg") ? style.fill : style.color)), light(backOf(element))].sort((a, b) => b - a);
			if ((a + .05) / (b + .05) < 4.5) found.push(node.data.trim() + " " + ((a + .05) / (b + .05)).toFixed(2));
		}
		return found.join("; ");
	};
	globalThis.nameless = () => [...document.querySelectorAll("button, input, select, textarea, a, [role=slider], [tabindex='0']")].filter(e =>
		e.checkVisibility() && !e.ariaLabel && !e.getAttribute("aria-labelledby") && !(e.labels ? e.labels.length && [...e.labels].some(l => l.textContent.trim()) : false) &&
		!(/^(A|BUTTON)$/.test(e.tagName) && e.textContent.trim())).map(e => e.outerHTML).join();
	globalThis.unscoped = () => [...document.querySelectorAll("th")].filter(th => !th.scope).length + [...document.querySelectorAll("tbody tr")].filter(tr => !tr.querySelector("th[scope=row]")).length;`

func testAdminLooks(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	wide := strings.Repeat("w", 128)
	s.publish(t, wide, "", "text/plain", "x")
	s.publish(t, "news", "", "application/json", `{"headline":"x"}`)
	fits := func(tab *pageTab, name string, width int64) {
		t.Helper()
		if got := tab.eval(`[document.documentElement.scrollWidth, innerWidth].join()`); got != fmt.Sprintf("%d,%d", width, width) {
			t.Errorf("%s: the page is as wide as %s", name, got)
		}
		if got := tab.eval(`faint()`); got != "" {
			t.Errorf("%s: too little contrast: %s", name, got)
		}
		if got := tab.eval(`nameless()`); got != "" {
			t.Errorf("%s: without a name: %s", name, got)
		}
		if got := tab.eval(`String(unscoped())`); got != "0" {
			t.Errorf("%s: %s headers without a scope, or rows without a header", name, got)
		}
		tab.picture(name)
	}
	looks := []struct {
		name, scheme string
		width        int64
	}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"narrow", "light", 360}}
	out := openPage(t, browser, s.url()+"/admin", adminHelpers, adminLooks)
	out.wait(adminIsOut)
	out.do(chromedp.SendKeys(chromedp.CSS("#key"), "wrong"+kb.Enter))
	out.wait(`$("#signin-problem").checkVisibility()`)
	for _, look := range looks {
		out.look(look.width, 740, look.scheme)
		fits(out, "signin-"+look.name, look.width)
	}
	tab := openAdmin(t, browser, s, adminLooks)
	tab.eval(`click("#examples button"); fill("#kind", "score")`)
	tab.wait(`document.querySelectorAll("#sent a").length === 1`)
	for _, look := range looks {
		tab.look(look.width, 740, look.scheme)
		tab.eval(`$("#feeds").scrollIntoView({behavior: "instant"}); ""`)
		tab.wait(`document.querySelectorAll("#feeds tbody tr").length === 3`)
		fits(tab, "feeds-"+look.name, look.width)
		tab.eval(`$("#subscribers").scrollIntoView({behavior: "instant"}); ""`)
		tab.wait(`document.querySelectorAll("#subscribers tbody tr").length > 0`)
		fits(tab, "subscribers-"+look.name, look.width)
		tab.eval(`scrollTo(0, 0); ""`)
		fits(tab, "overview-"+look.name, look.width)
		tab.eval(`click("[data-feed=` + wide + `] [data-act=keep]")`)
		tab.wait(`$("#keep").open`)
		fits(tab, "keep-"+look.name, look.width)
		tab.eval(`click("#keep-cancel"); click("[data-feed=` + wide + `] [data-act=purge]")`)
		tab.wait(`$("#question").open`)
		fits(tab, "question-"+look.name, look.width)
		tab.eval(`click("#question-no"); fill("#to-feed", "` + wide + `.x"); click("#compose .primary")`)
		tab.wait(`$("#result").classList.contains("bad")`)
		tab.eval(`$("#publish").scrollIntoView({behavior: "instant"}); ""`)
		fits(tab, "publish-"+look.name, look.width)
		tab.eval(`fill("#to-feed", "main")`)
	}
	tab.wantQuiet(`status of 40[01]`)
	out.wantQuiet(`status of 401`)
}

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestAdmin drives the admin page in chromium, against the real binary.
func TestAdmin(t *testing.T) {
	inBrowser(t, []browserTest{
		{"signs in by the link that serve prints, once", testAdminLink},
		{"P8 signs in by the key, and out", testAdminKey},
		{"says that a browser keeps no cookie", testAdminNoCookie},
		{"stays when another tab has signed in anew", testAdminStale},
		{"lists subscribers and cuts one, who comes back", testAdminSubscribers},
		{"shows the settings, and no secret", testAdminSettings},
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
	reader := openPage(t, browser, s.url()+"/shared/style.css")
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
	s.env = append(s.env, "FEEDD_RETENTION_MAX_ITEMS=4321")
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

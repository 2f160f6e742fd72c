package browser_test

import (
	"encoding/json"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// item returns an item as the server has it.
func itemOf(t *testing.T, s *harness.Server, feed, id string) (event, data string) {
	t.Helper()
	status, body := s.Do("GET", "/feeds/"+feed+"/items/"+id, "", "")
	var item struct {
		Event string
		Data  json.RawMessage
	}
	if err := json.Unmarshal(body, &item); err != nil || status != http.StatusOK {
		t.Fatalf("%s of %s: %d %s", id, feed, status, body)
	}
	return item.Event, string(item.Data)
}

func testAdminLink(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	link := s.Link()
	tab := b.OpenAdmin(t, link)
	tab.WantNoTicket()
	tab.Reload()
	tab.WaitSignedIn()

	// Who is in stays in, whatever the link is worth.
	again := b.Open(t, link, browser.AdminHelpers)
	again.WaitSignedIn()
	again.SignOut()
	again.Do(chromedp.Navigate("about:blank"), chromedp.Navigate(link))
	again.Wait(browser.AdminIsOut + ` && /used already, or is older than ten minutes/.test($("#signin-problem").textContent)`)
	again.WantNoTicket()
	again.WantQuiet(`status of 401`)

	// The other tab is told, and a new link in the same tab is enough.
	tab.Wait(browser.AdminIsOut + ` && /session has ended/.test($("#signin-problem").textContent)`)
	tab.Eval(`location.href = ` + browser.Quote(s.Link()) + `; ""`)
	tab.WaitSignedIn()
	tab.WantNoTicket()
	tab.WantQuiet(`status of 401`)
}

func testAdminKey(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL()+"/admin", browser.AdminHelpers)
	tab.WaitSignedOut()
	if got := tab.Eval(`$("#signin-problem").checkVisibility() + " " + $("#inside").checkVisibility() + " " + $("#key").autocomplete + " " + $("#key").type`); got != "false false current-password password" {
		t.Errorf("a stranger sees %s", got)
	}
	tab.Do(chromedp.SendKeys(chromedp.CSS("#key"), "wrong"+kb.Enter))
	tab.Wait(`/^This is not the key/.test($("#signin-problem").textContent) && $("#signin-problem").checkVisibility()`)

	key := s.Key()
	tab.Do(chromedp.SendKeys(chromedp.CSS("#key"), key+kb.Enter))
	tab.WaitSignedIn()
	secret := browser.Quote(key)
	if got := tab.Eval(`[document.cookie, localStorage.length, sessionStorage.length, $("#key").value, document.documentElement.outerHTML.includes(` + secret + `)].join("|")`); got != "|0|0||false" {
		t.Errorf("the page keeps %s", got)
	}
	tab.Reload()
	tab.WaitSignedIn()
	tab.SignOut()
	if got := tab.Eval(`fetch("/session").then(answer => answer.text())`); got != "{\"admin\":false}\n" {
		t.Errorf("after signing out the session is %s", got)
	}
	if got := tab.Eval(`fetch("/config").then(({status}) => String(status))`); got != "401" {
		t.Errorf("after signing out the settings are answered with %s", got)
	}
	tab.WantQuiet(`status of 401`)
}

// A browser that keeps no cookie: one of a proxy that says https where there is
// none would be such a case.
func testAdminNoCookie(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	key := s.Key()
	tab := b.Open(t, s.URL()+"/admin", `{
		const ask = fetch;
		globalThis.fetch = (path, options) => ask(path, {...options, credentials: "omit"});
	}`, browser.AdminHelpers)
	tab.WaitSignedOut()
	tab.Do(chromedp.SendKeys(chromedp.CSS("#key"), key+kb.Enter))
	tab.Wait(browser.AdminIsOut + ` && /does not keep the cookie/.test($("#signin-problem").textContent)`)
	tab.WantQuiet()
}

// What another tab's sign-in finds under way still has the cookie of before: here
// the first request for figures, and the first for settings or feeds, have none.
func testAdminStale(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.Link(), `{
		const ask = fetch;
		globalThis.stale = new Set();
		globalThis.fetch = (path, options) => {
			const kind = /_stats/.test(path) ? "figures" : /^\/(config|feeds\?)/.test(path) ? "others" : "";
			if (!kind || stale.has(kind)) return ask(path, options);
			stale.add(kind);
			return ask(path, {...options, credentials: "omit"});
		};
	}`, browser.AdminHelpers)
	tab.Wait(`stale.size === 2 && $("#state").dataset.is === "live" && ` + browser.AdminIsIn)
	browser.Publish(s, "news", "", "application/json", `1`)
	tab.Eval(`$("#feeds").scrollIntoView(), ""`) // it is fetched while it is seen
	tab.Wait(`rowOf("news") && ` + browser.AdminIsIn)
	tab.WantQuiet(`status of 401`)
}

func testAdminSubscribers(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenAdmin(t, s.Link())
	reader := b.Open(t, s.URL()+"/shared/style.css")
	reader.Eval(`globalThis.opened = 0; globalThis.source = new EventSource("/feeds/cut.*,me"); source.onopen = () => opened++; ""`)
	reader.Wait(`opened === 1`)
	// The page does not ask for what is out of sight.
	tab.Wait(`$("#state").textContent === "live" && ` + plotted + ` >= 3`)
	if got := tab.Eval(`performance.getEntriesByType("resource").map(({name}) => name).filter(name => name.includes("/subscribers?")).join()`); got != "" {
		t.Errorf("the page asks for %s", got)
	}
	tab.Eval(`$("#subscribers").scrollIntoView(); globalThis.mine = () => [...document.querySelectorAll("#subscribers tbody tr")].filter(row => row.querySelector(".selector").textContent === "cut.*,me"); ""`)
	tab.Wait(`mine().length === 1`)
	first := tab.Eval(`mine()[0].dataset.id`)
	if got := tab.Eval(`[...mine()[0].children].map(cell => cell.textContent).join("|")`); !strings.HasPrefix(got, "127.0.0.1:") || !strings.Contains(got, "|SSE|cut.*,me|") || !strings.HasSuffix(got, " s|up to date|–|Cut…") {
		t.Errorf("the subscriber is %s", got)
	}
	total := `Number(/^[\d,]+/.exec($("#subscribers .shown").textContent)) === document.querySelectorAll("#subscribers tbody tr").length`
	tab.Wait(total)
	// One is found by what it reads, or by its address.
	only := func(text string) {
		tab.Eval(`$("#whom").value = ` + browser.Quote(text) + `; $("#whom").dispatchEvent(new Event("input")); ""`)
	}
	only("cut.*")
	tab.Wait(`/^1 of \d+ subscribers with this/.test($("#subscribers .shown").textContent) && mine().length === 1`)
	only(tab.Eval(`mine()[0].cells[0].textContent`))
	tab.Wait(`$("#whom").value.startsWith("127.") && document.querySelectorAll("#subscribers tbody tr").length === 1 && mine().length === 1`)
	only("nobody")
	tab.Wait(`/^0 of /.test($("#subscribers .shown").textContent) && mine().length === 0`)
	only("")
	tab.Wait(`mine().length === 1`)
	tab.Wait(total)

	tab.Eval(`mine()[0].querySelector("button").click(); ""`)
	tab.WaitOpen("#question")
	tab.Click("#question-no")
	tab.Wait(`!$("#question").open`)
	if got := reader.Eval(`String(opened)`); got != "1" {
		t.Errorf("after no the reader was opened %s times", got)
	}
	tab.Eval(`mine()[0].querySelector("button").click(); ""`)
	tab.Click("#question-yes")
	tab.Wait(`/was cut\.$/.test($("#message span")?.textContent)`)
	reader.Wait(`opened === 2`)
	tab.Wait(`mine().length === 1 && mine()[0].dataset.id !== ` + browser.Quote(first))
	// Out of sight the page does not ask any more, for as long as two more turns.
	const asked = `performance.getEntriesByType("resource").filter(({name}) => name.includes("/subscribers?")).length`
	tab.Scroll(0)
	tab.Wait(`$("#subscribers").getBoundingClientRect().top > innerHeight + 100`)
	before := tab.Eval(`String(` + asked + `)`)
	tab.Wait(plotted + ` >= 5 + ` + tab.Eval(`String(`+plotted+`)`))
	if got := tab.Eval(`String(` + asked + ` <= 1 + ` + before + `)`); got != "true" {
		t.Error("the page goes on asking for what nobody sees")
	}
	tab.ScrollTo("#subscribers")
	tab.WantQuiet()

	// One that takes nothing falls behind.
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL()+"/feeds/slow", nil)
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
		browser.Publish(s, "slow", "", "text/plain", large)
	}
	tab.Wait(`(() => { fetch("/feeds/other", {method: "POST", body: "x"});
		return [...document.querySelectorAll("#subscribers tbody tr")].some(row => /\|slow\|.*\|its connection is full\|behind by [1-9][\d.]* s\|/.test([...row.children].map(cell => cell.textContent).join("|"))); })()`)
}

func testAdminSettings(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenAdmin(t, s.Link())
	tab.WaitMatch("#settings .durability", `/^on disk, and survives/`)
	key := s.Key()
	_, yaml := s.Do("GET", "/config", "", "")
	shown := tab.Text("#settings pre")
	if shown != string(yaml) || !strings.Contains(shown, "max_items: 10000") {
		t.Errorf("the settings are\n%s\nnot\n%s", shown, yaml)
	}
	if strings.Contains(tab.Eval(`document.documentElement.outerHTML`), key) {
		t.Error("the key is in the page")
	}
	tab.Eval(`navigator.clipboard.writeText = async text => { globalThis.copied = text; }; click("#settings button")`)
	tab.Wait(`$("#message span")?.textContent === "The configuration was copied."`)
	if got := tab.Eval(`copied`); got != shown {
		t.Errorf("what is copied is %s", got)
	}
	tab.Eval(`navigator.clipboard.writeText = async () => { throw new Error("no"); }; click("#settings button")`)
	tab.Wait(`/selected, to be copied/.test($("#message span")?.textContent)`)
	if got := tab.Eval(`getSelection().toString().trim()`); got != strings.TrimSpace(shown) {
		t.Errorf("what is chosen is %s", got)
	}
	tab.WantQuiet()
}

func testAdminRestart(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenAdmin(t, s.Link())
	tab.Wait(`$("#state").textContent === "live" && ` + plotted + ` >= 3`)
	s.Kill()
	tab.WaitText("#state", "reconnecting")
	// Long enough for a gap in the line.
	tab.Eval(`globalThis.gone = Date.now(); ""`)
	tab.Wait(`Date.now() - gone > 3000`)
	before := tab.Eval(`String(` + plotted + `)`)
	s.Env = append(s.Env, "FEEDD_RETENTION_MAX_ITEMS=4321")
	s.Start()
	tab.Wait(`$("#state").textContent === "live" && ` + plotted + ` > 2 + ` + before)
	tab.Wait(`$("#settings pre").textContent.includes("max_items: 4321")`)
	if got := tab.Eval(`String($(".line").getAttribute("d").split("M").length - 1)`); got != "2" {
		t.Errorf("the line has %s parts, not the two with the gap between", got)
	}
	tab.ClickByScript("#examples button")
	tab.WaitMatch("#result", `/^Published to main/`)
	tab.WaitCell("main", "count", "1")
	if got := tab.Eval(`String($("#signin").hidden)`); got != "true" {
		t.Error("the session did not survive the restart")
	}

	// With another key all sessions have ended; an open page finds out.
	s.Kill()
	if err := os.Remove(filepath.Join(s.Data, "admin.key")); err != nil {
		t.Fatal(err)
	}
	s.Start()
	tab.Wait(browser.AdminIsOut + ` && /session has ended/.test($("#signin-problem").textContent)`)
	tab.WantQuiet(`status of 401|ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_CONNECTION_RESET`)
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

func testAdminLooks(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	wide := strings.Repeat("w", 128)
	browser.Publish(s, wide, "", "text/plain", "x")
	browser.Publish(s, "news", "", "application/json", `{"headline":"x"}`)
	fits := func(tab *browser.Tab, name string, width int64) {
		t.Helper()
		if got := tab.Eval(`[document.documentElement.scrollWidth, innerWidth].join()`); got != fmt.Sprintf("%d,%d", width, width) {
			t.Errorf("%s: the page is as wide as %s", name, got)
		}
		if got := tab.Eval(`faint()`); got != "" {
			t.Errorf("%s: too little contrast: %s", name, got)
		}
		if got := tab.Eval(`nameless()`); got != "" {
			t.Errorf("%s: without a name: %s", name, got)
		}
		if got := tab.Eval(`String(unscoped())`); got != "0" {
			t.Errorf("%s: %s headers without a scope, or rows without a header", name, got)
		}
		tab.Picture(name)
	}
	looks := []struct {
		name, scheme string
		width        int64
	}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"narrow", "light", 360}}
	out := b.Open(t, s.URL()+"/admin", browser.AdminHelpers, adminLooks)
	out.WaitSignedOut()
	out.Do(chromedp.SendKeys(chromedp.CSS("#key"), "wrong"+kb.Enter))
	out.Wait(`$("#signin-problem").checkVisibility()`)
	for _, look := range looks {
		out.Look(look.width, 740, look.scheme)
		fits(out, "signin-"+look.name, look.width)
	}
	tab := b.OpenAdmin(t, s.Link(), adminLooks)
	tab.Eval(`click("#examples button"); fill("#kind", "score")`)
	tab.WaitCount("#sent a", 1)
	for _, look := range looks {
		tab.Look(look.width, 740, look.scheme)
		tab.Eval(`$("#feeds").scrollIntoView({behavior: "instant"}); ""`)
		tab.WaitCount("#feeds tbody tr", 3)
		fits(tab, "feeds-"+look.name, look.width)
		tab.Eval(`$("#subscribers").scrollIntoView({behavior: "instant"}); ""`)
		tab.Wait(`document.querySelectorAll("#subscribers tbody tr").length > 0`)
		fits(tab, "subscribers-"+look.name, look.width)
		tab.Scroll(0)
		fits(tab, "overview-"+look.name, look.width)
		tab.ClickByScript("[data-feed=" + wide + "] [data-act=keep]")
		tab.WaitOpen("#keep")
		fits(tab, "keep-"+look.name, look.width)
		tab.Eval(`click("#keep-cancel"); click("[data-feed=` + wide + `] [data-act=purge]")`)
		tab.WaitOpen("#question")
		fits(tab, "question-"+look.name, look.width)
		tab.Eval(`click("#question-no"); fill("#to-feed", "` + wide + `.x"); click("#compose .primary")`)
		tab.Wait(`$("#result").classList.contains("bad")`)
		tab.Eval(`$("#publish").scrollIntoView({behavior: "instant"}); ""`)
		fits(tab, "publish-"+look.name, look.width)
		tab.Fill("#to-feed", "main")
	}
	tab.WantQuiet(`status of 40[01]`)
	out.WantQuiet(`status of 401`)
}

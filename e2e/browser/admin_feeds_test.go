package browser_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestAdminFeeds(t *testing.T) {
	inBrowser(t, []browserTest{
		{"sorts and filters many feeds", testAdminFeeds},
		{"changes what a feed keeps, and takes it back", testAdminRetention},
		{"purges after a question", testAdminPurge},
		{"purges nothing that it did not ask about", testAdminPurgeSlowly},
	})
}

func testAdminFeeds(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	for i := range 120 {
		browser.Publish(s, fmt.Sprintf("many.f%03d", i), "", "text/plain", "x")
	}
	for range 3 {
		browser.Publish(s, "sports.football", "", "text/plain", "a longer one")
	}
	browser.Publish(s, "sports", "", "text/plain", "x")
	tab := b.OpenAdmin(t, s.Link())
	tab.ScrollTo("#feeds")
	tab.Wait(`document.querySelectorAll("#feeds tbody tr").length === 100 && /^The first 100 feeds of 122 in this order\.$/.test($("#feeds .shown").textContent)`)
	// What is not among the first hundred by name comes first by another order.
	tab.Do(chromedp.Click(chromedp.CSS(`#feeds [data-sort=bytes]`)))
	tab.Wait(`listed().startsWith("sports.football,many.f000") && document.querySelectorAll("#feeds tbody tr").length === 100`)
	tab.Do(chromedp.Click(chromedp.CSS(`#feeds [data-sort=subscribers]`)))
	tab.Wait(`/^The first 100 feeds of 122 by name; they alone are sorted\.$/.test($("#feeds .shown").textContent) && !rowOf("sports.football")`)
	tab.Do(chromedp.Click(chromedp.CSS(`#feeds [data-sort=feed]`)))
	tab.Wait(`/in this order\.$/.test($("#feeds .shown").textContent) && listed().startsWith("many.f000,")`)
	tab.Click("#feeds .more")
	tab.Wait(`document.querySelectorAll("#feeds tbody tr").length === 122 && $("#feeds .shown").textContent === "122 feeds." && $("#feeds .more").hidden`)

	tab.Do(chromedp.Click(chromedp.CSS(`#feeds [data-sort=count]`)))
	tab.Wait(`listed().startsWith("sports.football,many.f000")`)
	if got := tab.Eval(`$("#feeds th[aria-sort]").getAttribute("aria-sort") + " " + $("#feeds th[aria-sort]").textContent`); got != "descending Items" {
		t.Errorf("the table is sorted %s", got)
	}
	tab.Do(chromedp.Click(chromedp.CSS(`#feeds [data-sort=count]`)))
	tab.Wait(`listed().endsWith("sports.football")`)

	tab.Do(chromedp.SendKeys(chromedp.CSS("#match"), "sports"))
	tab.Wait(`listed() === "sports,sports.football"`)
	tab.Fill("#match", "sports.*")
	tab.Wait(`listed() === "sports.football"`)
	if got := tab.Eval(`cell("sports.football", "count") + " " + cell("sports.football", "bytes") + " " + new URL(rowOf("sports.football").querySelector("a").href).search`); got != "3 36 B ?feed=sports.football" {
		t.Errorf("the row says %s", got)
	}
	tab.Fill("#match", "a..b")
	tab.WaitMatch("#feeds .notice", `/^The selector is not valid/`)
	tab.Fill("#match", "nothing")
	tab.Wait(`listed() === "" && $("#feeds .shown").textContent === "No feed has such a name." && $("#feeds .notice").hidden`)
	tab.WantQuiet(`status of 400`)
}

func testAdminRetention(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	for range 10 {
		browser.Publish(s, "news", "", "text/plain", "x")
	}
	tab := b.OpenAdmin(t, s.Link())
	tab.ScrollTo("#feeds")
	keep := `rowOf("news")?.querySelector("[data-act=keep]").textContent`
	tab.Wait(keep + ` === "10,000 items, 64MiB, 30d"`)
	tab.Do(chromedp.Click(chromedp.CSS(`[data-feed=news] [data-act=keep]`)))
	tab.Wait(`$("#keep").open && document.activeElement.id === "max_items"`)
	if got := tab.Eval(`["#max_items", "#max_bytes", "#max_age"].map(id => $(id).value).join() + " " + $("#keep-reset").checkVisibility()`); got != "10000,64MiB,30d false" {
		t.Errorf("the form begins with %s", got)
	}
	tab.Eval(`fill("#max_items", "4"); fill("#max_bytes", ""); fill("#max_age", "a while"); click("#keep .primary")`)
	tab.Wait(`/^The settings are not valid/.test($("#keep-problem").textContent) && $("#keep-problem").checkVisibility()`)
	tab.Eval(`fill("#max_age", "12h"); click("#keep .primary")`)
	tab.Wait(`!$("#keep").open && ` + keep + ` === "4 items, 64MiB, 12h (own)" && cell("news", "count") === "4"`)
	if got := tab.Eval(`document.activeElement.dataset.act`); got != "keep" {
		t.Errorf("the keyboard is at %s", got)
	}
	if _, got := s.Do("GET", "/feeds/news/settings", "", ""); string(got) != `{"retention":{"max_items":4,"max_bytes":"64MiB","max_age":"12h"}}`+"\n" {
		t.Errorf("the settings are %s", got)
	}
	tab.Do(chromedp.Click(chromedp.CSS(`[data-feed=news] [data-act=keep]`)))
	tab.WaitOpen("#keep")
	tab.ClickByScript("#keep-cancel")
	tab.Wait(`!$("#keep").open`)
	tab.Do(chromedp.Click(chromedp.CSS(`[data-feed=news] [data-act=keep]`)), chromedp.Click(chromedp.CSS("#keep-reset")))
	tab.Wait(`!$("#keep").open && ` + keep + ` === "10,000 items, 64MiB, 30d"`)
	tab.WantQuiet(`status of 400`)
}

func testAdminPurge(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	for range 3 {
		browser.Publish(s, "news", "", "text/plain", "x")
	}
	browser.Publish(s, "other", "", "text/plain", "x")
	tab := b.OpenAdmin(t, s.Link())
	tab.ScrollTo("#feeds")
	tab.WaitCell("news", "count", "3")
	// The question knows of what came since the table was made.
	browser.Publish(s, "news", "", "text/plain", "x")
	const purge = `[data-feed=news] [data-act=purge]`
	for _, how := range []chromedp.Action[chromedp.Void]{chromedp.Click(chromedp.CSS("#question-no")), chromedp.KeyEvent(kb.Escape)} {
		tab.Do(chromedp.Click(chromedp.CSS(purge)))
		tab.Wait(`$("#question").open && document.activeElement.id === "question-no"`)
		if got := tab.Eval(`["title", "text", "yes"].map(part => $("#question-" + part).textContent).join("|")`); !strings.HasPrefix(got, "Purge news?|All 4 items of news are removed") || !strings.HasSuffix(got, "|Purge 4 items") {
			t.Errorf("the question is %s", got)
		}
		tab.Do(how)
		tab.Wait(`!$("#question").open && document.activeElement.dataset.act === "purge"`)
		if _, body := s.Do("GET", "/feeds/news?last=10&format=json", "", ""); strings.Count(string(body), `"id"`) != 4 {
			t.Errorf("after no there is %s", body)
		}
	}
	tab.Do(chromedp.Click(chromedp.CSS(purge)), chromedp.Click(chromedp.CSS("#question-yes")))
	tab.Wait(`$("#message span")?.textContent === "4 items of news were removed." && cell("news", "count") === "0" && cell("other", "count") === "1"`)
	tab.WantQuiet()
}

// Two clicks while the server is slow: the second question is not asked over
// the first.
func testAdminPurgeSlowly(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	browser.Publish(s, "one", "", "text/plain", "x")
	browser.Publish(s, "two", "", "text/plain", "x")
	tab := b.OpenAdmin(t, s.Link())
	tab.ScrollTo("#feeds")
	tab.WaitCell("two", "count", "1")
	tab.Eval(`{
		const ask = fetch, slow = new Promise(resolve => globalThis.answer = resolve);
		globalThis.fetch = async (path, ...rest) => { if (path.startsWith("/feeds?")) await slow; return ask(path, ...rest); };
		click("[data-feed=one] [data-act=purge]");
		click("[data-feed=two] [data-act=purge]");
	} ""`)
	tab.Eval(`answer(); ""`)
	tab.WaitOpen("#question")
	asked := tab.Eval(`fetch("/feeds?").then(() => /Purge (.*)\?/.exec($("#question-title").textContent)[1])`)
	tab.Click("#question-yes")
	tab.Wait(`cell(` + browser.Quote(asked) + `, "count") === "0"`)
	other := map[string]string{"one": "two", "two": "one"}[asked]
	tab.Eval(`fetch("/feeds/` + other + `", {method: "POST", body: "x"}).then(() => "")`)
	if _, body := s.Do("GET", "/feeds/"+other+"?last=10&format=json", "", ""); strings.Count(string(body), `"id"`) != 2 {
		t.Errorf("%s, about which the page did not ask, has %s", other, body)
	}
	tab.WantQuiet()
}

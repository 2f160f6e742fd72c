package e2e

import (
	"context"
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

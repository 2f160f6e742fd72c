package browser_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestAdminPlots(t *testing.T) {
	inBrowser(t, []browserTest{
		{"draws figures, for mouse and keys", testAdminPlots},
	})
}

// plotted is how many values the line of the first plot has.
const plotted = `(document.querySelector(".line").getAttribute("d")?.match(/[ML]/g)?.length ?? 0)`

func testAdminPlots(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenAdmin(t, s.Link())
	tab.Eval(`globalThis.plot = title => [...document.querySelectorAll(".plot")].find(plot => plot.ariaLabel === title); ""`)
	tab.Wait(`plot("Subscribers").querySelector(".now").textContent === "1"`)
	tab.Wait(plotted + ` >= 4`)
	browser.Publish(s, "main", "", "text/plain", "x")
	tab.Wait(`/^from 0\/s to [\d.]+\/s$/.test(plot("Published").querySelector(".ranges").textContent)`)
	tab.Wait(`[...document.querySelectorAll(".plot")].map(plot => plot.ariaLabel).join() === "Published,Delivered,Delay,Subscribers,Backlog on disk,Memory"`)

	// The past is there at once.
	past := tab.Eval(`String(` + plotted + `)`)
	tab.Reload()
	tab.Wait(plotted + ` > 0`)
	if got := tab.Eval(`String(` + plotted + ` >= ` + past + `)`); got != "true" {
		t.Errorf("after the page was loaded anew there are fewer figures than %s", past)
	}

	// By keys: a value of before, in all plots, and back.
	tab.Do(chromedp.Focus(chromedp.CSS(".canvas")), chromedp.KeyEvent(kb.Home))
	tab.WaitCount(".cursor[visibility=visible]", 6)
	first := tab.Eval(`$(".canvas").ariaValueText`)
	tab.Do(chromedp.KeyEvent(kb.ArrowRight))
	tab.Wait(`/^\d\d:\d\d:\d\d: [\d.]+\/s$/.test($(".canvas").ariaValueText) && $(".canvas").ariaValueText !== ` + browser.Quote(first))
	tab.Wait(`$(".plot .now").textContent === $(".canvas").ariaValueText`)
	tab.Do(chromedp.KeyEvent(kb.Escape))
	tab.Wait(`!document.querySelector(".cursor[visibility=visible]")`)

	// By mouse: the middle of the shown time is before there was anything, so
	// the first value is meant.
	tab.Eval(`(() => { const box = $(".canvas").getBoundingClientRect();
		$(".canvas").dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + box.width / 2, clientY: box.top + 50})); return ""; })()`)
	tab.Wait(`document.querySelectorAll(".cursor[visibility=visible]").length === 6 && $(".plot .now").textContent === ` + browser.Quote(first))
	tab.WantQuiet()
}

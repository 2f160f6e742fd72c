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
		{"chooses scales that stand still", testAdminScales},
		{"draws what comes while a clock stands still", testAdminClock},
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

// The scale of a plot, step by step as values come.
func testAdminScales(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL()+"/shared/style.css")
	got := tab.Eval(`import("/admin/plot.js").then(({scaleFor}) => {
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
func testAdminClock(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL()+"/shared/style.css")
	got := tab.Eval(`import("/admin/overview.js").then(({timeAfter}) => {
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

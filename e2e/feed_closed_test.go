package e2e

import (
	"context"
	"testing"
)

func testFeedClosed(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	s.say(t, "news", "first")
	tab := feedTab(t, browser, s.url(), "/feeds/news", nil)
	// Closed at each moment of its beginning, it says nothing more.
	tab.eval(`(async () => {
		globalThis.after = 0;
		for (let ms = 0; ms < 60; ms += 3) {
			const feed = new Feed("/feeds/news", {last: 5});
			await new Promise(resolve => setTimeout(resolve, ms));
			feed.close();
			for (const type of ["item", "gap", "state"]) feed.addEventListener(type, () => after++);
		}
		return "";
	})()`)
	tab.waitLive()
	tab.wantGot(s.say(t, "news", "live"))
	if got := tab.eval(`String(after)`); got != "0" {
		t.Errorf("closed feeds said %s things", got)
	}
	s.awaitReaders(t, "news", 1)
	// Nothing of a closed one is left: not either where its first page's last
	// item had it closed.
	tab.eval(`feed.close(), ""`)
	s.awaitReaders(t, "news", 0)
	tab.eval(`(() => {
		globalThis.short = [true, false].map(share => new Feed("/feeds/news", {last: 1, share}));
		for (const feed of short) feed.addEventListener("item", () => feed.close());
		return "";
	})()`)
	tab.wait(`short.every(feed => feed.state.is === "closed")`)
	next := feedTab(t, browser, s.url(), "/feeds/news", nil)
	next.waitLive()
	next.eval(`feed.close(), ""`)
	s.awaitReaders(t, "news", 0)
	if got := tab.eval(`short.map(feed => feed.state.is).join()`); got != "closed,closed" {
		t.Errorf("closed feeds are %s", got)
	}
	next.wantQuiet(noIcon)
	tab.wantQuiet(noIcon)
	// Nor a timer, where it is closed as soon as it is live.
	timed := openPage(t, browser, s.url()+"/shared/style.css", feedHelpers, `{
		const {setTimeout: wait, clearTimeout: end} = globalThis;
		globalThis.timers = new Set();
		globalThis.setTimeout = (...asked) => {
			const timer = wait(...asked);
			timers.add(timer);
			return timer;
		};
		globalThis.clearTimeout = timer => { timers.delete(timer); end(timer); };
	}`)
	timed.eval("load()")
	if left := timed.eval(`new Promise(resolve => {
		const feed = new Feed("/feeds/news", {share: false});
		feed.addEventListener("state", ({detail}) => {
			if (detail.is !== "live") return;
			feed.close();
			requestAnimationFrame(() => resolve(String(timers.size)));
		});
	})`); left != "0" {
		t.Errorf("a Feed that is closed when it is live leaves %s timers", left)
	}
	timed.wantQuiet(noIcon)
}

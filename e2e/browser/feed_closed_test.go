package browser_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"testing"
)

func testFeedClosed(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	browser.Say(s, "news", "first")
	tab := b.OpenFeed(t, s.URL(), "/feeds/news", nil)
	// Closed at each moment of its beginning, it says nothing more.
	tab.Eval(`(async () => {
		globalThis.after = 0;
		for (let ms = 0; ms < 60; ms += 3) {
			const feed = new Feed("/feeds/news", {last: 5});
			await new Promise(resolve => setTimeout(resolve, ms));
			feed.close();
			for (const type of ["item", "gap", "state"]) feed.addEventListener(type, () => after++);
		}
		return "";
	})()`)
	tab.WaitLive()
	tab.WantGot(browser.Say(s, "news", "live"))
	if got := tab.Eval(`String(after)`); got != "0" {
		t.Errorf("closed feeds said %s things", got)
	}
	s.AwaitSubscribers("news", 1)
	// Nothing of a closed one is left: not either where its first page's last
	// item had it closed.
	tab.CloseFeed()
	s.AwaitSubscribers("news", 0)
	tab.Eval(`(() => {
		globalThis.short = [true, false].map(share => new Feed("/feeds/news", {last: 1, share}));
		for (const feed of short) feed.addEventListener("item", () => feed.close());
		return "";
	})()`)
	tab.Wait(`short.every(feed => feed.state.is === "closed")`)
	next := b.OpenFeed(t, s.URL(), "/feeds/news", nil)
	next.WaitLive()
	next.CloseFeed()
	s.AwaitSubscribers("news", 0)
	if got := tab.Eval(`short.map(feed => feed.state.is).join()`); got != "closed,closed" {
		t.Errorf("closed feeds are %s", got)
	}
	next.WantQuiet(browser.NoIcon)
	tab.WantQuiet(browser.NoIcon)
	// Nor a timer, where it is closed as soon as it is live.
	timed := b.Open(t, s.URL()+"/shared/style.css", browser.FeedHelpers, `{
		const {setTimeout: wait, clearTimeout: end} = globalThis;
		globalThis.timers = new Set();
		globalThis.setTimeout = (...asked) => {
			const timer = wait(...asked);
			timers.add(timer);
			return timer;
		};
		globalThis.clearTimeout = timer => { timers.delete(timer); end(timer); };
	}`)
	timed.Eval("load()")
	if left := timed.Eval(`new Promise(resolve => {
		const feed = new Feed("/feeds/news", {share: false});
		feed.addEventListener("state", ({detail}) => {
			if (detail.is !== "live") return;
			feed.close();
			requestAnimationFrame(() => resolve(String(timers.size)));
		});
	})`); left != "0" {
		t.Errorf("a Feed that is closed when it is live leaves %s timers", left)
	}
	timed.WantQuiet(browser.NoIcon)
}

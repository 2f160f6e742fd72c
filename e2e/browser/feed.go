package browser

import (
	"encoding/json"
	"feedd/e2e/harness"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FeedHelpers make a Feed in a tab and note what it says.
const FeedHelpers = `
	globalThis.got = [];    // "id data" and "gap reason"
	globalThis.states = [];
	globalThis.load = async () => {
		globalThis.Feed = (await import("/feed.js")).Feed;
		return "";
	};
	globalThis.follow = (url, options) => {
		globalThis.feed = new Feed(url, options);
		feed.addEventListener("item", e => got.push(e.detail.id + " " + e.detail.data));
		feed.addEventListener("gap", e => got.push("gap " + e.detail.reason));
		feed.addEventListener("state", e => states.push(e.detail.is + (e.detail.by ? " by " + e.detail.by : "")));
		return "";
	};`

// NoIcon is what chromium says of a style sheet that it shows as a page.
const NoIcon = `status of 404`

// OpenFeed opens a tab without a page of its own: the style sheet's, whose
// policy lets it load feed.js. It follows a feed.
func (b *Browser) OpenFeed(t *testing.T, address, feed string, options map[string]any, scripts ...string) *Tab {
	t.Helper()
	tab := b.Open(t, address+"/shared/style.css", append(scripts, FeedHelpers)...)
	if options == nil {
		options = map[string]any{}
	}
	opts, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	tab.Eval("load()")
	tab.Eval(fmt.Sprintf("follow(%q, %s)", feed, opts))
	return tab
}

// WaitLive waits until the tab's Feed is live.
func (tab *Tab) WaitLive() {
	tab.t.Helper()
	tab.WaitFeed("live")
}

// WantGot waits for the last of these, and checks that exactly they came.
func (tab *Tab) WantGot(want ...string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf("got.at(-1) === %q", want[len(want)-1]))
	var got []string
	if err := json.Unmarshal([]byte(tab.Eval("JSON.stringify(got)")), &got); err != nil {
		tab.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		tab.t.Errorf("what came (-want +got):\n%s", diff)
	}
}

// Say publishes a text and returns it as a tab notes it.
func Say(s *harness.Server, feed, text string) string {
	return Publish(s, feed, "", "text/plain", text).ID + " " + text
}

// WaitFeed waits until the tab's Feed is so: live, waiting, refused.
func (tab *Tab) WaitFeed(is string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`feed.state.is === %s`, Quote(is)))
}

// WaitFeedBy waits until the tab's Feed reads in a way: stream or polling.
func (tab *Tab) WaitFeedBy(way string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`feed.state.by === %s`, Quote(way)))
}

// CloseFeed closes the tab's Feed.
func (tab *Tab) CloseFeed() {
	tab.t.Helper()
	tab.Eval(`feed.close(), ""`)
}

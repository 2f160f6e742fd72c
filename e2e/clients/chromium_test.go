package clients_test

import (
	"context"
	"encoding/json"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// pageReader is the page's script: the browser's own EventSource, with
// listeners for the names that are used.
const pageReader = `
	globalThis.got = [];
	globalThis.feed = new EventSource(URL);
	for (const name of ["message", "goal", "card:red", "a.b-c_d", "gap"])
		feed.addEventListener(name, e => got.push({id: e.lastEventId, event: name, data: e.data}));
	"on the way"`

// readWithChromium reads in a tab that shows a page of the same origin, and
// fetches what the page heard every now and then.
func readWithChromium(tab *browser.Tab) func(context.Context, *reader) {
	return func(ctx context.Context, r *reader) {
		eval := func(expression string) (string, bool) {
			c, cancel := context.WithTimeout(tab.Context(), harness.Patience)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			v, err := chromedp.Run(c, chromedp.Evaluate[string](expression))
			if err != nil && ctx.Err() == nil {
				r.breaks(err)
			}
			return v, err == nil
		}
		url, _ := json.Marshal(r.url)
		_, ok := eval(strings.Replace(pageReader, "URL", string(url), 1))
		for ok && harness.Pause(ctx, 100*time.Millisecond) {
			var heard string
			heard, ok = eval(`JSON.stringify({dead: feed.readyState === EventSource.CLOSED, events: got.splice(0)})`)
			var v struct {
				Dead   bool
				Events []struct{ ID, Event, Data string }
			}
			json.Unmarshal([]byte(heard), &v)
			for _, e := range v.Events {
				r.got(harness.Event{ID: e.ID, Event: e.Event, Data: e.Data})
			}
			if v.Dead {
				r.breaks(errStopped)
				return
			}
		}
	}
}

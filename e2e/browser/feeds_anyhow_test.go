package browser_test

import (
	"encoding/json"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// feedsAnyhow opens and closes Feeds in a page, and notes what each says. It
// runs before feed.js, to count what that has open, and to hasten it: all pauses
// are shorter, but for the patience with who does not answer. Some pages have
// no EventSource, and some of an EventSource come to nothing.
const feedsAnyhow = `
	globalThis.notes = [];
	globalThis.open = new Set(); // what a Feed may leave behind
	{
		const {setTimeout: wait, clearTimeout: end, fetch: real} = globalThis;
		const sleep = ms => new Promise(resolve => wait(resolve, ms));
		globalThis.setTimeout = (f, ms) => {
			const timer = wait(() => { open.delete("timer " + timer); f(); }, [5_000, 35_000, 40_000].includes(ms) ? ms : ms / 20);
			open.add("timer " + timer);
			return timer;
		};
		globalThis.clearTimeout = timer => { open.delete("timer " + timer); end(timer); };
		globalThis.fetch = (...asked) => {
			const answer = real(...asked);
			open.add(answer);
			const over = () => open.delete(answer);
			answer.then(over, over);
			return answer;
		};
		for (const target of [globalThis, document]) {
			const {addEventListener: add, removeEventListener: remove} = target;
			target.addEventListener = (type, f, options) => {
				open.add(f);
				options?.signal?.addEventListener("abort", () => open.delete(f));
				add.call(target, type, f, options);
			};
			target.removeEventListener = (type, f) => { open.delete(f); remove.call(target, type, f); };
		}
		const counted = (kind, change = x => x) => class extends kind {
			constructor(name) { super(change(name)); open.add(this); }
			close() { super.close(); open.delete(this); }
		};
		globalThis.BroadcastChannel = counted(BroadcastChannel);
		const Source = counted(EventSource, url => Math.random() < 0.2 ? "/nowhere" : url);

		const make = (selector, options = {}) => {
			const feed = new Feed("/feeds/" + encodeURIComponent(selector).replaceAll("%2C", ","), options);
			const note = {selector, event: options.event ?? "", all: options.since === "all", begun: "", got: [], problems: [], get state() { return feed.state.is; }};
			notes.push(note);
			let over = false;
			// Where it stands when it has handed on what its first item came with.
			const took = got => {
				if (!note.got.length) queueMicrotask(() => note.begun = feed.lastEventId);
				note.got.push(got);
			};
			for (const type of ["item", "gap", "state"]) {
				feed.addEventListener(type, ({detail}) => { if (over) note.problems.push(type + " after its end " + JSON.stringify(detail)); });
			}
			return {
				feed, note,
				item: ({id}) => took({id}),
				gap: gap => took({gap}),
				close: () => { feed.close(); over = true; },
			};
		};
		const listen = one => {
			one.feed.addEventListener("item", e => one.item(e.detail));
			one.feed.addEventListener("gap", e => one.gap(e.detail));
			return one;
		};
		globalThis.begin = (seed, polls) => {
			const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
			const pick = list => list[Math.floor(random() * list.length)];
			open.clear(); // the tests' own
			if (polls) delete globalThis.EventSource;
			else globalThis.EventSource = Source;
			globalThis.stay = ["news", "sports", "news,sports", "*"].map(selector => listen(make(selector, {since: "all"})));
			const come = async all => {
				const one = make(pick(["news", "sports", "news,sports", "*", pick(["_stats", "a b", "news,,sports"])]), {
					...pick([{}, {last: 1}, {last: 3}, {since: "all"}]), ...pick([{}, {}, {}, {event: "goal"}]), share: random() > 0.1,
				});
				all.add(one);
				wait(() => { one.close(); all.delete(one); }, random() * 500);
				const close = pick(["item", "gap", "state", "", "", "", "", ""]);
				if (close) one.feed.addEventListener(close, () => { if (random() < 0.5) one.close(); });
				if (random() < 0.5) {
					listen(one);
					return;
				}
				try {
					for await (const item of one.feed) {
						if (item.gap) one.gap(item.gap);
						else one.item(item);
						if (random() < 0.1) await sleep(random() * 20);
						if (random() < 0.05) break;
					}
				} catch (err) {
					if (err.name !== "Refusal") throw err;
				}
			};
			const all = new Set();
			let over = false;
			(async () => {
				for (; !over; await sleep(random() * 100)) come(all);
			})();
			globalThis.calm = () => {
				over = true;
				for (const one of all) one.close();
			};
			return "";
		};
	}`

// feedNote is what a Feed said.
type feedNote struct {
	Selector, Event, State string
	All                    bool   // it began with all that there was
	Begun                  string // where it stood when it had begun
	Got                    []struct {
		ID  string
		Gap *struct{ Through, Reason string }
	}
	Problems []string
}

// feedHistory is what was published, and what of it was taken away again.
type feedHistory struct {
	ids    map[string][]string // by selector and event
	purged map[string]bool
}

// check reports what is wrong with what a Feed said. What is missing was taken
// away, and before it began, or it was told of a gap.
func (h *feedHistory) check(n feedNote, whole bool) error {
	if len(n.Problems) > 0 {
		return fmt.Errorf("%q", n.Problems)
	}
	all := h.ids[strings.TrimSpace(n.Selector+" "+n.Event)]
	if !slices.Contains([]string{"news", "sports", "news,sports", "*"}, n.Selector) {
		if len(n.Got) > 0 || n.State == "live" {
			return fmt.Errorf("it is no feed to be read, and is %s", n.State)
		}
		return nil
	}
	if n.State == "refused" {
		return fmt.Errorf("it was refused")
	}
	told, from := n.Begun, !n.All
	upTo := func(to int) error {
		for _, id := range all[:to] {
			if !h.purged[id] || id > told {
				return fmt.Errorf("%s is missing, purged %t, told of what is gone up to %s", id, h.purged[id], told)
			}
		}
		return nil
	}
	for _, got := range n.Got {
		if got.Gap != nil {
			if told = max(told, got.Gap.Through); got.Gap.Reason != "purged" || n.Selector == "sports" {
				return fmt.Errorf("it is told of a gap where there is none: %s", got.Gap.Reason)
			}
			continue
		}
		i := slices.Index(all, got.ID)
		if i < 0 {
			return fmt.Errorf("%s is there twice, not in order or not its own", got.ID)
		}
		if !from {
			if err := upTo(i); err != nil {
				return err
			}
		}
		from, all = false, all[i+1:]
	}
	if whole {
		return upTo(len(all))
	}
	return nil
}

func testFeedsAnyhow(t *testing.T, b *browser.Browser) {
	seed := harness.Seed(t, 1)
	random := rand.New(rand.NewPCG(seed, 0))
	s := harness.Start(t)
	front, cut, mend := s.FrontThatCuts()
	var mu sync.Mutex // guards what follows, and the server's life
	n := 0
	history := feedHistory{ids: map[string][]string{}, purged: map[string]bool{}}
	publish := func() {
		mu.Lock()
		defer mu.Unlock()
		feed, event := []string{"news", "sports"}[n%2], []string{"", "", "goal"}[n%3]
		id := browser.Publish(s, feed, event, "text/plain", strconv.Itoa(n)).ID
		for _, selector := range []string{feed, "news,sports", "*"} {
			history.ids[selector] = append(history.ids[selector], id)
			if event != "" {
				history.ids[selector+" goal"] = append(history.ids[selector+" goal"], id)
			}
		}
		n++
	}
	purge := func() {
		mu.Lock()
		defer mu.Unlock()
		s.Purge("news")
		for _, id := range history.ids["news"] {
			history.purged[id] = true
		}
	}
	restart := func() {
		mu.Lock()
		defer mu.Unlock()
		s.Stop([]syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[random.IntN(2)])
		s.Start()
	}

	var open []*browser.Tab
	feeds, items := 0, 0
	begin := func(tab *browser.Tab) {
		tab.Eval("load()")
		tab.Eval(fmt.Sprintf(`begin(%d, %t)`, 1+random.IntN(1<<30), random.IntN(4) == 0))
	}
	come := func() {
		if len(open) < 4 {
			tab := b.Open(t, front+"/shared/style.css", browser.FeedHelpers, feedsAnyhow)
			begin(tab)
			open = append(open, tab)
		}
	}
	check := func(tab *browser.Tab, last bool) {
		var notes []feedNote
		if err := json.Unmarshal([]byte(tab.Eval(`JSON.stringify(notes)`)), &notes); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for i, note := range notes {
			feeds++
			items += len(note.Got)
			if err := history.check(note, last && i < 4); err != nil {
				t.Errorf("Feed %d of %d: %v\n%+v\nof %q", i, len(notes), err, note, history.ids[strings.TrimSpace(note.Selector+" "+note.Event)])
			}
		}
		tab.WantQuiet(browser.NoIcon, browser.GoneAway, `status of (400|401|502|503)|CONTENT_LENGTH_MISMATCH`)
	}
	steps := []step{
		{20, func() { time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond) }},
		{2, come},
		{2, func() { // a tab is closed
			if len(open) > 1 {
				i := random.IntN(len(open))
				check(open[i], false)
				open[i].Close()
				open = slices.Delete(open, i, i+1)
			}
		}},
		{2, func() { // a tab goes elsewhere, and comes back
			tab := open[random.IntN(len(open))]
			check(tab, false)
			tab.Navigate(front + "/shared/style.css")
			begin(tab)
		}},
		{1, func() { // a tab is asleep
			open[random.IntN(len(open))].Eval(`(() => { for (const end = performance.now() + 400; performance.now() < end;); return ""; })()`)
		}},
		{2, func() { cut(); mend() }},
		{1, func() { cut() }},
		{2, func() { mend() }},
		{1, restart},
		{2, purge},
	}
	come()
	come()
	stop := pour(t, seed, 20, func(*rand.Rand) { publish() })
	for range harness.Steps(t, 150) / 3 {
		anyOf(random, steps)()
	}
	mend()
	stop()

	// In the end those that stayed have everything, and then nothing is left.
	for _, tab := range open {
		tab.Eval(`calm(), ""`)
	}
	for range 12 {
		publish()
	}
	for _, tab := range open {
		for i, selector := range []string{"news", "sports", "news,sports", "*"} {
			ids := history.ids[selector]
			tab.Wait(fmt.Sprintf(`stay[%d].note.got.at(-1)?.id === %q`, i, ids[len(ids)-1]))
		}
		check(tab, true)
	}
	t.Logf("%d Feeds had %d items", feeds, items)
	for _, tab := range open {
		tab.Eval(`stay.forEach(one => one.close()), ""`)
	}
	for _, tab := range open {
		tab.Wait(`(async () => !(await navigator.locks.query()).held.length && ![...open].some(what => !String(what).startsWith("timer")))()`)
		if left := tab.Eval(`new Promise(resolve => requestAnimationFrame(() => resolve([...open].join())))`); left != "" {
			t.Errorf("closed Feeds leave %s", left)
		}
		if states := tab.Eval(`JSON.stringify(notes.filter(note => !["closed", "refused"].includes(note.state)))`); states != "[]" {
			t.Errorf("of closed Feeds there are %s", states)
		}
	}
	s.AwaitConnections(0)
}

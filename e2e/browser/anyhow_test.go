package browser_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// TestAnyhow: whatever is done with a page, in whatever order and at whatever
// moment, in the end it has what it is to have. FEEDD_TEST_SEED decides what is
// done, FEEDD_TEST_STEPS how much of it. Without a seed it is the same each time,
// so that who breaks something is who sees it; make anyhow does other things.
func TestAnyhow(t *testing.T) {
	inBrowser(t, []browserTest{
		{"P3 a reader who lets go of everything has the newest, without a hole", testReaderAnyhow},
		{"P1 P3 P4 Feeds that come and go have theirs, and leave nothing behind", testFeedsAnyhow},
		{"P1 P3 P7 what is said in a chat is there once, in the same order for all", testChatAnyhow},
	})
}

// record returns what notes what a test does, for one that fails.
func record(t *testing.T) (does func(format string, args ...any)) {
	var mu sync.Mutex // guards did
	var did []string
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what was done:\n%s", strings.Join(did, "\n"))
		}
	})
	return func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		did = append(did, fmt.Sprintf(format, args...))
	}
}

// step is something that is done now and then.
type step struct {
	weight int
	do     func()
}

// anyOf picks a step by the weights.
func anyOf(random *rand.Rand, steps []step) (do func()) {
	all := 0
	for _, s := range steps {
		all += s.weight
	}
	k := random.IntN(all)
	for _, s := range steps {
		if k -= s.weight; k < 0 {
			return s.do
		}
	}
	panic("the weights are more than their sum")
}

// pour publishes again and again, with random pauses up to some ms, until it is
// told to stop, or the test is over.
func pour(t *testing.T, seed uint64, most int, publish func(*rand.Rand)) (stop func()) {
	over := make(chan struct{})
	var pouring sync.WaitGroup
	pouring.Go(func() {
		random := rand.New(rand.NewPCG(seed, 1))
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Duration(random.IntN(most)) * time.Millisecond):
				publish(random)
			}
		}
	})
	stop = sync.OnceFunc(func() {
		close(over)
		pouring.Wait()
	})
	t.Cleanup(stop)
	return stop
}

func testReaderAnyhow(t *testing.T, b *browser.Browser) {
	seed := harness.Seed(t, 1)
	random := rand.New(rand.NewPCG(seed, 0))
	s := harness.Start(t)
	does := record(t)
	var mu sync.Mutex // guards n
	n := 0
	publish := func(more int) {
		mu.Lock()
		defer mu.Unlock()
		does("publish %d to %d", n, n+more-1)
		s.Batch("main", n, more)
		n += more
	}
	publish(1 + random.IntN(300))
	s.Batch("other", 1_000_000, 30)
	// The server's answers take their time.
	tab := b.Open(t, s.URL(), `(() => {
		const real = fetch;
		globalThis.fetch = async (...asked) => {
			const answer = await real(...asked);
			if (Math.random() < 0.5) await new Promise(resolve => setTimeout(resolve, Math.random() * 300));
			return answer;
		};
	})()`, browser.HastyPauses)
	tab.WaitState("live")
	eval := func(expression string) {
		does("%s", expression)
		tab.Eval(expression + `, ""`)
	}
	press := func(keys string) {
		does("press %q", keys)
		tab.Press(keys)
	}
	click := func(id string) func() {
		return func() {
			eval(fmt.Sprintf(`document.querySelector(%q).hidden || document.querySelector(%q).click()`, id, id))
		}
	}
	filter := func(text string) {
		does("filter %q", text)
		tab.Filter(text)
	}
	submit := func(form, input, value string) func() {
		return func() {
			eval(fmt.Sprintf(`document.querySelector("#%s").value = %q, document.querySelector("#%s").requestSubmit()`, input, value, form))
		}
	}
	steps := []step{
		{2, func() { publish(40 + random.IntN(100)) }},
		{1, func() { publish(400 + random.IntN(300)) }},
		{6, func() { press("p") }},
		{4, func() { eval(fmt.Sprintf(`scrollTo(0, document.body.scrollHeight * %.2f)`, random.Float64())) }},
		{3, func() { eval(`scrollTo(0, 0)`) }},
		{4, func() { eval(`scrollTo(0, 1e6)`) }},
		{4, func() { // as a glance at what is older
			eval(`scrollTo(0, 1e6)`)
			eval(`new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve(scrollTo(0, 0)))))`)
		}},
		{2, func() { press("j") }},
		{1, func() { press("k") }},
		{1, func() { press("c") }},
		{3, func() { press(kb.Escape) }},
		{2, func() { filter([]string{"1", "7", "33", "nobody"}[random.IntN(4)]) }},
		{2, func() { filter("") }},
		{2, click("#new")},
		{2, click("#newer")},
		{2, click("#older")},
		{1, func() { eval(`[...document.querySelectorAll("#items .time")].at(-1)?.click()`) }}, // the item's own address
		{2, func() { eval(`navigation.currentEntry.index > 0 && history.back()`) }},
		{1, func() { eval(`history.forward()`) }},
		{1, submit("choose", "selector", "other")},
		{1, submit("choose", "selector", "main")},
		{1, submit("narrow", "events", "goal")}, // no item has one
		{1, submit("narrow", "events", "message")},
		{1, submit("goto", "place", "2 s ago")},
		{1, submit("goto", "place", "3 d ago")},
		{1, func() {
			mu.Lock() // so that no item is published meanwhile
			defer mu.Unlock()
			does("the server is killed, and comes again")
			s.Restart(syscall.SIGKILL)
		}},
	}
	stop := pour(t, seed, 30, func(random *rand.Rand) { publish(1 + random.IntN(12)) })
	// Letting go: of the rows, of the text, of the place, of the pause.
	letGo := func() {
		does("let go")
		tab.Press(kb.Escape)
		tab.Press(kb.Escape)
		tab.Filter("")
		tab.Eval(`new Promise(resolve => setTimeout(resolve, 250, ""))`) // it waits for more letters
		if tab.Eval(`(asked => String((asked.get("feed") ?? "main") === "main" && !asked.has("event")))(new URLSearchParams(location.search))`) != "true" {
			submit("choose", "selector", "main")()
		} else if tab.Eval(`new URLSearchParams(location.search).get("at") ?? ""`) != "" {
			tab.Press("n")
		}
		if tab.Text("#pause") == "Resume" {
			tab.Press("p")
		}
		// Nothing comes meanwhile: scrolling up goes by pages.
		mu.Lock()
		defer mu.Unlock()
		tab.Wait(fmt.Sprintf(`(scrollTo(0, 0), rows()[0]?.text === "%d" && document.querySelector("#details").textContent === "" && document.querySelector("#new").hidden)`, n-1))
		tab.WantDense()
	}
	for i := range harness.Steps(t, 150) {
		anyOf(random, steps)()
		if pause := random.IntN(120) - 40; pause > 0 {
			does("wait %d ms", pause)
			tab.Eval(fmt.Sprintf(`new Promise(resolve => setTimeout(resolve, %d, ""))`, pause))
		}
		if i%15 == 14 {
			letGo()
		}
	}
	stop()
	for range 2 {
		letGo()
		publish(1)
	}
	tab.WantQuiet(browser.GoneAway)
}

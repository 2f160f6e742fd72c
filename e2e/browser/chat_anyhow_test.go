package browser_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testChatAnyhow(t *testing.T, b *browser.Browser) {
	random := rand.New(rand.NewPCG(harness.Seed(t, 1), 0))
	does := record(t)
	s := browser.StartChat(t, "FEEDD_LIMITS_MAX_ANONYMOUS_RATE=2") // some are said too fast
	type guest struct {
		*browser.Tab
		name    string
		cable   *harness.Cable
		refuses atomic.Bool // upgrades to WebSocket
	}
	guests := make([]*guest, 3)
	for i := range guests {
		g := &guest{name: fmt.Sprint("guest ", i)}
		way := s.Address
		if i > 0 { // behind a proxy, which answers while the server is away
			way = strings.TrimPrefix(s.Before(func(w http.ResponseWriter, r *http.Request) bool {
				refused := r.Header.Get("Upgrade") != "" && g.refuses.Load()
				if refused {
					w.WriteHeader(http.StatusBadRequest)
				}
				return refused
			}), "http://")
		}
		g.cable = harness.LayCable(t, way)
		g.Tab = b.OpenGuest(t, g.cable.Address, g.name, browser.HastyWaits, `performance.now = () => 100 * Date.now()`) // one may say much
		g.WaitChat()
		guests[i] = g
	}
	said, discarded := map[string]int{}, map[string]int{} // by name and text
	var g *guest                                          // who does something
	whole := func() bool { return s.Running() && !g.cable.Out.Load() && !g.cable.Deaf.Load() }
	mend := func() {
		g.cable.Out.Store(true)
		g.cable.Deaf.Store(false)
		g.cable.Cut() // what was lost was said on these
		g.cable.Out.Store(false)
		g.Eval(`dispatchEvent(new Event("online")), ""`) // as a browser says it
	}
	steps := []step{
		{20, func() {
			text := fmt.Sprint("message ", len(said))
			if random.IntN(4) == 0 {
				text = "the same"
			}
			taken := g.Eval(fmt.Sprintf(`document.querySelector("#composer").hidden || say(%q) ? "" : "taken"`, text))
			does("%s says %s: %q", g.name, text, taken)
			if taken != "" {
				said[g.name+": "+text]++
			}
		}},
		{3, func() {
			if whole() {
				does("%s loads the page again", g.name)
				g.Navigate(g.cable.Address + "/chat")
			}
		}},
		{2, func() {
			does("%s is cut off", g.name)
			g.cable.Out.Store(true)
			g.cable.Cut()
		}},
		{2, func() {
			does("%s hears nothing", g.name)
			g.cable.Deaf.Store(true)
		}},
		{5, func() {
			does("%s is back", g.name)
			mend()
		}},
		{1, func() {
			g.refuses.Store(!g.refuses.Load())
			does("upgrades of %s are refused: %v", g.name, g.refuses.Load())
		}},
		{2, func() {
			if s.Running() {
				how := []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[random.IntN(2)]
				for _, g := range guests {
					if g.cable.Deaf.Load() {
						how = syscall.SIGKILL // it would wait for the farewell of who does not hear it
					}
				}
				does("the server goes: %v", how)
				s.Stop(how)
			}
		}},
		{4, func() {
			if !s.Running() {
				does("the server comes")
				s.Start()
			}
		}},
		{2, func() {
			does("%s tries again", g.name)
			g.Eval(`document.querySelector("#outbox [data-is=failed] .again")?.click(), ""`)
		}},
		{1, func() {
			text := g.Eval(`(() => {
				const row = document.querySelector("#outbox [data-is=failed]");
				row?.querySelector(".discard").click();
				return row?.querySelector(".text").textContent ?? "";
			})()`)
			does("%s discards %q", g.name, text)
			if text != "" {
				discarded[g.name+": "+text]++
			}
		}},
	}
	for range harness.Steps(t, 150) {
		g = guests[random.IntN(len(guests))]
		anyOf(random, steps)()
		if pause := random.IntN(120) - 60; pause > 0 {
			g.Eval(fmt.Sprintf(`new Promise(resolve => setTimeout(resolve, %d, ""))`, 100*pause+1)) // its clock is hasty, but for 5 s
		}
	}
	if !s.Running() {
		s.Start()
	}
	does("all are back, and try again until nothing is left")
	for _, g = range guests {
		mend()
	}
	for _, g := range guests {
		g.Wait(`(() => {
			for (const again of document.querySelectorAll("#outbox [data-is=failed] .again")) again.click();
			return state() === "live" && document.querySelector("#outbox").children.length === 0;
		})()`)
	}
	browser.Publish(s, "chat", "broadcast", "application/json", `{"name":"nobody","text":"the end"}`)
	talk := talk(t, s)
	stored := map[string]int{"nobody: the end": -1}
	for _, row := range talk {
		stored[row.Name+": "+row.Text]++
	}
	for what, n := range said {
		if stored[what] > n || stored[what] < n-discarded[what] {
			t.Errorf("%q was said %d times, %d of them discarded, and is stored %d times", what, n, discarded[what], stored[what])
		}
		delete(stored, what)
	}
	if delete(stored, "nobody: the end"); len(stored) > 0 {
		t.Errorf("nobody said %v", stored)
	}
	for _, g := range guests {
		g.Wait(`texts().at(-1) === "the end"`)
		got := g.ChatRows()
		if len(got) < min(50, len(talk)) || len(got) > len(talk) {
			t.Fatalf("%s has %d messages of %d", g.name, len(got), len(talk))
		}
		want := append([]browser.ChatRow(nil), talk[len(talk)-len(got):]...)
		for i, row := range want {
			want[i].Own = row.Name == g.name
			if discarded[row.Name+": "+row.Text] > 0 {
				want[i].Own = got[i].Own // it was told that this was not sent
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("what %s has (-want +got):\n%s", g.name, diff)
		}
		t.Logf("%s has %d of %d messages, %d of them said by anybody here", g.name, len(got), len(talk), len(said))
		g.WantQuiet(browser.GoneAway, webSocketGone, `status of (400|429|502|503)`)
	}
}

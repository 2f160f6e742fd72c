package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// talk returns what the server has in its chat, as a page for it shows it.
func (s *pageServer) talk(t *testing.T) []chatRow {
	t.Helper()
	var rows []chatRow
	for from, more := "since=all", true; more; {
		_, body := s.do(t, "GET", "/feeds/chat?format=json&limit=1000&"+from, "", "")
		var page struct {
			Items []struct {
				ID   string
				Data struct{ Name, Text string }
			}
			Cursor string
			More   bool
		}
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		for _, item := range page.Items {
			rows = append(rows, chatRow{ID: item.ID, Name: item.Data.Name, Text: item.Data.Text})
		}
		from, more = "last_event_id="+page.Cursor, page.More
	}
	return rows
}

func testChatAnyhow(t *testing.T, browser context.Context, bin string) {
	random := rand.New(rand.NewPCG(seedFromEnv(t, 1), 0))
	does := record(t)
	s := startChat(t, bin, "FEEDD_LIMITS_MAX_ANONYMOUS_RATE=2") // some are said too fast
	type guest struct {
		*pageTab
		name    string
		cable   *cable
		refuses atomic.Bool // upgrades to WebSocket
	}
	guests := make([]*guest, 3)
	for i := range guests {
		g := &guest{name: fmt.Sprint("guest ", i)}
		way := s.address
		if i > 0 { // behind a proxy, which answers while the server is away
			way = strings.TrimPrefix(s.chatFront(t, func(w http.ResponseWriter, r *http.Request) bool {
				refused := r.Header.Get("Upgrade") != "" && g.refuses.Load()
				if refused {
					w.WriteHeader(http.StatusBadRequest)
				}
				return refused
			}), "http://")
		}
		g.cable = layCable(t, way)
		g.pageTab = openGuest(t, browser, g.cable.address, g.name, hastyWaits, `performance.now = () => 100 * Date.now()`) // one may say much
		g.waitChat()
		guests[i] = g
	}
	said, discarded := map[string]int{}, map[string]int{} // by name and text
	var g *guest                                          // who does something
	whole := func() bool { return s.cmd != nil && !g.cable.out.Load() && !g.cable.deaf.Load() }
	mend := func() {
		g.cable.out.Store(true)
		g.cable.deaf.Store(false)
		g.cable.cut() // what was lost was said on these
		g.cable.out.Store(false)
		g.eval(`dispatchEvent(new Event("online")), ""`) // as a browser says it
	}
	steps := []step{
		{20, func() {
			text := fmt.Sprint("message ", len(said))
			if random.IntN(4) == 0 {
				text = "the same"
			}
			taken := g.eval(fmt.Sprintf(`document.querySelector("#composer").hidden || say(%q) ? "" : "taken"`, text))
			does("%s says %s: %q", g.name, text, taken)
			if taken != "" {
				said[g.name+": "+text]++
			}
		}},
		{3, func() {
			if whole() {
				does("%s loads the page again", g.name)
				g.do(chromedp.Navigate(g.cable.address + "/chat"))
			}
		}},
		{2, func() {
			does("%s is cut off", g.name)
			g.cable.out.Store(true)
			g.cable.cut()
		}},
		{2, func() {
			does("%s hears nothing", g.name)
			g.cable.deaf.Store(true)
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
			if s.cmd != nil {
				how := []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[random.IntN(2)]
				for _, g := range guests {
					if g.cable.deaf.Load() {
						how = syscall.SIGKILL // it would wait for the farewell of who does not hear it
					}
				}
				does("the server goes: %v", how)
				s.stop(t, how)
			}
		}},
		{4, func() {
			if s.cmd == nil {
				does("the server comes")
				s.start(t)
			}
		}},
		{2, func() {
			does("%s tries again", g.name)
			g.eval(`document.querySelector("#outbox [data-is=failed] .again")?.click(), ""`)
		}},
		{1, func() {
			text := g.eval(`(() => {
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
	for range numberFromEnv(t, "FEEDD_TEST_STEPS", 150) {
		g = guests[random.IntN(len(guests))]
		anyOf(random, steps)()
		if pause := random.IntN(120) - 60; pause > 0 {
			g.eval(fmt.Sprintf(`new Promise(resolve => setTimeout(resolve, %d, ""))`, 100*pause+1)) // its clock is hasty, but for 5 s
		}
	}
	if s.cmd == nil {
		s.start(t)
	}
	does("all are back, and try again until nothing is left")
	for _, g = range guests {
		mend()
	}
	for _, g := range guests {
		g.wait(`(() => {
			for (const again of document.querySelectorAll("#outbox [data-is=failed] .again")) again.click();
			return state() === "live" && document.querySelector("#outbox").children.length === 0;
		})()`)
	}
	s.publish(t, "chat", "broadcast", "application/json", `{"name":"nobody","text":"the end"}`)
	talk := s.talk(t)
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
		g.wait(`texts().at(-1) === "the end"`)
		got := g.chatRows()
		if len(got) < min(50, len(talk)) || len(got) > len(talk) {
			t.Fatalf("%s has %d messages of %d", g.name, len(got), len(talk))
		}
		want := append([]chatRow(nil), talk[len(talk)-len(got):]...)
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
		g.wantQuiet(goneAway, webSocketGone, `status of (400|429|502|503)`)
	}
}

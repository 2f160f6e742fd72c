package browser_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
)

func testChatRestart(t *testing.T, b *browser.Browser, how syscall.Signal, words string) {
	s := browser.StartChat(t)
	anna, bert := b.OpenGuest(t, s.URL(), "Anna"), b.OpenGuest(t, s.URL(), "Bert", browser.NoWebSocket)
	tabs := []*browser.Tab{anna, bert}
	var want []string
	for round := range 3 {
		for _, tab := range tabs {
			tab.WaitChat()
		}
		if round > 0 {
			for _, tab := range tabs {
				text := fmt.Sprintf("%d before", len(want))
				tab.Says(text)
				want = append(want, text)
				for _, tab := range tabs {
					tab.WantChat(want...)
				}
			}
		}
		s.Stop(how)
		anna.Wait(fmt.Sprintf(`state() === %q && / in \d+ s$/.test(document.querySelector("#connection").textContent)`, words))
		bert.Wait(`state() !== "live"`)
		if got := anna.Text("#here"); got != "" {
			t.Errorf("with the server away the page says %s", got)
		}
		// Said while there is no server: pending, then stored once.
		anna.Says(fmt.Sprintf("%d said into the void", len(want)))
		anna.Wait(`unsent().length === 1 && unsent()[0].dataset.is === "pending"`)
		want = append(want, fmt.Sprintf("%d said into the void", len(want)))
		s.Start()
		for _, tab := range tabs {
			tab.WantChat(want...)
		}
		bert.Says(fmt.Sprintf("%d after", len(want)))
		want = append(want, fmt.Sprintf("%d after", len(want)))
		for _, tab := range tabs {
			tab.WantChat(want...)
		}
	}
	if got := stored(t, s); !slices.Equal(got, want) {
		t.Errorf("stored are\n%q\nnot\n%q", got, want)
	}
	anna.WantQuiet(browser.GoneAway, webSocketGone, draining)
	bert.WantQuiet(browser.GoneAway, draining)
}

const (
	// webSocketGone is what chromium says when a WebSocket breaks or does not
	// open.
	webSocketGone = `WebSocket connection to .* failed`
	// draining is what it says of the answer of a server that goes down.
	draining = `status of 503`
)

func testChatLostAnswer(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	for _, scripts := range [][]string{{browser.HastyWaits}, {browser.HastyWaits, browser.NoWebSocket}} {
		c := s.Cable()
		tab, other := b.OpenGuest(t, c.Address, "Anna", scripts...), b.OpenGuest(t, s.URL(), "Bert")
		tab.WaitChat()
		other.WaitChat()
		before := len(stored(t, s))
		for i := range 3 {
			c.Deaf.Store(true)
			tab.Says(fmt.Sprintf("message %d", i))
			// It is stored, and the guest who said it does not know.
			harness.Await(t, "the message is stored", func() bool { return len(stored(t, s)) == before+i+1 })
			tab.WaitUnsent(1)
			c.Out.Store(true)
			c.Deaf.Store(false)
			c.Cut()
			tab.Wait(`state() !== "live"`)
			c.Out.Store(false)
			// The answer is here too: a row is hidden when only the item is.
			tab.Wait(`state() === "live" && document.querySelector("#outbox").children.length === 0`)
		}
		want := stored(t, s)
		if len(want) != before+3 {
			t.Errorf("stored are %q", want)
		}
		tab.WantChat(want...)
		other.WantChat(want...)
		if got := tab.Eval(`document.querySelector("#connection").title`); (got == "") != (len(scripts) == 1) {
			t.Errorf("with the scripts %q the page speaks %s", scripts, got)
		}
		for _, row := range tab.ChatRows()[before:] {
			if !row.Own {
				t.Errorf("%+v is one's own", row)
			}
		}
		tab.WantQuiet(browser.GoneAway, webSocketGone)
		other.WantQuiet()
	}
}

// An item that says the same is taken for one's own until the answer tells.
func testChatSame(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	release := make(chan struct{})
	front := s.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			select {
			case <-release:
			case <-r.Context().Done(): // the test failed
			}
		}
		return false
	})
	tab := b.OpenGuest(t, front, "Anna", browser.NoWebSocket)
	tab.WaitChat()
	tab.Says("the same")
	tab.WaitUnsent(1)
	browser.Publish(s, "chat", "broadcast", "application/json", `{"name":"Anna","text":"the same"}`)
	tab.Wait(`talk().length === 1 && talk()[0].own`)
	if got := tab.Eval(`String(unsent().length)`); got != "0" {
		t.Error("the message is there twice")
	}
	close(release)
	// The item may come before the answer, which tells them apart.
	tab.Wait(`talk().map(r => r.own).join() === "false,true" && unsent().length === 0`)
	tab.WantQuiet()
}

func testChatReload(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	c := s.Cable()
	tab := b.OpenGuest(t, c.Address, "Anna")
	tab.WaitChat()
	c.Deaf.Store(true)
	tab.Says("on its way")
	harness.Await(t, "the message is stored", func() bool { return len(stored(t, s)) == 1 })
	c.Deaf.Store(false)
	tab.Navigate(c.Address + "/chat")
	tab.WaitChat()
	tab.WantChat("on its way")
	if row := tab.ChatRows()[0]; !row.Own || row.Name != "Anna" {
		t.Errorf("%+v", row)
	}
	if got := stored(t, s); len(got) != 1 {
		t.Errorf("stored are %q", got)
	}
	tab.WantQuiet()
}

func testChatGap(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	for _, scripts := range [][]string{{browser.HastyWaits}, {browser.HastyWaits, browser.NoWebSocket}} {
		c := s.Cable()
		tab := b.OpenGuest(t, c.Address, "Anna", scripts...)
		tab.WaitChat()
		have := len(tab.ChatRows())
		tab.Says("seen")
		tab.Wait(fmt.Sprintf(`talk().length === %d && unsent().length === 0`, have+1))
		c.Out.Store(true)
		c.Cut()
		tab.Wait(`state() !== "live"`)
		browser.Publish(s, "chat", "", "text/plain", "never seen")
		s.Purge("chat")
		kept := browser.Publish(s, "chat", "", "text/plain", "kept")
		c.Out.Store(false)
		tab.Wait(`texts().at(-1) === "kept"`)
		rows := tab.ChatRows()[have:]
		if len(rows) != 3 || rows[0].Text != "seen" || !rows[1].Gap || rows[1].Text != "Messages are missing here: purged" || rows[2].ID != kept.ID {
			t.Errorf("%+v", rows)
		}
		tab.WantQuiet(browser.GoneAway, webSocketGone)
	}
}

// A server that closes with a code and says nothing before it.
func testChatCloseCodes(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	first := browser.Publish(s, "chat", "", "text/plain", "skipped by the cursor of the reason")
	second := browser.Publish(s, "chat", "", "text/plain", "skipped by the cursor of the closing frame")
	third := browser.Publish(s, "chat", "", "text/plain", "third")
	var sockets atomic.Int32
	asked := make(chan string, 10)
	empty := emptyOnce()
	front := s.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Upgrade") == "" {
			return empty(w, r)
		}
		asked <- r.URL.RawQuery
		switch sockets.Add(1) {
		case 1:
			closeWith(w, r, 1012, "cursor="+first.ID, `{"cursor":"1"}`)
		case 2:
			closeWith(w, r, 1013, "the store does not work at the moment", `{"cursor":"`+first.ID+`"}`)
		case 3:
			// It tells when to come back, and what to go on from.
			closeWith(w, r, 1012, "cursor=1", `{"cursor":"`+first.ID+`"}`, `{"closing":{"reason":"draining","cursor":"`+second.ID+`","retry":200}}`)
		default:
			return false
		}
		return true
	})
	tab := b.OpenGuest(t, front, "Anna")
	tab.WaitChat()
	tab.Wait(`state() === "live" && talk().length > 0`)
	want := []string{"last_event_id=1", "last_event_id=" + first.ID, "last_event_id=" + first.ID, "last_event_id=" + second.ID}
	for _, query := range want {
		if got := <-asked; got != query {
			t.Errorf("the page asked for %s, not %s", got, query)
		}
	}
	if rows := tab.ChatRows(); len(rows) != 1 || rows[0].ID != third.ID {
		t.Errorf("%+v", rows)
	}
	tab.WantQuiet(webSocketGone)
}

func testChatNoWebSocket(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	testChatPlain(t, b, s, s.URL(), browser.NoWebSocket)
}

func testChatNoUpgrade(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	testChatPlain(t, b, s, refusesUpgrades(s))
}

func testChatSwallowed(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	testChatPlain(t, b, s, s.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Upgrade") == "" {
			return false
		}
		<-r.Context().Done()
		return true
	}), browser.HastyOpening)
}

func testChatPlain(t *testing.T, b *browser.Browser, s *harness.Server, address string, scripts ...string) {
	t.Helper()
	other := b.OpenGuest(t, s.URL(), "Bert")
	other.WaitChat()
	tab := b.OpenGuest(t, address, "Anna", scripts...)
	tab.WaitChat()
	tab.Wait(`document.querySelector("#connection").title === "without WebSocket"`)
	var want []string
	for i := range 3 {
		tab.Says(fmt.Sprintf("%d by POST", i))
		want = append(want, fmt.Sprintf("%d by POST", i))
		tab.WantChat(want...)
		other.Says(fmt.Sprintf("%d by a frame", i))
		want = append(want, fmt.Sprintf("%d by a frame", i))
		tab.WantChat(want...)
		other.WantChat(want...)
	}
	for i, row := range tab.ChatRows() {
		if row.Own != (i%2 == 0) {
			t.Errorf("row %d: %+v", i, row)
		}
	}
	if got := stored(t, s); !slices.Equal(got, want) {
		t.Errorf("stored are %q", got)
	}
	tab.WantQuiet(webSocketGone)
}

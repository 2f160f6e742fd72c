package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

func testChatRestart(t *testing.T, browser context.Context, bin string, how syscall.Signal, words string) {
	s := startChat(t, bin)
	anna, bert := openGuest(t, browser, s.url(), "Anna"), openGuest(t, browser, s.url(), "Bert", noWebSocket)
	tabs := []*pageTab{anna, bert}
	var want []string
	for round := range 3 {
		for _, tab := range tabs {
			tab.waitChat()
		}
		if round > 0 {
			for _, tab := range tabs {
				text := fmt.Sprintf("%d before", len(want))
				tab.says(text)
				want = append(want, text)
				for _, tab := range tabs {
					tab.wantChat(want...)
				}
			}
		}
		s.stop(t, how)
		anna.wait(fmt.Sprintf(`state() === %q && / in \d+ s$/.test(document.querySelector("#connection").textContent)`, words))
		bert.wait(`state() !== "live"`)
		if got := anna.eval(`document.querySelector("#here").textContent`); got != "" {
			t.Errorf("with the server away the page says %s", got)
		}
		// Said while there is no server: pending, then stored once.
		anna.says(fmt.Sprintf("%d said into the void", len(want)))
		anna.wait(`unsent().length === 1 && unsent()[0].dataset.is === "pending"`)
		want = append(want, fmt.Sprintf("%d said into the void", len(want)))
		s.start(t)
		for _, tab := range tabs {
			tab.wantChat(want...)
		}
		bert.says(fmt.Sprintf("%d after", len(want)))
		want = append(want, fmt.Sprintf("%d after", len(want)))
		for _, tab := range tabs {
			tab.wantChat(want...)
		}
	}
	if got := s.stored(t); !slices.Equal(got, want) {
		t.Errorf("stored are\n%q\nnot\n%q", got, want)
	}
	anna.wantQuiet(goneAway, webSocketGone, draining)
	bert.wantQuiet(goneAway, draining)
}

const (
	// webSocketGone is what chromium says when a WebSocket breaks or does not
	// open.
	webSocketGone = `WebSocket connection to .* failed`
	// draining is what it says of the answer of a server that goes down.
	draining = `status of 503`
)

func testChatLostAnswer(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	for _, scripts := range [][]string{{hastyWaits}, {hastyWaits, noWebSocket}} {
		c := s.cable(t)
		tab, other := openGuest(t, browser, c.address, "Anna", scripts...), openGuest(t, browser, s.url(), "Bert")
		tab.waitChat()
		other.waitChat()
		before := len(s.stored(t))
		for i := range 3 {
			c.deaf.Store(true)
			tab.says(fmt.Sprintf("message %d", i))
			// It is stored, and whoever said it does not know.
			await(t, "the message is stored", func() bool { return len(s.stored(t)) == before+i+1 })
			tab.wait(`unsent().length === 1`)
			c.out.Store(true)
			c.deaf.Store(false)
			c.cut()
			tab.wait(`state() !== "live"`)
			c.out.Store(false)
			// The answer is here too: a row is hidden when only the item is.
			tab.wait(`state() === "live" && document.querySelector("#outbox").children.length === 0`)
		}
		want := s.stored(t)
		if len(want) != before+3 {
			t.Errorf("stored are %q", want)
		}
		tab.wantChat(want...)
		other.wantChat(want...)
		if got := tab.eval(`document.querySelector("#connection").title`); (got == "") != (len(scripts) == 1) {
			t.Errorf("with the scripts %q the page speaks %s", scripts, got)
		}
		for _, row := range tab.chatRows()[before:] {
			if !row.Own {
				t.Errorf("%+v is one's own", row)
			}
		}
		tab.wantQuiet(goneAway, webSocketGone)
		other.wantQuiet()
	}
}

// An item that says the same is taken for one's own until the answer tells.
func testChatSame(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	release := make(chan struct{})
	front := s.chatFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			select {
			case <-release:
			case <-r.Context().Done(): // the test failed
			}
		}
		return false
	})
	tab := openGuest(t, browser, front, "Anna", noWebSocket)
	tab.waitChat()
	tab.says("the same")
	tab.wait(`unsent().length === 1`)
	s.publish(t, "chat", "broadcast", "application/json", `{"name":"Anna","text":"the same"}`)
	tab.wait(`talk().length === 1 && talk()[0].own`)
	if got := tab.eval(`String(unsent().length)`); got != "0" {
		t.Error("the message is there twice")
	}
	close(release)
	// The item may come before the answer, which tells them apart.
	tab.wait(`talk().map(r => r.own).join() === "false,true" && unsent().length === 0`)
	tab.wantQuiet()
}

func testChatReload(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	c := s.cable(t)
	tab := openGuest(t, browser, c.address, "Anna")
	tab.waitChat()
	c.deaf.Store(true)
	tab.says("on its way")
	await(t, "the message is stored", func() bool { return len(s.stored(t)) == 1 })
	c.deaf.Store(false)
	tab.do(chromedp.Navigate(c.address + "/chat"))
	tab.waitChat()
	tab.wantChat("on its way")
	if row := tab.chatRows()[0]; !row.Own || row.Name != "Anna" {
		t.Errorf("%+v", row)
	}
	if got := s.stored(t); len(got) != 1 {
		t.Errorf("stored are %q", got)
	}
	tab.wantQuiet()
}

func testChatGap(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	for _, scripts := range [][]string{{hastyWaits}, {hastyWaits, noWebSocket}} {
		c := s.cable(t)
		tab := openGuest(t, browser, c.address, "Anna", scripts...)
		tab.waitChat()
		have := len(tab.chatRows())
		tab.says("seen")
		tab.wait(fmt.Sprintf(`talk().length === %d && unsent().length === 0`, have+1))
		c.out.Store(true)
		c.cut()
		tab.wait(`state() !== "live"`)
		s.publish(t, "chat", "", "text/plain", "never seen")
		s.do(t, "DELETE", "/feeds/chat", "", "")
		kept := s.publish(t, "chat", "", "text/plain", "kept")
		c.out.Store(false)
		tab.wait(`texts().at(-1) === "kept"`)
		rows := tab.chatRows()[have:]
		if len(rows) != 3 || rows[0].Text != "seen" || !rows[1].Gap || rows[1].Text != "Messages are missing here: purged" || rows[2].ID != kept.ID {
			t.Errorf("%+v", rows)
		}
		tab.wantQuiet(goneAway, webSocketGone)
	}
}

// A server that closes with a code and says nothing before it.
func testChatCloseCodes(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	first := s.publish(t, "chat", "", "text/plain", "skipped by the cursor of the reason")
	second := s.publish(t, "chat", "", "text/plain", "skipped by the cursor of the closing frame")
	third := s.publish(t, "chat", "", "text/plain", "third")
	var sockets atomic.Int32
	asked := make(chan string, 10)
	front := s.chatFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Upgrade") == "" {
			return false
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
	tab := openGuest(t, browser, front, "Anna")
	tab.waitChat()
	tab.wait(`state() === "live" && talk().length > 0`)
	want := []string{"last=50", "last_event_id=" + first.ID, "last_event_id=" + first.ID, "last_event_id=" + second.ID}
	for _, query := range want {
		if got := <-asked; got != query {
			t.Errorf("the page asked for %s, not %s", got, query)
		}
	}
	if rows := tab.chatRows(); len(rows) != 1 || rows[0].ID != third.ID {
		t.Errorf("%+v", rows)
	}
	tab.wantQuiet(webSocketGone)
}

func testChatNoWebSocket(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	testChatPlain(t, browser, s, s.url(), noWebSocket)
}

func testChatNoUpgrade(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	testChatPlain(t, browser, s, s.refusesUpgrades(t))
}

func testChatSwallowed(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	testChatPlain(t, browser, s, s.chatFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Upgrade") == "" {
			return false
		}
		<-r.Context().Done()
		return true
	}), hastyOpening)
}

func testChatPlain(t *testing.T, browser context.Context, s *pageServer, address string, scripts ...string) {
	t.Helper()
	other := openGuest(t, browser, s.url(), "Bert")
	other.waitChat()
	tab := openGuest(t, browser, address, "Anna", scripts...)
	tab.waitChat()
	tab.wait(`document.querySelector("#connection").title === "without WebSocket"`)
	var want []string
	for i := range 3 {
		tab.says(fmt.Sprintf("%d by POST", i))
		want = append(want, fmt.Sprintf("%d by POST", i))
		tab.wantChat(want...)
		other.says(fmt.Sprintf("%d by a frame", i))
		want = append(want, fmt.Sprintf("%d by a frame", i))
		tab.wantChat(want...)
		other.wantChat(want...)
	}
	for i, row := range tab.chatRows() {
		if row.Own != (i%2 == 0) {
			t.Errorf("row %d: %+v", i, row)
		}
	}
	if got := s.stored(t); !slices.Equal(got, want) {
		t.Errorf("stored are %q", got)
	}
	tab.wantQuiet(webSocketGone)
}

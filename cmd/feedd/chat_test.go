package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

// TestChat drives the chat's page in chromium, against the real binary.
func TestChat(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a browser")
	}
	browser := browserForPage(t)
	bin := binary(t)
	for _, tt := range []struct {
		name string
		test func(t *testing.T, browser context.Context, bin string)
	}{
		{"asks for a name once, and Enter sends", testChatName},
		{"P1 two windows see the same, in the same order", testChatTwo},
		{"P1 many clients see every message once, in the same order", testChatMany},
		{"begins with the last 50, and reads what others say in their way", testChatHistory},
		{"P3 P7 loses and doubles nothing over a kill -9", func(t *testing.T, browser context.Context, bin string) {
			testChatRestart(t, browser, bin, syscall.SIGKILL, "reconnecting")
		}},
		{"P3 P7 loses and doubles nothing over a restart", func(t *testing.T, browser context.Context, bin string) {
			testChatRestart(t, browser, bin, syscall.SIGTERM, "server is restarting")
		}},
		{"P7 a message whose answer was lost appears once", testChatLostAnswer},
		{"tells one's own from what says the same", testChatSame},
		{"P7 a page that is loaded again sends on what was on its way", testChatReload},
		{"P4 marks where messages are missing", testChatGap},
		{"goes by close codes alone where it must", testChatCloseCodes},
		{"works without WebSocket in the browser", testChatNoWebSocket},
		{"works behind a proxy that refuses the upgrade", testChatNoUpgrade},
		{"works behind a proxy that swallows the upgrade", testChatSwallowed},
		{"counts who is here", testChatCount},
		{"says that it is closed, and how it is opened", testChatClosed},
		{"says when a message is refused, and tries again", testChatRefused},
		{"says why it is not connected, and stays away", testChatUnreadable},
		{"lets nobody write too fast or too long", testChatPace},
		{"takes nothing for HTML", testChatHostile},
		{"keeps 500 rows and the reader's place", testChatScroll},
		{"reads a flood aloud as a number", testChatAloud},
		{"reads nothing aloud that was said before", testChatLateHistory},
		{"fits a phone, has labels and can be read", testChatLooks},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, browser, bin) })
	}
}

func testChatName(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	tab := openGuest(t, browser, s.url(), "")
	tab.wait(`!document.querySelector("#naming").hidden && document.querySelector("#composer").hidden`)
	if got := tab.eval(`String(/^guest [1-9]\d\d$/.test(document.querySelector("#name").value))`); got != "true" {
		t.Errorf("the name that is offered: %s", tab.eval(`document.querySelector("#name").value`))
	}
	tab.do(chromedp.SetValue(chromedp.CSS("#name"), "  Anna \u202e "), chromedp.Click(chromedp.CSS("#naming button")))
	tab.waitChat()
	if got := tab.eval(`document.querySelector("#me").textContent + document.activeElement.id`); got != "Annatext" {
		t.Errorf("name and focus are %q", got)
	}
	// One event with the text that it gives, as of a real key: chromedp's two
	// would type the line break though the page has taken the first.
	enter := func(modifiers ...chromedp.Modifier) chromedp.Action[chromedp.Void] {
		return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			key := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, Text: "\r"}
			chromedp.KeyModifiers(modifiers...)(&key)
			_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, key)
			return err
		})
	}
	tab.do(chromedp.KeyEvent("first"), enter(chromedp.ModifierShift), chromedp.KeyEvent("second"), enter())
	tab.wantChat("first\nsecond")
	// An Enter that ends the composition of a letter sends nothing.
	if got := tab.eval(`(() => {
		const box = document.querySelector("#text");
		box.value = "かな";
		for (const how of [{isComposing: true}, {keyCode: 229}]) box.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", cancelable: true, ...how}));
		const left = box.value;
		box.value = "";
		return left;
	})()`); got != "かな" {
		t.Errorf("after a composition %q is left", got)
	}
	tab.do(enter(), chromedp.KeyEvent("  "), enter(), chromedp.KeyEvent("third"), chromedp.Click(chromedp.CSS("#composer button.primary")))
	tab.wantChat("first\nsecond", "  third")
	if got := s.stored(t); len(got) != 2 {
		t.Errorf("stored are %q", got)
	}

	// It is not asked again, and can be changed.
	tab.do(chromedp.Navigate(s.url() + "/chat"))
	tab.waitChat()
	tab.wait(`talk().length === 2`)
	for _, row := range tab.chatRows() {
		if row.Name != "Anna" || !row.Own {
			t.Errorf("one's own of before: %+v", row)
		}
	}
	tab.do(chromedp.Click(chromedp.CSS("#rename")))
	tab.do(chromedp.SetValue(chromedp.CSS("#name"), "\u200b\u3164"), chromedp.Click(chromedp.CSS("#naming button")))
	if got := tab.eval(`document.querySelector("#me").textContent`); got != "Anna" {
		t.Errorf("after a name that nobody could see it is %q", got)
	}
	tab.do(chromedp.Click(chromedp.CSS("#rename")))
	tab.do(chromedp.SetValue(chromedp.CSS("#name"), "Bea"), chromedp.Click(chromedp.CSS("#naming button")))
	tab.says("it is me")
	tab.wantChat("first\nsecond", "  third", "it is me")
	if rows := tab.chatRows(); rows[2].Name != "Bea" || rows[0].Name != "Anna" {
		t.Errorf("%+v", rows)
	}
	tab.wantQuiet()
}

func testChatTwo(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	anna, bert := openGuest(t, browser, s.url(), "Anna"), openGuest(t, browser, s.url(), "Bert")
	anna.waitChat()
	bert.waitChat()
	if got := anna.eval(`document.querySelector("#connection").title`); got != "" {
		t.Errorf("the page speaks %s", got)
	}
	var want []string
	for i := range 4 {
		for _, tab := range []*pageTab{anna, bert} {
			// The same words of both: what is one's own is not known by them.
			text := fmt.Sprintf("message %d", i)
			tab.says(text)
			want = append(want, text)
			anna.wantChat(want...)
			bert.wantChat(want...)
		}
	}
	rows, others := anna.chatRows(), bert.chatRows()
	for i := range rows {
		name := []string{"Anna", "Bert"}[i%2]
		if rows[i].Name != name || rows[i].Own != (i%2 == 0) || others[i].Own != (i%2 == 1) || rows[i].ID != others[i].ID {
			t.Errorf("row %d: %+v and %+v", i, rows[i], others[i])
		}
	}
	const mine = `[...document.querySelectorAll("#messages .mine")].map(e => e.checkVisibility() ? e.textContent : "").join()`
	if got := anna.eval(mine); got != "(you),,(you),,(you),,(you)," {
		t.Errorf("of her own messages she is told %s", got)
	}
	if got := anna.eval(`document.querySelector("#messages time").dateTime`); !strings.HasSuffix(got, "Z") {
		t.Errorf("the time is %q", got)
	}
	anna.wantQuiet()
	bert.wantQuiet()
}

func testChatMany(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	const clients, each, tabsEach = 20, 8, 4
	var tabs []*pageTab
	for i := range 4 {
		tabs = append(tabs, openGuest(t, browser, s.url(), fmt.Sprintf("tab %d", i)))
	}
	conns := make([]*chatClient, clients)
	for i := range conns {
		conns[i] = s.chatClient(t)
	}
	for _, tab := range tabs {
		tab.waitChat()
	}
	const all = clients*each + 4*tabsEach
	var talking sync.WaitGroup
	for i, c := range conns {
		talking.Go(func() { c.hear(t, all) })
		talking.Go(func() {
			for n := range each {
				c.say(t, map[string]string{"name": fmt.Sprint("client ", i), "text": fmt.Sprintf("%d from %d", n, i)})
			}
		})
	}
	for i, tab := range tabs {
		for n := range tabsEach {
			tab.says(fmt.Sprintf("%d from tab %d", n, i))
		}
	}
	talking.Wait()
	once := slices.Compact(slices.Sorted(slices.Values(conns[0].texts)))
	if len(once) != all {
		t.Errorf("%d different messages came, not %d", len(once), all)
	}
	for i, c := range conns {
		if !slices.Equal(c.texts, conns[0].texts) {
			t.Errorf("client %d heard another chat than client 0", i)
		}
	}
	for i, tab := range tabs {
		tab.wantChat(conns[0].texts...)
		own := 0
		for _, row := range tab.chatRows() {
			if row.Own {
				own++
			}
		}
		if own != tabsEach {
			t.Errorf("tab %d has %d messages of its own", i, own)
		}
		tab.wantQuiet()
	}
}

func testChatHistory(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	var want []chatRow
	put := func(contentType, data, name, text string) {
		row := s.publish(t, "chat", "", contentType, data)
		want = append(want, chatRow{ID: row.ID, Name: name, Text: text})
	}
	for i := range 60 {
		put("application/json", fmt.Sprintf(`{"name":"Anna","text":"%d"}`, i), "Anna", fmt.Sprint(i))
	}
	put("text/plain", "a text", "nameless", "a text")
	put("application/json", `{"user":"Bert","message":"hello"}`, "Bert", "hello")
	put("application/json", `{"user":{"name":"Cleo"},"msg":"hi"}`, "Cleo", "hi")
	put("application/json", `{"name":7,"text":"x"}`, "nameless", "x")
	put("application/json", `{"text":""}`, "nameless", "")
	put("application/json", `{"move":[1,{}],"nodes":12345678901234567890,"\u00e9":1.10}`, "nameless",
		"{\n  \"move\": [\n    1,\n    {}\n  ],\n  \"nodes\": 12345678901234567890,\n  \"é\": 1.10\n}")
	put("application/json", `null`, "nameless", "null")
	put("application/json", `[]`, "nameless", "[]")
	put("application/json", `12`, "nameless", "12")
	put("application/json", `"a \u00e9"`, "nameless", "a é")
	for _, scripts := range [][]string{nil, {noWebSocket}} {
		tab := openGuest(t, browser, s.url(), "Dora", scripts...)
		tab.waitChat()
		tab.wait(`talk().length >= 50`)
		got := tab.chatRows()
		if !slices.Equal(got, want[len(want)-50:]) {
			t.Errorf("the history is\n%v\nnot\n%v", got, want[len(want)-50:])
		}
		tab.wait(`!document.querySelector("#earlier").hidden`)
		if got := tab.eval(`document.querySelector("#earlier a").pathname`); got != "/feeds/chat" {
			t.Errorf("what was said before is at %s", got)
		}
		if got := tab.eval(`document.querySelector("#heard").textContent`); got != "" {
			t.Errorf("the history is read aloud: %s", got)
		}
		tab.wantQuiet()
	}
}

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
			until(t, "the message is stored", func() bool { return len(s.stored(t)) == before+i+1 })
			tab.wait(`unsent().length === 1`)
			c.out.Store(true)
			c.deaf.Store(false)
			c.cut()
			tab.wait(`state() !== "live"`)
			c.out.Store(false)
			tab.wait(`state() === "live" && unsent().length === 0`)
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
	until(t, "the message is stored", func() bool { return len(s.stored(t)) == 1 })
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

func testChatCount(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	tab := openGuest(t, browser, s.url(), "Anna", hastyWaits)
	tab.wait(`document.querySelector("#here").textContent === "1 here"`) // the feed is not there yet
	c := s.chatClient(t)
	s.chatClient(t)
	tab.wait(`document.querySelector("#here").textContent === "3 here"`)
	c.conn.CloseNow()
	tab.wait(`document.querySelector("#here").textContent === "2 here"`)
	tab.wantQuiet()

	// Politely: once, and again when a while is over. Here it never is.
	var asked atomic.Int32
	front := s.chatFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.RawQuery == "format=json" {
			asked.Add(1)
		}
		return false
	})
	slow := openGuest(t, browser, front, "Bert", `{
		const wait = setTimeout;
		globalThis.again = [];
		globalThis.setTimeout = (f, ms, ...args) => f.name === "count" ? again.push(ms) : wait(f, ms, ...args);
	}`)
	slow.waitChat()
	slow.says("x")
	slow.wantChat("x")
	if n := asked.Load(); n != 1 {
		t.Errorf("it asked %d times at once", n)
	}
	if got := slow.eval(`again.length + " " + again.every(ms => ms >= 15_000 && ms < 25_000)`); got != "1 true" {
		t.Errorf("it asks again: %s", got)
	}
}

func testChatClosed(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	for _, scripts := range [][]string{nil, {noWebSocket}} {
		tab := openGuest(t, browser, s.url(), "Anna", scripts...)
		tab.wait(`!document.querySelector("#closed").hidden && state() === "live"`)
		if got := tab.eval(`document.querySelector("#closed").innerText`); !strings.Contains(got, "forerunner.chat_publish: anyone") || !strings.Contains(got, "serve --demo") {
			t.Errorf("the page says %q", got)
		}
		if got := tab.eval(`[...document.querySelectorAll("form")].map(f => f.hidden).join()`); got != "true,true" {
			t.Errorf("the forms are hidden: %s", got)
		}
		item := s.publish(t, "chat", "", "text/plain", "one may read")
		tab.wait(fmt.Sprintf(`talk().at(-1)?.id === %q`, item.ID))
		tab.wantQuiet()
	}

	// Opened meanwhile, and closed while somebody was about to speak.
	tab := openGuest(t, browser, s.url(), "Anna")
	tab.wait(`!document.querySelector("#closed").hidden`)
	s.stop(t, syscall.SIGTERM)
	t.Setenv("FEEDD_FORERUNNER_CHAT_PUBLISH", "anyone")
	s.start(t)
	tab.waitChat()
	if got := tab.eval(`String(document.querySelector("#closed").hidden)`); got != "true" {
		t.Error("it still says that it is closed")
	}
	s.stop(t, syscall.SIGTERM)
	tab.says("too late")
	t.Setenv("FEEDD_FORERUNNER_CHAT_PUBLISH", "token")
	s.start(t)
	tab.wait(`!document.querySelector("#closed").hidden && unsent()[0]?.dataset.is === "failed"`)
	if got := tab.eval(`unsent()[0].querySelector(".fate").textContent`); !strings.Contains(got, "closed to strangers") {
		t.Errorf("of the message it says %q", got)
	}
	tab.do(chromedp.Click(chromedp.CSS("#outbox .discard")))
	tab.wait(`unsent().length === 0`)
	tab.wantQuiet(goneAway, webSocketGone, draining, `status of 401`)
}

func testChatRefused(t *testing.T, browser context.Context, bin string) {
	t.Setenv("FEEDD_LIMITS_MAX_ITEM_BYTES", "200")
	t.Setenv("FEEDD_LIMITS_MAX_ANONYMOUS_RATE", "1")
	for _, scripts := range [][]string{nil, {noWebSocket}} {
		s := startChat(t, bin) // its own: the flood before used up what this address may send
		tab := openGuest(t, browser, s.url(), "Anna", scripts...)
		tab.waitChat()
		tab.says(strings.Repeat("w", 300))
		tab.wait(`unsent()[0]?.dataset.is === "failed"`)
		if got := tab.eval(`unsent()[0].querySelector(".fate").textContent`); got != "Not sent. Too long for this server." {
			t.Errorf("it says %q", got)
		}
		tab.do(chromedp.Click(chromedp.CSS("#outbox .discard")))
		// Others of this address use up what it may send. Now and then one gets
		// through.
		stop := s.flood(t)
		text := ""
		for i := 0; text == "" || tab.eval(`String(unsent().length)`) == "0"; i++ {
			text = fmt.Sprint("in the flood ", i)
			tab.wait(fmt.Sprintf(`say(%q) === ""`, text))
			tab.wait(`unsent().length === 0 || unsent()[0].dataset.is === "failed"`)
		}
		stop()
		if got := tab.eval(`unsent()[0].querySelector(".fate").textContent`); !strings.HasPrefix(got, "Not sent. Too fast") {
			t.Errorf("it says %q", got)
		}
		// A person tries again until it works.
		tab.wait(fmt.Sprintf(`(() => {
			const [row] = unsent();
			if (row?.dataset.is === "failed") row.querySelector(".again").click();
			return !row && talk().some(r => r.text === %q && r.own);
		})()`, text))
		if got := tab.eval(fmt.Sprintf(`String(texts().filter(t => t === %q).length)`, text)); got != "1" {
			t.Errorf("it is there %s times", got)
		}
		tab.wantQuiet(`status of (413|429)`)
	}

	// Larger than the server lets a frame be: it closes the connection.
	s := startChat(t, bin)
	tab := openGuest(t, browser, s.url(), "Anna")
	tab.waitChat()
	tab.says(strings.Repeat("☃", 3000))
	tab.wait(`unsent()[0]?.dataset.is === "failed"`)
	if got := tab.eval(`unsent()[0].querySelector(".fate").textContent`); got != "Not sent. Too long for this server." {
		t.Errorf("it says %q", got)
	}
	tab.waitChat()
	tab.wantQuiet(webSocketGone)
}

func testChatUnreadable(t *testing.T, browser context.Context, bin string) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("feeds:\n  - {match: chat, read: token}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FEEDD_CONFIG", config)
	s := startForPage(t, bin)
	var asked atomic.Int32
	front := s.chatFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") && r.URL.Path == "/chat" {
			asked.Add(1)
		}
		return false
	})
	tab := openGuest(t, browser, front, "Anna", hastyWaits)
	tab.wait(`state() === "not connected"`)
	if got := tab.eval(`document.querySelector("#problem").innerText`); !strings.Contains(got, "401 A valid credential is needed") {
		t.Errorf("it says %q", got)
	}
	tab.eval(`new Promise(resolve => setTimeout(resolve, 30_000, ""))`) // by the page's clock
	if n := asked.Load(); n != 2 {                                      // the WebSocket, and why not
		t.Errorf("the page asked %d times", n)
	}
	tab.wantQuiet(`status of 401`, webSocketGone)
}

func testChatPace(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	tab := openGuest(t, browser, s.url(), "Anna", `{
		globalThis.at = 0;
		performance.now = () => at;
	}`)
	tab.waitChat()
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprint("burst ", i))
		tab.says(want[i])
	}
	for range 3 {
		if left := tab.eval(`say("too much")`); left != "too much" {
			t.Errorf("a sixth at once was taken, %q is left", left)
		}
	}
	if got := tab.eval(`document.querySelector("#hint").textContent`); !strings.Contains(got, "Not so fast") {
		t.Errorf("the hint is %q", got)
	}
	tab.eval(`at += 499, ""`)
	if left := tab.eval(`say("too soon")`); left != "too soon" {
		t.Error("it did not wait half a second")
	}
	tab.eval(`at += 1, ""`)
	want = append(want, "in time")
	tab.says("in time")
	tab.wantChat(want...)

	tab.eval(`at += 10_000, ""`)
	long := strings.Repeat("x", 4001)
	if left := tab.eval(fmt.Sprintf("say(%q)", long)); left != long {
		t.Error("what is too long was taken, or cut")
	}
	if got := tab.eval(`document.querySelector("#hint").textContent + document.querySelector("#text").ariaInvalid`); got != "Too long by one character.true" {
		t.Errorf("the hint is %q", got)
	}
	tab.says(long[1:])
	tab.wantChat(append(want, long[1:])...)
	tab.wantQuiet()
}

func testChatHostile(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	tab := openGuest(t, browser, s.url(), "Anna")
	tab.do(chromedp.EmulateViewport(360, 740))
	tab.waitChat()
	var names, texts []string
	put := func(name, text string) {
		data, err := json.Marshal(map[string]string{"name": name, "text": text})
		if err != nil {
			t.Fatal(err)
		}
		s.publish(t, "chat", "", "application/json", string(data))
		names, texts = append(names, name), append(texts, text)
	}
	for _, hostile := range hostileTexts {
		put("x", hostile)
		put(hostile, "x")
		// By the page's own box, too: its row waits with the same text.
		tab.wait(fmt.Sprintf("texts().length === %d", len(texts)))
		tab.wait(fmt.Sprintf(`say(%q) === ""`, hostile))
		names, texts = append(names, "Anna"), append(texts, hostile)
		tab.wait(fmt.Sprintf("texts().length === %d && unsent().length === 0", len(texts)))
	}
	tab.wantUnharmed()
	rows := tab.chatRows()
	for i, row := range rows {
		if name := []rune(names[i]); row.Text != texts[i] || row.Name != strings.TrimSpace(string(name[:min(len(name), 40)])) {
			t.Errorf("%q says %q is shown as %+v", names[i], texts[i], row)
		}
	}

	zalgo := "Z" + strings.Repeat("\u0300\u0301\u0489", 2000)
	long := strings.Repeat("w", 100_000)
	from := len(texts)
	put("\u202eevil\u202c\u2066", "\u202ereversed")
	put(zalgo, zalgo)
	put(long, long)
	put("lines", strings.Repeat("line\n", 10_000))
	put("\u200b\u3164 \t\n", "of somebody who cannot be seen")
	put("two\nlines", "مرحبا https://example.com/a?b=c&d=%22, (see http://127.0.0.1/x). javascript:alert(1) https://a\u202egro.live")
	put("👩‍👩‍👧‍👦 family", "👩‍👩‍👧‍👦")
	put("long", strings.Repeat("w", 10_000))
	put("emoji", strings.Repeat("👩🏽‍🚀🇩🇪", 400))
	deep := s.publish(t, "chat", "", "application/json", strings.Repeat("[", 490)+strings.Repeat("1,", 500_000)+"1"+strings.Repeat("]", 490))
	names, texts = append(names, ""), append(texts, "")
	tab.wait(fmt.Sprintf("texts().length === %d", len(texts)))
	rows = tab.chatRows()[from:]
	for i, want := range []string{"evil", "Z\u0300\u0301\u0489\u0300\u0301", long[:40], "lines", "nameless", "two lines", "👩‍👩‍👧‍👦 family"} {
		if rows[i].Name != want {
			t.Errorf("%q is called %q", names[from+i], rows[i].Name)
		}
	}
	if rows[2].Text != long[:4000] || strings.Count(rows[3].Text, "\n") != 59 || rows[1].Text != "Z\u0300\u0301\u0489\u0300\u0301" {
		t.Errorf("of the long ones there are %d, %d and %d characters", len(rows[2].Text), len(rows[3].Text), len(rows[1].Text))
	}
	if last := rows[len(rows)-1]; len(last.Text) > 4000 || !strings.HasPrefix(last.Text, "[\n  [\n    [\n") {
		t.Errorf("of what is nested deep there are %d characters", len(last.Text))
	}
	var wantAll []string
	for _, id := range []string{rows[1].ID, rows[2].ID, rows[3].ID, rows[7].ID, rows[8].ID, deep.ID} {
		wantAll = append(wantAll, "/feeds/chat/items/"+id)
	}
	if got := tab.eval(`[...document.querySelectorAll(".message .more:not([hidden]) a")].map(a => a.pathname).join("\n")`); got != strings.Join(wantAll, "\n") {
		t.Errorf("all of it is at\n%s", got)
	}
	var links []struct{ Href, Text, Rel string }
	if err := json.Unmarshal([]byte(tab.eval(`JSON.stringify([...document.querySelectorAll(".text a")].map(a => ({href: a.href, text: a.textContent, rel: a.rel})))`)), &links); err != nil {
		t.Fatal(err)
	}
	var hrefs []string
	for _, link := range links {
		if link.Rel != "noopener noreferrer nofollow" || link.Text != link.Href && link.Text+"/" != link.Href {
			t.Errorf("%+v", link)
		}
		hrefs = append(hrefs, link.Href)
	}
	if got := strings.Join(hrefs, " "); got != "https://example.com/a?b=c&d=%22 http://127.0.0.1/x https://a/" {
		t.Errorf("links are %s", got)
	}
	// Nothing reaches out of its row, and no row out of the page.
	if got := tab.eval(`[...document.querySelectorAll(".message")].filter(li => {
		const log = document.querySelector("#log").getBoundingClientRect(), row = li.getBoundingClientRect();
		return row.left < log.left || row.right > log.right || getComputedStyle(li).overflow !== "clip";
	}).map(li => li.textContent.slice(0, 50)).join()`); got != "" {
		t.Errorf("these are wider than the page: %s", got)
	}
	if got := tab.eval(`[document.documentElement.scrollWidth, document.querySelector("#log").scrollWidth - document.querySelector("#log").clientWidth].join()`); got != "360,0" {
		t.Errorf("the page is as wide as %s", got)
	}
	if got := tab.eval(`[...document.querySelectorAll(".name, .text, .text a")].every(e => getComputedStyle(e).unicodeBidi.startsWith("isolate") || getComputedStyle(e).unicodeBidi === "plaintext") + ""`); got != "true" {
		t.Error("a name or a text turns what stands around it")
	}
	tab.wantUnharmed()
	tab.wantQuiet()
}

func testChatScroll(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	batch := func(from, n int) {
		t.Helper()
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"name":"Anna","text":"number %d"}`+"\n", from+i)
		}
		if status, body := s.do(t, "POST", "/feeds/chat", "application/x-ndjson", b.String()); status != http.StatusCreated {
			t.Fatalf("%d %s", status, body)
		}
	}
	tab := openGuest(t, browser, s.url(), "Bert")
	tab.waitChat()
	const atEnd = `(l => l.scrollHeight - l.scrollTop - l.clientHeight < 2)(document.querySelector("#log"))`
	batch(0, 490)
	tab.wait(`texts().at(-1) === "number 489" && ` + atEnd)
	// The reader goes up, and what is read stays where it is, though rows go.
	tab.eval(`document.querySelector("#log").scrollTop -= 1000, new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve(""))))`)
	const place = `(() => {
		const top = document.querySelector("#log").getBoundingClientRect().top;
		const li = [...document.querySelectorAll("#messages > li")].find(li => li.getBoundingClientRect().top >= top);
		return li.querySelector(".text").textContent + " " + li.getBoundingClientRect().top;
	})()`
	before := tab.eval(place)
	batch(490, 1)
	tab.wait(`document.querySelector("#news").textContent === "1 new message" && !document.querySelector("#news").hidden`)
	batch(491, 49)
	tab.wait(`document.querySelector("#news").textContent === "50 new messages"`)
	var was, is int
	var from, to float64 // px
	after := tab.eval(place)
	_, err := fmt.Sscanf(before+" "+after, "number %d %f number %d %f", &was, &from, &is, &to)
	if err != nil || was != is || math.Abs(to-from) > 1 { // a place is rounded to whole px
		t.Errorf("the reader was at %s, and is at %s", before, after)
	}
	if got := tab.eval(`talk().length + " " + texts()[0]`); got != "500 number 40" {
		t.Errorf("the rows are %s", got)
	}
	tab.do(chromedp.Click(chromedp.CSS("#news")))
	tab.wait(`document.querySelector("#news").hidden && ` + atEnd)
	// Many at once, and the page follows.
	batch(540, 3000)
	tab.wait(`texts().at(-1) === "number 3539" && document.querySelector("#news").hidden && ` + atEnd)
	for i, row := range tab.chatRows() {
		if row.Text != fmt.Sprint("number ", 3040+i) {
			t.Fatalf("row %d is %q", i, row.Text)
		}
	}
	// Who speaks is at the end again.
	tab.eval(`document.querySelector("#log").scrollTop = 0, new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve(""))))`)
	tab.says("hello")
	tab.wait(`texts().at(-1) === "hello" && ` + atEnd)
	tab.wantQuiet()
}

func testChatAloud(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	// What comes within three seconds is read together. They are over when the
	// test says so.
	tab := openGuest(t, browser, s.url(), "Anna", `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => ms === 3_000 ? globalThis.later = f : wait(f, ms, ...args);
	}`)
	tab.waitChat()
	tab.wait(`!document.querySelector("#empty").hidden && document.querySelector("#earlier").hidden`)
	tab.eval(`globalThis.heard = [], new MutationObserver(() => heard.push(document.querySelector("#heard").textContent)).observe(document.querySelector("#heard"), {childList: true}), ""`)
	if got := tab.eval(`document.querySelector("#heard").getAttribute("aria-live") + document.querySelector("#log").getAttribute("aria-live")`); got != "politeoff" {
		t.Errorf("live are %s", got)
	}
	c := s.chatClient(t)
	c.say(t, map[string]string{"name": "Bert", "text": "hello"})
	tab.wait(`heard.at(-1) === "Bert: hello"`)
	for i := range 100 {
		c.say(t, map[string]string{"name": "Bert", "text": fmt.Sprint(i)})
	}
	tab.says("my own")
	tab.wait(`talk().length === 102`)
	if got := tab.eval(`String(heard.length)`); got != "1" {
		t.Errorf("%s are read aloud at once", got)
	}
	tab.eval(`later(), ""`)
	tab.wait(`heard.length === 2`)
	if got := tab.eval(`heard[1]`); got != "100 new messages" {
		t.Errorf("read aloud is %q", got)
	}
	tab.wantQuiet()
}

// What was said before the page was there is no news, though the page learns who
// is here before it has all of it.
func testChatLateHistory(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	first := s.publish(t, "chat", "", "application/json", `{"name":"Bert","text":"of before"}`)
	second := s.publish(t, "chat", "", "application/json", `{"name":"Bert","text":"of before, too"}`)
	rest := make(chan struct{})
	front := s.chatFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Upgrade") == "" {
			return false
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return true
		}
		defer conn.CloseNow()
		write := func(id, text string) {
			frame := fmt.Sprintf(`{"id":%q,"feed":"chat","time":"2026-01-02T03:04:05Z","data":{"name":"Bert","text":%q}}`, id, text)
			conn.Write(r.Context(), websocket.MessageText, []byte(frame)) // a page that is gone fails the test
		}
		conn.Write(r.Context(), websocket.MessageText, []byte(`{"cursor":"1"}`))
		write(first.ID, "of before")
		select {
		case <-rest:
		case <-r.Context().Done():
		}
		write(second.ID, "of before, too")
		write(second.ID+"0", "news")
		conn.Read(r.Context()) // until the page goes
		return true
	})
	tab := openGuest(t, browser, front, "Anna", `globalThis.heard = [];
		addEventListener("DOMContentLoaded", () => new MutationObserver(() => heard.push(document.querySelector("#heard").textContent))
			.observe(document.querySelector("#heard"), {childList: true}));`)
	tab.waitChat() // it was told who is here
	close(rest)
	tab.wait(`talk().length === 3 && heard.length > 0`)
	if got := tab.eval(`heard.join()`); got != "Bert: news" {
		t.Errorf("read aloud is %q", got)
	}
	if got := tab.eval(`document.querySelector("#earlier").hidden + " " + document.querySelector("#empty").hidden`); got != "true true" {
		t.Errorf("hidden are that there is more, and that there is nothing: %s", got)
	}
	tab.wantQuiet()
}

func testChatLooks(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	say := func(name, text string) {
		data, _ := json.Marshal(map[string]string{"name": name, "text": text})
		s.publish(t, "chat", "broadcast", "application/json", string(data))
	}
	say("Bert", "Is anybody there?")
	say("Bert", "I have just found this, and it seems to work: https://example.com/a/page?with=a&long=address#and-a-place-in-it")
	say("Cleo", "Hello, Bert!")
	say("Dora", "مرحبا بالعالم")
	for _, name := range strings.Fields("Emil Flora Gustav Hanna Ivo Jana") {
		say(name, "hi")
	}
	s.publish(t, "chat", "move", "application/json", `{"move":"e4","clock":[300,298]}`)
	tab := openGuest(t, browser, s.url(), "")
	tab.wait(`!document.querySelector("#naming").hidden && talk().length === 11`)
	look := func(scheme string, width int64) {
		tab.do(chromedp.EmulateViewport(width, 740), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}))
	}
	check := func(name string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1000, 360} {
				look(scheme, width)
				tab.eval(`new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve(""))))`)
				at := fmt.Sprintf("%s %s %d", name, scheme, width)
				if got := tab.eval(`[document.documentElement.scrollWidth, document.documentElement.scrollHeight].join()`); got != fmt.Sprintf("%d,740", width) {
					t.Errorf("%s: the page is as large as %s", at, got)
				}
				if got := tab.eval(pale); got != "" {
					t.Errorf("%s: below 4.5:1 are\n%s", at, got)
				}
				if got := tab.eval(unlabelled); got != "" {
					t.Errorf("%s: without a name are %s", at, got)
				}
				tab.picture(strings.ReplaceAll(at, " ", "-"))
			}
		}
	}
	check("naming")
	tab.do(chromedp.SetValue(chromedp.CSS("#name"), "Anna"), chromedp.Click(chromedp.CSS("#naming button")))
	tab.says("Yes, I am here.")
	tab.wait(`talk().length === 12 && unsent().length === 0`)
	// By the keyboard alone all of it can be reached.
	var order []string
	for range 12 {
		tab.do(chromedp.KeyEvent("\t"))
		order = append(order, tab.eval(`document.activeElement.id || document.activeElement.textContent.trim()`))
	}
	for _, want := range []string{"log", "rename", "text", "Send", "Chat"} {
		if !slices.Contains(order, want) {
			t.Errorf("Tab does not reach %s: %q", want, order)
		}
	}
	tab.eval(`document.querySelector("#log").scrollTop = 1e6, ""`)
	tab.do(chromedp.Focus(chromedp.CSS("#text")))
	check("talk")
	s.do(t, "DELETE", "/feeds/chat", "", "")
	s.stop(t, syscall.SIGKILL)
	tab.says("Where is the server?")
	tab.wait(`unsent().length === 1 && state() === "reconnecting"`)
	check("away")
	t.Setenv("FEEDD_FORERUNNER_CHAT_PUBLISH", "token")
	s.start(t)
	tab.wait(`unsent()[0]?.dataset.is === "failed" && !document.querySelector("#closed").hidden`)
	check("closed")
	tab.wantQuiet(goneAway, webSocketGone)
}

// pale lists the texts that are seen and have too little contrast (WCAG 2, AA).
const pale = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
	const rgba = color => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		return [...canvas.getImageData(0, 0, 1, 1).data];
	};
	const ground = e => {
		for (; e; e = e.parentElement) {
			const color = rgba(getComputedStyle(e).backgroundColor);
			if (color[3] === 255) return color;
		}
		return [255, 255, 255, 255];
	};
	const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	return [...document.querySelectorAll("body *")].filter(e => e.checkVisibility({visibilityProperty: true}) &&
		(e.matches("input, textarea") || [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))).map(e => {
		const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))];
		return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e];
	}).filter(([ratio]) => ratio < 4.5).map(([ratio, e]) => ratio.toFixed(2) + " " + e.outerHTML.slice(0, 80)).join("\n");
})()`

// unlabelled lists the controls that nobody can call by a name.
const unlabelled = `[...document.querySelectorAll("input, textarea, button, a")].filter(e => e.checkVisibility() &&
	!(e.ariaLabel || e.labels?.[0]?.textContent.trim() || e.textContent.trim())).map(e => e.outerHTML).join()`

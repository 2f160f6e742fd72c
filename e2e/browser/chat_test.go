package browser_test

import (
	"context"
	"feedd/e2e/browser"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// TestChat drives the chat's page in chromium, against the real binary.
func TestChat(t *testing.T) {
	inBrowser(t, []browserTest{
		{"asks for a name once, and Enter sends", testChatName},
		{"P1 two windows see the same, in the same order", testChatTwo},
		{"P1 many clients see every message once, in the same order", testChatMany},
		{"begins with the last 50, and reads what others say in their way", testChatHistory},
		{"P3 P7 loses and doubles nothing over a kill -9", func(t *testing.T, b *browser.Browser) {
			testChatRestart(t, b, syscall.SIGKILL, "reconnecting")
		}},
		{"P3 P7 loses and doubles nothing over a restart", func(t *testing.T, b *browser.Browser) {
			testChatRestart(t, b, syscall.SIGTERM, "server is restarting")
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
	})
}

func testChatName(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	tab := b.OpenGuest(t, s.URL(), "")
	tab.Wait(`!document.querySelector("#naming").hidden && document.querySelector("#composer").hidden`)
	if got := tab.Eval(`String(/^guest [1-9]\d\d$/.test(document.querySelector("#name").value))`); got != "true" {
		t.Errorf("the name that is offered: %s", tab.Eval(`document.querySelector("#name").value`))
	}
	tab.Do(chromedp.SetValue(chromedp.CSS("#name"), "  Anna \u202e "), chromedp.Click(chromedp.CSS("#naming button")))
	tab.WaitChat()
	if got := tab.Eval(`document.querySelector("#me").textContent + document.activeElement.id`); got != "Annatext" {
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
	tab.Do(chromedp.KeyEvent("first"), enter(chromedp.ModifierShift), chromedp.KeyEvent("second"), enter())
	tab.WantChat("first\nsecond")
	// An Enter that ends the composition of a letter sends nothing.
	if got := tab.Eval(`(() => {
		const box = document.querySelector("#text");
		box.value = "かな";
		for (const how of [{isComposing: true}, {keyCode: 229}]) box.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", cancelable: true, ...how}));
		const left = box.value;
		box.value = "";
		return left;
	})()`); got != "かな" {
		t.Errorf("after a composition %q is left", got)
	}
	tab.Do(enter(), chromedp.KeyEvent("  "), enter(), chromedp.KeyEvent("third"), chromedp.Click(chromedp.CSS("#composer button.primary")))
	tab.WantChat("first\nsecond", "  third")
	if got := stored(t, s); len(got) != 2 {
		t.Errorf("stored are %q", got)
	}

	// It is not asked again, and can be changed.
	tab.Navigate(s.URL() + "/chat")
	tab.WaitChat()
	tab.Wait(`talk().length === 2`)
	for _, row := range tab.ChatRows() {
		if row.Name != "Anna" || !row.Own {
			t.Errorf("one's own of before: %+v", row)
		}
	}
	tab.Click("#rename")
	tab.Do(chromedp.SetValue(chromedp.CSS("#name"), "\u200b\u3164"), chromedp.Click(chromedp.CSS("#naming button")))
	if got := tab.Text("#me"); got != "Anna" {
		t.Errorf("after a name that nobody could see it is %q", got)
	}
	tab.Click("#rename")
	tab.Do(chromedp.SetValue(chromedp.CSS("#name"), "Bea"), chromedp.Click(chromedp.CSS("#naming button")))
	tab.Says("it is me")
	tab.WantChat("first\nsecond", "  third", "it is me")
	if rows := tab.ChatRows(); rows[2].Name != "Bea" || rows[0].Name != "Anna" {
		t.Errorf("%+v", rows)
	}
	tab.WantQuiet()
}

func testChatTwo(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	anna, bert := b.OpenGuest(t, s.URL(), "Anna"), b.OpenGuest(t, s.URL(), "Bert")
	anna.WaitChat()
	bert.WaitChat()
	if got := anna.Eval(`document.querySelector("#connection").title`); got != "" {
		t.Errorf("the page speaks %s", got)
	}
	var want []string
	for i := range 4 {
		for _, tab := range []*browser.Tab{anna, bert} {
			// The same words of both: what is one's own is not known by them.
			text := fmt.Sprintf("message %d", i)
			tab.Says(text)
			want = append(want, text)
			anna.WantChat(want...)
			bert.WantChat(want...)
		}
	}
	rows, others := anna.ChatRows(), bert.ChatRows()
	for i := range rows {
		name := []string{"Anna", "Bert"}[i%2]
		if rows[i].Name != name || rows[i].Own != (i%2 == 0) || others[i].Own != (i%2 == 1) || rows[i].ID != others[i].ID {
			t.Errorf("row %d: %+v and %+v", i, rows[i], others[i])
		}
	}
	const mine = `[...document.querySelectorAll("#messages .mine")].map(e => e.checkVisibility() ? e.textContent : "").join()`
	if got := anna.Eval(mine); got != "(you),,(you),,(you),,(you)," {
		t.Errorf("of her own messages she is told %s", got)
	}
	if got := anna.Eval(`document.querySelector("#messages time").dateTime`); !strings.HasSuffix(got, "Z") {
		t.Errorf("the time is %q", got)
	}
	anna.WantQuiet()
	bert.WantQuiet()
}

func testChatMany(t *testing.T, b *browser.Browser) {
	// All come from one address, and no client waits between two messages.
	s := browser.StartChat(t, "FEEDD_LIMITS_MAX_ANONYMOUS_RATE=100", "FEEDD_LIMITS_MAX_ANONYMOUS_ITEMS=100")
	const clients, each, tabsEach = 20, 8, 4
	var tabs []*browser.Tab
	for i := range 4 {
		tabs = append(tabs, b.OpenGuest(t, s.URL(), fmt.Sprintf("tab %d", i)))
	}
	conns := make([]*chatClient, clients)
	for i := range conns {
		conns[i] = newChatClient(t, s)
	}
	for _, tab := range tabs {
		tab.WaitChat()
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
			tab.Says(fmt.Sprintf("%d from tab %d", n, i))
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
		tab.WantChat(conns[0].texts...)
		own := 0
		for _, row := range tab.ChatRows() {
			if row.Own {
				own++
			}
		}
		if own != tabsEach {
			t.Errorf("tab %d has %d messages of its own", i, own)
		}
		tab.WantQuiet()
	}
}

func testChatHistory(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	var want []browser.ChatRow
	put := func(contentType, data, name, text string) {
		row := browser.Publish(s, "chat", "", contentType, data)
		want = append(want, browser.ChatRow{ID: row.ID, Name: name, Text: text})
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
	for _, scripts := range [][]string{nil, {browser.NoWebSocket}} {
		tab := b.OpenGuest(t, s.URL(), "Dora", scripts...)
		tab.WaitChat()
		tab.Wait(`talk().length >= 50`)
		got := tab.ChatRows()
		if !slices.Equal(got, want[len(want)-50:]) {
			t.Errorf("the history is\n%v\nnot\n%v", got, want[len(want)-50:])
		}
		tab.WaitShown("#earlier")
		if got := tab.Eval(`document.querySelector("#earlier a").pathname`); got != "/feeds/chat" {
			t.Errorf("what was said before is at %s", got)
		}
		if got := tab.Text("#heard"); got != "" {
			t.Errorf("the history is read aloud: %s", got)
		}
		tab.WantQuiet()
	}
}

func testChatCount(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	tab := b.OpenGuest(t, s.URL(), "Anna", browser.HastyCount)
	tab.WaitText("#here", "1 here") // the feed is not there yet
	c := newChatClient(t, s)
	newChatClient(t, s)
	tab.WaitText("#here", "3 here")
	c.conn.CloseNow()
	tab.WaitText("#here", "2 here")
	tab.WantQuiet()

	// Politely: once, and again when a while is over. Here it never is.
	var asked atomic.Int32
	front := s.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.RawQuery == "format=json" {
			asked.Add(1)
		}
		return false
	})
	slow := b.OpenGuest(t, front, "Bert", `{
		const wait = setTimeout;
		globalThis.again = [];
		globalThis.setTimeout = (f, ms, ...args) => f.name === "count" ? again.push(ms) : wait(f, ms, ...args);
	}`)
	slow.WaitChat()
	slow.Says("x")
	slow.WantChat("x")
	if n := asked.Load(); n != 2 { // which feed the chat is, and, when it was live, who is here
		t.Errorf("it asked %d times at once", n)
	}
	if got := slow.Eval(`again.length + " " + again.every(ms => ms >= 15_000 && ms < 25_000)`); got != "1 true" {
		t.Errorf("it asks again: %s", got)
	}
}

package browser_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

func testChatClosed(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	for _, scripts := range [][]string{nil, {browser.NoWebSocket}} {
		tab := b.OpenGuest(t, s.URL(), "Anna", scripts...)
		tab.Wait(`!document.querySelector("#closed").hidden && state() === "live"`)
		if got := tab.Eval(`document.querySelector("#closed").innerText`); !strings.Contains(got, "legacy.chat_publish: anyone") || !strings.Contains(got, "serve --demo") {
			t.Errorf("the page says %q", got)
		}
		if got := tab.Eval(`[...document.querySelectorAll("form")].map(f => f.hidden).join()`); got != "true,true" {
			t.Errorf("the forms are hidden: %s", got)
		}
		item := browser.Publish(s, "chat", "", "text/plain", "one may read")
		tab.Wait(fmt.Sprintf(`talk().at(-1)?.id === %q`, item.ID))
		tab.WantQuiet()
	}

	// Opened meanwhile, and closed while a guest was about to speak.
	tab := b.OpenGuest(t, s.URL(), "Anna")
	tab.WaitShown("#closed")
	s.Stop(syscall.SIGTERM)
	s.Env = append(s.Env, "FEEDD_LEGACY_CHAT_PUBLISH=anyone")
	s.Start()
	tab.WaitChat()
	if got := tab.Eval(`String(document.querySelector("#closed").hidden)`); got != "true" {
		t.Error("it still says that it is closed")
	}
	s.Stop(syscall.SIGTERM)
	tab.Says("too late")
	s.Env = append(s.Env, "FEEDD_LEGACY_CHAT_PUBLISH=token")
	s.Start()
	tab.Wait(`!document.querySelector("#closed").hidden && unsent()[0]?.dataset.is === "failed"`)
	if got := tab.Fate(); !strings.Contains(got, "closed to strangers") {
		t.Errorf("of the message it says %q", got)
	}
	tab.Click("#outbox .discard")
	tab.WaitUnsent(0)
	tab.WantQuiet(browser.GoneAway, webSocketGone, draining, `status of 401`)
}

func testChatRefused(t *testing.T, b *browser.Browser) {
	limits := []string{"FEEDD_LIMITS_MAX_ITEM_BYTES=200", "FEEDD_LIMITS_MAX_ANONYMOUS_RATE=1"}
	for _, scripts := range [][]string{nil, {browser.NoWebSocket}} {
		s := browser.StartChat(t, limits...) // its own: the flood before used up what this address may send
		tab := b.OpenGuest(t, s.URL(), "Anna", scripts...)
		tab.WaitChat()
		tab.Says(strings.Repeat("w", 300))
		tab.Wait(`unsent()[0]?.dataset.is === "failed"`)
		if got := tab.Fate(); got != "Not sent. Too long for this server." {
			t.Errorf("it says %q", got)
		}
		tab.Click("#outbox .discard")
		// Others of this address use up what it may send. Now and then one gets
		// through.
		stop := flood(t, s)
		text := ""
		for i := 0; text == "" || tab.Eval(`String(unsent().length)`) == "0"; i++ {
			text = fmt.Sprint("in the flood ", i)
			tab.Wait(fmt.Sprintf(`say(%q) === ""`, text))
			tab.Wait(`unsent().length === 0 || unsent()[0].dataset.is === "failed"`)
		}
		stop()
		if got := tab.Fate(); !strings.HasPrefix(got, "Not sent. Too fast") {
			t.Errorf("it says %q", got)
		}
		// A person tries again until it works.
		tab.Wait(fmt.Sprintf(`(() => {
			const [row] = unsent();
			if (row?.dataset.is === "failed") row.querySelector(".again").click();
			return !row && talk().some(r => r.text === %q && r.own);
		})()`, text))
		if got := tab.Eval(fmt.Sprintf(`String(texts().filter(t => t === %q).length)`, text)); got != "1" {
			t.Errorf("it is there %s times", got)
		}
		tab.WantQuiet(`status of (413|429)`)
	}

	// Larger than the server lets a frame be: it closes the connection.
	s := browser.StartChat(t, limits...)
	tab := b.OpenGuest(t, s.URL(), "Anna")
	tab.WaitChat()
	tab.Says(strings.Repeat("☃", 3000))
	tab.Wait(`unsent()[0]?.dataset.is === "failed"`)
	if got := tab.Fate(); got != "Not sent. Too long for this server." {
		t.Errorf("it says %q", got)
	}
	tab.WaitChat()
	tab.WantQuiet(webSocketGone)
}

func testChatUnreadable(t *testing.T, b *browser.Browser) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("feeds:\n  - {match: chat, read: token}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, harness.With("FEEDD_CONFIG="+config))
	var asked atomic.Int32
	front := s.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") && r.URL.Path == "/chat" {
			asked.Add(1)
		}
		return false
	})
	tab := b.OpenGuest(t, front, "Anna", browser.HastyWaits)
	tab.WaitState("not connected")
	if got := tab.Eval(`document.querySelector("#problem").innerText`); !strings.HasPrefix(got, "You may not read this chat") || !strings.HasSuffix(got, "Sign in, and come back.") {
		t.Errorf("it says %q", got)
	}
	tab.Eval(`new Promise(resolve => setTimeout(resolve, 30_000, ""))`) // by the page's clock
	if n := asked.Load(); n != 1 {
		t.Errorf("the page asked %d times", n)
	}
	tab.Navigate(s.Link())
	tab.WaitSignedIn()
	tab.Navigate(front + "/chat")
	tab.WaitChat()
	tab.WantQuiet(`status of 401`, webSocketGone)
}

func testChatPace(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	tab := b.OpenGuest(t, s.URL(), "Anna", `{
		globalThis.at = 0;
		performance.now = () => at;
	}`)
	tab.WaitChat()
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprint("burst ", i))
		tab.Says(want[i])
	}
	for range 3 {
		if left := tab.Eval(`say("too much")`); left != "too much" {
			t.Errorf("a sixth at once was taken, %q is left", left)
		}
	}
	if got := tab.Text("#hint"); !strings.Contains(got, "Not so fast") {
		t.Errorf("the hint is %q", got)
	}
	tab.Eval(`at += 499, ""`)
	if left := tab.Eval(`say("too soon")`); left != "too soon" {
		t.Error("it did not wait half a second")
	}
	tab.Eval(`at += 1, ""`)
	want = append(want, "in time")
	tab.Says("in time")
	tab.WantChat(want...)

	tab.Eval(`at += 10_000, ""`)
	long := strings.Repeat("x", 4001)
	if left := tab.Eval(fmt.Sprintf("say(%q)", long)); left != long {
		t.Error("what is too long was taken, or cut")
	}
	if got := tab.Eval(`document.querySelector("#hint").textContent + document.querySelector("#text").ariaInvalid`); got != "Too long by one character.true" {
		t.Errorf("the hint is %q", got)
	}
	tab.Says(long[1:])
	tab.WantChat(append(want, long[1:])...)
	tab.WantQuiet()
}

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

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
	s.env = append(s.env, "FEEDD_FORERUNNER_CHAT_PUBLISH=anyone")
	s.start(t)
	tab.waitChat()
	if got := tab.eval(`String(document.querySelector("#closed").hidden)`); got != "true" {
		t.Error("it still says that it is closed")
	}
	s.stop(t, syscall.SIGTERM)
	tab.says("too late")
	s.env = append(s.env, "FEEDD_FORERUNNER_CHAT_PUBLISH=token")
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
	limits := []string{"FEEDD_LIMITS_MAX_ITEM_BYTES=200", "FEEDD_LIMITS_MAX_ANONYMOUS_RATE=1"}
	for _, scripts := range [][]string{nil, {noWebSocket}} {
		s := startChat(t, bin, limits...) // its own: the flood before used up what this address may send
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
	s := startChat(t, bin, limits...)
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
	s := startForPage(t, bin, "FEEDD_CONFIG="+config)
	var asked atomic.Int32
	front := s.chatFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") && r.URL.Path == "/chat" {
			asked.Add(1)
		}
		return false
	})
	tab := openGuest(t, browser, front, "Anna", hastyWaits)
	tab.wait(`state() === "not connected"`)
	if got := tab.eval(`document.querySelector("#problem").innerText`); !strings.HasPrefix(got, "You may not read this chat") || !strings.HasSuffix(got, "Sign in, and come back.") {
		t.Errorf("it says %q", got)
	}
	tab.eval(`new Promise(resolve => setTimeout(resolve, 30_000, ""))`) // by the page's clock
	if n := asked.Load(); n != 2 {                                      // the WebSocket, and why not
		t.Errorf("the page asked %d times", n)
	}
	tab.do(chromedp.Navigate(s.link))
	tab.wait(adminIsIn)
	tab.do(chromedp.Navigate(front + "/chat"))
	tab.waitChat()
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

package browser

import (
	"encoding/json"
	"feedd/e2e/harness"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// ChatRow is a row of the chat's page.
type ChatRow struct {
	ID, Name, Text string
	Own, Gap       bool
}

// ChatHelpers are what the tests ask the chat's page with.
const ChatHelpers = `
	globalThis.talk = () => [...document.querySelectorAll("#messages > li")].map(li => ({
		id: li.dataset.id ?? "",
		name: li.querySelector(".name")?.textContent ?? "",
		text: li.querySelector(".text")?.textContent ?? li.textContent,
		own: li.classList.contains("own"),
		gap: li.classList.contains("gap"),
	}));
	globalThis.texts = () => talk().map(r => r.text);
	globalThis.unsent = () => [...document.querySelectorAll("#outbox > li:not([hidden])")];
	globalThis.say = text => {
		const box = document.querySelector("#text");
		box.value = text;
		box.dispatchEvent(new Event("input"));
		box.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", cancelable: true}));
		return box.value;
	};`

const (
	// NoWebSocket takes it out of the browser.
	NoWebSocket = `delete globalThis.WebSocket;`
	// PatientOpening lets a connection take two minutes to open, not five
	// seconds: on a busy machine the page would take a WebSocket that is slow
	// for one that a proxy swallows, and do without.
	PatientOpening = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, ms === 5_000 ? 120_000 : ms, ...args);
	}`
	// HastyOpening gives a connection a twentieth of a second.
	HastyOpening = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, ms === 5_000 ? 50 : ms, ...args);
	}`
	// HastyWaits makes the page wait a hundredth of what it means to between
	// attempts; but not for a server. Nor does it ask more often who is here: of
	// a server that it does not hear, questions without an answer would soon have
	// all six connections that a browser has for it.
	HastyWaits = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, f.name === "count" || ms === 5_000 || ms >= 35_000 ? ms : ms / 100, ...args);
	}`
	// HastyCount makes it ask a hundred times as often who is here.
	HastyCount = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, f.name === "count" ? ms / 100 : ms, ...args);
	}`
)

// StartChat runs a server whose chat is open to everybody.
func StartChat(t *testing.T, env ...string) *harness.Server {
	t.Helper()
	return harness.Start(t, harness.With(append(env, "FEEDD_LEGACY_CHAT_PUBLISH=anyone")...))
}

// OpenGuest opens the chat in a browser's window of its own, with a name that
// was given before; "" for a guest who comes the first time.
func (b *Browser) OpenGuest(t *testing.T, address, name string, scripts ...string) *Tab {
	t.Helper()
	tab := &Tab{t: t}
	tab.ctx, tab.close = chromedp.NewContext(b.ctx, chromedp.WithListener(tab.listen), chromedp.WithNewBrowserContext())
	if name != "" {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, fmt.Sprintf(`localStorage.getItem("feedd chat name") ?? localStorage.setItem("feedd chat name", JSON.stringify(%s));`, quoted))
	}
	tab.open(address+"/chat", append([]string{PatientOpening}, append(scripts, ChatHelpers)...)...)
	return tab
}

// WaitChat waits until the page is live and takes messages.
func (tab *Tab) WaitChat() {
	tab.t.Helper()
	tab.Wait(`state() === "live" && !document.querySelector("#composer").hidden`)
}

// Says sends a message as a person does, and checks that the page took it.
func (tab *Tab) Says(text string) {
	tab.t.Helper()
	if left := tab.Eval(fmt.Sprintf("say(%q)", text)); left != "" {
		tab.t.Fatalf("the page did not take %q: %s", left, tab.Eval(`document.querySelector("#hint").textContent`))
	}
}

// ChatRows returns the rows as they are on the page, the oldest first.
func (tab *Tab) ChatRows() []ChatRow {
	tab.t.Helper()
	var rows []ChatRow
	if err := json.Unmarshal([]byte(tab.Eval("JSON.stringify(talk())")), &rows); err != nil {
		tab.t.Fatal(err)
	}
	return rows
}

// WantChat waits for as many texts as these, the last of them among them, and
// checks that exactly these are on the page, in this order, and that nothing is on its way any more.
func (tab *Tab) WantChat(want ...string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf("texts().length >= %d && texts().at(-1) === %q && unsent().length === 0", min(len(want), 500), want[len(want)-1]))
	var got []string
	for _, row := range tab.ChatRows() {
		got = append(got, row.Text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		tab.t.Errorf("what is on the page (-want +got):\n%s", diff)
	}
}

// WaitUnsent waits until n messages are on their way.
func (tab *Tab) WaitUnsent(n int) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`unsent().length === %d`, n))
}

// Fate returns what the page says of the first message that is on its way.
func (tab *Tab) Fate() string {
	tab.t.Helper()
	return tab.Eval(`unsent()[0].querySelector(".fate").textContent`)
}

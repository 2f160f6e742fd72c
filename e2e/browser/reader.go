package browser

import (
	"fmt"
	"strconv"
)

// WaitState waits until the page says this of its connection: live, polling,
// reconnecting, server is restarting, not connected.
func (tab *Tab) WaitState(state string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`state() === %s`, Quote(state)))
}

// Connected is true when the reader's page is connected. On a busy machine it may
// not have the patience for a stream.
const Connected = `/^(live|polling)$/.test(state())`

// WaitConnected waits until the page is connected, by a stream or by polling.
func (tab *Tab) WaitConnected() {
	tab.t.Helper()
	tab.Wait(Connected)
}

// WaitEmpty waits until the page says that there are no items. It hides that
// for the moment until the first could be there.
func (tab *Tab) WaitEmpty() {
	tab.t.Helper()
	tab.Wait(`!document.querySelector("#empty").hidden && getComputedStyle(document.querySelector("#empty")).visibility === "visible"`)
}

// WaitNewest waits until the first row has a text.
func (tab *Tab) WaitNewest(text string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`rows()[0]?.text === %s`, Quote(text)))
}

// WaitAllShown waits until the first row has a text, and the page says of
// nothing that it waits.
func (tab *Tab) WaitAllShown(text string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`rows()[0]?.text === %s && document.querySelector("#details").textContent === ""`, Quote(text)))
}

// WaitHere waits until the row that an address led to has a text.
func (tab *Tab) WaitHere(text string) {
	tab.t.Helper()
	tab.WaitText("#items > .here .data", text)
}

// Pause clicks on Pause, and returns when the page is paused.
func (tab *Tab) Pause() {
	tab.t.Helper()
	tab.Click("#pause")
	tab.WaitPaused()
}

// WaitPaused waits until the button offers to resume.
func (tab *Tab) WaitPaused() {
	tab.t.Helper()
	tab.WaitText("#pause", "Resume")
}

// Resume clicks on Resume.
func (tab *Tab) Resume() {
	tab.t.Helper()
	tab.Click("#pause")
}

// WaitPausedBehind waits until the page says that it is paused and n items
// wait; 0: it tells of no items.
func (tab *Tab) WaitPausedBehind(n int) {
	tab.t.Helper()
	want := ", paused"
	if n > 0 {
		want += ", behind by " + thousands(n)
	}
	tab.WaitText("#details", want)
}

// WaitNewButton waits until the button says that n new items wait.
func (tab *Tab) WaitNewButton(n int) {
	tab.t.Helper()
	items := "items"
	if n == 1 {
		items = "item"
	}
	tab.WaitText("#new", fmt.Sprintf("%s new %s, show", thousands(n), items))
}

// thousands writes a number as the pages do: 1,009,000.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// Choose shows other feeds, by the form.
func (tab *Tab) Choose(selector string) {
	tab.t.Helper()
	tab.Eval(fmt.Sprintf(`document.querySelector("#selector").value = %s, document.querySelector("#choose").requestSubmit(), ""`, Quote(selector)))
}

// SlowStream is a script that makes the streams of a page bring nothing between
// HoldStream and FreeStream.
const SlowStream = `globalThis.EventSource = class extends EventSource {
	set onmessage(hear) {
		super.onmessage = async message => {
			await globalThis.late;
			hear(message);
			requestAnimationFrame(() => requestAnimationFrame(() => { globalThis.shown = JSON.parse(message.data).data; }));
		};
	}
}`

// HoldStream keeps back what the page's stream brings from now on.
func (tab *Tab) HoldStream() {
	tab.t.Helper()
	tab.Eval(`globalThis.late = new Promise(come => { globalThis.come = come; }), ""`)
}

// FreeStream lets come what HoldStream kept back, and the rest.
func (tab *Tab) FreeStream() {
	tab.t.Helper()
	tab.Eval(`come(), ""`)
}

// WaitStreamShown waits until the page has had the time to show an item with
// this text that its stream brought.
func (tab *Tab) WaitStreamShown(text string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`shown === %s`, Quote(text)))
}

// Gates is a script with which Shut keeps back answers to a page's questions.
const Gates = `(() => {
	const real = fetch, gates = new Map();
	globalThis.shut = (text, script = "") => { gates.set(text, {...Promise.withResolvers(), script, asked: false}); };
	globalThis.asked = text => gates.get(text).asked;
	globalThis.release = text => {
		gates.get(text).resolve();
		gates.delete(text);
	};
	globalThis.fetch = async (...asked) => {
		const {stack} = new Error();
		const answer = await real(...asked);
		for (const [text, gate] of [...gates]) { // one that is shut later keeps back others
			if (!String(asked[0]).includes(text) || !stack.includes(gate.script)) continue;
			gate.asked = true;
			await gate.promise;
		}
		return answer;
	};
})()`

// Shut keeps back the answers to questions that have a text in their URL.
func (tab *Tab) Shut(text string) {
	tab.t.Helper()
	tab.Eval(fmt.Sprintf(`shut(%s), ""`, Quote(text)))
}

// ShutOf is Shut for the questions of one script.
func (tab *Tab) ShutOf(script, text string) {
	tab.t.Helper()
	tab.Eval(fmt.Sprintf(`shut(%s, %s), ""`, Quote(text), Quote(script)))
}

// WaitAsked waits until an answer is kept back.
func (tab *Tab) WaitAsked(text string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`asked(%s)`, Quote(text)))
}

// Release lets the answer through, and all that follow.
func (tab *Tab) Release(text string) {
	tab.t.Helper()
	tab.Eval(fmt.Sprintf(`release(%s), ""`, Quote(text)))
}

// ScrollDownUntilAsked scrolls to the end until the page asks for what is kept
// back: at the end already, it is told of no scrolling.
func (tab *Tab) ScrollDownUntilAsked(text string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`(scrollTo(0, scrollY - 1), scrollTo(0, %d), asked(%s))`, Bottom, Quote(text)))
}

// ScrollUpTo scrolls to the top until the first row has a text.
func (tab *Tab) ScrollUpTo(text string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`(scrollTo(0, 0), rows()[0]?.text === %s)`, Quote(text)))
}

package browser_test

import (
	"context"
	"encoding/json"
	"feedd/e2e/browser"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

func testChatHostile(t *testing.T, b *browser.Browser) {
	// Large ones come from a guest, too.
	s := browser.StartChat(t, "FEEDD_LIMITS_MAX_ITEM_BYTES=2MiB",
		"FEEDD_LIMITS_MAX_ANONYMOUS_ITEM_BYTES=2MiB", "FEEDD_LIMITS_MAX_ANONYMOUS_BYTES=0")
	tab := b.OpenGuest(t, s.URL(), "Anna")
	tab.Do(chromedp.EmulateViewport(360, 740))
	tab.WaitChat()
	var names, texts []string
	put := func(name, text string) {
		data, err := json.Marshal(map[string]string{"name": name, "text": text})
		if err != nil {
			t.Fatal(err)
		}
		browser.Publish(s, "chat", "", "application/json", string(data))
		names, texts = append(names, name), append(texts, text)
	}
	for _, hostile := range hostileTexts {
		put("x", hostile)
		put(hostile, "x")
		// By the page's own box, too: its row waits with the same text.
		tab.Wait(fmt.Sprintf("texts().length === %d", len(texts)))
		tab.Wait(fmt.Sprintf(`say(%q) === ""`, hostile))
		names, texts = append(names, "Anna"), append(texts, hostile)
		tab.Wait(fmt.Sprintf("texts().length === %d && unsent().length === 0", len(texts)))
	}
	tab.WantUnharmed()
	rows := tab.ChatRows()
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
	// Laid out whole it would be longer than a browser's string can be.
	deep := browser.Publish(s, "chat", "", "application/json", strings.Repeat("[", 490)+strings.Repeat("1,", 750_000)+"1"+strings.Repeat("]", 490))
	names, texts = append(names, ""), append(texts, "")
	tab.Wait(fmt.Sprintf("texts().length === %d", len(texts)))
	rows = tab.ChatRows()[from:]
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
	if got := tab.Eval(`[...document.querySelectorAll(".message .more:not([hidden]) a")].map(a => a.pathname).join("\n")`); got != strings.Join(wantAll, "\n") {
		t.Errorf("all of it is at\n%s", got)
	}
	var links []struct{ Href, Text, Rel string }
	if err := json.Unmarshal([]byte(tab.Eval(`JSON.stringify([...document.querySelectorAll(".text a")].map(a => ({href: a.href, text: a.textContent, rel: a.rel})))`)), &links); err != nil {
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
	if got := tab.Eval(`[...document.querySelectorAll(".message")].filter(li => {
		const log = document.querySelector("#log").getBoundingClientRect(), row = li.getBoundingClientRect();
		return row.left < log.left || row.right > log.right || getComputedStyle(li).overflow !== "clip";
	}).map(li => li.textContent.slice(0, 50)).join()`); got != "" {
		t.Errorf("these are wider than the page: %s", got)
	}
	if got := tab.Eval(`[document.documentElement.scrollWidth, document.querySelector("#log").scrollWidth - document.querySelector("#log").clientWidth].join()`); got != "360,0" {
		t.Errorf("the page is as wide as %s", got)
	}
	if got := tab.Eval(`[...document.querySelectorAll(".name, .text, .text a")].every(e => getComputedStyle(e).unicodeBidi.startsWith("isolate") || getComputedStyle(e).unicodeBidi === "plaintext") + ""`); got != "true" {
		t.Error("a name or a text turns what stands around it")
	}
	tab.WantUnharmed()
	tab.WantQuiet()
}

func testChatScroll(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	batch := func(from, n int) {
		t.Helper()
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"name":"Anna","text":"number %d"}`+"\n", from+i)
		}
		s.PublishLines("chat", b.String())
	}
	tab := b.OpenGuest(t, s.URL(), "Bert")
	tab.WaitChat()
	const atEnd = `(l => l.scrollHeight - l.scrollTop - l.clientHeight < 2)(document.querySelector("#log"))`
	batch(0, 490)
	tab.Wait(`texts().at(-1) === "number 489" && ` + atEnd)
	// The reader goes up, and what is read stays where it is, though rows go.
	tab.Eval(`document.querySelector("#log").scrollTop -= 1000, ""`)
	tab.TwoFrames()
	const place = `(() => {
		const top = document.querySelector("#log").getBoundingClientRect().top;
		const li = [...document.querySelectorAll("#messages > li")].find(li => li.getBoundingClientRect().top >= top);
		return li.querySelector(".text").textContent + " " + li.getBoundingClientRect().top;
	})()`
	before := tab.Eval(place)
	batch(490, 1)
	tab.Wait(`document.querySelector("#news").textContent === "1 new message" && !document.querySelector("#news").hidden`)
	batch(491, 49)
	tab.WaitText("#news", "50 new messages")
	var was, is int
	var from, to float64 // px
	after := tab.Eval(place)
	_, err := fmt.Sscanf(before+" "+after, "number %d %f number %d %f", &was, &from, &is, &to)
	if err != nil || was != is || math.Abs(to-from) > 1 { // a place is rounded to whole px
		t.Errorf("the reader was at %s, and is at %s", before, after)
	}
	if got := tab.Eval(`talk().length + " " + texts()[0]`); got != "500 number 40" {
		t.Errorf("the rows are %s", got)
	}
	tab.Click("#news")
	tab.Wait(`document.querySelector("#news").hidden && ` + atEnd)
	// Many at once, and the page follows.
	batch(540, 3000)
	tab.Wait(`texts().at(-1) === "number 3539" && document.querySelector("#news").hidden && ` + atEnd)
	for i, row := range tab.ChatRows() {
		if row.Text != fmt.Sprint("number ", 3040+i) {
			t.Fatalf("row %d is %q", i, row.Text)
		}
	}
	// Who speaks is at the end again.
	tab.Eval(`document.querySelector("#log").scrollTop = 0, ""`)
	tab.TwoFrames()
	tab.Says("hello")
	tab.Wait(`texts().at(-1) === "hello" && ` + atEnd)
	tab.WantQuiet()
}

func testChatAloud(t *testing.T, b *browser.Browser) {
	// A guest says a hundred things at once.
	s := browser.StartChat(t, "FEEDD_LIMITS_MAX_ANONYMOUS_RATE=100", "FEEDD_LIMITS_MAX_ANONYMOUS_ITEMS=100")
	// What comes within three seconds is read together. They are over when the
	// test says so.
	tab := b.OpenGuest(t, s.URL(), "Anna", `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => ms === 3_000 ? globalThis.later = f : wait(f, ms, ...args);
	}`)
	tab.WaitChat()
	tab.Wait(`!document.querySelector("#empty").hidden && document.querySelector("#earlier").hidden`)
	tab.Eval(`globalThis.heard = [], new MutationObserver(() => heard.push(document.querySelector("#heard").textContent)).observe(document.querySelector("#heard"), {childList: true}), ""`)
	if got := tab.Eval(`document.querySelector("#heard").getAttribute("aria-live") + document.querySelector("#log").getAttribute("aria-live")`); got != "politeoff" {
		t.Errorf("live are %s", got)
	}
	c := newChatClient(t, s)
	c.say(t, map[string]string{"name": "Bert", "text": "hello"})
	tab.Wait(`heard.at(-1) === "Bert: hello"`)
	for i := range 100 {
		c.say(t, map[string]string{"name": "Bert", "text": fmt.Sprint(i)})
	}
	tab.Says("my own")
	tab.Wait(`talk().length === 102`)
	if got := tab.Eval(`String(heard.length)`); got != "1" {
		t.Errorf("%s are read aloud at once", got)
	}
	tab.Eval(`later(), ""`)
	tab.Wait(`heard.length === 2`)
	if got := tab.Eval(`heard[1]`); got != "100 new messages" {
		t.Errorf("read aloud is %q", got)
	}
	tab.WantQuiet()
}

// What was said before the page was there is no news, though the page learns who
// is here before it has all of it.
func testChatLateHistory(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	first := browser.Publish(s, "chat", "", "application/json", `{"name":"Bert","text":"of before"}`)
	second := browser.Publish(s, "chat", "", "application/json", `{"name":"Bert","text":"of before, too"}`)
	rest := make(chan struct{})
	empty := emptyOnce()
	front := s.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Upgrade") == "" {
			return empty(w, r)
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
	tab := b.OpenGuest(t, front, "Anna", `globalThis.heard = [];
		addEventListener("DOMContentLoaded", () => new MutationObserver(() => heard.push(document.querySelector("#heard").textContent))
			.observe(document.querySelector("#heard"), {childList: true}));`)
	tab.WaitChat() // it was told who is here
	tab.Wait(`talk().length === 1`)
	if got := tab.Eval(`String(document.querySelector("#empty").hidden)`); got != "true" {
		t.Error("the page says that nobody has said anything, and shows what was said")
	}
	close(rest)
	tab.Wait(`talk().length === 3 && heard.length > 0`)
	if got := tab.Eval(`heard.join()`); got != "Bert: news" {
		t.Errorf("read aloud is %q", got)
	}
	if got := tab.Eval(`document.querySelector("#earlier").hidden + " " + document.querySelector("#empty").hidden`); got != "true true" {
		t.Errorf("hidden are that there is more, and that there is nothing: %s", got)
	}
	tab.WantQuiet()
}

func testChatLooks(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	say := func(name, text string) {
		data, _ := json.Marshal(map[string]string{"name": name, "text": text})
		browser.Publish(s, "chat", "broadcast", "application/json", string(data))
	}
	say("Bert", "Is anybody there?")
	say("Bert", "I have just found this, and it seems to work: https://example.com/a/page?with=a&long=address#and-a-place-in-it")
	say("Cleo", "Hello, Bert!")
	say("Dora", "مرحبا بالعالم")
	for _, name := range strings.Fields("Emil Flora Gustav Hanna Ivo Jana") {
		say(name, "hi")
	}
	browser.Publish(s, "chat", "move", "application/json", `{"move":"e4","clock":[300,298]}`)
	tab := b.OpenGuest(t, s.URL(), "")
	tab.Wait(`!document.querySelector("#naming").hidden && talk().length === 11`)
	look := func(scheme string, width int64) {
		tab.Do(chromedp.EmulateViewport(width, 740), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
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
				tab.TwoFrames()
				at := fmt.Sprintf("%s %s %d", name, scheme, width)
				if got := tab.Eval(`[document.documentElement.scrollWidth, document.documentElement.scrollHeight].join()`); got != fmt.Sprintf("%d,740", width) {
					t.Errorf("%s: the page is as large as %s", at, got)
				}
				if got := tab.Eval(pale); got != "" {
					t.Errorf("%s: below 4.5:1 are\n%s", at, got)
				}
				if got := tab.Eval(unlabelled); got != "" {
					t.Errorf("%s: without a name are %s", at, got)
				}
				tab.Picture(strings.ReplaceAll(at, " ", "-"))
			}
		}
	}
	check("naming")
	tab.Do(chromedp.SetValue(chromedp.CSS("#name"), "Anna"), chromedp.Click(chromedp.CSS("#naming button")))
	tab.Says("Yes, I am here.")
	tab.Wait(`talk().length === 12 && unsent().length === 0`)
	// By the keyboard alone all of it can be reached.
	var order []string
	for range 12 {
		tab.Do(chromedp.KeyEvent("\t"))
		order = append(order, tab.Eval(`document.activeElement.id || document.activeElement.textContent.trim()`))
	}
	for _, want := range []string{"log", "rename", "text", "Send", "Chat"} {
		if !slices.Contains(order, want) {
			t.Errorf("Tab does not reach %s: %q", want, order)
		}
	}
	tab.Eval(`document.querySelector("#log").scrollTop = 1e6, ""`)
	tab.Do(chromedp.Focus(chromedp.CSS("#text")))
	check("talk")
	s.Purge("chat")
	s.Kill()
	tab.Says("Where is the server?")
	tab.Wait(`unsent().length === 1 && state() === "reconnecting"`)
	check("away")
	s.Env = append(s.Env, "FEEDD_LEGACY_CHAT_PUBLISH=token")
	s.Start()
	tab.Wait(`unsent()[0]?.dataset.is === "failed" && !document.querySelector("#closed").hidden`)
	check("closed")
	tab.WantQuiet(browser.GoneAway, webSocketGone)
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

// unlabelled lists the controls without a name that a person could call them by.
const unlabelled = `[...document.querySelectorAll("input, textarea, button, a")].filter(e => e.checkVisibility() &&
	!(e.ariaLabel || e.labels?.[0]?.textContent.trim() || e.textContent.trim())).map(e => e.outerHTML).join()`

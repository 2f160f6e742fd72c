package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

func TestAdminPublish(t *testing.T) {
	inBrowser(t, []browserTest{
		{"publishes with one click, which a reader sees within a second", testAdminOneClick},
		{"publishes and previews the example of each kind", testAdminKinds},
		{"publishes JSON as it is written, and says where it is wrong", testAdminJSON},
		{"P7 stores once what it sends twice", testAdminRetry},
		{"keeps what was sent, to be sent again or changed", testAdminHistory},
		{"takes nothing for HTML", testAdminHostile},
	})
}

// The demonstration: two windows, one click.
func testAdminOneClick(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	reader := openPage(t, browser, s.url()+"/")
	reader.wait(emptyIsSeen)
	reader.eval(`new MutationObserver(() => globalThis.seen ??= rows().length && Date.now()).observe(document.querySelector("#items"), {childList: true}); ""`)
	tab := openAdmin(t, browser, s)
	tab.eval(`$("#examples button").addEventListener("click", () => globalThis.clicked = Date.now(), {capture: true}); ""`)
	tab.do(chromedp.Click(chromedp.CSS("#examples button")))
	reader.wait(`globalThis.seen > 0`)
	took := reader.eval(`String(seen - ` + tab.eval(`String(clicked)`) + `)`)
	var ms int
	if _, err := fmt.Sscan(took, &ms); err != nil || ms < 0 {
		t.Errorf("the item was on the other page after %s ms", took)
	}
	t.Logf("the item was on the other page after %s ms", took)
	if got := reader.rows()[0].Text; !strings.Contains(got, "The bridge is open again") {
		t.Errorf("the reader sees %q", got)
	}
	tab.wait(`/^Published to main in .* It is on disk\.$/.test($("#result").textContent)`)
	if got, want := tab.eval(`$("#result a").textContent`), reader.rows()[0].ID; got != want {
		t.Errorf("the page says that %s was published, not %s", got, want)
	}
	tab.wait(`cell("main", "count") === "1"`)
	reader.wantQuiet()
	tab.wantQuiet()
}

func testAdminKinds(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	examples := tab.eval(`import("/admin/kindforms.js").then(({KINDS}) => JSON.stringify(KINDS))`)
	var kinds map[string]struct {
		Label   string
		Example json.RawMessage
	}
	if err := json.Unmarshal([]byte(examples), &kinds); err != nil || len(kinds) < 7 {
		t.Fatalf("%d kinds: %v", len(kinds), err)
	}
	n := 0
	for kind, about := range kinds {
		tab.eval(`click("#examples button", ` + jsString(about.Label) + `)`)
		n++
		tab.wait(fmt.Sprintf(`document.querySelectorAll("#sent a").length === %d`, n))
		var want, got any
		_, data := s.item(t, "main", tab.eval(`$("#sent a").textContent`))
		json.Unmarshal(about.Example, &want)
		json.Unmarshal([]byte(data), &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the example of %s is published with a difference:\n%s", kind, diff)
		}
		// The form has it, too, and the preview is what readers see.
		if got := tab.eval(`$("#kind").value + " " + $("#preview .data")?.classList.contains(` + jsString(kind) + `)`); got != kind+" true" {
			t.Errorf("after the example of %s the form and preview are %s", kind, got)
		}
		tab.eval(`click("#compose .primary")`)
		n++
		tab.wait(fmt.Sprintf(`document.querySelectorAll("#sent a").length === %d`, n))
		if _, again := s.item(t, "main", tab.eval(`$("#sent a").textContent`)); again != data {
			t.Errorf("the form of %s publishes %s, not %s", kind, again, data)
		}
		switch kind {
		case "photo":
			tab.wait(`$("#preview img")?.naturalWidth > 0`)
		case "video":
			tab.eval(`$("#preview video").play().then(() => "")`)
			tab.wait(`$("#preview video").duration > 1`)
		}
	}
	tab.eval(`click("#examples button", "JSON")`)
	tab.wait(fmt.Sprintf(`document.querySelectorAll("#sent a").length === %d`, n+1))
	if _, data := s.item(t, "main", tab.eval(`$("#sent a").textContent`)); data != tab.eval(`JSON.stringify(JSON.parse($("#field-body").value))`) {
		t.Errorf("the example of JSON is published as %s", data)
	}
	tab.wantQuiet()
}

func testAdminJSON(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	tab.eval(`fill("#kind", "application/json")`)
	if got := tab.eval(`JSON.parse($("#field-body").value).headline`); got != "The bridge is open again" {
		t.Errorf("JSON begins with %q, not with what was in the form", got)
	}
	tab.eval(`fill("#field-body", '{"é":1,}')`)
	tab.wait(`$("#preview").textContent === "This is not JSON yet."`)
	tab.do(chromedp.Click(chromedp.CSS("#compose .primary")))
	tab.wait(`/not valid JSON.*offset 8/.test($("#result").textContent)`)
	// é has two bytes and is one character.
	if got := tab.eval(`[document.activeElement.id, $("#field-body").selectionStart, $("#field-body").getAttribute("aria-invalid")].join()`); got != "field-body,7,true" {
		t.Errorf("the caret is at %s", got)
	}
	const data = `{"n":12345678901234567890.10,"n":1}`
	tab.eval(`fill("#field-body", ` + jsString(data) + `); fill("#to-feed", "a.b"); fill("#event-name", "goal"); fill("#ttl", "soon")`)
	tab.wait(`/12345678901234567890\.10/.test($("#preview").textContent)`)
	tab.eval(`click("#compose .primary")`)
	tab.wait(`/ttl/.test($("#result").textContent)`)
	tab.eval(`fill("#ttl", "1h"); click("#compose .primary")`)
	tab.wait(`/^Published to a\.b/.test($("#result").textContent)`)
	if event, got := s.item(t, "a.b", tab.eval(`$("#result a").textContent`)); event != "goal" || got != data {
		t.Errorf("what is stored is %s as %q", got, event)
	}
	if got := tab.eval(`new URL($("#reader").href).search`); got != "?feed=a.b" {
		t.Errorf("the link to the reader leads to %s", got)
	}
	tab.eval(`fill("#to-feed", "no feed"); click("#compose .primary")`)
	tab.wait(`/^The feed name is not valid/.test($("#result").textContent)`)
	tab.eval(`fill("#to-feed", "a.b"); fill("#kind", "text/plain"); fill("#field-body", "plain {text}"); click("#compose .primary")`)
	tab.wait(`/^Published to a\.b/.test($("#result").textContent)`)
	if _, got := s.item(t, "a.b", tab.eval(`$("#result a").textContent`)); got != `"plain {text}"` {
		t.Errorf("the text is stored as %s", got)
	}
	tab.wantQuiet(`status of 400`)
}

func testAdminRetry(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	var publishes, lost atomic.Int64
	lost.Store(1)
	address := s.front(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" && publishes.Add(1) <= lost.Load() {
			// It is stored, and the answer is lost. (Where the connection just
			// ended, chromium would repeat the publish by itself.)
			s.pass(&deaf{header: http.Header{}}, r, 1<<20)
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		s.pass(w, r, 1<<20)
	})
	s.link = strings.Replace(s.link, s.url(), address, 1)
	tab := openAdmin(t, browser, s, hasty(100, 500, 1000, 2000, 4000)) // the waits before further attempts
	tab.eval(`click("#examples button", "Text")`)
	tab.wait(`/^An earlier attempt had stored it, once/.test($("#result").textContent)`)
	tab.wait(`cell("main", "count") === "1"`)

	// All attempts fail: only the user can settle it.
	lost.Store(1000)
	tab.eval(`click("#examples button", "Headline")`)
	tab.wait(`/Whether it is stored is not known/.test($("#result").textContent)`)
	lost.Store(0)
	tab.eval(`click("#compose .primary")`)
	tab.wait(`/^An earlier attempt had stored it, once/.test($("#result").textContent)`)
	tab.eval(`click("#sent button", "Try again")`)
	tab.wait(`!document.querySelector("#sent .bad")`)
	tab.wait(`cell("main", "count") === "2"`)
	if got := tab.eval(`$("#sent a").textContent + " " + document.querySelectorAll("#sent li").length`); !strings.HasSuffix(got, " 3") {
		t.Errorf("what was sent is %s", got)
	}
	tab.wantQuiet(`status of 502`)
}

// deaf takes an answer that nobody gets.
type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header { return d.header }

func (d *deaf) Write(p []byte) (int, error) { return len(p), nil }

func (d *deaf) WriteHeader(int) {}

func (d *deaf) Flush() {}

func testAdminHistory(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	tab.eval(`fill("#to-feed", "one"); fill("#event-name", "news"); fill("#field-headline", "First"); click("#compose .primary")`)
	tab.wait(`document.querySelectorAll("#sent a").length === 1`)
	tab.eval(`fill("#to-feed", "two"); fill("#event-name", ""); click("#examples button", "Score")`)
	tab.wait(`document.querySelectorAll("#sent a").length === 2`)

	tab.eval(`[...document.querySelectorAll("#sent li")].at(-1).querySelectorAll("button")[1].click(); ""`) // edit
	if got := tab.eval(`["#to-feed", "#event-name", "#kind", "#field-headline"].map(id => $(id).value).join() + " " + document.activeElement.id`); got != "one,news,headline,First field-headline" {
		t.Errorf("what was sent first comes back as %s", got)
	}
	tab.eval(`[...document.querySelectorAll("#sent li")].at(-1).querySelector("button").click(); ""`) // again
	tab.wait(`document.querySelectorAll("#sent a").length === 3`)
	first, again := tab.eval(`[...document.querySelectorAll("#sent a")].at(-1).textContent`), tab.eval(`$("#sent a").textContent`)
	if first == again {
		t.Error("sending again is the same item")
	}
	_, a := s.item(t, "one", first)
	if _, b := s.item(t, "one", again); a != b {
		t.Errorf("sending %s again sends %s", a, b)
	}
	tab.wantQuiet()
}

func testAdminHostile(t *testing.T, browser context.Context, bin string) {
	s := startForPage(t, bin)
	tab := openAdmin(t, browser, s)
	n := 0
	for _, text := range hostileTexts {
		for _, kind := range []string{"text/plain", "application/json", "headline"} {
			body, field := text, "body"
			switch kind {
			case "application/json":
				body = `{` + jsString(text) + `:` + jsString(text) + `}`
			case "headline":
				field = "headline"
			}
			n++
			tab.eval(fmt.Sprintf(`fill("#to-feed", "main"); fill("#kind", %q); fill("#field-%s", %s); click("#compose .primary")`, kind, field, jsString(body)))
			tab.wait(fmt.Sprintf(`document.querySelectorAll("#sent a").length === %d`, n))
			tab.wait(`$("#preview").textContent.includes(` + jsString(strings.Split(text, "\n")[0]) + `) || ` + fmt.Sprint(kind == "application/json"))
		}
		// The problem says what it is about.
		tab.eval(`fill("#to-feed", ` + jsString(text) + `); click("#compose .primary")`)
		tab.wait(`$("#result").classList.contains("bad")`)
		tab.eval(`fill("#match", ` + jsString(text) + `)`)
		tab.wait(`!$("#feeds .notice").hidden`)
	}
	if got := tab.eval(`String(window.harmed)`); got != "undefined" {
		t.Errorf("published data ran: %s", got)
	}
	if got := tab.eval(`[...document.querySelectorAll("#publish *, #feeds *, #message *")].filter(e =>
		/^(script|style|svg|iframe|object|embed|base|meta)$/i.test(e.tagName) ||
		[...e.attributes].some(a => /^(on|style|srcdoc|formaction)/i.test(a.name)) ||
		[e.href, e.src].some(address => address && !/^(https?:\/\/|mailto:)/.test(address))).map(e => e.outerHTML).join()`); got != "" {
		t.Errorf("published data became %s", got)
	}
	tab.wantQuiet(`status of 40[04]`)
}

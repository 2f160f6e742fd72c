package browser_test

import (
	"encoding/json"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

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
func testAdminOneClick(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	reader := b.Open(t, s.URL()+"/")
	reader.WaitEmpty()
	reader.Eval(`new MutationObserver(() => globalThis.seen ??= rows().length && Date.now()).observe(document.querySelector("#items"), {childList: true}); ""`)
	tab := b.OpenAdmin(t, s.Link())
	tab.Eval(`$("#examples button").addEventListener("click", () => globalThis.clicked = Date.now(), {capture: true}); ""`)
	tab.Click("#examples button")
	reader.Wait(`globalThis.seen > 0`)
	took := reader.Eval(`String(seen - ` + tab.Eval(`String(clicked)`) + `)`)
	var ms int
	if _, err := fmt.Sscan(took, &ms); err != nil || ms < 0 {
		t.Errorf("the item was on the other page after %s ms", took)
	}
	t.Logf("the item was on the other page after %s ms", took)
	if got := reader.Rows()[0].Text; !strings.Contains(got, "The bridge is open again") {
		t.Errorf("the reader sees %q", got)
	}
	tab.WaitMatch("#result", `/^Published to main in .* It is on disk\.$/`)
	if got, want := tab.Text("#result a"), reader.Rows()[0].ID; got != want {
		t.Errorf("the page says that %s was published, not %s", got, want)
	}
	tab.WaitCell("main", "count", "1")
	reader.WantQuiet()
	tab.WantQuiet()
}

func testAdminKinds(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenAdmin(t, s.Link())
	examples := tab.Eval(`import("/admin/kindforms.js").then(({KINDS}) => JSON.stringify(KINDS))`)
	var kinds map[string]struct {
		Label   string
		Example json.RawMessage
	}
	if err := json.Unmarshal([]byte(examples), &kinds); err != nil || len(kinds) < 7 {
		t.Fatalf("%d kinds: %v", len(kinds), err)
	}
	n := 0
	for kind, about := range kinds {
		tab.ClickText("#examples button", about.Label)
		n++
		tab.WaitCount("#sent a", n)
		var want, got any
		_, data := itemOf(t, s, "main", tab.Text("#sent a"))
		json.Unmarshal(about.Example, &want)
		json.Unmarshal([]byte(data), &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the example of %s is published with a difference:\n%s", kind, diff)
		}
		// The form has it, too, and the preview is what readers see.
		if got := tab.Eval(`$("#kind").value + " " + $("#preview .data")?.classList.contains(` + browser.Quote(kind) + `)`); got != kind+" true" {
			t.Errorf("after the example of %s the form and preview are %s", kind, got)
		}
		tab.ClickByScript("#compose .primary")
		n++
		tab.WaitCount("#sent a", n)
		if _, again := itemOf(t, s, "main", tab.Text("#sent a")); again != data {
			t.Errorf("the form of %s publishes %s, not %s", kind, again, data)
		}
		switch kind {
		case "photo":
			tab.Wait(`$("#preview img")?.naturalWidth > 0`)
		case "video":
			tab.Eval(`$("#preview video").play().then(() => "")`)
			tab.Wait(`$("#preview video").duration > 1`)
		}
	}
	tab.ClickText("#examples button", "JSON")
	tab.WaitCount("#sent a", n+1)
	if _, data := itemOf(t, s, "main", tab.Text("#sent a")); data != tab.Eval(`JSON.stringify(JSON.parse($("#field-body").value))`) {
		t.Errorf("the example of JSON is published as %s", data)
	}
	tab.WantQuiet()
}

func testAdminJSON(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenAdmin(t, s.Link())
	tab.Fill("#kind", "application/json")
	if got := tab.Eval(`JSON.parse($("#field-body").value).headline`); got != "The bridge is open again" {
		t.Errorf("JSON begins with %q, not with what was in the form", got)
	}
	tab.Eval(`fill("#field-body", '{"é":1,}')`)
	tab.WaitText("#preview", "This is not JSON yet.")
	tab.Click("#compose .primary")
	tab.WaitMatch("#result", `/not valid JSON.*offset 8/`)
	// é has two bytes and is one character.
	if got := tab.Eval(`[document.activeElement.id, $("#field-body").selectionStart, $("#field-body").getAttribute("aria-invalid")].join()`); got != "field-body,7,true" {
		t.Errorf("the caret is at %s", got)
	}
	const data = `{"n":12345678901234567890.10,"n":1}`
	tab.Eval(`fill("#field-body", ` + browser.Quote(data) + `); fill("#to-feed", "a.b"); fill("#event-name", "goal"); fill("#ttl", "soon")`)
	tab.WaitMatch("#preview", `/12345678901234567890\.10/`)
	tab.ClickByScript("#compose .primary")
	tab.WaitMatch("#result", `/ttl/`)
	tab.Eval(`fill("#ttl", "1h"); click("#compose .primary")`)
	tab.WaitMatch("#result", `/^Published to a\.b/`)
	if event, got := itemOf(t, s, "a.b", tab.Text("#result a")); event != "goal" || got != data {
		t.Errorf("what is stored is %s as %q", got, event)
	}
	if got := tab.Eval(`new URL($("#reader").href).search`); got != "?feed=a.b" {
		t.Errorf("the link to the reader leads to %s", got)
	}
	tab.Eval(`fill("#to-feed", "no feed"); click("#compose .primary")`)
	tab.WaitMatch("#result", `/^The feed name is not valid/`)
	tab.Eval(`fill("#to-feed", "a.b"); fill("#kind", "text/plain"); fill("#field-body", "plain {text}"); click("#compose .primary")`)
	tab.WaitMatch("#result", `/^Published to a\.b/`)
	if _, got := itemOf(t, s, "a.b", tab.Text("#result a")); got != `"plain {text}"` {
		t.Errorf("the text is stored as %s", got)
	}
	tab.WantQuiet(`status of 400`)
}

func testAdminRetry(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	var publishes, lost atomic.Int64
	lost.Store(1)
	address := s.Front(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" && publishes.Add(1) <= lost.Load() {
			// It is stored, and the answer is lost. (Where the connection just
			// ended, chromium would repeat the publish by itself.)
			s.Pass(&deaf{header: http.Header{}}, r, 1<<20)
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		s.Pass(w, r, 1<<20)
	})
	tab := b.OpenAdmin(t, strings.Replace(s.Link(), s.URL(), address, 1), browser.Hasty(100, 500, 1000, 2000, 4000)) // the waits before further attempts
	tab.ClickText("#examples button", "Text")
	tab.WaitMatch("#result", `/^An earlier attempt had stored it, once/`)
	tab.WaitCell("main", "count", "1")

	// All attempts fail: only the user can settle it.
	lost.Store(1000)
	tab.ClickText("#examples button", "Headline")
	tab.WaitMatch("#result", `/Whether it is stored is not known/`)
	lost.Store(0)
	tab.ClickByScript("#compose .primary")
	tab.WaitMatch("#result", `/^An earlier attempt had stored it, once/`)
	tab.ClickText("#sent button", "Try again")
	tab.Wait(`!document.querySelector("#sent .bad")`)
	tab.WaitCell("main", "count", "2")
	if got := tab.Eval(`$("#sent a").textContent + " " + document.querySelectorAll("#sent li").length`); !strings.HasSuffix(got, " 3") {
		t.Errorf("what was sent is %s", got)
	}
	tab.WantQuiet(`status of 502`)
}

// deaf takes an answer that no client gets.
type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header { return d.header }

func (d *deaf) Write(p []byte) (int, error) { return len(p), nil }

func (d *deaf) WriteHeader(int) {}

func (d *deaf) Flush() {}

func testAdminHistory(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenAdmin(t, s.Link())
	tab.Eval(`fill("#to-feed", "one"); fill("#event-name", "news"); fill("#field-headline", "First"); click("#compose .primary")`)
	tab.WaitCount("#sent a", 1)
	tab.Eval(`fill("#to-feed", "two"); fill("#event-name", ""); click("#examples button", "Score")`)
	tab.WaitCount("#sent a", 2)

	tab.Eval(`[...document.querySelectorAll("#sent li")].at(-1).querySelectorAll("button")[1].click(); ""`) // edit
	if got := tab.Eval(`["#to-feed", "#event-name", "#kind", "#field-headline"].map(id => $(id).value).join() + " " + document.activeElement.id`); got != "one,news,headline,First field-headline" {
		t.Errorf("what was sent first comes back as %s", got)
	}
	tab.Eval(`[...document.querySelectorAll("#sent li")].at(-1).querySelector("button").click(); ""`) // again
	tab.WaitCount("#sent a", 3)
	first, again := tab.Eval(`[...document.querySelectorAll("#sent a")].at(-1).textContent`), tab.Text("#sent a")
	if first == again {
		t.Error("sending again is the same item")
	}
	_, a := itemOf(t, s, "one", first)
	if _, b := itemOf(t, s, "one", again); a != b {
		t.Errorf("sending %s again sends %s", a, b)
	}
	tab.WantQuiet()
}

func testAdminHostile(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.OpenAdmin(t, s.Link())
	n := 0
	for _, text := range hostileTexts {
		for _, kind := range []string{"text/plain", "application/json", "headline"} {
			body, field := text, "body"
			switch kind {
			case "application/json":
				body = `{` + browser.Quote(text) + `:` + browser.Quote(text) + `}`
			case "headline":
				field = "headline"
			}
			n++
			tab.Eval(fmt.Sprintf(`fill("#to-feed", "main"); fill("#kind", %q); fill("#field-%s", %s); click("#compose .primary")`, kind, field, browser.Quote(body)))
			tab.WaitCount("#sent a", n)
			tab.Wait(`$("#preview").textContent.includes(` + browser.Quote(strings.Split(text, "\n")[0]) + `) || ` + fmt.Sprint(kind == "application/json"))
		}
		// The problem says what it is about.
		tab.Eval(`fill("#to-feed", ` + browser.Quote(text) + `); click("#compose .primary")`)
		tab.Wait(`$("#result").classList.contains("bad")`)
		tab.Eval(`fill("#match", ` + browser.Quote(text) + `)`)
		tab.Wait(`!$("#feeds .notice").hidden`)
	}
	if got := tab.Eval(`String(window.harmed)`); got != "undefined" {
		t.Errorf("published data ran: %s", got)
	}
	if got := tab.Eval(`[...document.querySelectorAll("#publish *, #feeds *, #message *")].filter(e =>
		/^(script|style|svg|iframe|object|embed|base|meta)$/i.test(e.tagName) ||
		[...e.attributes].some(a => /^(on|style|srcdoc|formaction)/i.test(a.name)) ||
		[e.href, e.src].some(address => address && !/^(https?:\/\/|mailto:)/.test(address))).map(e => e.outerHTML).join()`); got != "" {
		t.Errorf("published data became %s", got)
	}
	tab.WantQuiet(`status of 40[04]`)
}

package browser

import (
	"context"
	"encoding/json"
	"feedd/e2e/harness"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Tab is a tab with a page.
type Tab struct {
	t     *testing.T
	ctx   context.Context
	close context.CancelFunc

	mu   sync.Mutex   // guards what follows
	said []string     // errors and warnings, as the browser reports them
	also func(ev any) // hears all events, where it is set
}

const (
	// pageHelpers are what the tests ask the page with. They note violations
	// of the policy, though the console should tell of those, too.
	pageHelpers = `
		globalThis.state = () => document.querySelector("#state").textContent;
		// A tree, a line a member, what is open in it indented.
		globalThis.lines = (tree, indent = "") => [...tree.children].map(member => {
			const branch = member.querySelector(":scope > details");
			if (!branch) return indent + member.textContent;
			const name = indent + branch.querySelector(".name").textContent.trim();
			return branch.open ? name + "\n" + lines(branch.querySelector(":scope > ul"), indent + "  ") : name + " …";
		}).join("\n");
		globalThis.textOf = node => node.matches?.("ul.tree") ? lines(node) : node.textContent;
		globalThis.rows = () => [...document.querySelectorAll("#items > li")].map(li => ({
			id: li.dataset.id ?? "",
			feed: li.querySelector(".feed")?.textContent ?? "",
			event: li.querySelector(".event")?.textContent ?? "",
			text: [...(li.querySelector(".data") ?? li).childNodes].filter(node => !["more", "fold"].includes(node.className)).map(textOf).join(""),
			gap: li.classList.contains("gap"),
		}));
		addEventListener("securitypolicyviolation", e => console.error("violated: " + e.violatedDirective));`
)

// GoneAway are the errors that chromium itself logs when a server goes away, for
// WantQuiet.
const GoneAway = `net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|SOCKET_NOT_CONNECTED)`

// Open opens a tab with a page. The scripts run before the page's own.
func (b *Browser) Open(t *testing.T, address string, scripts ...string) *Tab {
	t.Helper()
	tab := &Tab{t: t}
	tab.ctx, tab.close = chromedp.NewContext(b.ctx, chromedp.WithListener(tab.listen))
	tab.open(address, scripts...)
	return tab
}

// open is the tab's beginning.
func (tab *Tab) open(address string, scripts ...string) {
	tab.t.Helper()
	tab.t.Cleanup(tab.close)
	for _, script := range append(scripts, pageHelpers) {
		tab.Do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
			return err
		}))
	}
	tab.Do(chromedp.Navigate(address))
}

// Context is the tab's, for chromedp.
func (tab *Tab) Context() context.Context { return tab.ctx }

// Close closes the tab.
func (tab *Tab) Close() { tab.close() }

// Said returns the errors and warnings that the browser reported.
func (tab *Tab) Said() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return slices.Clone(tab.said)
}

// listen notes what a developer would see as wrong.
func (tab *Tab) listen(ev any) {
	tab.mu.Lock()
	also := tab.also
	tab.mu.Unlock()
	if also != nil {
		also(ev)
	}
	said := ""
	switch ev := ev.(type) {
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError || ev.Entry.Level == log.EntryLevelWarning {
			said = ev.Entry.Text
		}
	case *runtime.EventConsoleAPICalled:
		for _, arg := range ev.Args {
			said += string(arg.Value) + " "
		}
	case *runtime.EventExceptionThrown:
		said = "exception: " + ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			said += " " + e.Description
		}
	case *page.EventJavascriptDialogOpening:
		said = "dialog: " + ev.Message
	}
	if said != "" {
		tab.mu.Lock()
		defer tab.mu.Unlock()
		tab.said = append(tab.said, said)
	}
}

// Do runs actions.
func (tab *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	if tab.ctx.Value(tabStarted{}) == nil {
		// The first run's context is the tab's life, so it has no timeout.
		if err := chromedp.Do(tab.ctx); err != nil {
			tab.t.Fatal(err)
		}
		tab.ctx = context.WithValue(tab.ctx, tabStarted{}, true)
	}
	ctx, cancel := context.WithTimeout(tab.ctx, harness.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tab.t.Fatalf("%v\n%s", err, tab.describe())
	}
}

type tabStarted struct{}

// Eval returns the value of an expression that is a string, or promises one.
func (tab *Tab) Eval(expression string) string {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, harness.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Wait waits until an expression is true.
func (tab *Tab) Wait(expression string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, harness.Patience)
	defer cancel()
	// Poll's own timeout goes by the page's clock, which may be a hasty one.
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(0)))
		if err == nil {
			return
		}
		// Who asks while the page gives way to the next asks that one.
		if gone := strings.Contains(err.Error(), "Cannot find context") || strings.Contains(err.Error(), "navigated or closed"); !gone || ctx.Err() != nil {
			tab.t.Fatalf("%s: %v\n%s", expression, err, tab.describe())
		}
	}
}

// TwoFrames waits until the page has shown what it has by now.
func (tab *Tab) TwoFrames() {
	tab.t.Helper()
	tab.Eval(`new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve(""))))`)
}

// WantUnharmed checks that nothing that was published became more than text,
// and links, images and videos of the web.
func (tab *Tab) WantUnharmed() {
	tab.t.Helper()
	if got := tab.Eval(`String(window.harmed)`); got != "undefined" {
		tab.t.Errorf("published data ran: %s", got)
	}
	if got := tab.Eval(`[...document.querySelectorAll("h1 *, #problem *, #items *, #messages *, #outbox *")].filter(e =>
		/^(script|style|svg|iframe|object|embed|form|base|meta)$/i.test(e.tagName) ||
		[...e.attributes].some(a => /^(on|style|srcdoc|formaction)/i.test(a.name)) ||
		[e.href, e.src, e.poster].some(address => address && !/^(https?:\/\/|mailto:)/.test(address)) ||
		e.host && e.host !== location.host && !e.rel.startsWith("noopener noreferrer") ||
		e.localName === "img" && e.referrerPolicy !== "no-referrer").map(e => e.outerHTML).join()`); got != "" {
		tab.t.Errorf("published data became %s", got)
	}
}

// WantQuiet checks that the browser had nothing to say, but for the messages
// expected.
func (tab *Tab) WantQuiet(expected ...string) {
	tab.t.Helper()
	tab.mu.Lock()
	defer tab.mu.Unlock()
	for _, said := range tab.said {
		if len(expected) == 0 || !regexp.MustCompile(strings.Join(expected, "|")).MatchString(said) {
			tab.t.Errorf("the browser says: %s", said)
		}
	}
}

// Picture leaves a picture of the page among the test's artifacts: go test
// -artifacts keeps them.
func (tab *Tab) Picture(name string) {
	tab.t.Helper()
	png, err := chromedp.Run(tab.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(tab.t.ArtifactDir(), name+".png"), png, 0o644)
	}
	if err != nil {
		tab.t.Error(err)
	}
}

// describe is what a failed test shows.
func (tab *Tab) describe() string {
	ctx, cancel := context.WithTimeout(tab.ctx, 10*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText.replaceAll(/\s*\n\s*/g, " | ")`))
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return fmt.Sprintf("the page: %.2000s\nthe console: %q", text, tab.said)
}

// Allow lets the page do what a reader would be asked for.
func (tab *Tab) Allow(names ...string) {
	tab.t.Helper()
	for _, name := range names {
		tab.Do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, browser.SetPermission, browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted,
			})
			return err
		}))
	}
}

// Look sets the size of the window, in CSS pixels, and the color scheme.
func (tab *Tab) Look(width, height int64, scheme string) {
	tab.t.Helper()
	tab.Do(chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
	tab.TwoFrames()
}

// Press types keys, as a reader does.
func (tab *Tab) Press(keys string) {
	tab.t.Helper()
	tab.Do(chromedp.KeyEvent(keys))
}

// Quote returns a text as JavaScript's.
func Quote(text string) string {
	b, _ := json.Marshal(text) // a string does not fail
	return string(b)
}

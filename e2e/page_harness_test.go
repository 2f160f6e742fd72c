package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// findBrowser returns where chromium is, "" for nowhere.
func findBrowser() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// browserTest is a test that opens pages of servers of its own.
type browserTest struct {
	name string
	test func(t *testing.T, browser context.Context, bin string)
}

// inBrowser runs the tests one after the other in one browser, beside those of
// other browsers.
func inBrowser(t *testing.T, tests []browserTest) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser")
	}
	t.Parallel()
	aloneInBrowser(t, tests)
}

// aloneInBrowser runs the tests one after the other in the only browser.
func aloneInBrowser(t *testing.T, tests []browserTest) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser")
	}
	browser := browserForPage(t)
	bin := binary(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, browser, bin) })
	}
}

// browserForPage starts chromium. The pages are local, and so is all that it
// may reach: its rules may say what other names mean.
func browserForPage(t *testing.T, names ...string) context.Context {
	t.Helper()
	path := findBrowser()
	if path == "" {
		t.Skip("there is no chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.WSURLReadTimeout(pagePatience),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", strings.Join(append(names, "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"), ", ")),
	)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("stop the browser: %v", err)
		}
	})
	return ctx
}

// pageTab is a tab with a page.
type pageTab struct {
	t     *testing.T
	ctx   context.Context
	close context.CancelFunc

	mu   sync.Mutex   // guards what follows
	said []string     // errors and warnings, as the browser reports them
	also func(ev any) // hears all events, where it is set
}

// pageRow is a row of the page.
type pageRow struct {
	ID, Feed, Event, Text string
	Gap                   bool
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
	// hastyPauses make a page wait a hundredth of what it means to, where that is
	// less than the patience that it has with a server.
	hastyPauses = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, ms < 4000 ? ms / 100 : ms, ...args);
	}`
	// hastyRetries make a page wait a hundredth of what it means to between two
	// attempts. Those waits are spread at random, so they are no whole
	// milliseconds; its patience with a server is, and stays as long as it is.
	hastyRetries = `{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, ms % 1 ? ms / 100 : ms, ...args);
	}`
)

// hasty makes waits of exactly so many ms take a part of that.
func hasty(part int, waits ...int) string {
	list, err := json.Marshal(waits)
	if err != nil {
		panic(err) // numbers do not fail
	}
	return fmt.Sprintf(`{
		const wait = setTimeout;
		globalThis.setTimeout = (f, ms, ...args) => wait(f, %s.includes(ms) ? ms / %d : ms, ...args);
	}`, list, part)
}

// openPage opens a tab. The scripts run before the page's own.
func openPage(t *testing.T, browser context.Context, address string, scripts ...string) *pageTab {
	t.Helper()
	tab := &pageTab{t: t}
	tab.ctx, tab.close = chromedp.NewContext(browser, chromedp.WithListener(tab.listen))
	tab.open(address, scripts...)
	return tab
}

// open is the tab's beginning.
func (tab *pageTab) open(address string, scripts ...string) {
	tab.t.Helper()
	tab.t.Cleanup(tab.close)
	for _, script := range append(scripts, pageHelpers) {
		tab.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
			return err
		}))
	}
	tab.do(chromedp.Navigate(address))
}

// listen notes what a developer would see as wrong.
func (tab *pageTab) listen(ev any) {
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

// do runs actions.
func (tab *pageTab) do(steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	if tab.ctx.Value(tabStarted{}) == nil {
		// The first run's context is the tab's life, so it has no timeout.
		if err := chromedp.Do(tab.ctx); err != nil {
			tab.t.Fatal(err)
		}
		tab.ctx = context.WithValue(tab.ctx, tabStarted{}, true)
	}
	ctx, cancel := context.WithTimeout(tab.ctx, pagePatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tab.t.Fatalf("%v\n%s", err, tab.describe())
	}
}

type tabStarted struct{}

// eval returns the value of an expression that is a string, or promises one.
func (tab *pageTab) eval(expression string) string {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, pagePatience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// wait waits until an expression is true.
func (tab *pageTab) wait(expression string) {
	tab.t.Helper()
	tab.waitWithin(pagePatience, expression)
}

func (tab *pageTab) waitWithin(limit time.Duration, expression string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, limit)
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

// twoFrames waits until the page has shown what it has by now.
func (tab *pageTab) twoFrames() {
	tab.t.Helper()
	tab.eval(`new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve(""))))`)
}

// waitRows waits until there are so many rows, or more.
func (tab *pageTab) waitRows(n int) {
	tab.t.Helper()
	tab.wait(fmt.Sprintf("rows().length >= %d", n))
}

// rows returns the rows as they are on the page, the newest first.
func (tab *pageTab) rows() []pageRow {
	tab.t.Helper()
	rows := []pageRow{}
	if err := json.Unmarshal([]byte(tab.eval("JSON.stringify(rows())")), &rows); err != nil {
		tab.t.Fatal(err)
	}
	return rows
}

// wantRows checks the rows against those wanted, which are the oldest first.
func (tab *pageTab) wantRows(want []pageRow) {
	tab.t.Helper()
	got := tab.rows()
	slices.Reverse(got)
	if diff := cmp.Diff(want, got); diff != "" {
		tab.t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// wantUnharmed checks that nothing that was published became more than text,
// and links, images and videos of the web.
func (tab *pageTab) wantUnharmed() {
	tab.t.Helper()
	if got := tab.eval(`String(window.harmed)`); got != "undefined" {
		tab.t.Errorf("published data ran: %s", got)
	}
	if got := tab.eval(`[...document.querySelectorAll("h1 *, #problem *, #items *, #messages *, #outbox *")].filter(e =>
		/^(script|style|svg|iframe|object|embed|form|base|meta)$/i.test(e.tagName) ||
		[...e.attributes].some(a => /^(on|style|srcdoc|formaction)/i.test(a.name)) ||
		[e.href, e.src, e.poster].some(address => address && !/^(https?:\/\/|mailto:)/.test(address)) ||
		e.host && e.host !== location.host && !e.rel.startsWith("noopener noreferrer") ||
		e.localName === "img" && e.referrerPolicy !== "no-referrer").map(e => e.outerHTML).join()`); got != "" {
		tab.t.Errorf("published data became %s", got)
	}
}

// wantQuiet checks that the browser had nothing to say, but for the messages
// expected.
func (tab *pageTab) wantQuiet(expected ...string) {
	tab.t.Helper()
	tab.mu.Lock()
	defer tab.mu.Unlock()
	for _, said := range tab.said {
		if len(expected) == 0 || !regexp.MustCompile(strings.Join(expected, "|")).MatchString(said) {
			tab.t.Errorf("the browser says: %s", said)
		}
	}
}

// picture leaves a picture of the page among the test's artifacts: go test
// -artifacts keeps them.
func (tab *pageTab) picture(name string) {
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
func (tab *pageTab) describe() string {
	ctx, cancel := context.WithTimeout(tab.ctx, 10*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText.replaceAll(/\s*\n\s*/g, " | ")`))
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return fmt.Sprintf("the page: %.2000s\nthe console: %q", text, tab.said)
}

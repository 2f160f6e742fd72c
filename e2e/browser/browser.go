// Package browser drives the pages in chromium. A Browser opens Tabs; a Tab has
// what every page's tests need (Eval, Wait, Press, WantQuiet) and, by page, what
// a reader does and sees there: rows.go and reader.go for the reader's page,
// chat.go, admin.go, and feed.go for a page of one's own with feed.js. What is
// said more than twice in JavaScript is a verb of Tab.
//
// The tests of the pages are in this folder too. Servers are the harness's.
package browser

import (
	"context"
	"feedd/e2e/harness"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Find returns where chromium is, "" for nowhere.
func Find() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Browser is a chromium that runs.
type Browser struct{ ctx context.Context }

// Start runs chromium until the test ends. The pages are local, and so is all
// that it may reach: its rules (of --host-resolver-rules) may say what other
// names mean. Without chromium the test is skipped.
func Start(t *testing.T, names ...string) *Browser {
	t.Helper()
	path := Find()
	if path == "" {
		t.Skip("there is no chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.WSURLReadTimeout(harness.Patience),
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
	return &Browser{ctx}
}

package browser_test

import (
	"testing"

	"feedd/e2e/browser"
	"feedd/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// browserTest is a test that opens pages of servers of its own.
type browserTest struct {
	name string
	test func(t *testing.T, b *browser.Browser)
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
	b := browser.Start(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, b) })
	}
}

// openReader runs a server with the items 0 to n-1 in main, and returns its page
// when that is live and shows them, or the newest 50.
func openReader(t *testing.T, b *browser.Browser, n int, scripts ...string) (*harness.Server, *browser.Tab) {
	t.Helper()
	s := harness.Start(t)
	s.Batch("main", 0, n)
	tab := b.Open(t, s.URL(), scripts...)
	tab.WaitRows(min(n, 50))
	tab.WaitState("live")
	return s, tab
}

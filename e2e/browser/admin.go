package browser

import (
	"context"
	"feedd/e2e/harness"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const (
	// AdminIsIn is true when the browser is signed in, AdminIsOut when the form
	// is there.
	AdminIsIn  = `document.querySelector("#inside")?.hidden === false`
	AdminIsOut = `document.querySelector("#signin")?.hidden === false`
)

// AdminHelpers are what the tests ask the admin page with.
const AdminHelpers = `
	globalThis.$ = selector => document.querySelector(selector);
	globalThis.click = (selector, text) => {
		const all = [...document.querySelectorAll(selector)];
		(text === undefined ? all[0] : all.find(e => e.textContent === text)).click();
		return "";
	};
	globalThis.fill = (selector, value) => {
		$(selector).value = value;
		$(selector).dispatchEvent(new Event("input", {bubbles: true}));
		$(selector).dispatchEvent(new Event("change", {bubbles: true}));
		return "";
	};
	globalThis.rowOf = feed => $("#feeds tr[data-feed='" + feed + "']");
	globalThis.cell = (feed, column) => rowOf(feed)?.querySelector("[data-column=" + column + "]").textContent;
	globalThis.listed = () => [...document.querySelectorAll("#feeds tbody tr")].map(row => row.dataset.feed).join();`

// OpenAdmin opens the admin page by a link that signs in, as Server.Link returns it.
func (b *Browser) OpenAdmin(t *testing.T, link string, scripts ...string) *Tab {
	t.Helper()
	tab := b.Open(t, link, append(scripts, AdminHelpers)...)
	tab.Wait(AdminIsIn)
	return tab
}

// WantNoTicket checks that no address that the tab was at has a ticket in it.
func (tab *Tab) WantNoTicket() {
	tab.t.Helper()
	tab.Do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		history, err := cdp.Call(ctx, target, page.GetNavigationHistory, cdp.Empty{})
		for _, entry := range history.Entries {
			if strings.Contains(entry.URL, "ticket") {
				tab.t.Errorf("the history has %s", entry.URL)
			}
		}
		return err
	}))
	if got := tab.Eval(`location.href`); strings.Contains(got, "ticket") {
		tab.t.Errorf("the address is %s", got)
	}
}

// SignOut signs out of the admin page, which loads it anew.
func (tab *Tab) SignOut() {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, harness.Patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS("#signout"))); err != nil {
		tab.t.Fatal(err)
	}
	tab.Wait(AdminIsOut)
}

// WaitCell waits until a column of a feed's row has a text.
func (tab *Tab) WaitCell(feed, column, want string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`cell(%s, %s) === %s`, Quote(feed), Quote(column), Quote(want)))
}

// WaitSignedIn waits until the admin page shows that the browser is signed in.
func (tab *Tab) WaitSignedIn() {
	tab.t.Helper()
	tab.Wait(AdminIsIn)
}

// WaitSignedOut waits until the admin page asks for a key.
func (tab *Tab) WaitSignedOut() {
	tab.t.Helper()
	tab.Wait(AdminIsOut)
}

// Fill fills a field of the admin page in, as a person who then leaves it.
func (tab *Tab) Fill(selector, value string) {
	tab.t.Helper()
	tab.Eval(fmt.Sprintf(`fill(%s, %s)`, Quote(selector), Quote(value)))
}

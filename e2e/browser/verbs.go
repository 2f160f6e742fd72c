package browser

import (
	"fmt"

	"github.com/chromedp/chromedp"
)

// Navigate goes to an address, as one that is typed.
func (tab *Tab) Navigate(address string) {
	tab.t.Helper()
	tab.Do(chromedp.Navigate(address))
}

// Reload loads the page again.
func (tab *Tab) Reload() {
	tab.t.Helper()
	tab.Do(chromedp.Reload())
}

// Click clicks on an element with the mouse, once it is visible.
func (tab *Tab) Click(selector string) {
	tab.t.Helper()
	tab.Do(chromedp.Click(chromedp.CSS(selector)))
}

// ClickByScript clicks on an element wherever it is: the page does not scroll to
// it, and so loads nothing that it would load there.
func (tab *Tab) ClickByScript(selector string) {
	tab.t.Helper()
	tab.Eval(fmt.Sprintf(`document.querySelector(%s).click(), ""`, Quote(selector)))
}

// Text returns the text of an element.
func (tab *Tab) Text(selector string) string {
	tab.t.Helper()
	return tab.Eval(fmt.Sprintf(`document.querySelector(%s).textContent`, Quote(selector)))
}

// WaitText waits until an element is there and has a text.
func (tab *Tab) WaitText(selector, want string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`document.querySelector(%s)?.textContent === %s`, Quote(selector), Quote(want)))
}

// WaitMatch waits until the text of an element matches a JavaScript pattern,
// such as /^Published/.
func (tab *Tab) WaitMatch(selector, pattern string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`%s.test(document.querySelector(%s).textContent)`, pattern, Quote(selector)))
}

// Hidden reports whether an element has the attribute hidden.
func (tab *Tab) Hidden(selector string) bool {
	tab.t.Helper()
	return tab.Eval(fmt.Sprintf(`String(document.querySelector(%s).hidden)`, Quote(selector))) == "true"
}

// WaitHidden waits until an element has the attribute hidden.
func (tab *Tab) WaitHidden(selector string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`document.querySelector(%s).hidden`, Quote(selector)))
}

// WaitShown waits until an element has it no more.
func (tab *Tab) WaitShown(selector string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`!document.querySelector(%s).hidden`, Quote(selector)))
}

// Scroll scrolls to y CSS pixels from the top; Bottom is the end.
func (tab *Tab) Scroll(y int) {
	tab.t.Helper()
	tab.Eval(fmt.Sprintf(`scrollTo(0, %d), ""`, y))
}

// Bottom is further down than any page of the tests is long, in CSS pixels.
const Bottom = 1_000_000

// ClickText clicks by script on the element that has a text.
func (tab *Tab) ClickText(selector, text string) {
	tab.t.Helper()
	tab.Eval(fmt.Sprintf(`[...document.querySelectorAll(%s)].find(element => element.textContent === %s).click(), ""`, Quote(selector), Quote(text)))
}

// WaitCount waits until there is a number of elements.
func (tab *Tab) WaitCount(selector string, n int) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`document.querySelectorAll(%s).length === %d`, Quote(selector), n))
}

// WaitOpen waits until a dialog, or details, is open.
func (tab *Tab) WaitOpen(selector string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`document.querySelector(%s).open`, Quote(selector)))
}

// ScrollTo scrolls to an element.
func (tab *Tab) ScrollTo(selector string) {
	tab.t.Helper()
	tab.Eval(fmt.Sprintf(`document.querySelector(%s).scrollIntoView(), ""`, Quote(selector)))
}

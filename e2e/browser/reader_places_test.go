package browser_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// TestReaderPlaces goes to an item or a time, and from there up to the newest.
func TestReaderPlaces(t *testing.T) {
	inBrowser(t, []browserTest{
		{"shows an item in its place", testReaderPermalink},
		{"goes to a time", testReaderJumps},
		{"goes to a time to come while items come", testReaderAhead},
		{"goes up to the newest before the connection is there", testReaderUnfollowed},
	})
}

func testReaderPermalink(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("news", 0, 200)
	item := browser.Publish(s, "news", "", "application/json", `"200"`)
	s.Batch("news", 201, 199)
	tab := b.Open(t, s.URL()+"/?feed=news&at="+item.ID)
	const here = `document.querySelector("#items > .here .data")?.textContent`
	tab.Wait(here + ` === "200" && state() === "live"`)
	if first, last := tab.WantDense(); first > 176 || last < 225 {
		t.Errorf("around the item there are %d to %d", first, last)
	}
	if got := tab.Eval(`const r = document.querySelector(".here").getBoundingClientRect(); String(r.top >= 0 && r.bottom <= innerHeight && document.activeElement.matches(".here"))`); got != "true" {
		t.Error("the item is not in the window, with the focus")
	}
	// Its neighbours both ways, to the newest and on.
	tab.Click("#older")
	tab.Press(kb.Escape)
	tab.Scroll(0)
	for range 20 {
		if tab.Hidden("#newer") {
			break
		}
		tab.Eval(`globalThis.newest = rows()[0].id; document.querySelector("#newer").click(); ""`)
		tab.Wait(`rows()[0].id !== newest || document.querySelector("#newer").hidden`)
	}
	tab.WaitNewest("399")
	tab.Scroll(0)
	tab.TwoFrames()
	s.Batch("news", 400, 1)
	tab.WaitNewest("400")
	tab.WantDense()

	// By the link of a row, at the feed's own address, and back.
	tab.Navigate(s.URL() + "/feeds/news")
	tab.WaitRows(50)
	tab.Click("#items > li:nth-child(3) .time")
	tab.Wait(here + ` === "398"`)
	if got, want := tab.Eval(`location.pathname + location.search`), "/?feed=news&at="; !strings.HasPrefix(got, want) {
		t.Errorf("the item's address is %s", got)
	}
	s.Batch("news", 401, 1)
	tab.Press(kb.Escape)
	tab.Scroll(0) // it may have been scrolled to the item
	tab.WaitNewest("401")
	tab.Eval(`history.back(), ""`)
	tab.Wait(`location.pathname === "/feeds/news" && !document.querySelector(".here") && rows()[0]?.text === "401"`)

	// An item that went.
	if status, body := s.Do("DELETE", "/feeds/news/items/"+item.ID, "", ""); status != http.StatusNoContent && status != http.StatusOK {
		t.Fatalf("delete: %d %s", status, body)
	}
	tab.Navigate(s.URL() + "/?feed=news&at=" + item.ID)
	tab.Wait(`document.querySelector("#message").textContent.includes("is not here")`)
	tab.Wait(here + ` === "201"`)
	// Going elsewhere and back: what is said is said of this address only.
	tab.ClickByScript("#items .time")
	tab.Wait(`document.querySelector("#message").hidden && document.querySelector(".here") !== null`)
	tab.Eval(`history.back(), ""`)
	tab.Wait(`document.querySelector("#message").textContent.includes("is not here")`)
	tab.Eval(`history.forward(), ""`)
	tab.Wait(`document.querySelector("#message").hidden && document.querySelector(".here") !== null`)
	// No position at all.
	tab.Navigate(s.URL() + "/?feed=news&at=nonsense")
	tab.Wait(`document.querySelector("#message").textContent.startsWith("nonsense cannot be shown") && rows()[0]?.text === "401"`)
	tab.WaitState("live")
	tab.Eval(`globalThis.row = document.querySelector("#items > li"), ""`)
	s.Kill()
	tab.WaitState("reconnecting")
	s.Start()
	s.Batch("news", 402, 1)
	tab.WaitNewest("402")
	if got := tab.Eval(`String(row.isConnected)`); got != "true" {
		t.Error("where the server came back the page began anew, for no place")
	}
	tab.WantQuiet(`status of 400`, browser.GoneAway)
}

func testReaderJumps(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL()+"/?feed=news")
	s.Batch("news", 0, 200)
	// The time between two items.
	middle := browser.Publish(s, "news", "", "application/json", `"200"`)
	us, err := strconv.ParseInt(middle.ID, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	between := time.UnixMicro(us).Truncate(time.Millisecond).Add(time.Millisecond) // a page's times have no more
	for time.Now().Before(between) {
		runtime.Gosched()
	}
	at := between.UTC().Format("2006-01-02T15:04:05.000Z")
	after := browser.Publish(s, "news", "", "application/json", `"201"`)
	s.Batch("news", 202, 198)
	tab.WaitNewest("399")
	jump := func(to string) {
		// By script: what is loaded meanwhile moves the button.
		tab.Eval(fmt.Sprintf(`document.querySelector("#place").value = %q, document.querySelector("#goto").requestSubmit(), ""`, to))
	}
	jump(at)
	tab.WaitHere("201")
	tab.WantDense()
	jump(middle.ID)
	tab.WaitHere("200")
	tab.WantDense()
	jump("soon")
	tab.Wait(`document.querySelector("#place").getAttribute("aria-invalid") === "true" && document.querySelector("#message").textContent.startsWith("Write a time")`)
	if got := tab.Eval(`new URLSearchParams(location.search).get("at")`); got != middle.ID {
		t.Errorf("what is no place led to %s", got)
	}
	jump("1h") // before the first
	tab.WaitHere("0")
	// Ids that the server never gave are places, too.
	for id, nearest := range map[string]string{"123456": "0", "9007199254740000": "399"} {
		jump(id)
		tab.Wait(fmt.Sprintf(`document.querySelector("#items > .here .data")?.textContent === %q && document.querySelector("#message").textContent.startsWith("The item %s is not here")`, nearest, id))
		tab.WantDense()
	}
	jump(after.ID)
	tab.Wait(`document.querySelector("#items > .here .data")?.textContent === "201" && document.querySelector("#place").getAttribute("aria-invalid") === "false"`)
	tab.Press(kb.Escape)
	tab.Press("n")
	tab.Wait(`rows()[0]?.text === "399" && !document.querySelector(".here")`)
	tab.WantQuiet()
}

// An item that comes between the two pages around a place is there once.
func testReaderAhead(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("main", 0, 10)
	var between sync.Once
	front := s.Front(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("before") {
			between.Do(func() { s.Batch("main", 10, 1) })
		}
		s.Pass(w, r, 1<<20)
	})
	tab := b.Open(t, front+"/?at="+time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339))
	tab.Wait(`document.querySelector("#items > .here") && state() === "live"`)
	tab.Press(kb.Escape)
	s.Batch("main", 11, 1)
	tab.WaitNewest("11")
	tab.WantRun(0, 11)
	tab.WantQuiet()
}

// What is published before the connection of a page that shows a place knows
// where it begins is not lost.
func testReaderUnfollowed(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("main", 0, 10)
	item := browser.Publish(s, "main", "", "application/json", `"10"`)
	s.Batch("main", 11, 49)
	follow := make(chan struct{})
	front := s.Front(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("since") == "now" {
			select {
			case <-follow:
			case <-r.Context().Done():
				return
			}
		}
		s.Pass(w, r, 1<<20)
	})
	tab := b.Open(t, front+"/?at="+item.ID)
	tab.WaitHere("10")
	tab.Press(kb.Escape)
	tab.ClickByScript("#newer")
	tab.WaitNewest("59")
	s.Batch("main", 60, 1)
	close(follow)
	tab.WaitState("live")
	tab.ClickByScript("#newer")
	tab.WaitHidden("#newer")
	tab.Scroll(0)
	tab.Wait(`document.querySelector("#items").matches(".flows")`)
	s.Batch("main", 61, 1)
	tab.WaitNewest("61")
	tab.WantRun(0, 61)
	tab.WantQuiet()
}

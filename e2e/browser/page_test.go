package browser_test

import (
	"context"
	"encoding/json"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestPage drives the reader's page in chromium, against the real binary.
func TestPage(t *testing.T) {
	inBrowser(t, []browserTest{
		{"shows the last 50 items and then live ones, whatever their names", testPageItems},
		{"shows data as what it is", testPageData},
		{"keeps the newest 500 rows", testPageBounded},
		{"takes nothing for HTML", testPageHostile},
		{"shows several feeds with their names", testPageSeveral},
		{"says how to publish the first item", testPageEmpty},
		{"comes back after a kill -9", func(t *testing.T, b *browser.Browser) {
			testPageRestart(t, b, syscall.SIGKILL, "reconnecting")
		}},
		{"comes back after a restart", func(t *testing.T, b *browser.Browser) {
			testPageRestart(t, b, syscall.SIGTERM, "server is restarting")
		}},
		{"marks where items were purged while it was away", testPageGap},
		{"shows why it is refused, and stays away", testPageRefused},
		{"comes back when it was refused for a while", testPageRefusedForAWhile},
		{"fits a phone", testPageNarrow},
	})
}

func testPageItems(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	var want []browser.Row
	for i := range 60 {
		want = append(want, browser.Publish(s, "news", "", "text/plain", fmt.Sprintf("item %d", i)))
	}
	tab := b.Open(t, s.URL()+"/?feed=news")
	tab.WaitRows(50)
	tab.WantRows(want[10:])

	sent := time.Now()
	want = append(want, browser.Publish(s, "news", "", "text/plain", "live"))
	tab.WaitNewest("live")
	t.Logf("a published item was on the page after %s", time.Since(sent))

	want = append(want, browser.Publish(s, "news", "goal", "text/plain", "1:0"), browser.Publish(s, "news", "card:red", "text/plain", "off"))
	tab.WaitRows(53)
	tab.WantRows(want[10:])
	if got := tab.Eval(`document.title + "|" + document.querySelector("h1").textContent`); got != "news · feedd|news" {
		t.Errorf("title and heading are %q", got)
	}
	tab.WantQuiet()

	// The same page at the feed's own address, found through the form.
	tab.Do(chromedp.SetValue(chromedp.CSS("#selector"), " main "), chromedp.Click(chromedp.CSS("#choose button")))
	tab.WaitEmpty()
	tab.WantRows([]browser.Row{})
	if got := tab.Eval(`location.search + "|" + document.querySelector("h1").textContent`); got != "?feed=main|main" {
		t.Errorf("the form leads to %q", got)
	}
	tab.Navigate(s.URL() + "/feeds/news")
	tab.WaitRows(50)
	tab.WantRows(want[len(want)-50:])
	tab.WantQuiet()
}

func testPageData(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	long := strings.Repeat("long ", 10_000)
	deep := strings.Repeat(`[`, 400) + strings.Repeat("1,", 50_000) + "1" + strings.Repeat(`]`, 400)
	tests := []struct{ contentType, data, want string }{
		{"text/plain", "two\n  lines", "two\n  lines"},
		{"text/plain", `{"text":true}`, `{"text":true}`},
		{"application/json", `"a \"string\"\nof JSON"`, "a \"string\"\nof JSON"},
		{"application/json", `{"a":[1,{"b":null}],"e":{},"f":[ ],"g":"x, {y}: \"z\""}`,
			"a:\n  0: 1\n  1:\n    b: null\ne: {}\nf: []\ng: \"x, {y}: \\\"z\\\"\""},
		// JavaScript's numbers could not hold these.
		{"application/json", `12345678901234567890.10`, `12345678901234567890.10`},
		{"application/json", `{"n":12345678901234567890}`, `n: 12345678901234567890`},
		{"application/json", `["caf\u00e9","\n\ud800"]`, "0: \"café\"\n1: \"\\n\\ud800\""},
		{"application/json", `{"a":{"long":"` + strings.Repeat("x", 200) + `"},"a":[1.10,-2e3]}`, "a: …\na: [1.10,-2e3]"},
		{"application/json", `false`, `false`},
	}
	tab := b.Open(t, s.URL()+"/?feed=data")
	for _, tt := range tests {
		browser.Publish(s, "data", "", tt.contentType, tt.data)
	}
	tab.WaitRows(len(tests))
	rows := tab.Rows()
	for i, tt := range tests {
		if got := rows[len(rows)-1-i].Text; got != tt.want {
			t.Errorf("%s is shown as\n%s\nnot as\n%s", tt.data, got, tt.want)
		}
	}

	browser.Publish(s, "data", "", "application/json", deep)
	cut := browser.Publish(s, "data", "", "text/plain", long)
	tab.WaitRows(len(tests) + 2)
	rows = tab.Rows()
	if rows[0].Text != long[:20_000] {
		t.Errorf("of a long text there are %d characters", len(rows[0].Text))
	}
	if len(rows[1].Text) != 20_000 {
		t.Errorf("of a deep value there are %d characters", len(rows[1].Text))
	}
	if got, want := tab.Eval(`document.querySelector("#items li .more a").pathname`), "/feeds/data/items/"+cut.ID; got != want {
		t.Errorf("the whole item is at %s, not %s", got, want)
	}
	tab.WantQuiet()
}

func testPageBounded(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL())
	tab.WaitState("live")
	// More than the page makes rows of between two frames.
	var batch strings.Builder
	for i := range 3000 {
		fmt.Fprintln(&batch, i)
	}
	s.PublishLines("main", batch.String())
	want := browser.Publish(s, "main", "", "text/plain", "the last")
	tab.WaitNewest("the last")
	rows := tab.Rows()
	if len(rows) != 500 || rows[0] != want {
		t.Fatalf("there are %d rows, the first is %v", len(rows), rows[0])
	}
	for i, row := range rows[1:] {
		if row.Text != fmt.Sprint(2999-i) {
			t.Fatalf("%v is where %d should be", row, 2999-i)
		}
	}
	if got := tab.Eval(`document.querySelector("#older").innerText`); got == "" {
		t.Error("the page does not say that it keeps no older ones")
	}
	tab.WantQuiet()
}

// hostileTexts would run where they are taken for HTML.
var hostileTexts = []string{
	`<img src=x onerror="window.harmed='img'">`,
	`<script>window.harmed = "script"</script>`,
	`</div></li></ol><svg onload="window.harmed='svg'">`,
	`<a href="javascript:window.harmed='link'">x</a>`,
	`<style>main { display: none }</style>`,
	`&lt;b&gt; ${window.harmed=1} {{1+1}}`,
}

func testPageHostile(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL()+"/?feed=hostile")
	var want []browser.Row
	for _, text := range hostileTexts {
		want = append(want, browser.Publish(s, "hostile", "", "text/plain", text))
		quoted, _ := json.Marshal(text)
		row := browser.Publish(s, "hostile", "", "application/json", `{`+string(quoted)+`:1}`)
		row.Text = text + ": 1"
		want = append(want, row)
		if status, body := s.Do("POST", "/feeds/hostile?event="+url.QueryEscape(text), "text/plain", "x"); status != http.StatusBadRequest {
			t.Errorf("the server took %s as the name of an event: %d %s", text, status, body)
		}
	}
	tab.WaitRows(len(want))
	tab.WantRows(want)
	tab.WantUnharmed()

	// A server would not send these. The page does not rely on that.
	hostile := hostileTexts[0]
	var attempts atomic.Int32
	front := s.Front(func(w http.ResponseWriter, r *http.Request) {
		if attempts.Add(1) == 1 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			json.NewEncoder(w).Encode(map[string]string{"title": hostile, "detail": hostile})
			return
		}
		if r.Header.Get("Accept") == "text/event-stream" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{
			"items":  []map[string]string{{"id": hostile, "feed": hostile, "event": hostile, "time": hostile, "data": hostile}},
			"cursor": "1",
			"gap":    map[string]any{"reason": hostile, "feeds": []string{hostile}},
		})
	})
	tab.Do(chromedp.Navigate(front + "/?feed=" + url.QueryEscape(hostile+",*")))
	tab.WaitRows(2)
	tab.WantRows([]browser.Row{
		{Gap: true, Text: "items are missing here: " + hostile + " (" + hostile + ")"},
		{ID: hostile, Feed: hostile, Event: hostile, Text: hostile},
	})
	tab.WantUnharmed()
	tab.WantQuiet(`status of 503`)
}

func testPageSeveral(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL()+"/feeds/sports.**,news")
	tab.WaitState("live")
	want := []browser.Row{
		browser.Publish(s, "sports.football", "goal", "text/plain", "1:0"),
		browser.Publish(s, "news", "", "text/plain", "n"),
		browser.Publish(s, "sports.ski.jump", "", "text/plain", "j"),
	}
	browser.Publish(s, "main", "", "text/plain", "of no interest")
	for i := range want {
		want[i].Feed = []string{"sports.football", "news", "sports.ski.jump"}[i]
	}
	tab.WaitRows(3)
	tab.WantRows(want)
	tab.WantQuiet()
}

func testPageEmpty(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL())
	tab.WaitEmpty()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	for _, tt := range []struct{ query, title, event string }{
		{"", "No items yet", ""},
		{"?event=goal,card", "No items yet of the event goal or card", "goal"},
		{"?feed=none&event=message", "No items yet of the event message", ""},
		{"?feed=sports.**,other", "No items yet", ""},
	} {
		tab.Navigate(s.URL() + "/" + tt.query)
		tab.WaitEmpty()
		if got := tab.Text("#empty h2"); got != tt.title {
			t.Errorf("with %q it says %q, not %q", tt.query, got, tt.title)
		}
		cmd := exec.Command("sh", "-c", tab.Text("#command"))
		cmd.Dir = filepath.Dir(s.Data)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
		tab.WaitRows(1)
		if got := tab.Rows()[0]; got.Text != "hello" || got.Event != tt.event {
			t.Errorf("the command of the page published %+v", got)
		}
		tab.Do(chromedp.WaitNotVisible(chromedp.CSS("#empty")))
	}
	tab.WantQuiet()
}

func testPageRestart(t *testing.T, b *browser.Browser, how syscall.Signal, words string) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL())
	tab.WaitState("live")
	s.Stop(how)
	tab.Wait(fmt.Sprintf(`state() === %q && /in \d+ s$/.test(document.querySelector("#connection").textContent)`, words))
	s.Start()
	// The page stood at a position, though it had seen no item yet.
	want := []browser.Row{browser.Publish(s, "main", "", "text/plain", "after the first restart")}
	tab.WaitRows(1)
	for i := range 3 {
		want = append(want, browser.Publish(s, "main", "", "text/plain", fmt.Sprintf("before %d", i)))
	}
	tab.WaitRows(len(want))
	s.Restart(how)
	for i := range 3 {
		want = append(want, browser.Publish(s, "main", "named", "text/plain", fmt.Sprintf("after %d", i)))
	}
	tab.WaitState("live")
	want = append(want, browser.Publish(s, "main", "", "text/plain", "live again"))
	tab.WaitRows(len(want))
	tab.WantRows(want)
	tab.WantQuiet(browser.GoneAway)
}

func testPageGap(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	front, cut, mend := s.FrontThatCuts()
	tab := b.Open(t, front+"/feeds/main,other", browser.HastyRetries)
	tab.WaitConnected()
	publish := func(data string) browser.Row {
		row := browser.Publish(s, "main", "", "text/plain", data)
		row.Feed = "main"
		return row
	}
	want := []browser.Row{publish("seen")}
	tab.WaitRows(1)
	cut()
	tab.WaitState("reconnecting")
	// The loss reaches beyond an item that is there and was not shown yet.
	want = append(want, browser.Row{Gap: true, Text: "items are missing here: purged (other)"})
	want = append(want, publish("kept"))
	browser.Publish(s, "other", "", "text/plain", "never seen")
	s.Purge("other")
	mend()
	tab.WaitRows(3)
	tab.WaitConnected()
	want = append(want, publish("live"))
	tab.WaitRows(4)
	tab.WantRows(want)
	tab.Picture("gap")
	tab.WantQuiet(browser.GoneAway)
}

func testPageRefused(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	for _, tt := range []struct{ path, title, detail string }{
		{"/?feed=not+a+name", "400 The selector is not valid", "not a name"},
		{"/?feed=a..b%2Fc", "400 The selector is not valid", "a..b"},
		{"/?feed=_stats", "401 A valid credential is needed", "reading _stats"},
	} {
		var attempts atomic.Int32
		front := s.Front(func(w http.ResponseWriter, r *http.Request) {
			attempts.Add(1)
			s.Pass(w, r, 1<<20)
		})
		tab := b.Open(t, front+tt.path, browser.HastyRetries)
		tab.Do(chromedp.WaitVisible(chromedp.CSS("#problem")))
		if got := tab.Text("#problem h2"); got != tt.title {
			t.Errorf("%s: the title is %q, not %q", tt.path, got, tt.title)
		}
		if got := tab.Text("#problem p"); !strings.Contains(got, tt.detail) {
			t.Errorf("%s: the detail %q does not tell of %q", tt.path, got, tt.detail)
		}
		if got := tab.Eval(`state()`); got != "not connected" {
			t.Errorf("%s: the state is %q", tt.path, got)
		}
		if got, want := tab.Eval(`String(document.querySelector("#problem a")?.checkVisibility())`), fmt.Sprint(strings.HasPrefix(tt.title, "401")); got != want {
			t.Errorf("%s: that there is a way to sign in is %s", tt.path, got)
		}
		tab.Eval(`new Promise(resolve => setTimeout(resolve, 600, ""))`) // longer than it would wait, were it to ask again
		if n := attempts.Load(); n != 1 {
			t.Errorf("%s: the page asked %d times", tt.path, n)
		}
		tab.WantQuiet(`status of 40[01]`)
	}
}

func testPageRefusedForAWhile(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	again := make(chan struct{})
	front := s.Front(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-again:
			s.Pass(w, r, 1<<20)
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"status":503,"type":"too-many-subscribers","title":"Too many","detail":"of them"}`)
		}
	})
	tab := b.Open(t, front)
	tab.Do(chromedp.WaitVisible(chromedp.CSS("#problem")))
	if got := tab.Eval(`document.querySelector("#problem").innerText`); !regexp.MustCompile(`503 Too many\s+of them`).MatchString(got) {
		t.Errorf("the problem is %q", got)
	}
	if got := tab.Eval(`state()`); got != "reconnecting" {
		t.Errorf("the state is %q", got)
	}
	close(again)
	tab.WaitState("live")
	tab.Do(chromedp.WaitNotVisible(chromedp.CSS("#problem")))
	tab.WantQuiet(`status of 503`)
}

func testPageNarrow(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	wide := strings.Repeat("w", 300)
	tab := b.Open(t, "about:blank")
	for _, look := range []struct {
		name, scheme string
		width        int64
	}{{"light", "light", 1000}, {"dark", "dark", 1000}, {"narrow", "light", 360}} {
		tab.Do(chromedp.EmulateViewport(look.width, 740), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
			})
			return err
		}))
		fits := func(name string) {
			t.Helper()
			if got := tab.Eval(`[document.documentElement.scrollWidth, innerWidth].join()`); got != fmt.Sprintf("%d,%d", look.width, look.width) {
				t.Errorf("%s: the page is as wide as %s", look.name, got)
			}
			tab.Picture(name + "-" + look.name)
		}
		tab.Navigate(s.URL() + "/?feed=empty.*")
		tab.WaitEmpty()
		fits("empty")
		tab.Do(chromedp.Navigate(s.URL()+"/?feed=_"+wide[:127]+",news,news,news,news,news,news"), chromedp.WaitVisible(chromedp.CSS("#problem")))
		fits("refused")

		feed := "looks." + look.name
		tab.Navigate(s.URL() + "/feeds/looks.**")
		tab.WaitState("live")
		before := len(tab.Rows())
		browser.Publish(s, feed, "", "application/json", `{"match":"Ajax : PSV","score":[1,0],"at":12345678901234567890,"by":null}`)
		browser.Publish(s, feed, "goal", "text/plain", "1:0, in the very first minute\n\n\tand this is its second paragraph")
		browser.Publish(s, feed, strings.Repeat("e", 64), "text/plain", wide)
		browser.Publish(s, feed, "", "text/plain", "مرحبا بالعالم <b>bold</b>")
		tab.WaitRows(before + 4)
		fits("items")
	}
	tab.WantQuiet(`status of 40[01]`)
}

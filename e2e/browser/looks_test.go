package browser_test

import (
	"bytes"
	"encoding/json"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestLooks checks what the reader's page makes of items, and that everybody
// can use it.
func TestLooks(t *testing.T) {
	inBrowser(t, []browserTest{
		{"shows items by their kinds", testLooksKinds},
		{"folds what is tall", testLooksTall},
		{"runs nothing that is stored in an item of any kind", testLooksHostile},
		{"can be read and used by everybody", testLooksForAll},
		{"has every control within reach of the keyboard", testLooksKeyboard},
		{"is small", testLooksSmall},
	})
}

// shown is what an item is shown as: its kind, and its text in lines.
const shown = `globalThis.shown = li => {
	const data = li.querySelector(".data");
	const parts = [...data.children].filter(part => !part.matches(".fields"));
	return [...data.classList].slice(1).join(" ") + "|" + parts.map(part => part.textContent).join("|") + (data.querySelector(".fields") ? "|…" : "");
}`

func testLooksKinds(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tests := []struct{ data, want string }{
		{`{"headline":"It works"}`, `headline|It works`},
		{`{"type":"headline","text":"Open","extra":1}`, `headline|Open|…`},
		{`{"type":"Headline","title":"Open","text":"Since noon","url":"https://example.com/"}`, `headline|Open|Since noon`},
		{`{"type":"text","text":"two\nlines https://example.com/a."}`, "text|two\nlines https://example.com/a."},
		{`{"text":"no type"}`, `text|no type`},
		{`{"type":"link","url":"https://example.com/x","title":"X"}`, `link|X|example.com`},
		{`{"type":"link","url":"mailto:a@example.com"}`, `link|mailto:a@example.com|`},
		{`{"type":"place","name":"Here","lat":"52.50","lng":"13.4"}`, `place|Here|52.50, 13.4 show on a map`},
		{`{"lat":1e1,"lon":-0.10}`, `place|1e1, -0.10 show on a map`},
		{`{"type":"place","lat":91,"lon":0}`, `|type: "place"lat: 91lon: 0`},
		{`{"type":"score","home":"Ajax","away":"PSV","home_score":"2","away_score":0}`, `score|Ajax2 : 0PSV`},
		{`{"home":"Ajax","away":"PSV","score":[10,9],"minute":67}`, `score|Ajax10 : 9PSV|67`},
		{`{"home":"Ajax","away":"PSV","result":"3-1"}`, `score|Ajax3 : 1PSV`},
		{`{"home":"Ajax","away":"PSV"}`, `|home: "Ajax"away: "PSV"`},
		{`{"type":"video","src":"https://example.com/page","caption":"Watch"}`, `video|https://example.com/pageWatch`},
		{`{"user":"ada","name":"Ada L","text":"Hi","retweets":12345678901234567890}`, `post|Ada L @ada|Hi|…`},
		{`{"type":"PushEvent","actor":{"login":"ada"},"repo":{"name":"a/b"},"payload":{"commits":[{"message":"One\n\nmore"},{"message":"Two"}]}}`, `activity|ada pushed to a/b|One|Two|…`},
		{`{"type":"StarGazeEvent","actor":"ada","repo":"a/b"}`, `activity|ada star gaze: a/b`},
		{`{"type":"constructor","a":1}`, `|type: "constructor"a: 1`},
		{`{"type":["headline"],"a":12345678901234567890}`, `|type: ["headline"]0: "headline"a: 12345678901234567890`},
		{`{"type":"headline","text":"first","text":"last"}`, `headline|last`},
	}
	tab := b.Open(t, s.URL()+"/?feed=kinds", shown)
	for _, tt := range tests {
		browser.Publish(s, "kinds", "", "application/json", tt.data)
	}
	tab.WaitRows(len(tests))
	var got []string
	if err := json.Unmarshal([]byte(tab.Eval(`JSON.stringify([...document.querySelectorAll("#items > li")].map(shown).reverse())`)), &got); err != nil {
		t.Fatal(err)
	}
	for i, tt := range tests {
		if got[i] != tt.want {
			t.Errorf("%s is shown as\n%q, not\n%q", tt.data, got[i], tt.want)
		}
	}

	// Whatever a kind leaves away can be opened, exactly.
	tab.ClickByScript("#items .post .fields summary")
	tab.Wait(`lines(document.querySelector("#items .post .tree")).includes("retweets: 12345678901234567890")`)

	// A form, as the first demo sent them, and a photo that there is.
	pictures := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" {
			t.Errorf("the picture's server is told of %s", r.Header.Get("Referer"))
		}
		w.Header().Set("Content-Type", "image/png")
		png.Encode(w, image.NewGray(image.Rect(0, 0, 4000, 3000)))
	}))
	defer pictures.Close()
	browser.Publish(s, "kinds", "", "application/x-www-form-urlencoded", "type=photo&src="+url.QueryEscape(pictures.URL+"/a.png")+"&caption=The+harbour")
	tab.Wait(`document.querySelector("#items img")?.complete && document.querySelector("#items img").naturalWidth === 4000`)
	if got := tab.Eval(`const i = document.querySelector("#items img"); [i.alt, i.loading, i.width <= 480, i.height <= 270, i.closest("a").href === i.src].join()`); got != "The harbour,lazy,true,true,true" {
		t.Errorf("the photo is %s", got)
	}
	browser.Publish(s, "kinds", "", "application/json", `{"type":"video","src":"`+pictures.URL+`/a.mp4","caption":"Goal"}`)
	tab.Wait(`document.querySelector("#items video")?.controls && document.querySelector("#items video").getAttribute("aria-label") === "Goal"`)
	tab.WantUnharmed()
	tab.WantQuiet()
	// One that there is not.
	browser.Publish(s, "kinds", "", "application/json", `{"type":"photo","src":"`+s.URL()+`/none.png"}`)
	tab.Wait(`document.querySelector("#items li .photo a").textContent === location.origin + "/none.png (the photo cannot be loaded)"`)
	tab.WantQuiet(`status of 404`)
}

func testLooksTall(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	s.Batch("tall", 0, 30) // below them, so that the end of the page is elsewhere
	browser.Publish(s, "tall", "", "text/plain", strings.Repeat("line\n", 3000)+"end")
	browser.Publish(s, "tall", "", "application/json", "["+strings.Repeat(`{"a":[1,2],"b":{"c":1}},`, 900)+`0]`)
	browser.Publish(s, "tall", "", "application/json", `{"text":"`+strings.Repeat("word ", 3000)+`https://example.com/"}`)
	browser.Publish(s, "tall", "", "application/json", `{"deep":{"list":["`+strings.Repeat(`x","`, 100)+`"]}}`)
	browser.Publish(s, "tall", "", "application/json", `{"src":"`+s.URL()+`/harbour.svg","caption":"`+strings.Repeat("word ", 30)+`"}`)
	tab := b.Open(t, s.URL()+"/?feed=tall", `globalThis.tall = () => [...document.querySelectorAll("#items > li")].slice(0, 5).map(li =>
		[li.offsetHeight > innerHeight ? "tall" : "", li.querySelector(".fold")?.textContent ?? "", li.querySelector(".fold")?.ariaExpanded ?? ""].join("")).join()`)
	tab.WaitRows(35)
	tab.Wait(`tall() === ",,Show morefalse,Show morefalse,Show morefalse"`)
	// What a reader opens is bounded too.
	tab.Do(chromedp.Click(chromedp.CSS("#items summary")), chromedp.Click(chromedp.CSS("#items details details summary")))
	tab.Wait(`tall() === ",Show morefalse,Show morefalse,Show morefalse,Show morefalse"`)
	for _, hidden := range []string{"true", "false"} { // it is closed, and opened again
		tab.Click("#items summary")
		tab.Wait(`document.querySelector("#items .fold").hidden === ` + hidden)
	}

	// By script: each moves the others.
	tab.Eval(`document.querySelectorAll(".fold")[3].click(), ""`)
	tab.Wait(`tall().endsWith(",tallShow lesstrue")`)
	const inSight = `(({top, bottom}) => top >= 0 && bottom <= innerHeight)(document.querySelectorAll(".fold")[3].getBoundingClientRect())`
	tab.Wait(`(document.querySelectorAll(".fold")[3].scrollIntoView(), !document.querySelector(".flows") && ` + inSight + `)`)
	tab.Eval(`document.querySelectorAll(".fold")[3].click(), ""`)
	tab.Wait(`tall().endsWith(",Show morefalse")`)
	if got := tab.Eval(`String(` + inSight + `)`); got != "true" {
		t.Error("who folds an item from its end is not at the item any more")
	}
	// Who goes into it by keyboard sees where.
	tab.Eval(`document.querySelectorAll("#items .copy")[2].focus(), ""`)
	tab.Press(kb.Tab)
	tab.Wait(`document.activeElement.href === "https://example.com/" && tall().split(",")[2] === "tallShow lesstrue"`)
	tab.WantQuiet()
}

func testLooksHostile(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL()+"/?feed=hostile")
	tab.WaitState("live")
	texts := append([]string{
		`javascript:window.harmed='url'`, `JaVaScRiPt:window.harmed='url'`, " javascript:window.harmed='space'", "java\nscript:window.harmed='newline'",
		`data:text/html,<script>window.harmed='data'</script>`, `data:image/svg+xml,<svg onload="window.harmed='svg'"/>`, `vbscript:x`, `file:///etc/passwd`, `blob:x`,
		`//127.0.0.1/x`, `http://`, `https://[`, `http://x" onclick="window.harmed='quote'`, "\u00a0https://127.0.0.1/", "\ufeffhttps://127.0.0.1/", `http://127.0.0.1:1/<img src=x onerror=window.harmed=1>`,
	}, hostileTexts...)
	names := []string{"headline", "text", "title", "url", "href", "src", "poster", "caption", "alt", "name", "user", "home", "away", "description"}
	n := 0
	for _, text := range texts {
		for _, kind := range []string{"headline", "text", "photo", "link", "place", "score", "video", "post", "PushEvent", text} {
			item := map[string]any{"type": kind, "lat": 1, "lon": 2, "home_score": text, "away_score": 1, text: text}
			if kind == "score" {
				item["home_score"] = 1
			}
			if kind == "PushEvent" {
				item["actor"] = map[string]string{"login": text}
				item["repo"] = map[string]string{"name": text}
				item["payload"] = map[string]any{"commits": []any{map[string]string{"message": text}}}
			} else if kind != "place" {
				delete(item, "lat")
			}
			for _, name := range names {
				item[name] = text
			}
			data, err := json.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			browser.Publish(s, "hostile", "", "application/json", string(data))
			n++
		}
		browser.Publish(s, "hostile", "", "text/plain", text)
		n++
	}
	tab.WaitRows(n)
	tab.Eval(`document.querySelectorAll("#items details:not([open]) > summary, #items .copy").forEach(element => element.click()), ""`)
	tab.Wait(`[...document.querySelectorAll("#items details")].every(details => details.open && details.querySelector(".tree"))`)
	tab.Eval(`document.querySelectorAll("#items :is(p, span, figcaption)").forEach(element => element.click()), ""`)
	// A filter, a name and a place that would run, too.
	for _, text := range hostileTexts {
		quoted, _ := json.Marshal(text)
		tab.Eval(fmt.Sprintf(`document.querySelector("#words").value = %s; document.querySelector("#words").dispatchEvent(new Event("input")); ""`, quoted))
		tab.Do(chromedp.Navigate(s.URL() + "/?feed=hostile&at=" + url.QueryEscape(text)))
		tab.Wait(`document.querySelector("#message").textContent.endsWith("cannot be shown: The query is not valid: ` + `" + document.querySelector("#message").textContent.split("The query is not valid: ")[1])`)
		tab.WantUnharmed()
		tab.Do(chromedp.Navigate(s.URL() + "/?feed=" + url.QueryEscape(text) + "&event=" + url.QueryEscape(text)))
		tab.WaitState("not connected")
		tab.WantUnharmed()
	}
	tab.Navigate(s.URL() + "/?feed=hostile")
	tab.WaitRows(50)
	tab.WantUnharmed()
	// The pictures are on a port where nothing is.
	tab.WantQuiet(`status of 400`, `net::ERR_`)
}

// everybody are checks as others' tools make them. They return what is wrong.
const everybody = `
globalThis.wrongs = () => {
	const wrong = [];
	const name = element => element.localName + (element.id ? "#" + element.id : "." + element.className) + " " + element.textContent.slice(0, 20);
	const seen = element => element.checkVisibility({visibilityProperty: true}) && element.getClientRects().length > 0;
	if (!document.title || document.documentElement.lang !== "en") wrong.push("no title or language");
	if (document.querySelectorAll("h1").length !== 1 || document.querySelectorAll("main").length !== 1) wrong.push("not one heading or main part");
	const ids = [...document.querySelectorAll("[id]")].map(element => element.id);
	if (new Set(ids).size !== ids.length) wrong.push("ids are repeated");
	for (const control of document.querySelectorAll("a[href], button, input, select, textarea, summary, video")) {
		const label = control.getAttribute("aria-label") || control.textContent.trim() || control.labels?.[0]?.textContent.trim() || control.querySelector("img")?.alt;
		if (seen(control) && !label) wrong.push("no label: " + control.outerHTML);
	}
	for (const image of document.images) if (!image.hasAttribute("alt")) wrong.push("no alt: " + image.src);
	for (const element of document.querySelectorAll("button, input:not([type=checkbox]), nav a, summary")) {
		const {width, height} = element.getBoundingClientRect();
		if (seen(element) && (width < 24 || height < 20)) wrong.push("too small to touch: " + name(element) + " " + width + "x" + height);
	}
	if (document.documentElement.scrollWidth > innerWidth) wrong.push("wider than the window: " + document.documentElement.scrollWidth);

	const color = text => {
		const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
		return {r, g, b, a};
	};
	const over = (top, under) => Object.fromEntries(["r", "g", "b"].map(c => [c, top[c] * top.a + under[c] * (1 - top.a)]).concat([["a", 1]]));
	const ground = element => {
		const own = color(getComputedStyle(element).backgroundColor);
		if (own.a === 1) return own;
		return over(own, element.parentElement ? ground(element.parentElement) : {r: 255, g: 255, b: 255, a: 1});
	};
	const light = ({r, g, b}) => {
		const [x, y, z] = [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * x + 0.7152 * y + 0.0722 * z;
	};
	const contrast = (a, b) => {
		const [high, low] = [light(a), light(b)].sort((a, b) => b - a);
		return (high + 0.05) / (low + 0.05);
	};
	let texts = 0;
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let node; node = walk.nextNode();) {
		const element = node.parentElement;
		if (!node.data.trim() || !seen(element) || element.closest(".unseen, .skip, video")) continue;
		texts++;
		const back = ground(element);
		const ratio = contrast(over(color(getComputedStyle(element).color), back), back);
		if (ratio < 4.5) wrong.push("contrast " + ratio.toFixed(2) + ": " + name(element));
	}
	for (const input of document.querySelectorAll("input[placeholder]")) {
		const back = ground(input);
		const ratio = contrast(over(color(getComputedStyle(input, "::placeholder").color), back), back);
		if (ratio < 4.5) wrong.push("contrast of a placeholder " + ratio.toFixed(2) + ": " + name(input));
	}
	if (texts < 10) wrong.push("only " + texts + " texts were looked at");
	return wrong.join("\n");
}`

func testLooksForAll(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	examples := b.Open(t, s.URL())
	kinds := examples.Eval(`import("/admin/kindforms.js").then(({KINDS}) => Object.values(KINDS).map(({example}) => JSON.stringify(example)).join("\n"))`)
	kinds = strings.ReplaceAll(kinds, "https://example.com", s.URL()) // the browser has no other site
	for kind := range strings.SplitSeq(kinds, "\n") {
		browser.Publish(s, "all.kinds", "goal", "application/json", kind)
	}
	long := strings.Repeat("w", 300)
	browser.Publish(s, "all.kinds", strings.Repeat("e", 64), "application/json", `{"`+long+`":{"deep":["`+long+`",12345678901234567890,{"a":null}]}}`)
	browser.Publish(s, "all."+long[:120], "", "text/plain", long)
	browser.Publish(s, "all.text", "", "application/json", `{"user":"`+long+`","name":"`+long+`","text":"`+long+`","lang":"ja"}`)
	browser.Publish(s, "all.text", "", "application/json", `{"home":"`+long+`","away":"`+long+`","score":[1,2]}`)

	tab := b.Open(t, "about:blank", everybody)
	check := func(name string) {
		t.Helper()
		if got := tab.Eval(`wrongs()`); got != "" {
			t.Errorf("%s:\n%s", name, got)
		}
		tab.Picture(name)
	}
	for _, look := range []struct {
		width  int64
		scheme string
	}{{1000, "light"}, {1000, "dark"}, {360, "light"}, {360, "dark"}} {
		name := fmt.Sprintf("%s-%d", look.scheme, look.width)
		tab.Look(look.width, 740, look.scheme)
		tab.Navigate(s.URL() + "/?feed=nothing")
		tab.WaitEmpty()
		tab.Eval(`document.querySelectorAll("details").forEach(details => details.open = true), ""`)
		check("empty-" + name)
		tab.Navigate(s.URL() + "/feeds/all.*")
		tab.WaitRows(12)
		tab.WaitState("live")
		tab.Eval(`document.querySelectorAll("#items .copy")[4].click(), document.querySelectorAll("#items details").forEach(details => details.open = true), ""`)
		browser.Publish(s, "all.new", "", "text/plain", "new")
		tab.WaitShown("#new")
		tab.Eval(`document.querySelector("#said").textContent = "Copied", document.querySelector("#items > li").classList.add("here"), ""`)
		check("items-" + name)
		tab.Navigate(s.URL() + "/?feed=_" + long[:100] + "&at=1")
		tab.Wait(`!document.querySelector("#problem").hidden && !document.querySelector("#message").hidden`)
		check("refused-" + name)
	}
	tab.WantQuiet(`status of 40[014]`)
}

func testLooksKeyboard(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	browser.Publish(s, "main", "goal", "application/json", `{"type":"link","url":"https://example.com/","title":"X","more":1}`)
	tab := b.Open(t, s.URL())
	tab.WaitRows(1)
	tab.Wait(`state() === "live" && document.querySelector("#older").hidden`)
	// A tab that has just opened gets the focus a moment later; until then none of
	// its elements shows it.
	tab.Wait(`document.hasFocus()`)
	// Tab goes to each control that is seen, and the focus can be seen there.
	tab.Eval(`globalThis.reached = new Set(), ""`)
	for range 40 {
		tab.Press(kb.Tab)
		if got := tab.Eval(`(() => {
			const element = document.activeElement;
			if (element === document.body) return "";
			reached.add(element);
			const {outlineStyle, outlineWidth} = getComputedStyle(element);
			return outlineStyle === "none" || parseFloat(outlineWidth) < 2 ? element.outerHTML : "";
		})()`); got != "" {
			t.Errorf("the focus is not seen on %s", got)
		}
	}
	if got := tab.Eval(`[...document.querySelectorAll("a[href], button, input, summary")]
		.filter(element => element.checkVisibility() && !reached.has(element)).map(element => element.outerHTML).join("\n")`); got != "" {
		t.Errorf("by the keyboard nobody gets to\n%s", got)
	}
	// Nor is it cut where only rows that are seen are laid out.
	for _, control := range []string{".time", ".copy"} {
		tab.Eval(fmt.Sprintf(`globalThis.row = document.querySelector("#items.flows > li"), row.querySelector(%q).focus({focusVisible: true}), ""`, control))
		var seen [2][]byte
		for i, visibility := range []string{"", "visible"} {
			tab.Eval(fmt.Sprintf(`row.style.contentVisibility = %q, ""`, visibility))
			var err error
			if seen[i], err = chromedp.Run(tab.Context(), chromedp.CaptureScreenshot()); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(seen[0], seen[1]) {
			t.Errorf("the focus is cut on %s", control)
		}
		tab.Eval(`row.style.contentVisibility = "", ""`)
	}
	// The first of all leads to the items as they are, which then stand still.
	tab.Eval(`document.querySelector(".skip").focus(), globalThis.row = document.querySelector("#items > li"), ""`)
	tab.Press(kb.Enter)
	tab.Wait(`document.activeElement.id === "items" && location.hash === "#items"`)
	browser.Publish(s, "main", "", "text/plain", "new")
	tab.Wait(`document.querySelector("#new").textContent === "1 new item, show" && !document.querySelector("#new").hidden`)
	if got := tab.Eval(`String(row.isConnected)`); got != "true" {
		t.Error("the link to the items took them away")
	}
	tab.Eval(`document.activeElement.blur(), ""`)
	tab.Press("?")
	tab.Wait(`document.querySelector("#help").open`)
	for _, key := range strings.Split("jkcnp/g?", "") {
		if got := tab.Eval(fmt.Sprintf(`String([...document.querySelectorAll("#help kbd")].some(kbd => kbd.textContent === %q))`, key)); got != "true" {
			t.Errorf("the page does not tell of %s", key)
		}
	}
	tab.WantQuiet()
}

func testLooksSmall(t *testing.T, b *browser.Browser) {
	s := harness.Start(t)
	tab := b.Open(t, s.URL())
	tab.WaitState("live")
	// All scripts are asked for by the page itself, not one by the other.
	if got := tab.Eval(`(() => {
		const named = new Set(Array.from(document.querySelectorAll("script, link[rel=modulepreload]"), element => element.src ?? element.href));
		const scripts = new Set(performance.getEntriesByType("resource").map(file => file.name).filter(name => name.endsWith(".js")));
		return [...named.symmetricDifference(scripts)].join();
	})()`); got != "" {
		t.Errorf("in index.html, and not loaded, or the other way round: %s", got)
	}
	var sizes struct{ Sent, Bytes, Files int }
	if err := json.Unmarshal([]byte(tab.Eval(`(() => {
		const files = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource").filter(file => !file.name.includes("/feeds/"))];
		const sum = f => files.reduce((sum, file) => sum + f(file), 0);
		return JSON.stringify({sent: sum(file => file.transferSize), bytes: sum(file => file.decodedBodySize), files: files.length});
	})()`)), &sizes); err != nil {
		t.Fatal(err)
	}
	t.Logf("the first view: %d bytes over the network in %d files, which are %d bytes", sizes.Sent, sizes.Files, sizes.Bytes)
	if sizes.Sent > 60<<10 || sizes.Files < 10 || sizes.Bytes < 50_000 {
		t.Errorf("the first view is too large, or was not measured: %+v", sizes)
	}
	// An icon is there on every page, and where a browser looks for it by itself.
	for _, path := range []string{"/", "/admin", "/chat"} {
		tab.Navigate(s.URL() + path)
		for _, icon := range []string{`document.querySelector("link[rel=icon]").href`, `"/favicon.ico"`} {
			tab.Eval(fmt.Sprintf(`{ const image = new Image(); image.src = %s; image.decode().then(() => ""); }`, icon))
		}
	}
	// Who does not take gzip gets the same, as it is.
	for encoding, want := range map[string]string{"": "", "gzip": "gzip", "br, gzip;q=0.5": "gzip", "gzip;q=0": "", "identity": "", "GZIP": "gzip"} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL()+"/reader/reader.js", nil)
		req.Header.Set("Accept-Encoding", encoding)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q gets %q, not %q", encoding, got, want)
		}
		if resp.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Vary is %q", resp.Header.Get("Vary"))
		}
		req.Header.Set("If-None-Match", resp.Header.Get("ETag"))
		if resp, err = http.DefaultTransport.RoundTrip(req); err != nil || resp.StatusCode != http.StatusNotModified {
			t.Errorf("again with its ETag: %v %v", resp, err)
		}
	}
	tab.WantQuiet()
}

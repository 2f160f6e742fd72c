package browser_test

import (
	"bufio"
	"context"
	"encoding/json"
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestScreenshots takes the pictures of the README: make screenshots runs it,
// and nothing else does. FEEDD_TEST_PICTURES says where they go;
// FEEDD_TEST_PICTURES_DATA may be a directory with *.ndjson files, each line the
// data of an item, which the pictures show in feeds of the files' names.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("FEEDD_TEST_PICTURES")
	if dir == "" {
		t.Skip("make screenshots takes pictures")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := browser.Start(t)
	s := harness.Start(t)
	tab := b.Open(t, s.Link())
	tab.WaitSignedIn()
	feed := publishForPictures(t, s, tab, os.Getenv("FEEDD_TEST_PICTURES_DATA"))
	load(t, s)

	desk := func(tab *browser.Tab, scheme string) { tab.Look(1280, 800, scheme) }
	reader := b.Open(t, s.URL()+"/?feed="+feed)
	reader.Wait(`state() === "live" && rows().length > 0`)
	desk(reader, "light")
	save(t, reader, "reader-light")
	desk(reader, "dark")
	save(t, reader, "reader-dark")
	reader.Look(390, 780, "light")
	save(t, reader, "reader-phone")

	tab.Navigate(s.URL() + "/admin")
	desk(tab, "light")
	tab.WaitSignedIn()
	tab.Eval(`document.querySelector("#span").value = "60"; for (const i of [1, 3, 5, 0]) document.querySelectorAll("#examples button")[i].click(); ""`)
	tab.WaitCount("#sent a", 4)
	// Enough for a line to be seen: the load goes on meanwhile.
	tab.Wait(`document.querySelectorAll(".plot .line")[1].getAttribute("d").split("L").length > 25`)
	tab.Eval(`document.activeElement.blur(); scrollTo(0, 0); ""`)
	save(t, tab, "admin-light")
	desk(tab, "dark")
	save(t, tab, "admin-dark")
	tab.Look(1000, 800, "light") // the composer is as wide as the page then
	tab.Eval(`document.querySelector("#kind").value = "score"; document.querySelector("#kind").dispatchEvent(new Event("change"));
		document.querySelector("#publish").scrollIntoView({block: "start", behavior: "instant"}); ""`)
	save(t, tab, "composer")
	tab.Look(390, 780, "light")
	tab.Scroll(0)
	save(t, tab, "admin-phone")

	takeChat(t, b)
}

// takeChat takes pictures of two people who talk.
func takeChat(t *testing.T, b *browser.Browser) {
	s := browser.StartChat(t)
	anna, bert := b.OpenGuest(t, s.URL(), "Anna"), b.OpenGuest(t, s.URL(), "Bert")
	anna.WaitChat()
	bert.WaitChat()
	var said []string
	for i, text := range []string{
		"Is somebody at the harbour?",
		"Yes, since six. Nothing to be seen, all fog.",
		"And the start?",
		"Put off until nine. They say so at https://example.com/regatta too",
		"Then I have time for a coffee ☕",
		"Bring two",
	} {
		[]*browser.Tab{anna, bert}[i%2].Says(text)
		said = append(said, text)
		anna.WantChat(said...)
		bert.WantChat(said...)
	}
	anna.WaitText("#here", "2 here")
	anna.Look(1280, 800, "light")
	save(t, anna, "chat-light")
	bert.Look(390, 780, "dark")
	save(t, bert, "chat-phone")
}

// publishForPictures publishes what is in a directory, or without one the
// examples that the admin page has. It returns a feed of
// them, the first.
func publishForPictures(t *testing.T, s *harness.Server, tab *browser.Tab, dir string) string {
	t.Helper()
	if dir == "" {
		tab.Eval(`(async () => {
			const {KINDS} = await import("/admin/kindforms.js");
			for (const {example} of Object.values(KINDS)) {
				await fetch("/feeds/main", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(example)});
			}
			return "";
		})()`)
		return "main"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no *.ndjson: %v", dir, err)
	}
	nameOf := func(file string) string { return strings.TrimSuffix(filepath.Base(file), ".ndjson") }
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var data any
			if json.Unmarshal(lines.Bytes(), &data) == nil {
				browser.Publish(s, nameOf(file), "", "application/json", lines.Text())
			}
		}
		f.Close()
	}
	return nameOf(files[0])
}

// load puts the server under some load until the test ends.
func load(t *testing.T, s *harness.Server) {
	t.Helper()
	cmd := s.Command("bench", "--server", s.URL(), "--data", s.Data, "--feed", "demo", "--feeds", "6",
		"--subscribers", "300", "--rate", "40", "--duration", "10m")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
	})
}

// save writes a picture of the window.
func save(t *testing.T, tab *browser.Tab, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab.Context(), harness.Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(os.Getenv("FEEDD_TEST_PICTURES"), name+".png"), png, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if most := 200 << 10; len(png) > most {
		t.Errorf("%s.png has %d bytes, more than %d", name, len(png), most)
	}
	fmt.Fprintf(t.Output(), "%s.png: %d bytes\n", name, len(png))
}

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// picturesDir is where the pictures go, relative to this directory.
const picturesDir = "../docs"

// TestScreenshots takes the pictures of the README: make screenshots runs it,
// and nothing else does. SCREENSHOTS is the built binary; DATA may be a
// directory with *.ndjson files, each line the data of an item, which the
// pictures show in feeds of the files' names.
func TestScreenshots(t *testing.T) {
	bin := os.Getenv("SCREENSHOTS")
	if bin == "" {
		t.Skip("make screenshots takes pictures")
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(picturesDir, 0o755); err != nil {
		t.Fatal(err)
	}
	browser := browserForPage(t)
	s := startForPage(t, bin)
	tab := openPage(t, browser, s.link)
	tab.wait(adminIsIn)
	feed := s.publishForPictures(t, tab, os.Getenv("DATA"))
	s.load(t)

	desk := func(tab *pageTab, scheme string) { tab.look(1280, 800, scheme) }
	reader := openPage(t, browser, s.url()+"/?feed="+feed)
	reader.wait(`state() === "live" && rows().length > 0`)
	desk(reader, "light")
	reader.save("reader-light")
	desk(reader, "dark")
	reader.save("reader-dark")
	reader.look(390, 780, "light")
	reader.save("reader-phone")

	tab.do(chromedp.Navigate(s.url() + "/admin"))
	desk(tab, "light")
	tab.wait(adminIsIn)
	tab.eval(`document.querySelector("#span").value = "60"; for (const i of [1, 3, 5, 0]) document.querySelectorAll("#examples button")[i].click(); ""`)
	tab.wait(`document.querySelectorAll("#sent a").length === 4`)
	// Enough for a line to be seen: the load goes on meanwhile.
	tab.wait(`document.querySelectorAll(".plot .line")[1].getAttribute("d").split("L").length > 25`)
	tab.eval(`document.activeElement.blur(); scrollTo(0, 0); ""`)
	tab.save("admin-light")
	desk(tab, "dark")
	tab.save("admin-dark")
	tab.look(1000, 800, "light") // the composer is as wide as the page then
	tab.eval(`document.querySelector("#kind").value = "score"; document.querySelector("#kind").dispatchEvent(new Event("change"));
		document.querySelector("#publish").scrollIntoView({block: "start", behavior: "instant"}); ""`)
	tab.save("composer")
	tab.look(390, 780, "light")
	tab.eval(`scrollTo(0, 0); ""`)
	tab.save("admin-phone")

	takeChat(t, browser, bin)
}

// takeChat takes pictures of two people who talk.
func takeChat(t *testing.T, browser context.Context, bin string) {
	s := startChat(t, bin)
	anna, bert := openGuest(t, browser, s.url(), "Anna"), openGuest(t, browser, s.url(), "Bert")
	anna.waitChat()
	bert.waitChat()
	var said []string
	for i, text := range []string{
		"Is somebody at the harbour?",
		"Yes, since six. Nothing to be seen, all fog.",
		"And the start?",
		"Put off until nine. They say so at https://example.com/regatta too",
		"Then I have time for a coffee ☕",
		"Bring two",
	} {
		[]*pageTab{anna, bert}[i%2].says(text)
		said = append(said, text)
		anna.wantChat(said...)
		bert.wantChat(said...)
	}
	anna.wait(`document.querySelector("#here").textContent === "2 here"`)
	anna.look(1280, 800, "light")
	anna.save("chat-light")
	bert.look(390, 780, "dark")
	bert.save("chat-phone")
}

// publishForPictures publishes what is in a directory, or without one the
// examples that the admin page has. It returns a feed of
// them, the first.
func (s *pageServer) publishForPictures(t *testing.T, tab *pageTab, dir string) string {
	t.Helper()
	if dir == "" {
		tab.eval(`(async () => {
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
				s.publish(t, nameOf(file), "", "application/json", lines.Text())
			}
		}
		f.Close()
	}
	return nameOf(files[0])
}

// load puts the server under some load until the test ends.
func (s *pageServer) load(t *testing.T) {
	t.Helper()
	cmd := exec.Command(s.bin, "bench", "--server", s.url(), "--data", s.data, "--feed", "demo", "--feeds", "6",
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

// look sets the size of the window, in CSS pixels, and the color scheme.
func (tab *pageTab) look(width, height int64, scheme string) {
	tab.t.Helper()
	tab.do(chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
	tab.twoFrames()
}

// save writes a picture of the window.
func (tab *pageTab) save(name string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, pagePatience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(picturesDir, name+".png"), png, 0o644)
	}
	if err != nil {
		tab.t.Fatal(err)
	}
	if most := 200 << 10; len(png) > most {
		tab.t.Errorf("%s.png has %d bytes, more than %d", name, len(png), most)
	}
	fmt.Fprintf(tab.t.Output(), "%s.png: %d bytes\n", name, len(png))
}

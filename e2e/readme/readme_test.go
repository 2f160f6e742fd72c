package readme_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// readme returns the blocks of a language that the README prints.
func readme(t *testing.T, language string) (blocks []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(harness.ReadFile(t, "README.md"), -1) {
		blocks = append(blocks, m[1])
	}
	if blocks == nil {
		t.Fatalf("the README prints no %s", language)
	}
	return blocks
}

// newcomer is who types what the README prints, in a directory of its own. Only
// the port is another one, and the binary is built.
type newcomer struct {
	t           *testing.T
	bin, dir    string
	address     string // of the server
	publishLine string // as the server has printed it
	serving     *typed
}

// typed is a line that was typed, and what it says.
type typed struct {
	cmd      *exec.Cmd
	out, err harness.Buffer
}

// said is what it has said. curl's progress is apart from what it was answered.
func (l *typed) said() string { return l.out.String() + "\n" + l.err.String() }

func newNewcomer(t *testing.T) *newcomer {
	return &newcomer{t: t, bin: harness.Binary(t), dir: t.TempDir()}
}

// types starts a line; what it started ends with the test.
func (n *newcomer) types(line string) *typed {
	n.t.Helper()
	line = strings.ReplaceAll(line, "go run ./cmd/feedd", n.bin)
	if n.address != "" {
		line = strings.ReplaceAll(line, "127.0.0.1:8001", n.address)
	}
	l := new(typed)
	l.cmd = exec.Command("sh", "-c", line)
	l.cmd.Dir, l.cmd.Stdout, l.cmd.Stderr = n.dir, &l.out, &l.err
	l.cmd.Env = append(os.Environ(), "FEEDD_LISTEN=127.0.0.1:0", "FEEDD_SERVER="+n.address)
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := l.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { l.end(syscall.SIGKILL) })
	return l
}

// end ends a line's processes.
func (l *typed) end(how syscall.Signal) {
	if l.cmd.ProcessState == nil {
		syscall.Kill(-l.cmd.Process.Pid, how)
		l.cmd.Wait()
	}
}

// sees waits until a line says something.
func (n *newcomer) sees(l *typed, want string) {
	n.t.Helper()
	re := regexp.MustCompile("(?m)" + want)
	defer func() {
		if n.t.Failed() {
			n.t.Logf("%s says %s", l.cmd, l.said())
		}
	}()
	harness.Await(n.t, "it says "+want, func() bool { return re.MatchString(l.said()) })
}

// serves starts a server, after the one that ran.
func (n *newcomer) serves(line string) {
	n.t.Helper()
	if n.serving != nil {
		n.serving.end(syscall.SIGINT)
	}
	n.serving = n.types(line)
	n.sees(n.serving, `^feedd is ready: http://.*$[\s\S]*publish .*\n[\s\S]*\n\n`)
	said := n.serving.said()
	n.address = regexp.MustCompile(`feedd is ready: http://(\S+)`).FindStringSubmatch(said)[1]
	n.publishLine = regexp.MustCompile(`publish +(curl .*)`).FindStringSubmatch(said)[1]
}

// The lines that the README prints do what it says, typed one after the other.
// A new line needs its answer here.
func TestREADME_ShellLines(t *testing.T) {
	answers := map[string]string{
		`curl -N http://127.0.0.1:8001/feeds/main`: `^retry: \d+$`,
		`curl -H "Authorization: Bearer $(cat data/admin.key)" -d '{"headline":"It works"}' http://127.0.0.1:8001/feeds/main`: `^{"id":"\d+","feed":"main",`,
		`go run ./cmd/feedd publish --feed news 'It works'`:                                                                   `^\d+$`,
		`tail -f app.log | go run ./cmd/feedd publish --feed logs --lines`:                                                    ``,
		`go run ./cmd/feedd tail news --last 10`:                                                                              `^It works$`,
		`curl -N -H "Authorization: Bearer $(cat data/admin.key)" http://127.0.0.1:8001/feeds/_stats`:                         `^data: {`,
		`curl -d 'type=headline&text=hello' http://127.0.0.1:8001/send_feed_item`:                                             `^{}$`,
		`curl 'http://127.0.0.1:8001/real_time_feed?since=0'`:                                                                 `{"type":"headline","text":"hello","timestamp":[0-9.]+}\]$`,
		`curl -d '{"name":"curl","text":"hello"}' http://127.0.0.1:8001/chat`:                                                 `^{"id":"\d+","feed":"chat",`,
	}
	endless := regexp.MustCompile(`^curl -N|^tail -f| tail `)
	n := newNewcomer(t)
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	if err := os.WriteFile(filepath.Join(n.dir, "app.log"), []byte("a line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var later []func() // what shows only when something was published
	for _, block := range readme(t, "sh") {
		for line := range strings.Lines(block) {
			line = strings.TrimSuffix(line, "\n")
			if line == "make test" {
				continue // that is who runs this
			}
			if strings.HasPrefix(line, "go run ./cmd/feedd serve") {
				n.serves(line)
				continue
			}
			want, ok := answers[line]
			if !ok {
				t.Errorf("nobody knows what this line of the README answers: %s", line)
				continue
			}
			delete(answers, line)
			l := n.types(line)
			n.sees(l, want)
			if !endless.MatchString(line) {
				if err := l.cmd.Wait(); err != nil {
					t.Errorf("%s: %v: %s", line, err, l.said())
				}
			}
			switch {
			case strings.HasSuffix(line, "/feeds/main") && endless.MatchString(line):
				later = append(later, func() { n.sees(l, `^data: {"headline":"It works"}$`) })
			case strings.HasPrefix(line, "tail -f"):
				n.sees(n.types(n.bin+" tail logs --since all -n 1"), `^a line$`)
			case line == `go run ./cmd/feedd publish --feed news 'It works'`:
				for _, look := range later {
					look()
				}
			}
		}
	}
	for line := range answers {
		t.Errorf("the README does not print: %s", line)
	}
	n.sees(n.serving, `Everybody may speak in http://`)
}

// The same README starts a second server; it is told what to do.
func TestREADME_ASecondServer(t *testing.T) {
	n := newNewcomer(t)
	n.serves(readme(t, "sh")[0])
	first := n.address
	n.sees(n.types(n.bin+" serve --demo"), `in use by another feedd \(process \d+\): stop that one, or give this one another --data, and another --listen$`)
	n.sees(n.types(n.bin+" serve --demo --data other --listen "+first), `address already in use; stop what listens there, or give this one another --listen$`)
	n.sees(n.types(n.bin+" serve --demo --data other --listen 127.0.0.1:0"), `^feedd is ready`)
}

// P1 P4 in a page of your own: TestREADME_Pages runs what the README prints for pages in chromium, with what
// the README and the server itself tell a newcomer to publish.
func TestREADME_Pages(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a browser")
	}
	b := browser.Start(t)
	n := newNewcomer(t)
	lines := readme(t, "sh")
	n.serves(lines[0])
	s := harness.At(t, n.address, filepath.Join(n.dir, "data"))
	address, cut, mend := s.FrontThatCuts()
	snippets := readme(t, "js")
	var tabs []*browser.Tab
	for _, snippet := range snippets {
		if i := strings.Index(snippet, "import "); i >= 0 { // a function cannot hold it
			snippet = regexp.MustCompile(`import (\{.*\}) from (.*);`).ReplaceAllString(snippet, "const $1 = await import($2);")
		}
		tab := b.Open(t, address+"/shared/style.css")
		tab.Eval(`(async () => {
			const note = what => globalThis.got.push(typeof what === "string" ? what : JSON.stringify(what));
			globalThis.got = [];
			const show = note, celebrate = note, reload = () => note("gap"), status = () => {};
			` + snippet + `
			return "";
		})()`)
		tabs = append(tabs, tab)
	}
	see := func(want ...string) {
		t.Helper()
		for i, tab := range tabs {
			tab.Wait(`got.length >= ` + string('0'+rune(len(want))))
			if got := strings.Split(tab.Eval(`got.join("\n")`), "\n"); !slices.Equal(got, want) {
				t.Errorf("page %d gets %q, want %q; the console says %q", i+1, got, want, tab.Said())
			}
		}
	}
	publish := func(line string) {
		t.Helper()
		l := n.types(line)
		n.sees(l, `^{"id":"\d+","feed":"main",`)
	}
	publish(strings.TrimSpace(lines[2]))
	publish(n.publishLine)
	browser.Publish(s, "main", "goal", "application/json", `{"home":1}`)
	see(`{"headline":"It works"}`, "hello", `{"home":1}`)
	cut()
	publish(n.publishLine) // that one they miss
	s.Purge("main")
	publish(n.publishLine)
	mend()
	see(`{"headline":"It works"}`, "hello", `{"home":1}`, "gap", "hello")
}

// The files that the README names for a site of one's own are those that
// feed.js needs, and no more.
func TestREADME_NamesTheFilesOfTheClient(t *testing.T) {
	need := map[string]bool{"feed.js": false} // whether it was read
	for again := true; again; {
		again = false
		for name, read := range need {
			if read {
				continue
			}
			need[name], again = true, true
			source := harness.ReadFile(t, "public/"+name)
			for _, m := range regexp.MustCompile(`(?m)^(?:import|export) .*from "\./([^"]+)";`).FindAllStringSubmatch(source, -1) {
				if _, known := need[m[1]]; !known {
					need[m[1]] = false
				}
			}
		}
	}
	_, list, _ := strings.Cut(harness.ReadFile(t, "README.md"), "To use it on a site of your own take ")
	list, _, _ = strings.Cut(list, ".\n")
	named := regexp.MustCompile(`[a-z-]+\.js`).FindAllString(list, -1)
	for name := range need {
		if !slices.Contains(named, name) {
			t.Errorf("the README does not name %s", name)
		}
	}
	if len(named) != len(need) {
		t.Errorf("the README names %q, and feed.js needs %d files", named, len(need))
	}
}

// What a document names by a link is there, also within the document.
func TestDocuments_LinksLeadSomewhere(t *testing.T) {
	links := 0
	for _, document := range []string{"README.md", "DESIGN.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/testing.md"} {
		text := harness.ReadFile(t, document)
		anchors := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
			anchors[anchorOf(m[1])] = true
		}
		for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
			links++
			path, anchor, _ := strings.Cut(m[1], "#")
			switch {
			case strings.Contains(path, "://"):
			case path == "" && !anchors[anchor]:
				t.Errorf("%s has no heading for #%s", document, anchor)
			case path != "":
				if _, err := os.Stat(filepath.Join(harness.Root(t), filepath.Dir(document), path)); err != nil {
					t.Errorf("%s links to %s: %v", document, path, err)
				}
			}
		}
	}
	if links == 0 {
		t.Error("no link was found: this test looks for something else")
	}
}

// anchorOf is the fragment that a heading has on the sites that show these files.
func anchorOf(heading string) string {
	heading = regexp.MustCompile("[^a-z0-9 _-]").ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(heading, " ", "-")
}

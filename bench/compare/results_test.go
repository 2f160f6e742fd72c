package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"feedd/bench/measure"
)

func sampleReport() *report {
	b := sample()
	return &report{
		Date: "2026-01-02 03:04 UTC", Command: "go run ./bench/compare", Machine: machine{CPU: "A <CPU> & more", Cores: 2},
		Versions: []version{{"Go", "go1.26"}}, Count: 3, Seconds: 3600, Goals: goalsOf(b, &fullSizes), Figures: b.figures, sizes: &fullSizes,
		Remarks: []string{"fanout-10k, node: it ended\nand more"},
	}
}

// TestTablesAreWhole: a row with another number of cells than its head has is
// no table to a reader of Markdown.
func TestTablesAreWhole(t *testing.T) {
	text := string(sampleReport().markdown("compare.svg"))
	cells, tables := 0, 0
	for line := range strings.Lines(text) {
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if n == 0 {
			cells = 0
			continue
		}
		if cells == 0 {
			cells = n
			tables++
		}
		if n != cells {
			t.Errorf("%d bars, want %d: %s", n, cells, line)
		}
	}
	if tables < 7 {
		t.Errorf("%d tables:\n%s", tables, text)
	}
	for _, want := range []string{
		"![CPU, latency, memory and deliveries of each server](compare.svg)",
		"| fanout-10k | feedd, memory | CPU a delivery | 7.1 us | <= 7.68 us (1.2 x floor) | yes | 7.1 7.1 7.1 |",
		"| nchan, 1 worker | 3 | 9 | 12 | 40 | 140 |",
		"60 minutes", "- Not measured: fanout-10k, node: it ended\n", "## The servers",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestReportAsTextAndJSON(t *testing.T) {
	r := sampleReport()
	var text strings.Builder
	if err := r.print(&text); err != nil || !strings.Contains(text.String(), "(1.2 x floor)") {
		t.Errorf("%v\n%s", err, text.String())
	}
	var b strings.Builder
	if err := measure.PrintJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || len(back.Goals) != len(r.Goals) || len(back.Figures) != len(r.Figures) {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestPictureIsWellFormed(t *testing.T) {
	empty := &report{}
	one := &report{Figures: []*figure{{Scenario: "idle-memory", Server: "floor", What: residentEach.name, Value: -0.1}}}
	for name, r := range map[string]*report{"whole": sampleReport(), "empty": empty, "nothing above 0": one} {
		picture := drawPicture(r)
		d := xml.NewDecoder(strings.NewReader(string(picture)))
		bars := 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, picture)
			}
			if e, ok := token.(xml.StartElement); ok && (e.Name.Local == "rect" || e.Name.Local == "circle") {
				bars++
			}
		}
		// The ground, a user's and a system's bar and three others for each
		// server, and two in the legend.
		if want := 1 + 5*len(servers) + 2; name == "whole" && bars != want {
			t.Errorf("%d bars and dots, want %d", bars, want)
		}
		if strings.Contains(string(picture), "NaN") || strings.Contains(string(picture), "Inf") {
			t.Errorf("%s: there is no number in\n%s", name, picture)
		}
	}
}

func TestAxisHoldsAllValues(t *testing.T) {
	for _, log := range []bool{false, true} {
		for _, values := range [][]float64{{1}, {10}, {0.005, 37}, {3, 7.2, 980_000}, {0.19, 0.2}, {100, 1000}} {
			p := panel{log: log}
			for _, x := range values {
				p.rows = append(p.rows, row{parts: []part{{value: x}}})
			}
			a := p.axis()
			last := -1.0
			for _, mark := range a.marks {
				if at := a.place(mark); at <= last || at > plotWidth*1.001 {
					t.Errorf("log %v, %v: the mark %v is at %v, behind %v", log, values, mark, at, last)
				} else {
					last = at
				}
			}
			if n := len(a.marks); n < 2 || n > 10 {
				t.Errorf("log %v, %v: %d marks", log, values, n)
			}
			for _, x := range values {
				if at := a.place(x); at < 0 || at > plotWidth || math.IsNaN(at) {
					t.Errorf("log %v, %v: %v is at %v", log, values, x, at)
				}
			}
		}
	}
}

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 0.123456: "0.123", 9.5: "9.5", 12.34: "12.3", 99.97: "100", 123.4: "123", 1234567: "1,234,567", -1234: "-1,234", -0.5: "-0.5",
	} {
		if got := measure.Number(x); got != want {
			t.Errorf("measure.Number(%v) = %s, want %s", x, got, want)
		}
	}
	if got := measure.Format(1234, "/s"); got != "1,234/s" {
		t.Error(got)
	}
}

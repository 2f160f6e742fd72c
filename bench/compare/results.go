package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"feedd/bench/measure"
)

// markdown writes bench/RESULTS.md, which shows the picture of that name.
func (r *report) markdown(picture string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# feedd beside its peers\n\n")
	fmt.Fprintf(&b, "Written by `make compare`; do not edit. How it is measured: [bench/compare/doc.go](compare/doc.go).\n\n")
	r.writeHow(&b)
	fmt.Fprintf(&b, "![CPU, latency, memory and deliveries of each server](%s)\n\n", picture)
	r.writeGoals(&b)
	for _, sc := range scenarios {
		r.writeScenario(&b, &sc)
	}
	r.writeServers(&b)
	r.writeRounds(&b)
	return b.Bytes()
}

func (r *report) writeHow(b *bytes.Buffer) {
	m := &r.Machine
	rows := [][]string{
		{"command", fmt.Sprintf("`%s`; rounds: %d, interleaved; figures are medians", r.Command, r.Count)},
		{"date", fmt.Sprintf("%s, %.0f minutes", r.Date, r.Seconds/60)},
		{"machine", fmt.Sprintf("%s, %d cores, %.1f GiB, %d descriptors a process", m.CPU, m.Cores, m.Memory, m.Files)},
		{"system", fmt.Sprintf("%s, Linux %s", m.System, m.Kernel)},
		{"meanwhile", fmt.Sprintf("other programs kept %.2f of the %d cores busy, and %.2f were taken by the machine below", r.Others, m.Cores, r.Stolen)},
	}
	for _, v := range r.Versions {
		rows = append(rows, []string{v.Name, v.Version})
	}
	writeTable(b, []string{"", ""}, rows)
	b.WriteString("The server, the load that reads all of it, and everything else share these cores. " +
		"CPU is the server's own, as the kernel accounts it, the publishing included where nothing else is said.\n\n")
	for _, list := range [][]string{r.Trouble, r.Remarks} {
		for _, line := range list {
			line, _, _ = strings.Cut(line, "\n")
			fmt.Fprintf(b, "- Not measured: %s\n", line)
		}
		if len(list) > 0 {
			b.WriteString("\n")
		}
	}
}

func (r *report) writeGoals(b *bytes.Buffer) {
	missed := 0
	var rows [][]string
	for _, g := range r.shownGoals() {
		if !g.Reached {
			missed++
		}
		reached := measure.Yes(g.Reached)
		if !g.Reached {
			reached = "**no**"
		}
		rows = append(rows, []string{g.Scenario, titleOf(g.Server), g.What, measure.Format(g.Value, g.Unit), g.target(), reached, measure.Numbers(g.Rounds)})
	}
	fmt.Fprintf(b, "## Targets\n\n%d of %d reached.\n\n", len(rows)-missed, len(rows))
	writeTable(b, []string{"scenario", "server", "what", "figure", "target", "reached", "rounds"}, rows)
}

// writeScenario writes a table of the scenario: a row for each server, a column
// for each thing that was measured.
func (r *report) writeScenario(b *bytes.Buffer, sc *scenario) {
	var rows, columns []string
	cells := make(map[[2]string]string)
	for _, f := range r.Figures {
		if f.Scenario != sc.name {
			continue
		}
		column := f.What
		if f.Unit != "" {
			column += ", " + f.Unit
		}
		if !slices.Contains(rows, f.Server) {
			rows = append(rows, f.Server)
		}
		if !slices.Contains(columns, column) {
			columns = append(columns, column)
		}
		cells[[2]string{f.Server, column}] = measure.Number(f.Value)
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "## %s: `%s`\n\n%s\n\n", sc.title, sc.name, sc.about(r.sizes))
	var table [][]string
	for _, row := range rows {
		line := []string{titleOf(row)}
		for _, column := range columns {
			line = append(line, cells[[2]string{row, column}])
		}
		table = append(table, line)
	}
	writeTable(b, append([]string{""}, columns...), table)
}

func (r *report) writeServers(b *bytes.Buffer) {
	b.WriteString("## The servers\n\n")
	for _, s := range servers {
		fmt.Fprintf(b, "- **%s**: %s.\n", s.title, s.about)
	}
	b.WriteString("\nWhere a row counts lost, doubled or reordered deliveries, that is over all subscribers and from the first item on, in the worst round. " +
		"For the floor and the peers it is told, for feedd it is a missed target.\n\n")
}

func (r *report) writeRounds(b *bytes.Buffer) {
	b.WriteString("## Single rounds\n\n")
	var rows [][]string
	for _, f := range r.Figures {
		if _, fault := faultOf(f); fault && f.Value == 0 {
			continue
		}
		what := f.What
		if f.Unit != "" {
			what += ", " + f.Unit
		}
		rows = append(rows, []string{f.Scenario, titleOf(f.Server), what, measure.Numbers(f.Rounds)})
	}
	writeTable(b, []string{"scenario", "server", "what", "rounds"}, rows)
}

// writeTable writes a table; numbers are set to the right.
func writeTable(b *bytes.Buffer, head []string, rows [][]string) {
	line := func(cells []string) {
		b.WriteString("|")
		for _, c := range cells {
			b.WriteString(" " + strings.ReplaceAll(c, "|", "\\|") + " |")
		}
		b.WriteString("\n")
	}
	line(head)
	b.WriteString("|")
	for i := range head {
		if right(rows, i) {
			b.WriteString("---:|")
		} else {
			b.WriteString("---|")
		}
	}
	b.WriteString("\n")
	for _, row := range rows {
		line(row)
	}
	b.WriteString("\n")
}

// right reports whether a column is all numbers.
func right(rows [][]string, column int) bool {
	some := false
	for _, row := range rows {
		if text := row[column]; text != "" {
			some = true
			if strings.Trim(text, "0123456789.,-+e") != "" {
				return false
			}
		}
	}
	return some
}

package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"

	"feedd/bench/measure"
)

// The picture is one SVG with a panel for each figure, each with its own axis.
// It brings its own background, so it can be read wherever it is shown, and
// changes its colours with those of the reader's system.

const (
	pictureWidth = 860
	labelWidth   = 150 // for the names of the servers
	valueWidth   = 90  // for the number behind a bar
	barHeight    = 16
	rowHeight    = 24
	panelHead    = 46
	panelFoot    = 50
	margin       = 20
	plotWidth    = pictureWidth - 2*margin - labelWidth - valueWidth
)

const style = `
  .ground { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, sans-serif }
  .title { font-weight: 600; font-size: 15px } .small { fill: #57606a; font-size: 12px }
  .grid { stroke: #d0d7de; stroke-width: 1 } .a { fill: #0969da } .b { fill: #bf5700 } .c { fill: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .small { fill: #9198a1 }
    .grid { stroke: #30363d } .a { fill: #4493f8 } .b { fill: #f0883e } .c { fill: #3fb950 }
  }
`

// panel is one figure of every server.
type panel struct {
	title, unit string
	log         bool // the axis is logarithmic, and the values are dots
	rows        []row
}

// row is a server's bar: its parts, one behind the other.
type row struct {
	name  string
	parts []part
}

type part struct {
	class string // its colour
	name  string // in the legend; "" for none
	value float64
}

func (r *row) sum() (x float64) {
	for _, p := range r.parts {
		x += p.value
	}
	return x
}

// panelsOf makes the panels of what was measured.
func panelsOf(b *board) []panel {
	cpu := panel{title: "CPU a delivery: 10,000 subscribers, 10 items/s", unit: "us of CPU"}
	latency := panel{title: "p99 of the latency: 10,000 subscribers, 10 items/s", unit: "ms, logarithmic", log: true}
	memory := panel{title: "Resident memory a subscriber that waits", unit: "KiB"}
	rate := panel{title: "Deliveries a second: 1,000 subscribers, 1,000 items/s offered", unit: "deliveries/s"}
	for _, s := range servers {
		user, ok1 := b.value("fanout-10k", s.name, userCPU)
		system, ok2 := b.value("fanout-10k", s.name, systemCPU)
		if ok1 && ok2 {
			cpu.rows = append(cpu.rows, row{s.title, []part{{"a", "user", user}, {"b", "system", system}}})
		}
		latency.add(b, s, "fanout-10k", p99)
		memory.add(b, s, "idle-memory", residentEach)
		rate.add(b, s, "throughput", deliveries)
	}
	return []panel{cpu, latency, memory, rate}
}

func (p *panel) add(b *board, s server, scenario string, m metric) {
	if x, ok := b.value(scenario, s.name, m); ok {
		p.rows = append(p.rows, row{s.title, []part{{class: "c", value: x}}})
	}
}

// drawPicture draws the panels that have something in them.
func drawPicture(r *report) []byte {
	d := &drawing{}
	y := margin
	for _, p := range panelsOf(&board{r.Figures}) {
		if len(p.rows) > 0 {
			y = d.panel(&p, y)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">`+"\n", pictureWidth, y)
	fmt.Fprintf(&b, "<title>feedd beside its peers, %s</title>\n<style>%s</style>\n", escape(r.Date), style)
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%d"/>`+"\n", pictureWidth, y)
	b.Write(d.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// drawing is the elements that were drawn.
type drawing struct{ bytes.Buffer }

func (d *drawing) text(x, y float64, class, anchor, text string) {
	fmt.Fprintf(d, `<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`+"\n", class, anchor, x, y, escape(text))
}

func (d *drawing) rect(class string, x, y, width, height float64) {
	fmt.Fprintf(d, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`+"\n", class, x, y, width, height)
}

func (d *drawing) line(x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", x1, y1, x2, y2)
}

func escape(text string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(text))
	return b.String()
}

// panel draws a panel at y and returns where the next one begins.
func (d *drawing) panel(p *panel, y int) int {
	d.text(margin, float64(y+16), "title", "start", p.title)
	d.legend(p, float64(y+12))
	top := float64(y + panelHead - 14)
	bottom := top + float64(len(p.rows)*rowHeight)
	left := float64(margin + labelWidth)
	a := p.axis()
	for _, mark := range a.marks {
		x := left + a.place(mark)
		d.line(x, top, x, bottom)
		d.text(x, bottom+15, "small", "middle", measure.Number(mark))
	}
	d.text(left+plotWidth/2, bottom+32, "small", "middle", p.unit)
	for i, r := range p.rows {
		middle := top + (float64(i)+0.5)*rowHeight
		d.text(left-8, middle+4.5, "name", "end", r.name)
		end := left + a.place(r.sum())
		if p.log {
			d.line(left, middle, end, middle)
		}
		d.bar(p, &r, a, left, middle)
		d.text(end+8, middle+4.5, "small", "start", measure.Number(r.sum()))
	}
	return y + panelHead + len(p.rows)*rowHeight + panelFoot - 14
}

func (d *drawing) bar(p *panel, r *row, a *axis, left, middle float64) {
	if p.log {
		fmt.Fprintf(d, `<circle class="%s" cx="%.1f" cy="%.1f" r="6"/>`+"\n", r.parts[0].class, left+a.place(r.sum()), middle)
		return
	}
	sum := 0.0
	for _, part := range r.parts {
		from := a.place(sum)
		sum += part.value
		d.rect(part.class, left+from, middle-barHeight/2, max(0, a.place(sum)-from), barHeight)
	}
}

// legend names the parts of the bars, at the right.
func (d *drawing) legend(p *panel, y float64) {
	x := float64(pictureWidth - margin)
	parts := p.rows[0].parts
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i].name == "" {
			continue
		}
		d.text(x, y+4, "small", "end", parts[i].name)
		x -= 8 + 7*float64(len(parts[i].name))
		d.rect(parts[i].class, x-10, y-6, 12, 12)
		x -= 24
	}
}

// axis places values.
type axis struct {
	log      bool
	from, to float64
	marks    []float64
}

// axis returns one that holds all values, and has round marks.
func (p *panel) axis() *axis {
	least, most := math.Inf(1), 0.0
	for _, r := range p.rows {
		if x := r.sum(); x > 0 {
			least, most = min(least, x), max(most, x)
		}
	}
	if most == 0 {
		least, most = 1, 1
	}
	if p.log {
		return logAxis(least, most)
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, share := range []float64{0.2, 0.5, 1, 2} {
		if most/(step*share) <= 6 {
			step *= share
			break
		}
	}
	a := &axis{to: step * math.Ceil(most/step)}
	for i := 0.0; i*step <= a.to*1.001; i++ {
		a.marks = append(a.marks, i*step)
	}
	return a
}

// logAxis goes from one power of ten to another.
func logAxis(least, most float64) *axis {
	a := &axis{log: true, from: math.Pow(10, math.Floor(math.Log10(least))), to: math.Pow(10, math.Ceil(math.Log10(most)))}
	if a.to <= a.from {
		a.to = 10 * a.from
	}
	for x := a.from; x <= a.to*1.001; x *= 10 {
		a.marks = append(a.marks, x)
	}
	return a
}

// place returns how far from the left a value stands. What is below the axis
// stands at its beginning.
func (a *axis) place(x float64) float64 {
	if !a.log {
		return plotWidth * max(0, x) / a.to
	}
	if x <= a.from {
		return 0
	}
	return plotWidth * math.Log(x/a.from) / math.Log(a.to/a.from)
}

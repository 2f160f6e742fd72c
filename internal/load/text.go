package load

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// WriteText writes the report for a reader at a terminal of 80 columns or more.
func (r *Report) WriteText(w io.Writer) error {
	t := &text{}
	r.writeHead(t)
	r.writePublish(t)
	r.writeDeliveries(t)
	r.writeCosts(t)
	if r.Latency != nil {
		t.bars(r.Latency.Bars)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// text collects lines of a name and what is said of it.
type text struct{ strings.Builder }

func (t *text) line(name, format string, args ...any) {
	fmt.Fprintf(t, "%-12s", name)
	fmt.Fprintf(t, format, args...)
	t.WriteByte('\n')
}

func (r *Report) writeHead(t *text) {
	rate := "unthrottled"
	if r.Rate > 0 {
		rate = fmt.Sprintf("%s items/s", short(r.Rate))
	}
	what := fmt.Sprintf("%s of %s bytes", rate, count(r.Size))
	if r.Batch > 1 {
		what += fmt.Sprintf(", %s a publish", count(r.Batch))
	}
	if r.Publish == nil {
		what = "items published elsewhere"
	}
	if r.Feeds > 1 {
		what += fmt.Sprintf(", %s feeds", count(r.Feeds))
	}
	end := ""
	if r.Interrupted {
		end = ", interrupted"
	}
	name := r.Feed
	switch {
	case r.Pattern != "":
		name = r.Pattern
	case r.Feeds > 1:
		name += ".*"
	}
	t.line("target", "%s (%s)", strings.ReplaceAll(r.URL, placeholder, name), r.Format)
	t.line("load", "%s subscribers, %s, %.1f s%s", count(r.Subscribers), what, r.Seconds, end)
	c := &r.Connect
	if r.Subscribers > 0 {
		t.line("connected", "%s in %.2f s; each in %s", count(c.Connected), c.Seconds, c.Took)
	}
	if c.Error != "" {
		t.line("", "%s missing; the first failure: %s", count(c.Missing), c.Error)
	}
}

func (r *Report) writePublish(t *text) {
	p := r.Publish
	if p == nil {
		return
	}
	t.line("published", "%s items, %s/s; answered in %s", count(p.Items), short(p.PerSecond), p.Took)
	if r.Rate > 0 {
		t.line("", "behind schedule by %s", p.Behind)
	}
	if p.Unsent > 0 {
		t.line("", "%s items had no turn: the publishers were all waiting for answers", count(p.Unsent))
	}
	whys := make([]string, 0, len(p.Failures))
	for why := range p.Failures {
		whys = append(whys, why)
	}
	slices.Sort(whys)
	for _, why := range whys {
		t.line("", "%s failed: %s", count(p.Failures[why]), why)
	}
}

func (r *Report) writeDeliveries(t *text) {
	d := &r.Deliveries
	if r.Subscribers == 0 {
		return
	}
	t.line("delivered", "%s, %s/s, %s/s", count(d.Count), short(d.PerSecond), bytesText(d.BytesPerSecond))
	if d.Checked {
		t.line("", "lost %s, doubled %s, out of order %s", count(d.Lost), count(d.Twice), count(d.Late))
	} else {
		t.line("", "not checked: the items have no numbers")
	}
	if d.OtherOrder > 0 {
		t.line("", "%s subscribers saw another order than the others", count(d.OtherOrder))
	}
	if d.Gaps > 0 || d.Cuts > 0 {
		t.line("", "%s gap notices, %s connections ended by the server and resumed", count(d.Gaps), count(d.Cuts))
	}
	if d.Foreign > 0 && r.Publish != nil {
		t.line("", "%s events were not of this run", count(d.Foreign))
	}
	if l := r.Latency; l != nil {
		t.line("latency", "%s, mean %s", l.Spread, millisText(l.Mean))
		if l.Last != nil {
			t.line("", "the last had each item after %s", l.Last)
		}
	}
	if s := r.Storm; s != nil {
		t.line("storm", "%s dropped, %s recovered; each in %s", count(s.Dropped), count(s.Recovered), s.Took)
		if s.Calm != nil {
			t.line("", "meanwhile %s that stayed: latency %s", count(s.Stayed), s.Calm)
		}
	}
	if s := r.Stalled; s != nil {
		t.line("stalled", "%s never read; the server cut %s", count(s.Subscribers), count(s.Cut))
	}
}

func (r *Report) writeCosts(t *text) {
	if r.Deliveries.Count > 0 {
		if s := r.Server; s != nil {
			t.line("server CPU", "%s", s.CPU)
		}
		t.line("own CPU", "%s", r.Generator)
	}
	if s := r.Server; s != nil {
		t.line("server RSS", "%s a subscriber; %s, connected %s, at the end %s", bytesText(s.PerSubscriber),
			bytesText(float64(s.Before)), bytesText(float64(s.After)), bytesText(float64(s.End)))
	}
}

// barWidth is that of the longest bar, in columns.
const barWidth = 40

func (t *text) bars(bars []Bar) {
	var sum, most uint64
	for _, b := range bars {
		sum += b.Count
		most = max(most, b.Count)
	}
	for _, b := range bars {
		n := int((b.Count*barWidth + most - 1) / most)
		line := fmt.Sprintf("%9s to %-8s %s%s %5.1f%%", millisText(b.From), millisText(b.To),
			strings.Repeat("#", n), strings.Repeat(" ", barWidth-n), 100*float64(b.Count)/float64(sum))
		t.line("", "%s", line)
	}
}

// String prints the spread on one line.
func (s Spread) String() string {
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, max %s", millisText(s.P50), millisText(s.P90), millisText(s.P99), millisText(s.Max))
}

// String prints the times on one line.
func (c CPU) String() string {
	return fmt.Sprintf("%.2f us a delivery (user %.2f, system %.2f)", c.Total(), c.User, c.System)
}

// millisText prints milliseconds with three digits that matter.
func millisText(ms float64) string {
	switch {
	case ms == 0:
		return "0"
	case ms < 0.9995:
		return short(ms*1000) + " us"
	case ms < 999.5:
		return short(ms) + " ms"
	}
	return short(ms/1000) + " s"
}

func bytesText(n float64) string {
	const units = "KMGT"
	if n > -1024 && n < 1024 {
		return short(n) + " B"
	}
	unit := -1
	for (n >= 1024 || n <= -1024) && unit < len(units)-1 {
		n /= 1024
		unit++
	}
	return short(n) + " " + units[unit:unit+1] + "iB"
}

// short prints a number with three digits that matter, and groups of three.
func short(v float64) string {
	switch a := max(v, -v); {
	case a >= 100:
		return count(int64(v + 0.5))
	case a >= 10:
		return trimZeros(strconv.FormatFloat(v, 'f', 1, 64))
	}
	return trimZeros(strconv.FormatFloat(v, 'f', 2, 64))
}

func trimZeros(s string) string { return strings.TrimRight(strings.TrimRight(s, "0"), ".") }

// count prints a number in groups of three digits: 10,000.
func count[N int | int64 | uint64](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

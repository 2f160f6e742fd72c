package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"feedd/internal/load"
)

// loadLine shows the progress of a bench on one line of a terminal, which it
// rewrites. Without a terminal it shows nothing.
type loadLine struct {
	out   io.Writer // nil: no terminal
	drawn bool
	// rate is taken over the time from one look to the next.
	looked     time.Time
	deliveries uint64
	rate       float64
}

func newLoadLine(stderr io.Writer) *loadLine {
	if !isTerminal(stderr) {
		return &loadLine{}
	}
	return &loadLine{out: stderr}
}

func (l *loadLine) show(p load.Progress) {
	if l.out == nil {
		return
	}
	now := time.Now()
	// Twice a second: over less time the rate would jump, and could not be read.
	if d := now.Sub(l.looked); d >= 500*time.Millisecond {
		if !l.looked.IsZero() {
			l.rate = float64(p.Deliveries-l.deliveries) / d.Seconds()
		}
		l.looked, l.deliveries = now, p.Deliveries
	}
	fmt.Fprintf(l.out, "\r\x1b[K%s", progressText(p, l.rate))
	l.drawn = true
}

// clear takes the line off the terminal.
func (l *loadLine) clear() {
	if l.drawn {
		fmt.Fprint(l.out, "\r\x1b[K")
	}
}

// progressText returns the line, which fits into 80 columns.
func progressText(p load.Progress, rate float64) string {
	var b strings.Builder
	if p.Length > 0 {
		const width = 10 // columns: a tenth of the phase each
		done := min(width, int(width*p.Elapsed/p.Length))
		fmt.Fprintf(&b, "[%s%s] ", strings.Repeat("#", done), strings.Repeat(".", width-done))
	}
	fmt.Fprintf(&b, "%s: %d of %d connected", p.Phase, p.Connected, p.Subscribers)
	if p.Published > 0 || p.Deliveries > 0 {
		fmt.Fprintf(&b, ", %d items, %.0f deliveries/s", p.Published, rate)
	}
	return b.String()
}

package main

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// losses counts the lines that were not published as they are. It tells of the
// first ten, and then of one each 10 s, because a log may be full of them.
type losses struct {
	leftOut, replaced int

	tell   func(note string)
	seldom *rate.Sometimes
	untold int // lines after the last note
}

func newLosses(tell func(note string)) losses {
	return losses{tell: tell, seldom: &rate.Sometimes{First: 10, Interval: 10 * time.Second}}
}

// leaveOut counts a line that cannot be published.
func (l *losses) leaveOut(line int, why error) {
	l.leftOut++
	l.note(fmt.Sprintf("line %d is left out: %v", line, why))
}

// replace counts a line in which something was replaced.
func (l *losses) replace(line int) {
	l.replaced++
	l.note(fmt.Sprintf("line %d is not UTF-8; what is not stands as U+FFFD", line))
}

func (l *losses) note(text string) {
	told := false
	l.seldom.Do(func() {
		if told = true; l.untold > 0 {
			text += fmt.Sprintf(" (and %d more before it)", l.untold)
		}
		l.untold = 0
		l.tell(text)
	})
	if !told {
		l.untold++
	}
}

// after returns what to say at the end behind sep, "" if nothing was lost.
func (l *losses) after(sep string) (text string) {
	if l.leftOut > 0 {
		text = sep + linesWere(l.leftOut) + " left out"
		sep = ", "
	}
	if l.replaced > 0 {
		text += sep + linesWere(l.replaced) + " changed, because of bytes that are not UTF-8"
	}
	return text
}

func linesWere(n int) string {
	if n == 1 {
		return "1 line was"
	}
	return fmt.Sprintf("%d lines were", n)
}

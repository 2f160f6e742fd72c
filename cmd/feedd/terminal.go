package main

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
)

// isTerminal reports whether a command's input or output is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// tame makes published text fit for a terminal: control characters, which could
// move the cursor or change the title, become visible.
func tame(s string) string {
	if !strings.ContainsFunc(s, isWild) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isWild(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isWild(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// seconds prints a duration for a human: 0.3 s, 12 s.
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

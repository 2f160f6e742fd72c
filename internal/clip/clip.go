// Package clip makes text from clients and other servers fit to be logged.
package clip

import (
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// Most is how many characters of a foreign text a line of the logger has:
	// enough to recognise the text.
	Most = 100
	// mostOfLine is how many characters any one text in the log has. Texts of
	// feedd's own are shorter; it bounds foreign texts within errors that no call
	// of Text has clipped.
	mostOfLine = 2000
)

// Text returns the first Most characters of s, with an ellipsis if there are
// more. Characters that are not printable are escaped as in Go (\n, \x1b, \u202e),
// so that the text can neither begin a line nor control a terminal.
func Text(s string) string { return text(s, Most, unicode.IsPrint) }

// Attr does the same, with a higher bound, for each text of a log record. It is for
// slog.HandlerOptions.ReplaceAttr. A stack stays as it is, because it has no foreign text.
// Line ends stay too: the handlers escape them.
func Attr(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "stack" {
		return a
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(text(a.Value.String(), mostOfLine, harmless))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(text(err.Error(), mostOfLine, harmless))
		}
	}
	return a
}

func harmless(r rune) bool { return r == '\n' || r == '\t' || unicode.IsPrint(r) }

func text(s string, most int, keep func(rune) bool) string {
	n, at, clean := 0, len(s), true
	for i, r := range s {
		if n == most {
			at = i
			break
		}
		n++
		clean = clean && keep(r) && r != utf8.RuneError
	}
	if clean && at == len(s) {
		return s
	}
	var b strings.Builder
	for head := s[:at]; len(head) > 0; {
		r, size := utf8.DecodeRuneInString(head)
		if keep(r) && (r != utf8.RuneError || size > 1) {
			b.WriteString(head[:size])
		} else {
			quoted := strconv.Quote(head[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		head = head[size:]
	}
	if at < len(s) {
		b.WriteString("…")
	}
	return b.String()
}

package clip_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"feedd/internal/clip"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"short text is itself", "päivää 日本 \"x\" \\", "päivää 日本 \"x\" \\"},
		{"as many characters as may be", strings.Repeat("é", clip.Most), strings.Repeat("é", clip.Most)},
		{"one more", strings.Repeat("é", clip.Most+1), strings.Repeat("é", clip.Most) + "…"},
		{"control characters, C1 and the direction", "a\n\x1b[31m\u009b\u202e\x7f", `a\n\x1b[31m\u009b\u202e\x7f`},
		{"what is no UTF-8", "a\xffb\uFFFD", `a\xffb` + "\uFFFD"},
		{"nothing", "", ""},
	} {
		if got := clip.Text(c.in); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if got := clip.Text(strings.Repeat("\x9b", 1<<20)); utf8.RuneCountInString(got) > 4*clip.Most+1 {
		t.Errorf("a megabyte that is no text becomes %d characters", len(got))
	}
}

// No record can be long, whatever is forgotten where it is made, and none speaks
// to a terminal.
func TestAttr(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, handler := range map[string]func(*bytes.Buffer, *slog.HandlerOptions) slog.Handler{
		"text": func(b *bytes.Buffer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(b, o) },
		"json": func(b *bytes.Buffer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(b, o) },
	} {
		var out bytes.Buffer
		log := slog.New(handler(&out, &slog.HandlerOptions{ReplaceAttr: clip.Attr}))
		log.Warn("m"+long, "a", long, "err", errors.New("e"+long), slog.Group("g", "b", long), "stack", "s\n"+long[:5000], "n", 7)
		if n := out.Len(); n < 5000 || n > 4*2100+5100+500 {
			t.Errorf("%s: the line has %d bytes", name, n)
		}
		out.Reset()
		log.Warn("\u009bm", "a", "\u009b31m\x1b[2J\u202e", "err", errors.New("one\ntwo\u009b"))
		line := strings.TrimSuffix(out.String(), "\n")
		if strings.ContainsAny(line, "\u009b\x1b\u202e\n") || !strings.Contains(line, `one\ntwo`) {
			t.Errorf("%s: the line is %q", name, line)
		}
	}
}

package selector_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"feedd/internal/selector"
)

func TestSelectorMatches(t *testing.T) {
	for _, tt := range []struct {
		selector string
		has      []string
		hasNot   []string
	}{
		{"a", []string{"a"}, []string{"b", "a.b", "A"}},
		{"a,b.c", []string{"a", "b.c"}, []string{"b", "c"}},
		{"*", []string{"a", "b"}, []string{"a.b", "_stats"}},
		{"a.*", []string{"a.b"}, []string{"a", "a.b.c", "b.a"}},
		{"*.b", []string{"a.b", "c.b"}, []string{"a.c", "b"}},
		{"a.**", []string{"a.b", "a.b.c"}, []string{"a", "b.a"}},
		{"**", []string{"a", "a.b.c"}, []string{"_stats", "_a.b"}},
		{"*.**", []string{"a.b", "a.b.c"}, []string{"a"}},
		{"_stats", []string{"_stats"}, []string{"_other"}},
		{"a,a.*,a", []string{"a", "a.b"}, []string{"b"}},
	} {
		sel, err := selector.Parse(tt.selector, 10)
		if err != nil {
			t.Errorf("%s: %v", tt.selector, err)
		}
		for _, name := range tt.has {
			if !sel.Has(name) {
				t.Errorf("%s does not match %s", tt.selector, name)
			}
		}
		for _, name := range tt.hasNot {
			if sel.Has(name) {
				t.Errorf("%s matches %s", tt.selector, name)
			}
		}
	}
}

func TestSelectorRefused(t *testing.T) {
	for _, s := range []string{
		"", ",", "a,", "a..b", ".a", "a.", "a b", "a/b", "ä", "a\x00", "**.a", "a.**.b", "a*", "*a", "a.***", "a.*b",
		strings.Repeat("a", 129), "*." + strings.Repeat("a", 129), "a,b,c,d,e,f",
	} {
		if sel, err := selector.Parse(s, 5); err == nil {
			t.Errorf("%q was parsed as %v", s, sel.Terms())
		}
	}
}

// allNames are all names of up to four tokens of an alphabet of two: enough to
// tell any two short patterns apart.
func allNames() (names []string) {
	last := []string{"a", "b"}
	for range 4 {
		names = append(names, last...)
		var next []string
		for _, n := range last {
			next = append(next, n+".a", n+".b")
		}
		last = next
	}
	return names
}

// Meets and Covers are what matching every name says.
func TestSelectorMeetsAndCovers(t *testing.T) {
	names := allNames()
	term := rapid.Custom(func(t *rapid.T) string {
		tokens := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*"}), 0, 3).Draw(t, "tokens")
		if len(tokens) == 0 || rapid.Bool().Draw(t, "open") {
			tokens = append(tokens, "**")
		}
		return strings.Join(tokens, ".")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, err := selector.Parse(term.Draw(t, "a"), 1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := selector.Parse(term.Draw(t, "b"), 1)
		if err != nil {
			t.Fatal(err)
		}
		meets := slices.ContainsFunc(names, func(n string) bool { return a.Has(n) && b.Has(n) })
		if a.Meets(b) != meets {
			t.Errorf("%s meets %s: %v, want %v", a, b, !meets, meets)
		}
		if a.Covers(b) && slices.ContainsFunc(names, func(n string) bool { return b.Has(n) && !a.Has(n) }) {
			t.Errorf("%s does not cover %s", a, b)
		}
		if !a.Covers(a) {
			t.Errorf("%s does not cover itself", a)
		}
	})
}

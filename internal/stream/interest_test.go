package stream

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"feedd/internal/selector"
)

// All listeners that select a feed are found, and no others, whatever comes and
// goes.
func TestInterest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := newInterest()
		var waiters []*Listener
		remove := func(w *Listener) {
			w.Close()
			in.dropped = append(in.dropped, w.target)
			in.dropAll()
		}
		token := rapid.SampledFrom([]string{"a", "b", "a-b", "*"})
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if len(waiters) > 0 && rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
				i := rapid.IntRange(0, len(waiters)-1).Draw(t, "which")
				remove(waiters[i])
				waiters = append(waiters[:i], waiters[i+1:]...)
				continue
			}
			var terms []string
			for range rapid.IntRange(1, 3).Draw(t, "terms") {
				term := strings.Join(rapid.SliceOfN(token, 1, 4).Draw(t, "tokens"), ".")
				if rapid.Bool().Draw(t, "open") {
					term += ".**"
				}
				terms = append(terms, term)
			}
			if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
				terms = append(terms, "**")
			}
			sel, err := selector.Parse(strings.Join(terms, ","), 9)
			if err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 3).Draw(t, "restricted") == 0 {
				sel = sel.Allowing("those with a", func(feed string) bool { return strings.HasPrefix(feed, "a") })
			}
			waiters = append(waiters, in.hold(sel).Listen(nil))
		}
		for _, feed := range []string{"a", "b", "a.a", "a.b", "b.a.b", "a.b.a.b", "b.b.b.b.b", "a-b", "a-b.a", "b.a-b.b", "_a", "_a.b", "c"} {
			found := make(map[*Listener]struct{})
			in.each(feed, func(w *Listener) { found[w] = struct{}{} })
			for _, w := range waiters {
				if _, is := found[w]; is != w.target.sel.Has(feed) {
					t.Errorf("%s: %s is found %v", feed, w.target.sel, is)
				}
				delete(found, w)
			}
			if len(found) > 0 {
				t.Errorf("%s: %d that have left are found", feed, len(found))
			}
		}
		for _, w := range waiters {
			remove(w)
		}
		if in.terms.Load().Len()+len(in.targets) > 0 {
			t.Errorf("something is left: %+v", in)
		}
	})
}

package selector_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"feedd/internal/ordered"
	"feedd/internal/selector"
)

func sel(t interface{ Fatal(...any) }, text string) selector.Selection {
	s, err := selector.Parse(text, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func feedMap(names ...string) ordered.Map[string, string] {
	e := ordered.Map[string, string]{}.Edit()
	for _, name := range names {
		e.Set(name, name)
	}
	return e.Done()
}

// plainly is what a selector says, read as its documentation has it.
func plainly(selector, feed string) bool {
	return slices.ContainsFunc(strings.Split(selector, ","), func(term string) bool {
		want, got := strings.Split(term, "."), strings.Split(feed, ".")
		switch {
		case !strings.Contains(term, "*"):
			return term == feed
		case strings.HasPrefix(feed, "_"):
			return false
		case want[len(want)-1] == "**":
			want = want[:len(want)-1]
			if len(got) <= len(want) {
				return false
			}
			got = got[:len(want)]
		}
		return slices.EqualFunc(want, got, func(w, g string) bool { return w == "*" || w == g })
	})
}

// A selection has, and finds among all feeds, what its terms say: each once.
func TestResolve(t *testing.T) {
	token := rapid.SampledFrom([]string{"a", "b", "a-b", "-", "_", "A1"})
	name := rapid.Map(rapid.SliceOfN(token, 1, 4), func(list []string) string { return strings.Join(list, ".") })
	term := rapid.Map(rapid.SliceOfN(rapid.OneOf(token, rapid.Just("*"), rapid.Just("*"), rapid.Just("**")), 1, 4), func(list []string) string {
		if i := slices.Index(list, "**"); i >= 0 {
			list = list[:i+1]
		}
		return strings.Join(list, ".")
	})
	rapid.Check(t, func(t *rapid.T) {
		names := slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(name, 0, 60).Draw(t, "names"))))
		text := strings.Join(rapid.SliceOfN(term, 1, 12).Draw(t, "terms"), ",")
		s := sel(t, text)
		allowed := func(string) bool { return true }
		if rapid.IntRange(0, 3).Draw(t, "restricted") == 0 {
			allowed = func(feed string) bool { return strings.Contains(feed, "a") }
			s = s.Allowing("some", allowed)
		}
		var want, got []string
		for _, name := range names {
			if plainly(text, name) && allowed(name) {
				want = append(want, name)
			}
			if s.Has(name) != (plainly(text, name) && allowed(name)) {
				t.Errorf("%s has %s: %v", text, name, s.Has(name))
			}
		}
		selector.Resolve(s, feedMap(names...), func(name string) bool {
			got = append(got, name)
			return true
		})
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s among %v (-want +got):\n%s", text, names, diff)
		}
		if len(want) > 0 {
			n := 0
			selector.Resolve(s, feedMap(names...), func(string) bool { n++; return false })
			if n != 1 {
				t.Errorf("%d were told after the first, which was enough", n-1)
			}
		}
	})
}

// P5: what a selection visits among all feeds is what may match, however many
// feeds and patterns there are.
func TestP5_resolving_visits_what_may_match(t *testing.T) {
	const first, second = 300, 30
	var names []string
	for i := range first {
		for j := range second {
			names = append(names, fmt.Sprintf("f%d.t%d.x", i, j))
		}
	}
	feeds := feedMap(names...)
	var many []string
	for i := range 256 {
		many = append(many, fmt.Sprintf("*.z%d.y", i))
	}
	deep := "*" + strings.Repeat(".*", 60) + ".a"
	for _, tt := range []struct {
		selector string
		most     int
	}{
		{"f7.**", 2*second + 2},
		{"f7.t3.x", 1},
		{"*.t3.x", 6 * first},
		{"f7.*.x", 5 * second},
		{"nothing.**,not.here.*,at.*.all", 10},
		{strings.Join(many, ","), 6 * first},
		{deep, 3 * first * second},
		{"**", first*second + 2},
		{"**," + strings.Join(many, ","), first*second + 2},
	} {
		if n := selector.ResolveSteps(sel(t, tt.selector), feeds); n > tt.most {
			t.Errorf("%.40s visits %d of %d feeds, more than %d", tt.selector, n, feeds.Len(), tt.most)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one thing that is measured. Its value is the median of its rounds.
type figure struct {
	What   string    `json:"what"`
	Unit   string    `json:"unit"`
	Value  float64   `json:"figure"`
	Rounds []float64 `json:"rounds"`
	Target *target   `json:"target,omitempty"` // nil: only reported
}

// target is what a figure should be: at least or at most something.
type target struct {
	Least   float64 `json:"least,omitempty"`
	Most    float64 `json:"most,omitempty"`
	Reached bool    `json:"reached"`
}

func least(x float64) *target { return &target{Least: x} }
func most(x float64) *target  { return &target{Most: x} }

// report is the outcome of a run.
type report struct {
	Dir     string    `json:"dir"`
	System  string    `json:"system"`
	Go      string    `json:"go"`
	CPUs    int       `json:"cpus"`
	Others  float64   `json:"others"` // CPUs that other programs kept busy meanwhile
	Seconds float64   `json:"seconds"`
	Figures []*figure `json:"figures"`

	begin usage
}

// start notes where and when the run takes place.
func (r *report) start(dir string) {
	r.Dir, r.System, r.Go, r.CPUs = dir, runtime.GOOS+"/"+runtime.GOARCH, runtime.Version(), runtime.NumCPU()
	r.begin = cpuUsage()
}

// finish is called when all servers have ended.
func (r *report) finish() {
	r.Others, r.Seconds = othersSince(r.begin), time.Since(r.begin.at).Seconds()
}

// add makes a figure. Rounds are added to it as they come.
func (r *report) add(what, unit string, t *target) *figure {
	f := &figure{What: what, Unit: unit, Target: t}
	r.Figures = append(r.Figures, f)
	return f
}

// round adds one measurement.
func (f *figure) round(x float64) {
	f.Rounds = append(f.Rounds, x)
	f.Value = median(f.Rounds)
	if t := f.Target; t != nil {
		t.Reached = (t.Least == 0 || f.Value >= t.Least) && (t.Most == 0 || f.Value <= t.Most)
	}
	note("%s: %s", f.What, format(x, f.Unit))
}

// reached reports whether no target was missed.
func (r *report) reached() bool {
	return !slices.ContainsFunc(r.Figures, func(f *figure) bool { return f.Target != nil && !f.Target.Reached })
}

func (r *report) printJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s, %s, files in %s, %.0f s; of %d CPUs other programs used %.2f\n\n",
		r.Go, r.System, r.Dir, r.Seconds, r.CPUs, r.Others)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tfigure\ttarget\treached\trounds")
	for _, f := range r.Figures {
		goal, reached := "", ""
		if f.Target != nil {
			goal, reached = f.Target.String(), "no"
			if f.Target.Reached {
				reached = "yes"
			}
		}
		rounds := make([]string, len(f.Rounds))
		for i, x := range f.Rounds {
			rounds[i] = number(x)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", f.What, format(f.Value, f.Unit), goal, reached, strings.Join(rounds, " "))
	}
	return t.Flush()
}

func (t *target) String() string {
	if t.Least > 0 {
		return ">= " + number(t.Least)
	}
	return "<= " + number(t.Most)
}

func format(x float64, unit string) string { return strings.TrimSpace(number(x) + " " + unit) }

// number prints three digits or more, with thousands set off.
func number(x float64) string {
	switch {
	case x < 10:
		return fmt.Sprintf("%.3g", x)
	case x < 100:
		return fmt.Sprintf("%.1f", x)
	}
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// median returns the middle of the values, the lower one of two.
func median[T int | float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		var zero T
		return zero
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}

package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"feedd/bench/measure"
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
	Stolen  float64   `json:"stolen"` // CPUs that the machine below gave to others
	Seconds float64   `json:"seconds"`
	Figures []*figure `json:"figures"`

	begin measure.Usage
}

// start notes where and when the run takes place.
func (r *report) start(dir string) {
	r.Dir, r.System, r.Go, r.CPUs = dir, runtime.GOOS+"/"+runtime.GOARCH, runtime.Version(), runtime.NumCPU()
	r.begin = measure.UsageNow()
}

// finish is called when all servers have ended.
func (r *report) finish() {
	r.Others, r.Stolen = r.begin.Since()
	r.Seconds = time.Since(r.begin.At).Seconds()
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
	f.Value = measure.Median(f.Rounds)
	if t := f.Target; t != nil {
		t.Reached = (t.Least == 0 || f.Value >= t.Least) && (t.Most == 0 || f.Value <= t.Most)
	}
	measure.Note("%s: %s", f.What, measure.Format(x, f.Unit))
}

// reached reports whether no target was missed.
func (r *report) reached() bool {
	return !slices.ContainsFunc(r.Figures, func(f *figure) bool { return f.Target != nil && !f.Target.Reached })
}

func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s, %s, files in %s, %.0f s; of %d CPUs other programs used %.2f, and %.2f were not there\n\n",
		r.Go, r.System, r.Dir, r.Seconds, r.CPUs, r.Others, r.Stolen)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tfigure\ttarget\treached\trounds")
	for _, f := range r.Figures {
		goal, reached := "", ""
		if f.Target != nil {
			goal, reached = f.Target.String(), measure.Yes(f.Target.Reached)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", f.What, measure.Format(f.Value, f.Unit), goal, reached, measure.Numbers(f.Rounds))
	}
	return t.Flush()
}

func (t *target) String() string {
	if t.Least > 0 {
		return ">= " + measure.Number(t.Least)
	}
	return "<= " + measure.Number(t.Most)
}

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"feedd/bench/measure"
)

// report is the outcome of a run.
type report struct {
	Date     string    `json:"date"`
	Command  string    `json:"command"`
	Machine  machine   `json:"machine"`
	Versions []version `json:"versions"`
	Count    int       `json:"rounds"`
	Seconds  float64   `json:"seconds"`
	Others   float64   `json:"others"` // CPUs that other programs kept busy meanwhile
	Stolen   float64   `json:"stolen"` // CPUs that the machine below gave to others
	Goals    []goal    `json:"goals"`
	Figures  []*figure `json:"figures"`
	Trouble  []string  `json:"trouble,omitempty"`
	Remarks  []string  `json:"remarks,omitempty"`

	sizes *sizes
	short bool
}

// report is called when all servers have ended.
func (b *bench) report(ctx context.Context, began measure.Usage) *report {
	r := &report{
		Date: began.At.Format("2006-01-02 15:04 MST"), Command: b.command(), Machine: thisMachine(), Versions: b.versions(ctx),
		Count: b.rounds, Seconds: time.Since(began.At).Seconds(), Goals: goalsOf(&b.board, &b.sizes), Figures: b.board.figures,
		Trouble: b.trouble, Remarks: b.remarks, sizes: &b.sizes, short: b.short,
	}
	r.Others, r.Stolen = began.Since()
	if b.short {
		// So little load says nothing of speed.
		r.Goals = slices.DeleteFunc(r.Goals, func(g goal) bool { return !g.isFault() })
	}
	return r
}

// command is how this run would be called again.
func (b *bench) command() string {
	var args []string
	if b.rounds != 5 && !b.short {
		args = append(args, fmt.Sprintf("-rounds %d", b.rounds))
	}
	if len(b.only) > 0 {
		args = append(args, "-only "+strings.Join(b.only, ","))
	}
	if len(b.servers) > 0 {
		args = append(args, "-servers "+strings.Join(b.servers, ","))
	}
	if b.short {
		args = append(args, "-short")
	}
	return strings.Join(append([]string{"go run ./bench/compare"}, args...), " ")
}

// reached reports whether no target was missed.
func (r *report) reached() bool {
	return !slices.ContainsFunc(r.Goals, func(g goal) bool { return !g.Reached })
}

// print prints what was asked, for a reader at a terminal, and of a short run
// that it is none.
func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s, %.0f s; of %d CPUs other programs used %.2f, and %.2f were not there\n\n",
		r.Machine.CPU, r.Seconds, r.Machine.Cores, r.Others, r.Stolen)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "scenario\tserver\twhat\tfigure\ttarget\treached\trounds")
	for _, g := range r.shownGoals() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			g.Scenario, titleOf(g.Server), g.What, measure.Format(g.Value, g.Unit), g.target(), measure.Yes(g.Reached), measure.Numbers(g.Rounds))
	}
	for _, f := range r.Figures {
		if !r.short && !r.asked(f) {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\t\t%s\n", f.Scenario, titleOf(f.Server), f.What, measure.Format(f.Value, f.Unit), measure.Numbers(f.Rounds))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, line := range append(r.Trouble, r.Remarks...) {
		fmt.Fprintln(w, line)
	}
	return nil
}

// asked reports whether a figure stands among the goals already, or is a fault
// that did not happen.
func (r *report) asked(f *figure) bool {
	if _, fault := faultOf(f); fault && f.Value == 0 {
		return true
	}
	return slices.ContainsFunc(r.Goals, func(g goal) bool {
		return g.Scenario == f.Scenario && g.Server == f.Server && g.What == f.What
	})
}

// shownGoals returns the goals, those of faults that did not happen put
// together.
func (r *report) shownGoals() []goal {
	var list []goal
	none := goal{Scenario: "all", Server: "feedd", What: "runs in which something was lost, doubled, out of order or refused", Bound: most, Reached: true}
	asked := false
	for _, g := range r.Goals {
		if g.Limit == 0 && g.isFault() && g.What != notWhole.name {
			asked = true
			if g.Reached {
				continue
			}
			none.Value += float64(len(slices.DeleteFunc(slices.Clone(g.Rounds), func(x float64) bool { return x == 0 })))
			none.Reached = false
		}
		list = append(list, g)
	}
	if asked {
		list = append(list, none)
	}
	return list
}

func (g *goal) target() string {
	text := string(g.Bound) + " " + measure.Format(g.Limit, g.Unit)
	if g.Basis != "" {
		text += " (" + g.Basis + ")"
	}
	return text
}

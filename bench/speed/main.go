package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"feedd/bench/measure"
)

func main() { measure.Main(run) }

// bench is one run of the program.
type bench struct {
	dir    string // for all that is written; removed at the end
	bin    string // of feedd
	rounds int
	report report
}

// parts are the stores that are measured, each begun empty.
var parts = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"store", (*bench).grouping},
	{"publish", (*bench).publishing},
	{"replay", (*bench).replaying},
	{"million", (*bench).million},
}

// run measures, and reports whether all targets were reached.
func run(ctx context.Context, args []string) (reached bool, err error) {
	flags := flag.NewFlagSet("speed", flag.ExitOnError)
	dir := flags.String("dir", "", "write in `DIR`, on the disk that is to be measured (default: the directory for temporary files, or /var/tmp where that is in memory)")
	rounds := flags.Int("rounds", 5, "take the median of `N` rounds")
	only := flags.String("only", "", "measure only these `PARTS`: "+strings.Join(partNames(), ","))
	bin := flags.String("bin", "", "measure the feedd in `FILE`, instead of building it from here")
	asJSON := flags.Bool("json", false, "print JSON")
	commit := flags.String("against", "", "compare with the feedd of `COMMIT`, in pairs, instead of with the targets; -only takes "+strings.Join(comparedNames(), ",")+" then")
	pairs := flags.Int("pairs", 10, "compare `N` pairs")
	flags.Parse(args)
	if *rounds < 1 || *pairs < 1 || flags.NArg() > 0 {
		flags.Usage()
		return false, fmt.Errorf("there must be at least one round, and no arguments")
	}
	all := partNames()
	if *commit != "" {
		all = comparedNames()
	}
	chosen, err := measure.Choose(*only, all)
	if err != nil {
		return false, err
	}
	if *dir == "" {
		*dir = measure.DiskDir()
	}
	tmp, err := os.MkdirTemp(*dir, "feedd-speed-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(tmp)
	b := &bench{dir: tmp, bin: *bin, rounds: *rounds}
	if b.bin == "" {
		if b.bin, err = build(ctx, tmp); err != nil {
			return false, err
		}
	}
	if *commit != "" {
		c, err := b.against(ctx, *commit, *pairs, chosen)
		if ctx.Err() != nil {
			return false, errors.New("interrupted")
		}
		if err != nil {
			return false, err
		}
		return c.reached(), c.print(os.Stdout)
	}
	b.report.start(*dir)
	for _, p := range parts {
		if !measure.Wanted(chosen, p.name) {
			continue
		}
		err := p.run(b, ctx)
		if ctx.Err() != nil {
			return false, errors.New("interrupted")
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.report.finish()
	if *asJSON {
		err = measure.PrintJSON(os.Stdout, &b.report)
	} else {
		err = b.report.print(os.Stdout)
	}
	return b.report.reached(), err
}

func partNames() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// build builds feedd as a user would.
func build(ctx context.Context, dir string) (string, error) {
	measure.Note("building feedd")
	bin := filepath.Join(dir, "feedd")
	_, err := measure.Output(ctx, "go", "build", "-o", bin, "feedd/cmd/feedd")
	return bin, err
}

// path returns the path of something that is written.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

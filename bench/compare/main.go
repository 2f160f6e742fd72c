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

// options are what the flags say.
type options struct {
	rounds        int
	only, servers []string // empty: all
	short         bool
	bin, out      string
	json          bool
}

// whole reports whether everything is measured, as the results say it is.
func (o *options) whole() bool { return len(o.only) == 0 && len(o.servers) == 0 && !o.short }

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("compare", flag.ExitOnError)
	f.IntVar(&o.rounds, "rounds", 5, "take the median of `N` rounds")
	only := f.String("only", "", "measure only these `SCENARIOS`: "+strings.Join(scenarioNames(), ","))
	servers := f.String("servers", "", "measure only these `SERVERS`: "+strings.Join(serverNames(), ","))
	f.BoolVar(&o.short, "short", false, "see in one small round that everything works, and measure nothing")
	f.StringVar(&o.bin, "bin", "", "measure the feedd in `FILE`, instead of building it from here")
	f.StringVar(&o.out, "o", "", "write the results to `FILE`, a picture beside it (default: bench/RESULTS.md, for a whole run)")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.Parse(args)
	if f.NArg() > 0 || o.rounds < 1 {
		return nil, errors.New("there must be at least one round, and no arguments")
	}
	if o.short {
		o.rounds = 1
	}
	var err error
	if o.only, err = measure.Choose(*only, scenarioNames()); err != nil {
		return nil, err
	}
	o.servers, err = measure.Choose(*servers, serverNames())
	return o, err
}

// bench is one run of the program.
type bench struct {
	options
	root  string // of the sources
	dir   string // for all that is written; removed at the end
	tools tools
	sizes sizes
	board board
	// trouble is what could not be measured, of feedd or of the floor, without
	// which nothing can be said. For a peer it is only a remark.
	trouble, remarks []string
	server           int // how many were started
}

func run(ctx context.Context, args []string) (reached bool, err error) {
	o, err := parse(args)
	if err != nil {
		return false, err
	}
	b := &bench{options: *o, sizes: fullSizes}
	if b.short {
		b.sizes = shortSizes
	}
	if b.dir, err = os.MkdirTemp(measure.DiskDir(), "feedd-compare-"); err != nil {
		return false, err
	}
	defer os.RemoveAll(b.dir)
	if err := b.prepare(ctx); err != nil {
		return false, err
	}
	began := measure.UsageNow()
	for round := range b.rounds {
		measure.Note("round %d of %d", round+1, b.rounds)
		if err := b.round(ctx); err != nil {
			return false, err
		}
	}
	r := b.report(ctx, began)
	if err := b.write(r); err != nil {
		return false, err
	}
	if len(b.trouble) > 0 {
		return false, errors.New(strings.Join(b.trouble, "\n"))
	}
	return r.reached(), nil
}

// round runs every scenario once.
func (b *bench) round(ctx context.Context) error {
	for _, sc := range scenarios {
		if !measure.Wanted(b.only, sc.name) {
			continue
		}
		err := sc.run(b, ctx, &sc)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
	}
	return nil
}

// write prints the report, and writes the files where they belong.
func (b *bench) write(r *report) error {
	if b.json {
		if err := measure.PrintJSON(os.Stdout, r); err != nil {
			return err
		}
	} else if err := r.print(os.Stdout); err != nil {
		return err
	}
	file := b.out
	if file == "" {
		if !b.whole() {
			return nil
		}
		file = filepath.Join(b.root, "bench", "RESULTS.md")
	}
	picture := strings.TrimSuffix(file, filepath.Ext(file)) + ".svg"
	if filepath.Base(file) == "RESULTS.md" {
		picture = filepath.Join(filepath.Dir(file), "compare.svg")
	}
	if err := os.WriteFile(picture, drawPicture(r), 0o644); err != nil {
		return err
	}
	return os.WriteFile(file, r.markdown(filepath.Base(picture)), 0o644)
}

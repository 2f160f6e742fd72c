package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	reached, err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(2)
	case !reached:
		os.Exit(1)
	}
}

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
	if o.only, err = choose(*only, scenarioNames()); err != nil {
		return nil, err
	}
	o.servers, err = choose(*servers, serverNames())
	return o, err
}

// choose parses a list of names, which must be some of all.
func choose(list string, all []string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("%q is none of %s", name, strings.Join(all, ", "))
		}
	}
	return names, nil
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
	// which nothing can be said. Of a peer it is only told.
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
	if b.dir, err = os.MkdirTemp(diskDir(), "feedd-compare-"); err != nil {
		return false, err
	}
	defer os.RemoveAll(b.dir)
	if err := b.prepare(ctx); err != nil {
		return false, err
	}
	began := usageNow()
	for round := range b.rounds {
		note("round %d of %d", round+1, b.rounds)
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
		if !wanted(b.only, sc.name) {
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

func wanted(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

// write prints the report, and writes the files where they belong.
func (b *bench) write(r *report) error {
	if b.json {
		if err := r.printJSON(os.Stdout); err != nil {
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

// note tells whoever waits what is going on.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "compare: "+format+"\n", args...)
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	reached, err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(2)
	case !reached:
		os.Exit(1)
	}
}

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
	only := flags.String("only", "", "measure only these `PARTS`: store,publish,replay,million")
	bin := flags.String("bin", "", "measure the feedd in `FILE`, instead of building it from here")
	asJSON := flags.Bool("json", false, "print JSON")
	commit := flags.String("against", "", "compare with the feedd of `COMMIT`, in pairs, instead of with the targets; -only takes "+strings.Join(comparedNames(), ",")+" then")
	pairs := flags.Int("pairs", 10, "compare `N` pairs")
	flags.Parse(args)
	if *rounds < 1 || *pairs < 1 || flags.NArg() > 0 {
		flags.Usage()
		return false, fmt.Errorf("there must be at least one round, and no arguments")
	}
	if *dir == "" {
		*dir = diskDir()
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
	chosen := func(name string) bool { return *only == "" || strings.Contains(","+*only+",", ","+name+",") }
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
		if !chosen(p.name) {
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
		err = b.report.printJSON(os.Stdout)
	} else {
		err = b.report.print(os.Stdout)
	}
	return b.report.reached(), err
}

// build builds feedd as a user would.
func build(ctx context.Context, dir string) (string, error) {
	note("building feedd")
	bin := filepath.Join(dir, "feedd")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "feedd/cmd/feedd")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
}

// path returns the path of something that is written.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// note tells whoever waits what is going on.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "speed: "+format+"\n", args...)
}

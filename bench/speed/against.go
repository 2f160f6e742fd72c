package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"feedd/bench/measure"
	"feedd/internal/load"
)

// dearer is how much more a change may cost than the commit before it: what the
// machine's noise hides when ten pairs are taken.
const dearer = 1.03

// cost is one thing whose price is compared. Less is better.
type cost struct {
	what, unit string
	old, new   []float64 // of each pair, in the order of the pairs
}

// costs are the prices of two binaries, pair by pair.
type costs struct {
	commit string
	pairs  int
	list   []*cost
}

// note files what one of the two took.
func (c *costs) note(isNew bool, what, unit string, x float64) {
	i := slices.IndexFunc(c.list, func(k *cost) bool { return k.what == what })
	if i < 0 {
		i = len(c.list)
		c.list = append(c.list, &cost{what: what, unit: unit})
	}
	if k := c.list[i]; isNew {
		k.new = append(k.new, x)
	} else {
		k.old = append(k.old, x)
	}
}

// compared are what is measured of each binary, each with a server of its own.
var compared = []struct {
	name string
	run  func(*bench, context.Context, func(what, unit string, x float64)) error
}{
	{"publish", (*bench).costOfPublishing},
	{"replay", (*bench).costOfReplay},
	{"fanout", (*bench).costOfFanOut},
	{"polling", (*bench).costOfPolling},
}

// against compares the binary with one that is built from another commit. The
// two take turns, and change who is first: what else the machine does meets
// both.
func (b *bench) against(ctx context.Context, commit string, pairs int, chosen []string) (*costs, error) {
	old, err := b.buildCommit(ctx, commit)
	if err != nil {
		return nil, err
	}
	sides := [2]*bench{{dir: b.path("old"), bin: old}, {dir: b.path("new"), bin: b.bin}}
	for _, s := range sides {
		if err := os.Mkdir(s.dir, 0o700); err != nil {
			return nil, err
		}
	}
	c := &costs{commit: commit, pairs: pairs}
	for pair := range pairs {
		measure.Note("pair %d of %d", pair+1, pairs)
		for _, m := range compared {
			if !measure.Wanted(chosen, m.name) {
				continue
			}
			for turn := range sides {
				which := (turn + pair) % 2
				err := m.run(sides[which], ctx, func(what, unit string, x float64) { c.note(which == 1, what, unit, x) })
				if err != nil {
					return nil, fmt.Errorf("%s of the %s: %w", m.name, [...]string{"old", "new"}[which], err)
				}
			}
		}
	}
	return c, nil
}

// buildCommit builds feedd as it was.
func (b *bench) buildCommit(ctx context.Context, commit string) (string, error) {
	measure.Note("building feedd of %s", commit)
	src := b.path("old-source")
	if err := os.Mkdir(src, 0o700); err != nil {
		return "", err
	}
	root, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	archive := exec.CommandContext(ctx, "git", "archive", "--format=tar", commit)
	archive.Dir = strings.TrimSpace(string(root)) // else only the directory that this runs in is in it
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", src)
	if unpack.Stdin, err = archive.StdoutPipe(); err != nil {
		return "", err
	}
	archive.Stderr, unpack.Stderr = os.Stderr, os.Stderr
	if err := unpack.Start(); err != nil {
		return "", err
	}
	if err := archive.Run(); err != nil {
		return "", fmt.Errorf("git archive %s: %w", commit, err)
	}
	if err := unpack.Wait(); err != nil {
		return "", fmt.Errorf("unpack %s: %w", commit, err)
	}
	bin := filepath.Join(b.dir, "feedd-old")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "./cmd/feedd")
	cmd.Dir = src
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build of %s: %w\n%s", commit, err, out)
	}
	return bin, nil
}

// costOfPublishing publishes to a feed that is full, so that each publish trims
// as much as it brings.
func (b *bench) costOfPublishing(ctx context.Context, file func(what, unit string, x float64)) error {
	s, err := b.serve(ctx, "publish")
	if err != nil {
		return err
	}
	defer s.Kill()
	fill, err := s.publishers(ctx, "full", 1, backlog)
	if err != nil {
		return err
	}
	defer hangUp(fill)
	if _, err := fill[0].receipt(); err != nil {
		return err
	}
	for _, kind := range []struct {
		what              string
		publishers, items int
		one               func(*publisher) error
	}{
		{"publish, 64 at once", 64, 1, (*publisher).one},
		{"publish, batches of 256", 4, 256, (*publisher).many},
	} {
		list, err := s.publishers(ctx, "full", kind.publishers, kind.items)
		if err != nil {
			return err
		}
		defer hangUp(list)
		before, begin := s.cpu(), time.Now()
		rate, err := together(list, 2*time.Second, kind.one)
		if err != nil {
			return err
		}
		items := rate * time.Since(begin).Seconds() * float64(kind.items)
		file(kind.what+": CPU", "us an item", micros(s.cpu()-before)/items)
		file(kind.what+": time", "us an item", 1e6/(rate*float64(kind.items)))
	}
	return s.Stop()
}

// costOfReplay reads a whole feed from the store, three times.
func (b *bench) costOfReplay(ctx context.Context, file func(what, unit string, x float64)) error {
	const feed, times = "replay", 3
	_, err := os.Stat(b.path(feed))
	fresh := os.IsNotExist(err)
	s, err := b.serve(ctx, feed)
	if err != nil {
		return err
	}
	defer func() { s.Kill() }()
	if fresh {
		if _, err := s.fill(ctx, feed, replayItems); err != nil {
			return err
		}
		if err := s.Stop(); err != nil { // what was just published is in memory
			return err
		}
		if s, err = b.serve(ctx, feed); err != nil {
			return err
		}
	}
	var took []float64
	before := s.cpu()
	for range times {
		d, err := s.replay(ctx, feed, replayItems)
		if err != nil {
			return err
		}
		took = append(took, micros(d)/replayItems)
	}
	file("replay: CPU", "us an item", micros(s.cpu()-before)/(times*replayItems))
	file("replay: time", "us an item", measure.Median(took))
	return s.Stop()
}

// costOfFanOut delivers 50,000 times a second, which leaves both CPUs room.
func (b *bench) costOfFanOut(ctx context.Context, file func(what, unit string, x float64)) error {
	r, err := b.load(ctx, load.Config{Subscribers: 2000, Rate: 25, Duration: 4 * time.Second, Warmup: time.Second})
	if err != nil {
		return err
	}
	file("fan-out: CPU", "us a delivery", cpuEach(r))
	return nil
}

// costOfPolling answers 20,000 long polls a second.
func (b *bench) costOfPolling(ctx context.Context, file func(what, unit string, x float64)) error {
	r, err := b.load(ctx, load.Config{Subscribers: 2000, Rate: 10, Format: load.JSON, Duration: 4 * time.Second, Warmup: time.Second})
	if err != nil {
		return err
	}
	file("long polls: CPU", "us an answer", cpuEach(r))
	return nil
}

// load runs a load on a server of its own. What it reports must be whole.
func (b *bench) load(ctx context.Context, cfg load.Config) (*load.Report, error) {
	s, err := b.serve(ctx, "load")
	if err != nil {
		return nil, err
	}
	defer s.Kill()
	cfg.URL, cfg.PublishURL = s.Base+"/feeds/{feed}", s.Base+"/feeds/{feed}"
	cfg.PublishHeader = map[string][]string{"Authorization": {"Bearer " + adminKey}}
	cfg.PIDs = []int{s.Cmd.Process.Pid}
	r, err := load.Run(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if d := r.Deliveries; r.Server == nil || d.Count == 0 || d.Lost+d.Twice+d.Late > 0 || r.Connect.Missing > 0 {
		return nil, s.Explain(fmt.Errorf("the load was not served whole: %d missing, %d deliveries, %d lost, %d twice, %d late",
			r.Connect.Missing, d.Count, d.Lost, d.Twice, d.Late))
	}
	return r, s.Stop()
}

func cpuEach(r *load.Report) float64 {
	return (r.Server.UserSeconds + r.Server.SystemSeconds) * 1e6 / float64(r.Deliveries.Count)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// ratios are the new price over the old one, of each pair, ascending.
func (k *cost) ratios() []float64 {
	list := make([]float64, len(k.new))
	for i := range list {
		list[i] = k.new[i] / k.old[i]
	}
	slices.Sort(list)
	return list
}

// interval returns which of n sorted values (from 0) hold the median between
// them in at least 95 of 100 cases, however the values are spread: each lies
// below the median with a probability of a half. Of fewer than six values there
// are none: then it is the first and the last.
func interval(n int) (low, high int) {
	below, ways := 0.0, 1.0 // ways to choose i of n
	for i := 0; i < n/2; i++ {
		below += ways
		if 1-2*below/math.Pow(2, float64(n)) < 0.95 {
			break
		}
		low = i
		ways = ways * float64(n-i) / float64(i+1)
	}
	return low, n - 1 - low
}

// reached reports whether nothing costs more than it may.
func (c *costs) reached() bool {
	return !slices.ContainsFunc(c.list, func(k *cost) bool { return middle(k.ratios()) > dearer })
}

// middle is the median; of two in the middle their mean, because a bound of a
// few in a hundred must not depend on which of the two is taken.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (c *costs) print(w io.Writer) error {
	low, high := interval(c.pairs)
	fmt.Fprintf(w, "\nagainst %s: %d pairs, in turns; the interval holds the median of such ratios in 95 of 100 cases\n\n", c.commit, c.pairs)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tbefore\tnow\tratio\tinterval\twithin "+measure.Number((dearer-1)*100)+" %")
	for _, k := range c.list {
		r := k.ratios()
		within := "yes"
		if middle(r) > dearer {
			within = "no"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%.3f\t%.3f to %.3f\t%s\n", k.what,
			measure.Format(measure.Median(k.old), k.unit), measure.Format(measure.Median(k.new), k.unit), middle(r), r[low], r[high], within)
	}
	return t.Flush()
}

func comparedNames() (names []string) {
	for _, m := range compared {
		names = append(names, m.name)
	}
	return names
}

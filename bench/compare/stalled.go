package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"feedd/bench/measure"
	"feedd/internal/load"
)

var (
	cutSeen       = metric{name: "cut, as the load saw it"}
	cutCounted    = metric{name: "cut, as feedd counts (feedd_subscribers_cut_total)"}
	stalledBytes  = metric{name: "published to them", unit: "MiB"}
	p99Others     = metric{name: "p99 of the others", unit: "ms"}
	p99Publish    = metric{name: "p99 of publishes", unit: "ms"}
	p99PublishBig = metric{name: "p99 of publishes to them", unit: "ms"}
	residentPeak  = metric{name: "resident memory, peak", unit: "MiB"}
	tcpPeak       = metric{name: "TCP memory of the machine, peak", unit: "MiB"}
)

// What is published to the stalled subscribers: more than 16 MiB wait for each
// before feedd may cut it.
const (
	bigBytes = 128 << 10
	bigRate  = 30
	mib      = 1 << 20
)

// quietRate is the rate, in publishes/s, at which the time of a publish is measured,
// to a third feed without readers: enough for a p99 within seconds.
const quietRate = 200

const (
	withStalled    = "with stalled subscribers"
	withoutStalled = "without them"
)

func aboutStalled(z *sizes) string {
	return fmt.Sprintf("feedd with store memory and limits.stall_timeout %s. %s subscribers read the feed `bench` at %d items/s; %s others never read, with receive buffers as small as the kernel makes them, and subscribe to the feed `big`, which gets %d items/s of 128 KiB: %.0f MiB for each of them until they may be cut. "+
		"The run without them is the same, with `big` read by nobody. How long a publish takes is measured with %d publishes/s to a third feed that nobody reads. Memory is read ten times a second; that of TCP is the whole machine's (/proc/net/sockstat), both ends and all else that runs there.",
		z.stallTimeout, measure.Number(float64(z.live)), itemsPerSecond, measure.Number(float64(z.stalled)), bigRate, offered(z), quietRate)
}

// offered returns how many MiB are published to the stalled until their time
// is up.
func offered(z *sizes) float64 {
	timeout, _ := time.ParseDuration(z.stallTimeout)
	return timeout.Seconds() * bigRate * bigBytes / mib
}

func runStalled(b *bench, ctx context.Context, sc *scenario) error {
	for _, s := range b.feedd("feedd-memory") {
		for _, row := range []string{withoutStalled, withStalled} {
			env := []string{"FEEDD_LIMITS_STALL_TIMEOUT=" + b.sizes.stallTimeout}
			err := b.giveOne(ctx, sc, s, row, env, func(t *turn) error { return t.stall(row == withStalled) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// stall runs the loads of the scenario side by side.
func (t *turn) stall(stalled bool) error {
	z := &t.sizes
	warmup := z.stalledLasts / 4
	before := filesOf(t.pids)
	live, err := t.startLoad(t.ctx, t.process, z.stalledLasts+warmup, true,
		flagOf("subscribers", z.live), flagOf("rate", itemsPerSecond),
		flagOf("duration", z.stalledLasts), flagOf("warmup", warmup))
	if err != nil {
		return err
	}
	defer live.end()
	if err := waitFiles(t.ctx, t.process, before+z.live, live); err != nil {
		return err
	}
	// They begin in the warmup of the others, and all that they do, to being cut,
	// falls into the measurement of the others.
	n := 0
	if stalled {
		n = z.stalled
	}
	big, err := t.startLoad(t.ctx, t.process, z.stalledLasts, false,
		"--feed=big", flagOf("subscribers", n), flagOf("stalled", n), flagOf("rate", bigRate),
		flagOf("size", bigBytes), flagOf("duration", z.stalledLasts), "--warmup=0s", "--publishers=4")
	if err != nil {
		return err
	}
	defer big.end()
	third, err := t.startLoad(t.ctx, t.process, z.stalledLasts, false,
		"--feed=quiet", flagOf("subscribers", 0), flagOf("rate", quietRate),
		flagOf("duration", z.stalledLasts), "--warmup=0s", "--publishers=2")
	if err != nil {
		return err
	}
	defer third.end()
	peak := watch(t.process, live)
	var reports [3]*load.Report
	for i, l := range []*loading{live, big, third} {
		if reports[i], err = l.report(); err != nil {
			return err
		}
	}
	return t.fileStalled(reports[0], reports[1], reports[2], <-peak, stalled)
}

func (t *turn) fileStalled(live, big, third *load.Report, peak memory, stalled bool) error {
	if live.Latency == nil || big.Publish == nil || third.Publish == nil {
		return errNoReport
	}
	t.file(p99Others, live.Latency.P99)
	t.file(p99Publish, third.Publish.Took.P99)
	t.file(p99PublishBig, big.Publish.Took.P99)
	t.file(residentPeak, peak.resident/mib)
	t.file(tcpPeak, peak.tcp/mib)
	if stalled {
		if big.Stalled == nil {
			return errNoReport
		}
		counted, err := t.metric("feedd_subscribers_cut_total")
		if err != nil {
			return err
		}
		t.file(stalledBytes, float64(big.Publish.Items)*bigBytes/mib)
		t.file(cutSeen, float64(big.Stalled.Cut))
		t.file(cutCounted, counted)
	}
	t.fileFaults(live, big, third)
	return nil
}

// memory is what is held at the worst moment.
type memory struct{ resident, tcp float64 }

// watch looks at the memory ten times a second, until the load ends.
func watch(p *process, l *loading) <-chan memory {
	peak := make(chan memory, 1)
	go func() {
		var m memory
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			m.resident, m.tcp = max(m.resident, residentOf(p.pids)), max(m.tcp, tcpMemory())
			select {
			case <-l.ended:
				peak <- m
				return
			case <-ticker.C:
			}
		}
	}()
	return peak
}

// metric reads one of feedd's metrics.
func (t *turn) metric(name string) (float64, error) {
	req, err := http.NewRequestWithContext(t.ctx, http.MethodGet, t.Base+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+adminKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	text, err := body(res)
	if err != nil {
		return 0, err
	}
	if x := parseMetric(text, name); !math.IsNaN(x) {
		return x, nil
	}
	return 0, fmt.Errorf("feedd has no metric %s", name)
}

// parseMetric finds a metric without labels; NaN if there is none.
func parseMetric(text, name string) float64 {
	lines := strings.Split(text, "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+" ") })
	if i < 0 {
		return math.NaN()
	}
	x, err := strconv.ParseFloat(strings.TrimPrefix(lines[i], name+" "), 64)
	if err != nil {
		return math.NaN()
	}
	return x
}

// body reads the body of an answer, which must be 200.
func body(res *http.Response) (string, error) {
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s\n%s", res.Status, b)
	}
	return string(b), nil
}

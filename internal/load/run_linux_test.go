package load

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// quick is a run of 20 subscribers and about 60 items. It ends when all have
// come, so its patience is only for a busy machine.
func quick(url string) Config {
	return Config{
		URL: url, PublishURL: url, Subscribers: 20, Rate: 200, Publishers: 2,
		Duration: 300 * time.Millisecond, Patience: 20 * time.Second,
	}
}

// loses has a run wait no longer than this for what will not come.
const loses = 3 * time.Second

// mustRun runs and returns the report.
func mustRun(t *testing.T, c Config) *Report {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s%q", b.String(), r.Problems())
	return r
}

// mustRunOf runs until a number of items were published, for up to four times
// as long if the machine is too busy for them. Each time there is a server of
// its own.
func mustRunOf(t *testing.T, items uint64, config func() Config) *Report {
	t.Helper()
	for slower := 1; ; slower *= 4 {
		c := config()
		c.Rate /= float64(slower)
		c.Duration *= time.Duration(slower)
		c.Warmup *= time.Duration(slower)
		r := mustRun(t, c)
		if p := r.Publish; p.Items+p.Failed >= items && p.Unsent == 0 || slower > 100 {
			return r
		}
	}
}

// faults are what a report counts.
type faults struct {
	Lost, Twice, Late uint64
	OtherOrder        int
}

func faultsOf(r *Report) faults {
	d := &r.Deliveries
	return faults{d.Lost, d.Twice, d.Late, d.OtherOrder}
}

func TestFaultsAreDetected(t *testing.T) {
	// only does it at one subscriber.
	onlyOne := func(send func(b *broadcaster, i int) []int) func(*broadcaster, int, int) []int {
		return func(b *broadcaster, sub, i int) []int {
			if sub == 3 {
				return send(b, i)
			}
			return []int{i}
		}
	}
	only := func(send func(b *broadcaster, i int) []int) func() func(*broadcaster, int, int) []int {
		return func() func(*broadcaster, int, int) []int { return onlyOne(send) }
	}
	for _, tc := range []struct {
		name       string
		publishers int
		send       func() func(b *broadcaster, sub, i int) []int
		want       faults
	}{
		{"nothing", 2, func() func(*broadcaster, int, int) []int { return nil }, faults{}},
		{"loses", 2, only(func(_ *broadcaster, i int) []int {
			if i == 5 || i == 6 {
				return nil
			}
			return []int{i}
		}), faults{Lost: 2}},
		{"loses the first", 1, only(func(_ *broadcaster, i int) []int {
			if i == 0 {
				return nil
			}
			return []int{i}
		}), faults{Lost: 1}},
		{"doubles", 2, only(func(_ *broadcaster, i int) []int {
			if i == 5 {
				return []int{i, i}
			}
			return []int{i}
		}), faults{Twice: 1}},
		{"doubles later", 2, only(func(_ *broadcaster, i int) []int {
			if i == 15 {
				return []int{i, 2}
			}
			return []int{i}
		}), faults{Twice: 1}},
		{"reorders", 1, only(func(_ *broadcaster, i int) []int {
			switch i {
			case 5, 6:
				return nil
			case 7:
				return []int{7, 5, 6}
			}
			return []int{i}
		}), faults{Late: 2}},
		{"interleaves publishers otherwise", 2, func() func(*broadcaster, int, int) []int {
			swapped, held := false, -1
			return onlyOne(func(b *broadcaster, i int) []int {
				switch {
				case swapped:
				case held < 0:
					held = i
					return nil
				case b.publisherOf(held) != b.publisherOf(i):
					swapped = true
					return []int{i, held}
				default:
					list := []int{held}
					held = i
					return list
				}
				return []int{i}
			})
		}, faults{OtherOrder: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := mustRunOf(t, 30, func() Config { // the faults come with the first 20 items
				c := quick((&broadcaster{send: tc.send()}).start(t))
				c.Publishers = tc.publishers
				c.Duration = time.Second
				if tc.want.Lost > 0 {
					c.Patience = loses
				}
				return c
			})
			if got := faultsOf(r); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
			if (len(r.Problems()) == 0) != (tc.want == faults{}) {
				t.Errorf("the problems are %q", r.Problems())
			}
			if n := r.Deliveries.Count; n < 20*20 {
				t.Errorf("only %d deliveries", n)
			}
			if r.Latency == nil || r.Latency.Count+5 < r.Deliveries.Count || r.Latency.P50 <= 0 {
				t.Errorf("latency %+v of %d deliveries", r.Latency, r.Deliveries.Count)
			}
		})
	}
}

// TestBatchesAreNumberedLikeSingleItems: each item has its own number, so what
// is missing of a batch is found, and of a batch that was refused nothing is
// missing.
func TestBatchesAreNumberedLikeSingleItems(t *testing.T) {
	for _, tc := range []struct {
		name   string
		send   func(b *broadcaster, sub, i int) []int
		busy   int
		want   faults
		failed uint64
	}{
		{"all come", nil, 0, faults{}, 0},
		{"two of a batch do not", func(_ *broadcaster, sub, i int) []int {
			if sub == 3 && (i == 12 || i == 14) {
				return nil
			}
			return []int{i}
		}, 0, faults{Lost: 2}, 0},
		{"batches are refused", nil, 3, faults{}, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := mustRunOf(t, 30, func() Config {
				c := quick((&broadcaster{send: tc.send, busy: tc.busy}).start(t))
				c.Batch, c.Patience = 5, loses
				return c
			})
			if got := faultsOf(r); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
			p := r.Publish
			if said := strings.Join(r.Problems(), "; "); strings.Contains(said, "items were not acknowledged: status 503") != (p.Failed > 0) {
				t.Errorf("%d items failed, and the problems are %q", p.Failed, said)
			}
			if p.Items == 0 || p.Items%5 != 0 || p.Items+p.Failed > 65 || p.Failed%5 != 0 || p.Failed < tc.failed || p.Unsent > 0 {
				t.Errorf("%+v", p)
			}
			if p.Took.Count*5 > 65 || r.Deliveries.Count == 0 || r.Batch != 5 {
				t.Errorf("%d publishes, %+v", p.Took.Count, r.Deliveries)
			}
		})
	}
}

// TestPublishersWaitForSubscribers: a server that takes items faster than it
// sends them is not left behind.
func TestPublishersWaitForSubscribers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	begun, most := 0, 0 // deliveries that were begun, and how many were due at most
	slow := func(b *broadcaster, sub, i int) []int {
		b.mu.Lock()
		items := len(b.items)
		b.mu.Unlock()
		mu.Lock()
		most = max(most, 20*items-begun)
		begun++
		mu.Unlock()
		time.Sleep(time.Millisecond)
		return []int{i}
	}
	c := quick((&broadcaster{send: slow}).start(t))
	c.Rate, c.Ahead = 0, 10
	r := mustRun(t, c)
	if faultsOf(r) != (faults{}) || r.Publish.Items == 0 {
		t.Errorf("%+v, %+v", r.Publish, r.Deliveries)
	}
	// To each of the 20, and what both publishers had on its way.
	mu.Lock()
	defer mu.Unlock()
	if limit := 20 * (10 + 2); most > limit {
		t.Errorf("%d deliveries were due at once, more than %d", most, limit)
	}
}

func TestAudience(t *testing.T) {
	for _, tc := range []struct {
		c    Config
		want []int64
	}{
		{Config{Feeds: 3, Subscribers: 7}, []int64{3, 2, 2}},
		{Config{Feeds: 2, Subscribers: 4, Stalled: 4}, []int64{0, 0}},
		{Config{Feeds: 2, Subscribers: 4, Stalled: 1, Pattern: "bench.*"}, []int64{3, 3}},
	} {
		s := &session{Config: &tc.c}
		if got := s.audience(); !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %d, want %d", tc.c, got, tc.want)
		}
	}
}

// after resumes behind the id; the i-th item has the id i+1.
func after(id int) int { return id }

func TestStorm(t *testing.T) {
	for _, tc := range []struct {
		name   string
		resume func(id int) int
		check  func(r *Report) bool
	}{
		{"all come back and have everything", after, func(r *Report) bool {
			return faultsOf(r) == faults{} && r.Storm.Recovered == 15 && r.Storm.Took.Count == 15 && r.Storm.Calm != nil
		}},
		{"the last item is sent again", func(id int) int { return id - 1 }, func(r *Report) bool {
			return faultsOf(r) == faults{Twice: 15} && r.Storm.Recovered == 15
		}},
		{"the server forgets", nil, func(r *Report) bool {
			return faultsOf(r).Lost > 15 && len(r.Problems()) > 0
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := quick((&broadcaster{resume: tc.resume}).start(t))
			c.Reconnect, c.Stay, c.Away = true, 5, 50*time.Millisecond
			c.Duration, c.Patience = 500*time.Millisecond, time.Second
			if r := mustRun(t, c); r.Storm.Dropped != 15 || !tc.check(r) {
				t.Errorf("%+v, %+v", r.Storm, r.Deliveries)
			}
		})
	}
}

func TestConnectionsThatTheServerEndsAreResumed(t *testing.T) {
	t.Parallel()
	c := quick((&broadcaster{resume: after, limit: 15}).start(t))
	c.Duration = time.Second
	r := mustRun(t, c)
	if faultsOf(r) != (faults{}) || r.Deliveries.Cuts < 20 {
		t.Errorf("%+v", r.Deliveries)
	}
}

func TestStalledSubscribersThatWereCutAreCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		patience time.Duration
		size     int
		cut      int
	}{
		"cut":     {500 * time.Millisecond, 64 << 10, 4},
		"not cut": {0, 200, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := quick((&broadcaster{patience: tc.patience, resume: after}).start(t))
			c.Stalled, c.Size, c.Rate, c.Duration = 4, tc.size, 20, time.Second
			r := mustRun(t, c)
			if r.Stalled.Cut != tc.cut || r.Connect.Connected != 20 || r.Deliveries.Lost+r.Deliveries.Twice > 0 {
				t.Errorf("%+v, %+v, %+v", r.Stalled, r.Connect, r.Deliveries)
			}
		})
	}
}

func TestAServerThatAnswersWithTheFirstItemIsWaitedForInVain(t *testing.T) {
	t.Parallel()
	c := quick((&broadcaster{silent: true}).start(t))
	c.Patience = time.Second
	if r := mustRun(t, c); faultsOf(r) != (faults{}) || r.Connect.Connected != 20 {
		t.Errorf("%+v, %+v", r.Connect, r.Deliveries)
	}
}

func TestWarmupIsCheckedButNotTimed(t *testing.T) {
	t.Parallel()
	r := mustRunOf(t, 10, func() Config {
		c := quick((&broadcaster{send: func(_ *broadcaster, sub, i int) []int {
			if sub == 0 && i == 3 {
				return nil
			}
			return []int{i}
		}}).start(t))
		c.Warmup, c.Patience = 200*time.Millisecond, loses
		return c
	})
	if faultsOf(r) != (faults{Lost: 1}) {
		t.Errorf("%+v, want the loss in the warmup", r.Deliveries)
	}
	if n := r.Publish.Items; r.Latency.Count > n*20 || n > 65 {
		t.Errorf("%d latencies of %d items", r.Latency.Count, n)
	}
}

func TestAnInterruptedRunReports(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := quick((&broadcaster{}).start(t))
	c.Duration = time.Hour
	c.Progress = func(p Progress) {
		if p.Phase == "measuring" && p.Deliveries > 100 {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil || !r.Interrupted || faultsOf(r) != (faults{}) || r.Deliveries.Count < 100 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestItemsOfOthers(t *testing.T) {
	t.Parallel()
	url := (&broadcaster{}).start(t)
	listener := quick(url)
	listener.PublishURL, listener.Duration = "", time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready := make(chan struct{}, 1)
	var due atomic.Uint64
	listener.Progress = func(p Progress) {
		if p.Phase == "measuring" {
			select {
			case ready <- struct{}{}:
			default:
			}
		}
		if n := due.Load(); n > 0 && p.Deliveries >= n {
			cancel()
		}
	}
	publishing := make(chan error, 1)
	go func() {
		<-ready
		c := quick(url)
		c.Subscribers = 0
		r, err := Run(t.Context(), c)
		if err != nil || r.Publish.Items == 0 {
			cancel()
		} else {
			due.Store(20 * r.Publish.Items) // 1,200, but for a machine that cannot keep the pace
		}
		publishing <- err
	}()
	r, err := Run(ctx, listener)
	if err := <-publishing; err != nil {
		t.Fatal(err)
	}
	if err != nil || !r.Deliveries.Checked || faultsOf(r) != (faults{}) || due.Load() == 0 || r.Deliveries.Count < due.Load() || r.Latency == nil {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	server := &broadcaster{refuse: 401}
	url := server.start(t)
	for _, tc := range []struct {
		rule string
		c    Config
		want string
	}{
		{"a target on another machine", Config{URL: "http://192.0.2.1/x", PublishURL: url, Subscribers: 1}, ErrRemote.Error()},
		{"to publish on another machine", Config{URL: url, PublishURL: "http://192.0.2.1/x", Subscribers: 1}, ErrRemote.Error()},
		{"TLS", Config{URL: "https://127.0.0.1/", PublishURL: url, Subscribers: 1}, "only plain http"},
		{"when nobody can connect", quickTo("http://127.0.0.1:1/", url), "no subscriber could be connected: connect: connection refused"},
		{"when it may not publish", quick(url), "status 401: not you"},
		{"a process that is not there", withPID(quick(url)), "look at process"},
	} {
		_, err := Run(t.Context(), tc.c)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.rule, err, tc.want)
		}
	}
	if _, err := Run(t.Context(), Config{URL: "http://192.0.2.1/x", Subscribers: 1}); !errors.Is(err, ErrRemote) {
		t.Errorf("%v is not ErrRemote", err)
	}
}

func quickTo(url, publish string) Config {
	c := quick(publish)
	c.URL = url
	return c
}

func withPID(c Config) Config {
	c.PIDs = []int{1 << 30}
	return c
}

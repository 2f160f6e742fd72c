package browser

import (
	"cmp"
	"context"
	"encoding/json"
	"feedd/e2e/harness"
	"fmt"
	"slices"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// WaitNumber waits until the newest row is the tree of that number. It looks at
// that row only, so that it costs the page little.
func (tab *Tab) WaitNumber(n int) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf(`document.querySelector("#items > li:first-child .value")?.textContent === "%d" && document.querySelector("#details").textContent === ""`, n))
}

// LongestTasks runs do and returns how long the page's main thread was busy
// with its longest tasks, in ms: in time of the processor, because in time of
// the wall (which is given too) other programs on the machine make a task
// longer.
func (tab *Tab) LongestTasks(do func()) (processor, wall []float64) {
	tab.t.Helper()
	type event struct {
		Name      string
		Pid, Tid  int
		Dur, TDur float64 // us
		Args      struct{ Name string }
	}
	var events []event // by the reading of the tab's connection, until complete
	complete := make(chan struct{})
	tab.mu.Lock()
	tab.also = func(ev any) {
		switch ev := ev.(type) {
		case *tracing.EventDataCollected:
			for _, v := range ev.Value {
				var e event
				if err := json.Unmarshal(v, &e); err == nil {
					events = append(events, e)
				}
			}
		case *tracing.EventTracingComplete:
			close(complete)
		}
	}
	tab.mu.Unlock()
	tab.Do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{
			IncludedCategories: []string{"disabled-by-default-devtools.timeline"}, ExcludedCategories: []string{"*"},
		}})
		return err
	}))
	do()
	tab.Do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, tracing.End, cdp.Empty{})
		return err
	}))
	select {
	case <-complete:
	case <-time.After(2 * harness.Patience):
		tab.t.Fatal("the trace does not end")
	}
	tab.mu.Lock()
	tab.also = nil
	tab.mu.Unlock()
	// The page's main thread is the busiest of the renderers'.
	type thread struct{ pid, tid int }
	main := make(map[thread]float64)
	for _, e := range events {
		if e.Name == "thread_name" && e.Args.Name == "CrRendererMain" {
			main[thread{e.Pid, e.Tid}] = 0
		}
	}
	for _, e := range events {
		if _, ok := main[thread{e.Pid, e.Tid}]; ok && e.Name == "RunTask" {
			main[thread{e.Pid, e.Tid}] += e.TDur
		}
	}
	var page thread
	for th, busy := range main {
		if busy > main[page] {
			page = th
		}
	}
	for _, e := range events {
		if e.Name == "RunTask" && (thread{e.Pid, e.Tid}) == page {
			processor = append(processor, e.TDur/1000)
			wall = append(wall, e.Dur/1000)
		}
	}
	if len(processor) < 100 {
		tab.t.Fatalf("of %d events %d are tasks of the page", len(events), len(processor))
	}
	for _, times := range [][]float64{processor, wall} {
		slices.SortFunc(times, func(a, b float64) int { return cmp.Compare(b, a) })
	}
	return processor[:min(5, len(processor))], wall[:min(5, len(wall))]
}

// Heap returns the bytes that the page's scripts hold.
func (tab *Tab) Heap() int64 {
	tab.t.Helper()
	var used float64
	tab.Do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for range 2 { // what the first frees may hold others
			if _, err := cdp.Call(ctx, target, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
				return err
			}
		}
		usage, err := cdp.Call(ctx, target, runtime.GetHeapUsage, cdp.Empty{})
		used = usage.UsedSize
		return err
	}))
	return int64(used)
}

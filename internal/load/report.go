package load

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"feedd/internal/histogram"
)

// Report is what a run found. Its JSON is for programs: names say the unit.
type Report struct {
	URL         string  `json:"url"`
	PublishURL  string  `json:"publish_url,omitempty"`
	Feed        string  `json:"feed"`
	Format      Format  `json:"format"`
	Subscribers int     `json:"subscribers"`
	Feeds       int     `json:"feeds"`
	Pattern     string  `json:"pattern,omitempty"`
	Rate        float64 `json:"rate"` // asked for, items a second; 0: unthrottled
	Size        int     `json:"size_bytes"`
	Batch       int     `json:"batch"` // items a publish
	Publishers  int     `json:"publishers"`
	Seconds     float64 `json:"seconds"`     // that were measured
	Interrupted bool    `json:"interrupted"` // it ended before its time

	Connect    Connect  `json:"connect"`
	Publish    *Publish `json:"publish,omitempty"`
	Deliveries Delivery `json:"deliveries"`
	Latency    *Latency `json:"latency,omitempty"`
	Storm      *Storm   `json:"storm,omitempty"`
	Stalled    *Stalled `json:"stalled,omitempty"`
	Generator  CPU      `json:"generator"`
	Server     *Server  `json:"server,omitempty"`
}

// Spread is how durations are spread, in milliseconds. All but Max and Mean
// may be up to 1/128 too large.
type Spread struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

func spreadOf(h *histogram.Histogram) Spread {
	return Spread{
		Count: h.Count(), Mean: h.Mean() / 1e6,
		P50: millis(h.Quantile(0.50)), P90: millis(h.Quantile(0.90)), P99: millis(h.Quantile(0.99)),
		Max: millis(h.Max()),
	}
}

func millis(ns int64) float64 { return float64(ns) / 1e6 }

// Connect is how the subscribers came in, storms apart.
type Connect struct {
	Connected int     `json:"connected"`
	Missing   int     `json:"missing"` // that never were connected
	Error     string  `json:"error,omitempty"`
	Seconds   float64 `json:"seconds"` // until the last one was there
	Took      Spread  `json:"took"`    // of each: until the head of the answer was there; with reconnects
}

// Publish is what was published.
type Publish struct {
	Items     uint64            `json:"items"`      // that were acknowledged in the measurement
	PerSecond float64           `json:"per_second"` // of those
	Unsent    uint64            `json:"unsent"`     // that were due, but had no turn
	Failed    uint64            `json:"failed"`     // with the warmup
	Failures  map[string]uint64 `json:"failures,omitempty"`
	Took      Spread            `json:"took"`   // until the answer was there
	Behind    Spread            `json:"behind"` // the schedule
}

// Delivery is what the subscribers had, without those that are stalled. Errors are
// counted from the first item of the warmup on.
type Delivery struct {
	Count          uint64  `json:"count"` // in the measurement, and until the last had come
	PerSecond      float64 `json:"per_second"`
	BytesPerSecond float64 `json:"bytes_per_second"` // with framing

	Checked    bool   `json:"checked"`      // for the next four; false where items have no numbers
	Lost       uint64 `json:"lost"`         // items, over all subscribers
	Twice      uint64 `json:"doubled"`      // items that came again
	Late       uint64 `json:"out_of_order"` // items that came after a later one of the same publisher
	OtherOrder int    `json:"other_order"`  // subscribers that saw publishers' items interleaved otherwise than most

	Gaps    uint64 `json:"gap_notices"` // losses that feedd reported
	Foreign uint64 `json:"foreign"`     // events that are not of this run
	Cuts    int64  `json:"cuts"`        // connections that the server ended; they were resumed
}

// Latency is from publish to receipt, of items of the measurement that came
// live.
type Latency struct {
	Spread
	// Last is how the times are spread after which each item was everywhere. nil
	// if there were too many items.
	Last *Spread `json:"last,omitempty"`
	Bars []Bar   `json:"histogram"`
}

// Bar counts durations from From to To, which is not in it; milliseconds.
type Bar struct {
	From  float64 `json:"from_ms"`
	To    float64 `json:"to_ms"`
	Count uint64  `json:"count"`
}

// Storm is what became of the subscribers that were dropped together.
type Storm struct {
	Dropped   int     `json:"dropped"`
	Recovered int     `json:"recovered"` // had everything, before the run gave up
	Took      Spread  `json:"took"`      // until each had everything that was published before they connected again
	Stayed    int     `json:"stayed"`
	Calm      *Spread `json:"latency_of_stayed,omitempty"` // while the others were away or recovering
}

// Stalled is what became of the subscribers that never read.
type Stalled struct {
	Subscribers int `json:"subscribers"`
	Cut         int `json:"cut"` // by the server
}

// CPU is time for one delivery, in microseconds.
type CPU struct {
	User   float64 `json:"user_us_per_delivery"`
	System float64 `json:"system_us_per_delivery"`
}

// Total returns both together.
func (c CPU) Total() float64 { return c.User + c.System }

func cpuOf(from, to usage, deliveries uint64) CPU {
	if deliveries == 0 {
		return CPU{}
	}
	per := func(d time.Duration) float64 { return float64(d) / 1e3 / float64(deliveries) }
	return CPU{per(to.user - from.user), per(to.system - from.system)}
}

// Server is what the server's processes used.
type Server struct {
	PIDs []int `json:"pids"`
	CPU
	UserSeconds   float64 `json:"user_seconds"` // in the measurement, and until the last had come
	SystemSeconds float64 `json:"system_seconds"`
	Before        int64   `json:"resident_bytes_before"` // before the first subscriber connected
	After         int64   `json:"resident_bytes_after"`  // when all were connected, and nothing had been published
	End           int64   `json:"resident_bytes_end"`
	PerSubscriber float64 `json:"resident_bytes_per_subscriber"`
}

// usage is what processes have used so far, and hold now.
type usage struct {
	user, system time.Duration
	resident     int64 // bytes
}

// Problems returns what a server must not do, and did; nothing when all is
// well.
func (r *Report) Problems() []string {
	var list []string
	add := func(n uint64, format string) {
		if n > 0 {
			list = append(list, fmt.Sprintf(format, n))
		}
	}
	add(uint64(r.Connect.Missing), "%d subscribers could not be connected")
	add(r.Deliveries.Lost, "%d deliveries lost")
	add(r.Deliveries.Twice, "%d deliveries doubled")
	add(r.Deliveries.Late, "%d deliveries out of order")
	add(uint64(r.Deliveries.OtherOrder), "%d subscribers saw another order than the others")
	if s := r.Storm; s != nil {
		add(uint64(s.Dropped-s.Recovered), "%d subscribers had not everything after they came back")
	}
	if p := r.Publish; p != nil {
		if p.Items == 0 {
			list = append(list, "nothing was published")
		}
		for _, why := range slices.Sorted(maps.Keys(p.Failures)) {
			list = append(list, fmt.Sprintf("%d items were not acknowledged: %s", p.Failures[why], why))
		}
	}
	return list
}

// barsOf counts in steps of 1, 2, 5, 10, 20, ... microseconds, from the first
// step that has any to the last.
func barsOf(h *histogram.Histogram) []Bar {
	var bars []Bar
	from, to := int64(0), int64(1000)
	for i, remaining := 0, h.Count(); remaining > 0; i++ {
		n := h.Between(from, to)
		remaining -= n
		if n > 0 || len(bars) > 0 {
			bars = append(bars, Bar{millis(from), millis(to), n})
		}
		from = to
		if i%3 == 1 {
			to = to / 2 * 5
		} else {
			to *= 2
		}
	}
	return bars
}

package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// look is how often the run looks at its readers and reports its progress: to
	// a person that seems steady, and a phase ends at most that late.
	look = 50 * time.Millisecond
	// settle is how long a server may rest, after all are connected, before its
	// memory is measured: its garbage collector ran by then.
	settle = 500 * time.Millisecond
	// quiet is for how long a run that has everything waits for items that should not
	// come, such as those that come twice.
	quiet = 200 * time.Millisecond
	// hurry bounds the patience of a run that was interrupted: someone waits for it.
	hurry = 2 * time.Second
)

// ErrInterrupted is Run's error when its context ended before anything was
// measured.
var ErrInterrupted = errors.New("interrupted before the measurement")

// run is one run. It is owned by the goroutine that called Run.
type run struct {
	*session
	ctx         context.Context // ends when the run is to end early
	interrupted func() bool     // it ended from outside
	readers     []*reader
	reading     sync.WaitGroup
	outlet      *outlet // nil: nothing is published here
	publishers  []*publisher
	publishing  sync.WaitGroup

	phase      Progress
	phaseBegan time.Time
	connecting time.Duration
	storming   bool
	stopped    bool // the readers are

	before, after      usage  // the connecting
	begin, end, closed sample // of the measurement; closed: when the rest had come
}

// sample is what there is at a moment.
type sample struct {
	at                int64
	deliveries, bytes uint64
	server, own       usage
}

// Run puts a server under load as cfg says. When ctx ends, it ends early and
// reports what was measured.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	inner, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	r := &run{ctx: inner, interrupted: func() bool { return ctx.Err() != nil }}
	if err := r.prepare(&cfg, abort); err != nil {
		return nil, err
	}
	err := r.work()
	r.stopReaders()
	if err == nil && inner.Err() != nil && !r.interrupted() {
		err = context.Cause(inner)
	}
	for _, rd := range r.readers {
		err = errors.Join(err, rd.err)
	}
	if err != nil {
		return nil, err
	}
	return r.makeReport(), nil
}

func (r *run) prepare(cfg *Config, abort context.CancelCauseFunc) (err error) {
	if r.session, err = newSession(r.ctx, cfg); err != nil {
		return err
	}
	if r.PublishURL != "" {
		if r.outlet, r.publishers, err = r.newPublishers(r.ctx, abort); err != nil {
			return err
		}
	}
	if err := raiseFiles(r.Subscribers + r.Publishers); err != nil {
		return err
	}
	if r.before, err = usageOf(r.PIDs); err != nil {
		return err
	}
	r.readers, err = r.newReaders()
	return err
}

func (r *run) work() error {
	for _, rd := range r.readers {
		r.reading.Go(rd.run)
	}
	if err := r.connect(); err != nil {
		return err
	}
	length := r.Warmup + r.Duration
	schedule := newSchedule(r.clock, r.Rate/float64(r.Batch), length)
	from := schedule.from + int64(r.Warmup)
	r.measureFrom.Store(from)
	if r.outlet != nil {
		r.outlet.schedule = schedule
		r.outlet.fresh = r.fresh
	}
	for _, p := range r.publishers {
		r.publishing.Go(func() { p.publishAll(r.ctx) })
	}
	err := r.measure(from, schedule.until)
	r.publishing.Wait()
	if err != nil || r.ctx.Err() != nil && !r.interrupted() {
		return err
	}
	r.awaitRest()
	if r.closed, err = r.sample(); err != nil {
		return err
	}
	r.probeStalled()
	return nil
}

// connect waits until all subscribers are connected, or for Patience no further one
// was.
func (r *run) connect() error {
	r.enter("connecting", 0)
	last, changed := int64(-1), time.Now()
	r.wait(r.ctx, 0, func() bool {
		there := r.count(func(c *counters) int64 { return c.connected.Load() + c.gone.Load() })
		asking := r.count(func(c *counters) int64 { return c.asking.Load() })
		if there+asking != last {
			last, changed = there+asking, time.Now()
		}
		return there == int64(r.Subscribers) || time.Since(changed) > r.Patience
	})
	r.connecting = changed.Sub(r.phaseBegan)
	switch {
	case r.ctx.Err() != nil:
		return ErrInterrupted
	case r.Subscribers > 0 && last == r.count(func(c *counters) int64 { return c.gone.Load() }):
		r.stopReaders()
		return fmt.Errorf("no subscriber could be connected: %w", r.firstError())
	}
	if len(r.PIDs) > 0 {
		r.enter("settling", settle)
		r.wait(r.ctx, r.clock.now()+int64(settle), nil)
	}
	var err error
	r.after, err = usageOf(r.PIDs)
	return err
}

func (r *run) firstError() error {
	for _, rd := range r.readers {
		if rd.firstError != nil {
			return rd.firstError
		}
	}
	return nil
}

// measure waits for the time of the measurement to pass.
func (r *run) measure(from, until int64) (err error) {
	r.enter("warming up", r.Warmup)
	r.wait(r.ctx, from, nil)
	if r.ctx.Err() != nil {
		if r.interrupted() {
			return ErrInterrupted
		}
		return nil
	}
	if r.begin, err = r.sample(); err != nil {
		return err
	}
	r.enter("measuring", r.Duration)
	if r.Reconnect {
		if r.wait(r.ctx, from+(until-from)/2, nil); r.ctx.Err() == nil {
			r.storm()
		}
	}
	r.wait(r.ctx, until, nil)
	r.end, err = r.sample()
	return err
}

// storm drops the subscribers, and lets them connect again after Away.
func (r *run) storm() {
	r.phase.Phase = "measuring, all are away"
	r.each((*reader).dropAll)
	r.wait(r.ctx, r.clock.now()+int64(r.Away), nil)
	need := make([]uint64, r.Feeds+1)
	for i := range need {
		if r.outlet != nil {
			need[i] = r.outlet.acked[i].Load()
		}
	}
	at := r.clock.now()
	r.each(func(rd *reader) { rd.returnAll(need, at) })
	r.storming = true
	r.phase.Phase = "measuring, after the storm"
}

// awaitRest waits until all items have come, or for Patience none did.
func (r *run) awaitRest() {
	if r.outlet == nil {
		return
	}
	patience := r.Patience
	if r.interrupted() {
		patience = min(patience, hurry)
	}
	r.enter("waiting for the rest", 0)
	expected := r.expected()
	last, changed := uint64(0), time.Now()
	r.wait(context.Background(), 0, func() bool {
		n := r.fresh()
		if n != last {
			last, changed = n, time.Now()
		}
		calm := time.Since(changed)
		return calm > patience || n >= expected && !r.storming && calm > quiet
	})
}

// expected returns how many deliveries there must be.
func (r *run) expected() (n uint64) {
	for _, rd := range r.readers {
		// The groups never change.
		for i := range rd.subs {
			if s := &rd.subs[i]; !s.stalled {
				n += r.outlet.acked[s.group].Load()
			}
		}
	}
	return n
}

// probeStalled finds out how many of the stalled subscribers were cut.
func (r *run) probeStalled() {
	if r.Stalled == 0 {
		return
	}
	r.enter("looking who was cut", 0)
	r.each((*reader).probe)
	state := func() int64 {
		return r.count(func(c *counters) int64 { return c.stalledCuts.Load() + c.drained.Load() })
	}
	last, changed, began := int64(-1), time.Now(), time.Now()
	r.wait(context.Background(), 0, func() bool {
		if n := state(); n != last {
			last, changed = n, time.Now()
		}
		return time.Since(changed) > 2*quiet || time.Since(began) > r.Patience
	})
}

// stopReaders may be called twice.
func (r *run) stopReaders() {
	if r.stopped {
		return
	}
	r.stopped = true
	r.each((*reader).stop)
	r.reading.Wait()
	for _, rd := range r.readers {
		rd.close()
	}
}

// each lets all readers do something, soon.
func (r *run) each(fn func(*reader)) {
	for _, rd := range r.readers {
		rd.do(func() { fn(rd) })
	}
}

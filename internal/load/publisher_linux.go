package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"feedd/internal/histogram"
	"feedd/internal/load/scan"
)

// outlet is where the publishers publish to. Its fields do not change while
// they do, but for the counters.
type outlet struct {
	endpoint *endpoint
	targets  []string // request targets, by feed
	fields   string   // header fields that all requests have
	size     int
	batch    int // items a publish
	run      uint64
	schedule *schedule
	from     *atomic.Int64 // what is published from then on is measured
	abort    context.CancelCauseFunc

	sent  atomic.Uint64
	acked []atomic.Uint64 // by feed; the last is that of all feeds

	// With ahead above 0, publishers wait while more deliveries than that are
	// due and not there.
	ahead    int64
	due      atomic.Int64
	fresh    func() uint64 // deliveries so far
	audience []int64       // deliveries of an item, by feed
}

// publisher publishes one item after the other. It is owned by the goroutine
// of run, until that has ended.
type publisher struct {
	*outlet
	index    int
	exchange *exchange
	random   *rand.Rand
	payload  []byte // of all items of a publish
	request  []byte
	seqs     []uint64 // the last number, by feed
	all      uint64   // the last number over all feeds

	took     histogram.Histogram // from the request to its answer
	behind   histogram.Histogram // from the time in the schedule to the request
	measured uint64              // items that were acknowledged in the measurement
	excused  []excuse
	failures map[string]uint64
}

// excuse is an item that was not acknowledged. It may be there or not.
type excuse struct {
	feed     uint32
	seq, all uint64
}

func newPublisher(o *outlet, index int) (*publisher, error) {
	payload, err := scan.NewBody(o.size, o.batch)
	if err != nil {
		return nil, err
	}
	return &publisher{
		outlet:   o,
		index:    index,
		exchange: newExchange(o.endpoint.addr.String()),
		random:   rand.New(rand.NewPCG(o.run, uint64(index))),
		payload:  payload,
		seqs:     make([]uint64, len(o.targets)),
		failures: make(map[string]uint64),
	}, nil
}

// publishAll publishes until the schedule is over or ctx ends. What is in
// flight then is still waited for.
func (p *publisher) publishAll(ctx context.Context) {
	defer p.exchange.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p.await(ctx)
		at, ok := p.schedule.take(ctx, timer)
		if !ok {
			return
		}
		if err := p.publish(ctx, at); err != nil {
			p.abort(err)
			return
		}
	}
}

// awaitPause is how long a publisher that is ahead rests before it looks again: a
// server sends some dozen items to each of many subscribers meanwhile.
const awaitPause = 200 * time.Microsecond

// await waits until the subscribers have caught up, or there is no more time.
func (p *publisher) await(ctx context.Context) {
	for p.ahead > 0 && p.due.Load()-int64(p.fresh()) > p.ahead && p.schedule.clock.now() < p.schedule.until && ctx.Err() == nil {
		time.Sleep(awaitPause)
	}
}

// publish publishes a batch on a random feed. Its error is one that every
// further publish would meet.
func (p *publisher) publish(ctx context.Context, at int64) error {
	feed := 0
	if len(p.targets) > 1 {
		feed = p.random.IntN(len(p.targets))
	}
	p.number(feed, at)
	p.compose(p.targets[feed])

	err := p.exchange.connect(context.WithoutCancel(ctx))
	begin := p.schedule.clock.now()
	p.sent.Add(uint64(p.batch))
	var a answer
	if err == nil {
		a, err = p.exchange.do(p.request)
	}
	measured := at >= p.from.Load()
	switch {
	case err != nil:
		p.fail(ctx, feed, err.Error())
	case a.status >= 300:
		p.fail(ctx, feed, fmt.Sprintf("status %d %s", a.status, firstLine(a.note)))
		if final(a.status) {
			return fmt.Errorf("publish to %s: the server answers with status %d: %s", p.endpoint.raw, a.status, firstLine(a.note))
		}
	default:
		p.acked[feed].Add(uint64(p.batch))
		p.acked[len(p.targets)].Add(uint64(p.batch))
		p.due.Add(int64(p.batch) * p.audience[feed])
		if measured {
			p.measured += uint64(p.batch)
		}
	}
	if measured {
		p.took.Record(p.schedule.clock.now() - begin)
		p.behind.Record(begin - at)
	}
	return nil
}

// number gives the items of the batch their marks.
func (p *publisher) number(feed int, at int64) {
	for i := range p.batch {
		p.seqs[feed]++
		p.all++
		scan.SetMark(p.payload[i*(p.size+1):], &scan.Mark{
			Run: p.run, Feed: uint32(feed), Pub: uint32(p.index), Seq: p.seqs[feed], All: p.all, At: at,
		})
	}
}

func (p *publisher) compose(target string) {
	b := p.request[:0]
	b = append(b, "POST "...)
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = append(b, p.fields...)
	b = append(b, "\r\n"...)
	p.request = append(b, p.payload...)
}

// failPause is how long a publisher rests after a failure, so that a server that is
// down is not flooded: eight publishers try 400 times a second then.
const failPause = 20 * time.Millisecond

// maxFailures is how many kinds of failures are counted apart: what a report has
// room for.
const maxFailures = 10

// fail excuses the items of the batch that was just numbered.
func (p *publisher) fail(ctx context.Context, feed int, why string) {
	for remaining := uint64(p.batch); remaining > 0; remaining-- {
		p.excused = append(p.excused, excuse{uint32(feed), p.seqs[feed] - remaining + 1, p.all - remaining + 1})
	}
	if _, known := p.failures[why]; !known && len(p.failures) >= maxFailures {
		why = "other failures"
	}
	p.failures[why] += uint64(p.batch)
	select {
	case <-time.After(failPause):
	case <-ctx.Done():
	}
}

// final reports whether a status will be the same next time.
func final(status int) bool {
	return status < 500 && status != 408 && status != 429
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

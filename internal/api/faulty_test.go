package api_test

import (
	"context"
	"errors"
	"sync/atomic"

	"feedd/internal/stream"
)

// faulty is an engine whose reads, commits and probes can be made to fail.
type faulty struct {
	stream.Engine
	reads, appends, probes atomic.Bool
	panics                 atomic.Bool // reads do
	probed                 atomic.Int64
}

var errFault = errors.New("a fault of the test's own")

func (f *faulty) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	if f.panics.Load() {
		panic(errFault)
	}
	if f.reads.Load() {
		return stream.Page{}, errFault
	}
	return f.Engine.Read(ctx, q)
}

func (f *faulty) Append(ctx context.Context, b stream.Batch) (stream.Receipt, error) {
	if f.appends.Load() {
		return stream.Receipt{}, errFault
	}
	return f.Engine.Append(ctx, b)
}

func (f *faulty) Floor(ctx context.Context, id stream.ID) (stream.ID, error) {
	if f.reads.Load() {
		return 0, errFault
	}
	return f.Engine.Floor(ctx, id)
}

func (f *faulty) Probe(ctx context.Context) error {
	f.probed.Add(1)
	if f.probes.Load() {
		return errFault
	}
	return f.Engine.Probe(ctx)
}

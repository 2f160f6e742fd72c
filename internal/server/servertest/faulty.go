package servertest

import (
	"context"
	"errors"
	"sync/atomic"

	"feedd/internal/stream"
)

// Faulty is an engine whose reads, commits and probes can be made to fail.
type Faulty struct {
	stream.Engine
	Reads, Appends, Probes atomic.Bool
	Panics                 atomic.Bool // reads do
	Probed                 atomic.Int64
}

var errFault = errors.New("a fault of the test's own")

func (f *Faulty) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	if f.Panics.Load() {
		panic(errFault)
	}
	if f.Reads.Load() {
		return stream.Page{}, errFault
	}
	return f.Engine.Read(ctx, q)
}

func (f *Faulty) Append(ctx context.Context, b stream.Batch) (stream.Receipt, error) {
	if f.Appends.Load() {
		return stream.Receipt{}, errFault
	}
	return f.Engine.Append(ctx, b)
}

func (f *Faulty) Floor(ctx context.Context, id stream.ID) (stream.ID, error) {
	if f.Reads.Load() {
		return 0, errFault
	}
	return f.Engine.Floor(ctx, id)
}

func (f *Faulty) Probe(ctx context.Context) error {
	f.Probed.Add(1)
	if f.Probes.Load() {
		return errFault
	}
	return f.Engine.Probe(ctx)
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// publisher publishes items, or batches of them, to a feed over a connection
// of its own, one after the other.
type publisher struct {
	conn   *connection
	batch  *batch
	number *atomic.Int64 // of the last item, over all publishers
}

// publishers makes n publishers of batches of that many items, or of single
// items where that is 1. They end with ctx at the latest.
func (s *server) publishers(ctx context.Context, feed string, n, items int) (list []*publisher, err error) {
	contentType := "application/x-ndjson"
	if items == 1 {
		contentType = "application/json"
	}
	number := new(atomic.Int64)
	for range n {
		conn, err := s.dial(ctx, feed, contentType)
		if err != nil {
			hangUp(list)
			return nil, err
		}
		list = append(list, &publisher{conn: conn, batch: newBatch(items), number: number})
	}
	return list, nil
}

// hangUp closes the connections.
func hangUp(list []*publisher) {
	for _, p := range list {
		p.conn.close()
	}
}

// one publishes the next item.
func (p *publisher) one() error {
	p.batch.number(int(p.number.Add(1)))
	_, err := p.conn.post(p.batch.item())
	return err
}

// many publishes the next batch.
func (p *publisher) many() error {
	_, err := p.receipt()
	return err
}

// receipt is the answer to a batch.
type receipt struct {
	Count       int
	First, Last id
}

// id is an id as JSON has it: a text of digits.
type id int64

func (i *id) UnmarshalText(b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	*i = id(n)
	return err
}

// receipt publishes the next batch, and makes sure that all of it was taken.
func (p *publisher) receipt() (r receipt, err error) {
	n := p.batch.items
	p.batch.number(int(p.number.Add(int64(n))) - n)
	answer, err := p.conn.post(p.batch.body)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return r, err
	}
	if r.Count != n || r.Last != r.First+id(n)-1 {
		return r, fmt.Errorf("a batch of %d items was answered with %s", n, answer)
	}
	return r, nil
}

// together lets all publishers publish for a while, and returns how many
// publishes a second were answered. It ends at the first error.
func together(list []*publisher, d time.Duration, publish func(*publisher) error) (perSecond float64, err error) {
	var (
		all   sync.WaitGroup
		done  atomic.Int64
		first atomic.Pointer[error]
		begin = time.Now()
	)
	for _, p := range list {
		all.Go(func() {
			for time.Since(begin) < d && first.Load() == nil {
				if err := publish(p); err != nil {
					first.CompareAndSwap(nil, &err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	if err := first.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(begin).Seconds(), nil
}

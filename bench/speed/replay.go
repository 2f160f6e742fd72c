package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const replayItems = 100_000

// replaying measures how fast a subscriber gets a whole feed. The server is
// started anew each time, so all of it comes from the store.
func (b *bench) replaying(ctx context.Context) error {
	s, err := b.serve(ctx, "replay")
	if err != nil {
		return err
	}
	defer func() { s.Kill() }()
	if _, err := s.fill(ctx, "replay", replayItems); err != nil {
		return err
	}
	rate := b.report.add("replay of 100,000 stored items over SSE", "items/s", least(250_000))
	before := b.report.add("memory: before the replay", "MiB", nil)
	after := b.report.add("memory: after the replay", "MiB", nil)
	for range b.rounds {
		if err := s.Stop(); err != nil {
			return err
		}
		if s, err = b.serve(ctx, "replay"); err != nil {
			return err
		}
		rss, _ := s.memory()
		before.round(rss)
		took, err := s.replay(ctx, "replay", replayItems)
		if err != nil {
			return err
		}
		rate.round(replayItems / took.Seconds())
		rss, _ = s.memory()
		after.round(rss)
	}
	return s.Stop()
}

// replay subscribes to the whole feed, and returns how long it took until all
// its items were there.
func (s *server) replay(ctx context.Context, feed string, items int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base+"/feeds/"+feed+"?since=all", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "text/event-stream")
	transport := &http.Transport{DisableCompression: true, ReadBufferSize: 64 << 10}
	defer transport.CloseIdleConnections()
	begin := time.Now()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		_, err := answer(res)
		return 0, errors.Join(errors.New(res.Status), err)
	}
	var ids idCounter
	buf := make([]byte, 256<<10)
	for kept := 0; ids.items() < items; {
		n, err := res.Body.Read(buf[kept:])
		if n == 0 && err != nil {
			return 0, fmt.Errorf("the stream ended after %d items: %w", ids.items(), noEOF(err))
		}
		rest, err := ids.scan(buf[:kept+n])
		if err != nil {
			return 0, err
		}
		kept = copy(buf, rest)
	}
	took := time.Since(begin)
	if n := ids.items(); n != items {
		return 0, fmt.Errorf("%d items came, not %d", n, items)
	}
	return took, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// idCounter counts the blocks of a stream by their ids, which must increase.
// It looks at little else, to leave the machine to the server.
type idCounter struct {
	ids  int
	last int64
}

// items is how many blocks there were beside the one that opens the stream.
func (c *idCounter) items() int { return max(c.ids-1, 0) }

var idField = []byte("\nid: ")

// scan counts what is whole in b, and returns the rest.
func (c *idCounter) scan(b []byte) (rest []byte, err error) {
	for {
		at := bytes.Index(b, idField)
		if at < 0 {
			return b[max(0, len(b)-len(idField)+1):], nil
		}
		id, i := int64(0), at+len(idField)
		for ; i < len(b) && b[i] != '\n'; i++ {
			id = id*10 + int64(b[i]-'0')
		}
		if i == len(b) {
			return b[at:], nil
		}
		if id <= c.last {
			return nil, fmt.Errorf("id %d came after %d", id, c.last)
		}
		c.last = id
		c.ids++
		b = b[i:]
	}
}

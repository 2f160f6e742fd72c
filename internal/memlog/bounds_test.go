package memlog_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"feedd/internal/memlog"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// What retention trimmed is garbage, whatever refers to it within the log: the
// order of all feeds, the heap of ttls, the slices of a feed (P6).
func TestP6_TrimmedItemsGiveMemoryBack(t *testing.T) {
	l := memlog.Open(stream.StoreOptions{Retention: func(string) stream.Retention { return stream.Retention{MaxItems: 10} }})
	defer l.Close()
	b := batch(500, time.Hour)
	const batches, feeds = 400, 4
	before := heap()
	for i := range batches {
		b.Feed = fmt.Sprint("f", i%feeds)
		if _, err := l.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	if grown, published := heap()-before, int64(batches*b.Size()); grown > published/10 {
		t.Errorf("the heap grew by %d bytes for %d items that are retained of %d bytes that were published", grown, 10*feeds, published)
	}
	if u := l.Usage(); u.Items != 10*feeds {
		t.Errorf("the log says that it has %d items, want %d", u.Items, 10*feeds)
	}
}

// What the log says that it holds comes back to what its feeds cost when the
// items are gone, else a store would be full for ever.
func TestP6_UsageComesBack(t *testing.T) {
	l := memlog.Open(stream.StoreOptions{})
	defer l.Close()
	ctx := context.Background()
	if err := l.SetRetention(ctx, "f", &stream.Retention{MaxItems: 100}); err != nil {
		t.Fatal(err)
	}
	empty := l.Usage()
	b := batch(300, time.Hour)
	b.Feed = "f"
	if _, err := l.Append(ctx, b); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Purge(ctx, "f"); err != nil {
		t.Fatal(err)
	}
	if u := l.Usage(); u != empty {
		t.Errorf("after a purge the usage is %+v, want %+v as before", u, empty)
	}
}

func batch(items int, ttl time.Duration) stream.Batch {
	b := stream.Batch{Feed: "f", Drafts: make([]stream.Draft, items)}
	for i := range b.Drafts {
		b.Drafts[i] = stream.Draft{TTL: ttl, Data: make([]byte, 155)}
	}
	return b
}

// heap returns how many bytes are reachable.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkAppend(b *testing.B) {
	l := memlog.Open(stream.StoreOptions{Retention: func(string) stream.Retention { return stream.Retention{MaxItems: 10_000} }})
	defer l.Close()
	one := batch(1, 0)
	for b.Loop() {
		if _, err := l.Append(context.Background(), one); err != nil {
			b.Fatal(err)
		}
	}
}

// A page of 100 items, of one feed and of a pattern.
func BenchmarkRead(b *testing.B) {
	for _, text := range []string{"f", "*"} {
		b.Run(text, func(b *testing.B) {
			l := memlog.Open(stream.StoreOptions{})
			defer l.Close()
			rc, err := l.Append(context.Background(), batch(100_000, 0))
			if err != nil {
				b.Fatal(err)
			}
			sel, err := selector.Parse(text, 1)
			if err != nil {
				b.Fatal(err)
			}
			q := stream.Query{Select: sel, After: rc.First + 50_000, UpTo: rc.Last, Items: 100, Bytes: 1 << 20}
			for b.Loop() {
				if _, err := l.Read(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

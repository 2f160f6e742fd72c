package stream_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"feedd/internal/memlog"
	"feedd/internal/selector"
	"feedd/internal/stream"
)

// counted is an engine that counts how often it is read.
type counted struct {
	stream.Engine
	reads atomic.Int32
}

func (c *counted) Read(ctx context.Context, q stream.Query) (stream.Page, error) {
	c.reads.Add(1)
	return c.Engine.Read(ctx, q)
}

// P6: what was published a while ago is not in memory any more: a reader that
// comes back then gets it from the log.
func TestP6_the_hub_drops_what_is_old(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{Engine: memlog.Open(stream.StoreOptions{})}
		hub := stream.NewHub(c, stream.HubOptions{})
		defer hub.Close()
		defer c.Close()
		begin := hub.Head()
		ctx := context.Background()
		if _, err := hub.Publish(ctx, stream.Batch{Feed: "a", Drafts: []stream.Draft{{Data: []byte("x")}}}); err != nil {
			t.Fatal(err)
		}
		sel, err := selector.Parse("a", 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, wait := range []struct {
			time  time.Duration
			reads int32
		}{{time.Minute, 0}, {15 * time.Minute, 1}} {
			time.Sleep(wait.time)
			cur, err := hub.Open(ctx, sel, stream.StartAfter(begin.String()))
			if err != nil {
				t.Fatal(err)
			}
			d, err := hub.Next(ctx, cur, stream.Bounds{Items: 9, Bytes: 1000})
			if err != nil || len(d.Entries) != 1 {
				t.Fatalf("%+v %v", d, err)
			}
			if n := c.reads.Load(); n != wait.reads {
				t.Errorf("after %v the log was read %d times, want %d", wait.time, n, wait.reads)
			}
		}
	})
}

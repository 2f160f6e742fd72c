package upstream

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"feedd/internal/client"
	"feedd/internal/stream"
)

const (
	// idEvery is how often an id is stored that came without an item, as with
	// each heartbeat. A stored id spares the upstream some scanning at the next
	// connection, which is not worth an fsync for each heartbeat.
	idEvery = 15 * time.Second
	// The waits after a commit that failed. The first is short because most
	// faults (a locked database) pass soon; after the longest, items come half a
	// minute at most after a disk has room again.
	firstRetry = time.Second
	maxRetry   = 30 * time.Second
)

// follower follows one upstream.
type follower struct {
	Config
	hub    *stream.Hub
	logger *slog.Logger
	client *client.Client
	most   int // bytes of an item

	// Of the goroutine that reads: causes of lost connections, and how often an
	// event that was skipped is logged.
	causes  causes
	skipped atMost
	// Of the goroutine that commits: causes of failed commits.
	faults causes
	stats  stats
}

// run follows until reading ends, and commits what was read until committing
// ends.
func (f *follower) run(reading, committing context.Context) {
	wait := client.Backoff{First: firstRetry, Most: maxRetry}
	for {
		committed, err := f.session(reading, committing)
		f.stats.connected.Store(false)
		if reading.Err() != nil {
			if err != nil {
				f.logger.Warn("what was read last from the upstream was not stored, and is read again after the next start", "err", err)
			}
			return
		}
		if committed {
			wait.Reset()
		}
		f.stats.failures.Add(1)
		d := wait.Next(0)
		f.faults.warn(f.logger, "cannot store what comes from the upstream", err, "wait", d)
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-reading.Done():
			timer.Stop()
			return
		}
	}
}

// session goes on from what is stored until a commit fails or reading ends. It
// reports whether it committed anything. After a failed commit it is not known
// what is stored, so what was read and not committed is dropped.
func (f *follower) session(reading, committing context.Context) (committed bool, err error) {
	at, err := f.hub.SourceAt(committing, f.Name)
	if err != nil {
		return false, err
	}
	parent := reading
	reading, end := context.WithCancelCause(parent)
	in := newIntake(at)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := f.client.FollowURL(reading, f.URL, client.URLOptions{
			After: at, Idle: f.Idle, MaxDataBytes: f.most, Opened: f.opened,
		}, func(e client.Event) error { return in.put(reading, f.draft(e), e.ID) })
		end(fmt.Errorf("the reader ended: %w", err)) // it never ends by itself
	}()
	defer func() {
		end(errStopped)
		<-ended
		f.stats.waiting.Store(0)
	}()
	c := &committer{follower: f, in: in, stored: at, last: time.Now()}
	if err := c.work(reading, committing); err != nil {
		return c.committed, err
	}
	<-ended
	if err := c.rest(committing); err != nil || parent.Err() != nil {
		return c.committed, err
	}
	return c.committed, context.Cause(reading)
}

// committer stores what an intake gets.
type committer struct {
	*follower
	in        *intake
	stored    string    // the last id that is stored
	last      time.Time // when it was
	committed bool
}

// work commits until reading ends, which is no error, or a commit fails.
func (c *committer) work(reading, committing context.Context) error {
	timer := time.NewTimer(idEvery)
	defer timer.Stop()
	for {
		select {
		case <-reading.Done():
			return nil
		case <-c.in.more:
		case <-timer.C:
		}
		drafts, at, arrived := c.in.take()
		if len(drafts) == 0 && at == c.stored {
			continue
		}
		if due := idEvery - time.Since(c.last); len(drafts) == 0 && c.stored != "" && due > 0 {
			timer.Reset(due)
			continue
		}
		if err := c.commit(committing, drafts, at, arrived); err != nil {
			return err
		}
	}
}

// rest commits what was read last, after reading has ended.
func (c *committer) rest(committing context.Context) error {
	drafts, at, arrived := c.in.take()
	if len(drafts) == 0 && at == c.stored {
		return nil
	}
	return c.commit(committing, drafts, at, arrived)
}

func (c *committer) commit(ctx context.Context, drafts []stream.Draft, at string, arrived time.Time) error {
	if len(drafts) > 0 {
		c.stats.waiting.Store(arrived.UnixNano())
	}
	_, err := c.hub.Publish(ctx, stream.Batch{Feed: c.Feed, Drafts: drafts, Source: stream.Source{Name: c.Name, At: at}})
	if err != nil {
		return err
	}
	c.stats.waiting.Store(0)
	c.stored, c.last, c.committed = at, time.Now(), true
	c.faults.last = ""
	c.faults.well(c.logger, "what comes from the upstream is stored again")
	if len(drafts) > 0 {
		c.stats.items.Add(uint64(len(drafts)))
		c.stats.newest.Store(c.last.UnixNano())
	}
	return nil
}

// Package snapshot reads pages: each in one transaction of a reading connection,
// so that its items and its loss are of one moment.
//
// A page holds the read gate while it is read, and ends its transaction before
// it is used. The committer locks the gate for the moment in which it moves all
// of the WAL into the database, or forgets a feed.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"

	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/stream"
)

// connections is how many pages are read at the same time. On two to four
// processors more would only wait for each other; each takes up to 8 MB of cache.
const connections = 4

// patternPages returns how many of them may be of patterns. To find the feeds of
// these may keep a processor busy for a while, so half of the processors, and
// half of the connections, are left for publishers and for pages of named feeds.
func patternPages() int { return min(max(1, runtime.GOMAXPROCS(0)/2), connections/2) }

// Source is what a pool reads. The functions and the gate are used while pages
// are read.
type Source struct {
	Path string // of the database, for errors
	// Gate is held for the length of one page.
	Gate sync.Locker
	// Registry returns the present registry, MayLost a mark that is at least the
	// MayLost of each of its feeds.
	Registry func() *registry.Registry
	MayLost  *registry.LossMark
	Now      func() time.Time
}

// Pool is the reading connections. Any goroutine may use it.
type Pool struct {
	src      Source
	idle     chan *reader  // connections that read no page now
	patterns chan struct{} // holds a value for each page of patterns that is read
	closed   chan struct{}
}

// NewPool returns a pool without connections: pages wait until Lend gives it some.
func NewPool(src Source) *Pool {
	return &Pool{
		src:      src,
		idle:     make(chan *reader, connections),
		patterns: make(chan struct{}, patternPages()),
		closed:   make(chan struct{}),
	}
}

// Connections are all connections of a pool.
type Connections []*reader

// Open opens the connections for a pool, all or none of them.
func Open(connect func() (*sqlite.Conn, error)) (list Connections, err error) {
	for range connections {
		r, err := openReader(connect)
		if err != nil {
			list.Close()
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// Broken returns connections with which each page fails with err.
func Broken(err error) (list Connections) {
	for range connections {
		list = append(list, &reader{broken: err})
	}
	return list
}

// Conn returns one of the connections, which is no longer to be used once they
// are lent.
func (list Connections) Conn() *sqlite.Conn { return list[0].conn }

// Close closes the connections.
func (list Connections) Close() error {
	var errs []error
	for _, r := range list {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

// Lend gives the pool its connections.
func (p *Pool) Lend(list Connections) {
	for _, r := range list {
		p.idle <- r
	}
}

// TakeBack waits for the pages that are read, and takes all connections from the
// pool. Pages wait until it has some again.
func (p *Pool) TakeBack() (list Connections) {
	for range connections {
		list = append(list, <-p.idle)
	}
	return list
}

// Shut lets no page begin any more: they fail with ErrClosed. It is called once.
func (p *Pool) Shut() { close(p.closed) }

// page runs fn with a connection, in one transaction under the read gate.
func (p *Pool) page(ctx context.Context, fn func(*reader) error) error {
	select {
	case <-p.closed:
		return stream.ErrClosed
	default:
	}
	var r *reader
	select {
	case r = <-p.idle:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closed:
		return stream.ErrClosed
	}
	defer func() { p.idle <- r }()
	if r.broken != nil {
		return r.broken
	}
	p.src.Gate.Lock()
	defer p.src.Gate.Unlock()
	err := database.Run(r.begin)
	if err == nil {
		err = fn(r)
		if e := database.Run(r.end); err == nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.src.Path, database.Explain(err))
	}
	return nil
}

// LastItem returns the id of the last retained item up to the given one, 0 if
// there is none.
func (p *Pool) LastItem(ctx context.Context, id stream.ID) (last stream.ID, err error) {
	err = p.page(ctx, func(r *reader) error {
		r.last.BindInt64(1, int64(id))
		n, err := database.Number(r.last)
		last = stream.ID(n)
		return err
	})
	return last, err
}

package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"feedd/internal/wire"
)

// Options says where Follow begins and what it passes. The zero Options is the
// live stream from now on.
type Options struct {
	// The place to begin, the first that is set: behind the position After; at
	// Since, which is an id, a time (RFC 3339), a duration back, "all" or
	// "now"; with the newest Last items. They count until a position is known.
	After string
	Since string
	Last  int
	// Events passes only items with one of these names; "message" stands for
	// items without one. Gaps always pass.
	Events []string
	// Heartbeat is the longest silence of a live stream. After twice as long
	// without a byte the connection is given up. 0: 15 s.
	Heartbeat time.Duration
	// MaxEventBytes bounds the envelope of an item; a larger one ends Follow.
	// 0: 16 MiB.
	MaxEventBytes int
}

const (
	defaultHeartbeat     = 15 * time.Second // that of a server by default
	defaultMaxEventBytes = 16 << 20         // 16 times max_item_bytes by default
	// blockSlack is what a block may have besides the envelope, in bytes: its
	// other fields, and comments.
	blockSlack = 64 << 10
)

// Message is an item or a gap. One of Item and Gap is set.
type Message struct {
	Item *wire.Envelope
	Gap  *wire.GapNotice
	// Raw is the data as the server sent it: the item's envelope or the
	// notice, on one line.
	Raw []byte
	// Position is where the reader stands once this is handled; Options.After
	// takes it. It is "" if the server gave none.
	Position string
}

// Handler takes the messages, one after the other, from the goroutine that
// called Follow. An error ends Follow. It may take its time: the connection
// does not count as idle meanwhile, but the server may give it up.
type Handler func(Message) error

// ErrClosing is what Config.Notify gets when the server ended the stream with
// a notice.
type ErrClosing struct{ Reason string }

func (e *ErrClosing) Error() string { return "the server closed the stream: " + printable(e.Reason) }

// ErrEnded is what Config.Notify gets when a stream ended without a notice, as
// behind a proxy that bounds its length.
var ErrEnded = errors.New("the stream ended")

var errStalled = errors.New("the stream stalled: not even a heartbeat came")

// Follow hands the items of the selection to handle until the context ends,
// the handler fails, or the server refuses for good (an [*Error]); it returns
// that error, never nil. See the package's documentation for what it promises.
func (c *Client) Follow(ctx context.Context, selector string, opt Options, handle Handler) error {
	if opt.Heartbeat <= 0 {
		opt.Heartbeat = defaultHeartbeat
	}
	if opt.MaxEventBytes <= 0 {
		opt.MaxEventBytes = defaultMaxEventBytes
	}
	f := &follower{selector: selector, opt: opt, handle: handle}
	f.loop = loop{
		client: c, url: f.url, silence: 2 * opt.Heartbeat, most: opt.MaxEventBytes + blockSlack,
		block: f.event, position: opt.After,
	}
	err := f.run(ctx)
	if errors.Is(err, ctx.Err()) || errors.Is(err, f.failed) {
		return err
	}
	return fmt.Errorf("follow %s: %w", selector, err)
}

// follower is the state of one Follow, over all its connections. It belongs to
// the goroutine that called Follow.
type follower struct {
	loop
	selector string
	opt      Options
	handle   Handler
}

// url returns the address to connect to. The start is in it only as long as no
// position is known: on a reconnect it would be an older one.
func (f *follower) url() string {
	query := url.Values{"envelope": {"true"}}
	if len(f.opt.Events) > 0 {
		query.Set("event", strings.Join(f.opt.Events, ","))
	}
	switch {
	case f.position != "":
	case f.opt.Since != "":
		query.Set("since", f.opt.Since)
	case f.opt.Last > 0:
		query.Set("last", strconv.Itoa(f.opt.Last))
	}
	return f.client.feedURL(f.selector, query)
}

// event takes one event of the stream. An error ends the connection.
func (f *follower) event(name, id, retry string, data []byte) error {
	f.wait.Reset()
	f.retry(retry)
	if !sendable(id) {
		id = "" // feedd's are digits
	}
	if len(data) > 0 {
		if err := f.message(name, id, data); err != nil {
			return err
		}
	}
	if id != "" {
		f.position = id
	}
	return nil
}

// message takes an event that has data. The position moves after it, unless it
// fails.
func (f *follower) message(name, id string, data []byte) error {
	m := Message{Raw: data, Position: id}
	switch name {
	case "closing":
		c, err := wire.DecodeClosing(data)
		if err != nil {
			return f.fail(fmt.Errorf("%w: %w", errNotFeedd, err))
		}
		if id != "" {
			f.position = id
		}
		f.asked = min(c.Retry, maxRetryAfter)
		return &ErrClosing{Reason: c.Reason}
	case "gap":
		gap, err := wire.DecodeGap(data)
		if err != nil {
			return f.fail(fmt.Errorf("%w: %w", errNotFeedd, err))
		}
		m.Gap = gap
	case "open", "error":
		return nil // reserved for notices that this version does not know
	default:
		l, err := wire.DecodeLine(data)
		if err != nil {
			return f.fail(fmt.Errorf("%w: %w", errNotFeedd, err))
		}
		if m.Item = l.Item; m.Item == nil {
			return nil
		}
	}
	if err := f.handle(m); err != nil {
		f.failed = err
		return err
	}
	return nil
}

func (f *follower) fail(err error) error {
	f.failed = fmt.Errorf("follow %s: %w", f.selector, err)
	return f.failed
}

package client

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"feedd/internal/wire"
)

// URLOptions says how FollowURL follows.
type URLOptions struct {
	// After is the id to present first, "" for none.
	After string
	// Idle is how long the connection may be without a byte before it is given up.
	// 0: 1 minute.
	Idle time.Duration
	// MaxDataBytes bounds the data of an event; of a larger one only the rest is
	// handed out. 0: 16 MiB.
	MaxDataBytes int
	// Opened, if set, is called when a stream began, from the goroutine that
	// called FollowURL.
	Opened func()
}

// Event is what a block of an event stream means by the HTML standard (9.2.6),
// or one of feedd's own notices. In text the bytes that are not UTF-8 are
// replaced, as the standard does.
type Event struct {
	// Name is the event's, "" for none and for message, which means the same.
	Name string
	// ID is the last event id: this block's own or, if it had none, that of
	// the one before. Options.After takes it.
	ID string
	// Data is empty if the block was no event and only had an id.
	Data []byte
	// TooLarge says that there was data, and that it was more than MaxDataBytes.
	TooLarge bool
	// Gap is set instead of Data if a feedd says that items are gone.
	Gap *wire.GapNotice
}

// maxRefused is the longest wait of FollowURL after a refusal. A person has to
// mend the cause; at most 5 minutes later the stream is connected again.
const maxRefused = 5 * time.Minute

// FollowURL hands the events of any server's event stream to handle until the
// context ends or the handler fails, and returns that error, never nil. It does
// not give up, not even after a refusal (a status other than 200, or another
// content type), which the standard takes for the end. Then the waits become
// longer, up to 5 minutes. The key is sent only if the address is of the Client's
// server.
//
// A reconnect presents the last id that the handler took. Whether events come
// twice, or are missing, depends on the server. An id that no header can carry
// (with a control character), or of more than 4096 bytes, counts as none.
func (c *Client) FollowURL(ctx context.Context, address string, opt URLOptions, handle func(Event) error) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("%q is no http or https URL", address)
	}
	if opt.Idle <= 0 {
		opt.Idle = time.Minute
	}
	if opt.MaxDataBytes <= 0 {
		opt.MaxDataBytes = defaultMaxEventBytes
	}
	f := &urlFollower{most: opt.MaxDataBytes, handle: handle}
	f.loop = loop{
		client: c, url: func() string { return address }, silence: opt.Idle,
		// Each byte of data may be a line end, which takes a line of its own: "data: "
		// are 6 bytes more.
		most: 7*opt.MaxDataBytes + blockSlack, standard: true,
		block: f.event, opened: opt.Opened, patience: maxRefused, position: opt.After,
	}
	return f.run(ctx)
}

// urlFollower is the state of one FollowURL.
type urlFollower struct {
	loop
	most   int
	handle func(Event) error
}

// event takes what one block said. The position moves after it, unless it
// fails.
func (f *urlFollower) event(name, id, retry string, data []byte) error {
	f.wait.Reset()
	f.retry(retry)
	e := Event{Name: string(decodeUTF8([]byte(name))), ID: string(decodeUTF8([]byte(id))), Data: decodeUTF8(data)}
	if e.Name == "message" || len(e.Data) == 0 {
		e.Name = ""
	}
	if id == resetID {
		e.ID = ""
	}
	if retry == tooLarge || len(e.Data) > f.most {
		e.TooLarge, e.Data = true, nil
	}
	switch e.Name {
	case "closing":
		if c := closingOf(e.Data); c != nil {
			f.position = e.ID
			f.asked = min(c.Retry, maxRetryAfter)
			return &ErrClosing{Reason: c.Reason}
		}
	case "gap":
		if e.Gap = gapOf(e.Data); e.Gap != nil {
			e.Data = nil
		}
	}
	if err := f.handle(e); err != nil {
		f.failed = err
		return err
	}
	f.position = e.ID
	return nil
}

// closingOf returns feedd's notice of the end of a stream, nil for any other
// data: other servers may have events of that name.
func closingOf(data []byte) *wire.ClosingNotice {
	c, err := wire.DecodeClosing(data)
	if err != nil || c.Reason == "" || c.Retry == 0 {
		return nil
	}
	return c
}

// gapOf returns feedd's notice of a loss, nil for any other data.
func gapOf(data []byte) *wire.GapNotice {
	g, err := wire.DecodeGap(data)
	if err != nil {
		return nil
	}
	if _, err := strconv.ParseUint(g.Through, 10, 64); err != nil {
		return nil
	}
	switch g.Reason {
	case "trimmed", "purged", "unknown":
		return g
	}
	return nil
}

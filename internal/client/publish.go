package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"feedd/internal/wire"
)

// Draft is an item to be published.
type Draft struct {
	Event string        // name, or "" for none
	TTL   time.Duration // the item is gone after this long; 0: never
	JSON  bool          // Data is a JSON value; else it is text
	Data  []byte        // not empty; UTF-8
}

// Receipt is the server's acknowledgement of a publish.
type Receipt struct {
	Feed     string
	Count    int    // of items
	First    string // id of the first one
	Last     string // id of the last one
	Replayed bool   // the server had the publish already: an earlier try got through
	// Durability is what the acknowledgement means: "fsync", "memory".
	Durability string
}

// DraftError says which draft of a batch can not be sent.
type DraftError struct {
	Index int // in the batch, from 0
	Err   error
}

func (e *DraftError) Error() string { return fmt.Sprintf("item %d of the batch: %v", e.Index+1, e.Err) }
func (e *DraftError) Unwrap() error { return e.Err }

// ParseTTL reads a ttl as the server does: 90s, 1h30m, 7d.
func ParseTTL(s string) (time.Duration, error) { return wire.ParseTTL(s) }

const (
	// The waits between tries of a publish: a restart of the server takes about a
	// second, and a publisher that waits holds items back, so it never waits
	// long.
	firstRetry = 250 * time.Millisecond
	maxRetry   = 5 * time.Second
	// patience is how long one try may take: as long as the server waits for a
	// commit. lineRate is what it may take longer for each byte of the body: 64
	// KiB a second, four times the slowest that the server takes.
	patience = 30 * time.Second
	lineRate = time.Second / (64 << 10)
)

// Publish publishes one item. key is the Idempotency-Key; "" for one of the
// Client's own. If the context ends first, the error wraps the context's and that
// of the last try, and the item may have been stored all the same: a later Publish
// with the same key settles it.
func (c *Client) Publish(ctx context.Context, feed string, d Draft, key string) (Receipt, error) {
	query := url.Values{}
	setMeta(query, &d)
	kind := "text/plain; charset=utf-8"
	if d.JSON {
		kind = "application/json"
	}
	return c.publish(ctx, feed, c.feedURL(feed, query), kind, key, d.Data)
}

// PublishBatch publishes items that are committed together or not at all, and
// otherwise does as Publish does. Drafts that are all JSON, with the same event
// and ttl, arrive exactly; in any other batch a JSON string becomes text.
func (c *Client) PublishBatch(ctx context.Context, feed string, drafts []Draft, key string) (Receipt, error) {
	if len(drafts) == 0 {
		return Receipt{}, fmt.Errorf("publish %s: the batch is empty", feed)
	}
	query, kind, encode := url.Values{}, "application/vnd.feedd+ndjson", appendEnvelope
	if plainJSON(drafts) {
		setMeta(query, &drafts[0])
		kind, encode = "application/x-ndjson", appendJSON
	}
	var body bytes.Buffer
	for i := range drafts {
		if err := encode(&body, &drafts[i]); err != nil {
			return Receipt{}, fmt.Errorf("publish %s: %w", feed, &DraftError{i, err})
		}
		body.WriteByte('\n')
	}
	return c.publish(ctx, feed, c.feedURL(feed, query), kind, key, body.Bytes())
}

func setMeta(query url.Values, d *Draft) {
	if d.Event != "" {
		query.Set("event", d.Event)
	}
	if d.TTL != 0 {
		query.Set("ttl", d.TTL.String())
	}
}

func plainJSON(drafts []Draft) bool {
	for i := range drafts {
		d := &drafts[i]
		if !d.JSON || d.Event != drafts[0].Event || d.TTL != drafts[0].TTL {
			return false
		}
	}
	return true
}

var (
	errNotUTF8 = errors.New("it is not valid UTF-8")
	errEmpty   = errors.New("it is empty")
	// errNoAnswer: one try took too long.
	errNoAnswer = errors.New("the server did not answer in time")
)

// appendJSON writes the draft's JSON on one line.
func appendJSON(body *bytes.Buffer, d *Draft) error {
	if !utf8.Valid(d.Data) {
		return errNotUTF8
	}
	if err := json.Compact(body, d.Data); err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	return nil
}

// appendEnvelope writes the draft as an envelope on one line.
func appendEnvelope(body *bytes.Buffer, d *Draft) error {
	body.WriteByte('{')
	if d.Event != "" {
		fmt.Fprintf(body, `"event":%s,`, quoted(d.Event))
	}
	if d.TTL != 0 {
		fmt.Fprintf(body, `"ttl":%s,`, quoted(d.TTL.String()))
	}
	body.WriteString(`"data":`)
	switch {
	case d.JSON:
		if err := appendJSON(body, d); err != nil {
			return err
		}
	case len(d.Data) == 0:
		return errEmpty
	case !utf8.Valid(d.Data):
		return errNotUTF8
	default:
		body.Write(quoted(string(d.Data)))
	}
	body.WriteByte('}')
	return nil
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a string does not fail
	return b
}

// publish sends one publish until it is stored, or refused for good.
func (c *Client) publish(ctx context.Context, feed, target, kind, key string, body []byte) (Receipt, error) {
	if key == "" {
		key = rand.Text()
	}
	wait := Backoff{First: firstRetry, Most: maxRetry}
	for {
		r, err := c.post(ctx, target, kind, key, body)
		if err == nil {
			return r, nil
		}
		pass, atLeast := passing(err)
		if !pass {
			return Receipt{}, fmt.Errorf("publish %s: %w", feed, err)
		}
		if ctx.Err() == nil {
			d := wait.Next(atLeast)
			c.notify(err, d)
			sleep(ctx, d)
		}
		if ctx.Err() != nil {
			return Receipt{}, fmt.Errorf("publish %s: %w; the last try: %w", feed, context.Cause(ctx), err)
		}
	}
}

// post makes one try.
func (c *Client) post(ctx context.Context, target, kind, key string, body []byte) (Receipt, error) {
	limit := patience + time.Duration(len(body))*lineRate
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNoAnswer)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", errNotFeedd, err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set("Idempotency-Key", key)
	client := &http.Client{Transport: c.transport, CheckRedirect: c.checkRedirect}
	resp, err := client.Do(req)
	if err != nil && errors.Is(context.Cause(ctx), errNoAnswer) {
		return Receipt{}, errNoAnswer
	}
	if err != nil {
		return Receipt{}, bare(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return Receipt{}, refusal(resp, time.Now())
	}
	return receipt(resp)
}

// receipt reads the answer to a publish: of one item, or of a batch.
func receipt(resp *http.Response) (Receipt, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Receipt{}, fmt.Errorf("the answer was cut off: %w", err)
	}
	var a struct {
		ID, Feed, First, Last string
		Count                 int
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", errNotFeedd, err)
	}
	if a.ID != "" {
		a.First, a.Last, a.Count = a.ID, a.ID, 1
	}
	if a.First == "" || a.Last == "" || a.Count < 1 {
		return Receipt{}, fmt.Errorf("%w: it names no item", errNotFeedd)
	}
	return Receipt{
		Feed: a.Feed, Count: a.Count, First: a.First, Last: a.Last,
		Replayed:   resp.Header.Get("Idempotent-Replay") == "true",
		Durability: resp.Header.Get("Feedd-Durability"),
	}, nil
}

package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Envelope is an item as a client reads it.
type Envelope struct {
	ID    string // opaque
	Feed  string
	Event string // "" for none
	Time  time.Time
	Data  json.RawMessage // without insignificant whitespace
}

// Text returns the text of a text item; it is false if the item is JSON.
// (A JSON item that is a string prints as text does, and counts as text.)
func (e *Envelope) Text() (string, bool) {
	text, ok := textOf(e.Data)
	return string(text), ok
}

// GapNotice is the notice of a loss as a client reads it (P4).
type GapNotice struct {
	After   string   `json:"after"`
	Through string   `json:"through"`
	Oldest  string   `json:"oldest"` // "": nothing is retained above After
	Reason  string   `json:"reason"` // one of stream.Reason
	Feeds   []string `json:"feeds"`
}

// ClosingNotice is the notice of the end of a stream as a client reads it (P9).
type ClosingNotice struct {
	Reason string
	Cursor string // "" for none
	Retry  time.Duration
}

// Line is what a line of NDJSON, a frame, or the data of an SSE event with
// envelope=true says: one of its fields is set, with a Gap the Cursor as well.
// If none is set, it is a notice that this version does not know; a client
// skips it.
type Line struct {
	Item    *Envelope
	Cursor  string
	Gap     *GapNotice
	Closing *ClosingNotice
}

// DecodeLine reads what [AppendLine] and the other functions for lines and
// frames print, with or without the newline. It keeps nothing of line.
func DecodeLine(line []byte) (Line, error) {
	m, err := scanMembers(line)
	if err != nil {
		return Line{}, err
	}
	var l Line
	switch {
	case m.data.at != 0:
		l.Item, err = m.envelope()
	case m.gap.at != 0:
		if l.Gap, err = DecodeGap(m.gap.raw); err == nil && m.cursor.at != 0 {
			l.Cursor, err = m.cursor.str("cursor")
		}
	case m.closing.at != 0:
		l.Closing, err = DecodeClosing(m.closing.raw)
	case m.cursor.at != 0:
		if l.Cursor, err = m.cursor.str("cursor"); err == nil && l.Cursor == "" {
			err = errors.New("cursor is empty")
		}
	}
	if err != nil {
		return Line{}, err
	}
	return l, nil
}

func (m *members) envelope() (*Envelope, error) {
	e := &Envelope{Data: m.data.compact()}
	var at string
	for _, f := range []struct {
		name string
		from span
		to   *string
		must bool
	}{
		{"id", m.id, &e.ID, true},
		{"feed", m.feed, &e.Feed, true},
		{"event", m.event, &e.Event, false},
		{"time", m.time, &at, true},
	} {
		if f.from.at == 0 && !f.must {
			continue
		}
		if f.from.at == 0 {
			return nil, fmt.Errorf("the envelope has no %s", f.name)
		}
		var err error
		if *f.to, err = f.from.str(f.name); err != nil {
			return nil, err
		}
	}
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return nil, fmt.Errorf("the envelope's time: %w", err)
	}
	e.Time = t.UTC()
	return e, nil
}

// DecodeGap reads the data of an SSE event named gap.
func DecodeGap(data []byte) (*GapNotice, error) {
	g := new(GapNotice)
	if err := json.Unmarshal(data, g); err != nil {
		return nil, fmt.Errorf("a gap notice: %w", err)
	}
	return g, nil
}

// DecodeClosing reads the data of an SSE event named closing.
func DecodeClosing(data []byte) (*ClosingNotice, error) {
	var c struct {
		Reason string `json:"reason"`
		Cursor string `json:"cursor"`
		Retry  int64  `json:"retry"` // in milliseconds
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("a closing notice: %w", err)
	}
	const longest = math.MaxInt64 / int64(time.Millisecond)
	retry := time.Duration(min(max(c.Retry, 0), longest)) * time.Millisecond
	return &ClosingNotice{Reason: c.Reason, Cursor: c.Cursor, Retry: retry}, nil
}

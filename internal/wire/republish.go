package wire

import (
	"bytes"
	"fmt"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

// ParseEnvelopes reads a body of application/vnd.feedd+ndjson: lines as
// [AppendLine] prints them. Of each count the members event, data and ttl;
// others are ignored, and so are lines that are notices: those without data
// that have a cursor, gap or closing.
//
// Data that is a string makes a text item, anything else a JSON item, and so
// do the two kinds of string that no text item can print: the empty one, and
// one with a lone surrogate escape. A member that counts must not be repeated,
// because readers of JSON differ in which one they take.
func ParseEnvelopes(body []byte, maxItems int) ([]stream.Draft, error) {
	return parseBatch(body, maxItems, parseEnvelope)
}

func parseEnvelope(line []byte) (stream.Draft, bool, error) {
	m, err := scanMembers(line)
	if err != nil {
		return stream.Draft{}, false, err
	}
	if m.data.at == 0 {
		if m.isNotice() {
			return stream.Draft{}, false, nil
		}
		return stream.Draft{}, false, &SyntaxError{Msg: "the envelope has no data"}
	}
	d, err := m.draft()
	return d, true, err
}

// draft returns the item of an envelope with data.
func (m *members) draft() (d stream.Draft, err error) {
	if m.repeated != nil {
		return d, m.repeated
	}
	if m.event.at != 0 {
		if d.Event, err = m.event.str("event"); err == nil {
			err = selector.CheckEvent(d.Event)
		}
		if err != nil {
			return d, m.event.fault(err.Error())
		}
	}
	if m.ttl.at != 0 {
		var ttl string
		if ttl, err = m.ttl.str("ttl"); err == nil {
			d.TTL, err = ParseTTL(ttl)
		}
		if err != nil {
			return d, m.ttl.fault(err.Error())
		}
	}
	if text, ok := textOf(m.data.raw); ok {
		d.Data = text
	} else {
		d.JSON, d.Data = true, m.data.compact()
	}
	return d, nil
}

// members are those of an envelope or notice that have a meaning. Names are
// compared exactly, in upper and lower case. Of a repeated one the last counts.
type members struct {
	id, feed, event, time, data, ttl span
	cursor, gap, closing             span
	ref, key                         span  // of a client's frame
	repeated                         error // the first event, data or ttl that stands again
}

func (m *members) isNotice() bool {
	return m.cursor.at != 0 || m.gap.at != 0 || m.closing.at != 0
}

// scanMembers reads a line that is one JSON object.
func scanMembers(line []byte) (members, error) {
	var m members
	s := scanner{b: line, around: 1, member: func(name, value span) error {
		key := name.raw[1 : len(name.raw)-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			key, _ = unquote(name.raw)
		}
		place := m.place(key)
		if place == nil {
			return nil
		}
		if m.repeated == nil && place.at != 0 && (place == &m.event || place == &m.data || place == &m.ttl) {
			m.repeated = name.fault(fmt.Sprintf("the envelope has %s twice", key))
		}
		*place = value
		return nil
	}}
	v, err := s.document()
	if err != nil {
		return members{}, err
	}
	if v.raw[0] != '{' {
		return members{}, v.fault("an envelope is expected: a JSON object")
	}
	return m, nil
}

func (m *members) place(name []byte) *span {
	switch string(name) {
	case "id":
		return &m.id
	case "feed":
		return &m.feed
	case "event":
		return &m.event
	case "time":
		return &m.time
	case "data":
		return &m.data
	case "ttl":
		return &m.ttl
	case "cursor":
		return &m.cursor
	case "gap":
		return &m.gap
	case "closing":
		return &m.closing
	case "ref":
		return &m.ref
	case "key":
		return &m.key
	}
	return nil
}

// str reads a member that must be a string.
func (v span) str(name string) (string, error) {
	if v.raw[0] == '"' {
		if text, ok := unquote(v.raw); ok {
			return string(text), nil
		}
	}
	return "", fmt.Errorf("%s must be a string", name)
}

func (v span) fault(msg string) error { return &SyntaxError{Offset: int64(v.at), Msg: msg} }

// textOf returns the text of data that a text item printed. It is the one
// place that tells text from JSON in an envelope.
func textOf(data []byte) ([]byte, bool) {
	if len(data) <= len(`""`) || data[0] != '"' {
		return nil, false
	}
	return unquote(data)
}

package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"

	"feedd/internal/stream"
)

// Settings are those of a single feed, as GET and PUT of /feeds/{feed}/settings
// speak them in JSON:
//
//	{"retention":{"max_items":200,"max_bytes":"64MiB","max_age":"30d"}}
type Settings struct {
	// Retention bounds the backlog of the feed. A bound of 0 is none.
	Retention Retention `yaml:"retention" json:"retention"`
}

// ParseSettings parses the settings of a single feed. They are as strict as the
// file, in the same words: sizes are numbers or text, durations text. A bound
// that is left out is that of base. All errors are returned at once, joined, one
// line each, which begins with the key.
func ParseSettings(data []byte, base stream.Retention) (stream.Retention, error) {
	root, err := parseJSON(data)
	if err != nil {
		return stream.Retention{}, err
	}
	if root.kind != mapping {
		return stream.Retention{}, errors.New(`the settings must be an object, as in {"retention":{"max_items":200}}`)
	}
	l := newLoader("")
	s := Settings{Retention: RetentionOf(base)}
	l.decode(root, reflect.ValueOf(&s).Elem(), "")
	l.checkBounds(reflect.ValueOf(s), "")
	if err := l.join(); err != nil {
		return stream.Retention{}, err
	}
	return s.Retention.Stream(), nil
}

// AppendSettings appends the settings of a single feed to b, as ParseSettings
// reads them.
func AppendSettings(b []byte, r stream.Retention) []byte {
	data, err := json.Marshal(Settings{Retention: RetentionOf(r)})
	if err != nil {
		panic(fmt.Sprintf("config: marshal settings: %v", err)) // numbers and text only
	}
	return append(b, data...)
}

// parseJSON returns the one JSON value (RFC 8259) of data.
func parseJSON(data []byte) (*node, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the settings are not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	n, err := jsonValue(dec, 0)
	if err == nil {
		if _, more := dec.Token(); more == io.EOF {
			return n, nil
		}
		err = errors.New("something follows the value")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	return nil, fmt.Errorf("bad JSON at byte %d: %w", dec.InputOffset(), err)
}

func jsonValue(dec *json.Decoder, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errors.New("values are nested too deeply")
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case nil:
		return &node{kind: null}, nil
	case json.Delim:
		n := &node{kind: list}
		if t == '{' {
			n.kind = mapping
		}
		for dec.More() {
			var e entry
			if t == '{' {
				key, err := dec.Token()
				if err != nil {
					return nil, err
				}
				e.key = key.(string) // the decoder lets nothing else stand there
			}
			if e.value, err = jsonValue(dec, depth+1); err != nil {
				return nil, err
			}
			if t == '{' {
				n.entries = append(n.entries, e)
			} else {
				n.items = append(n.items, e.value)
			}
		}
		_, err := dec.Token() // the end
		return n, err
	}
	return &node{kind: scalar, text: fmt.Sprint(t)}, nil
}

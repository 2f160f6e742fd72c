package wire

import (
	"bytes"
	"errors"

	"feedd/internal/stream"
)

// ParseJSON reads a body of application/json: any one JSON value.
func ParseJSON(body []byte) (stream.Draft, error) {
	if blank(body) {
		return stream.Draft{}, ErrEmpty
	}
	s := scanner{b: body}
	v, err := s.document()
	if err != nil {
		return stream.Draft{}, err
	}
	return stream.Draft{JSON: true, Data: v.compact()}, nil
}

// ParseText reads a body of text/plain: UTF-8, kept as it is, also if it is
// only whitespace.
func ParseText(body []byte) (stream.Draft, error) {
	if len(body) == 0 {
		return stream.Draft{}, ErrEmpty
	}
	if at := invalidUTF8(body); at >= 0 {
		return stream.Draft{}, errUTF8(at)
	}
	return stream.Draft{Data: exactCopy(body)}, nil
}

// ParseLines reads a body of application/x-ndjson: on each line that is not
// empty or only whitespace one JSON value. Lines end with LF or CRLF.
func ParseLines(body []byte, maxItems int) ([]stream.Draft, error) {
	return parseBatch(body, maxItems, func(line []byte) (stream.Draft, bool, error) {
		d, err := ParseJSON(line)
		return d, true, err
	})
}

// parseBatch reads a batch line by line; parse tells whether the line is an
// item. It stops at the first fault, and at the first item above maxItems.
func parseBatch(body []byte, maxItems int, parse func(line []byte) (stream.Draft, bool, error)) ([]stream.Draft, error) {
	// A guess, at most 256 drafts (14 KiB): a body may be mostly line ends.
	drafts := make([]stream.Draft, 0, min(bytes.Count(body, lf)+1, max(maxItems, 0), 256))
	number := 0
	for line := range bytes.SplitSeq(body, lf) {
		number++
		if blank(line) {
			continue
		}
		d, isItem, err := parse(line)
		if err != nil {
			return nil, inLine(err, number)
		}
		if !isItem {
			continue
		}
		if len(drafts) >= maxItems {
			return nil, &TooManyError{Max: maxItems, What: "items"}
		}
		drafts = append(drafts, d)
	}
	if len(drafts) == 0 {
		return nil, ErrEmpty
	}
	return drafts, nil
}

// inLine adds the line to an error of the scanner.
func inLine(err error, number int) error {
	var bad *SyntaxError
	if errors.As(err, &bad) {
		bad.Line = number
	}
	return err
}

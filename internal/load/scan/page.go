package scan

import (
	"bytes"
	"errors"
	"io"
)

// A poller asks for one JSON page after the other, each with the cursor of the
// one before, and waits for the next as long as the server lets it:
// {"items":[...],"cursor":"...","more":false}. What it gets is the same for
// every server that has a cursor: the marks of the items, and then the cursor.

var (
	plainStatus  = []byte("HTTP/1.1 200 ")
	plainLength  = []byte("\r\nContent-Length: ")
	notPlainHead = [][]byte{[]byte("\r\nConnection:"), []byte("\r\nTransfer-Encoding:"), []byte("\r\nContent-Encoding:")}
)

// pageHead reads a whole head as most pages have it; there is one for each item
// that a poller gets. It is false where readHead must look.
func (p *Parser) pageHead(b []byte) (rest []byte, ok bool) {
	end := bytes.Index(b, headEnd)
	if end < 0 || !bytes.HasPrefix(b, plainStatus) {
		return nil, false
	}
	head, rest := b[:end], b[end+len(headEnd):]
	i := bytes.Index(head, plainLength)
	if i < 0 {
		return nil, false
	}
	for _, name := range notPlainHead {
		if bytes.Contains(head, name) {
			return nil, false
		}
	}
	n := int64(0)
	digits := head[i+len(plainLength):]
	if at := bytes.IndexByte(digits, '\r'); at >= 0 {
		digits = digits[:at]
	}
	const mostDigits = 15 // an int64 has room for them without a check
	if len(digits) == 0 || len(digits) > mostDigits {
		return nil, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return nil, false
		}
		n = n*10 + int64(c-'0')
	}
	p.frame, p.remaining = counted, n
	return rest, true
}

// takePage takes a piece of a page's body, which ended with err io.EOF.
func (p *Parser) takePage(b []byte, err error, emit func(*Lines)) error {
	if !errors.Is(err, io.EOF) || len(p.carry) > 0 {
		p.carry = append(p.carry, b...)
		b = p.carry
	}
	if errors.Is(err, io.EOF) {
		p.Lines.page(b, emit)
		p.carry = nil
	}
	return err
}

// page reads a whole page.
func (l *Lines) page(b []byte, emit func(*Lines)) {
	l.begin()
	l.Items = 0
	for {
		i := bytes.IndexByte(b, MarkEdge)
		if i < 0 {
			break
		}
		b = b[i:]
		if l.Marked = ParseMark(b, &l.Mark); !l.Marked {
			b = b[1:]
			continue
		}
		l.Items++
		emit(l)
		b = b[markLen:]
	}
	// The cursor and the gap stand behind the items.
	if l.Marked, l.moved = false, l.member(b, memberCursor); l.moved {
		l.cur ^= 1
	}
	if l.Gap = bytes.Contains(b, memberGap); l.Gap {
		emit(l)
	}
	l.begin()
}

var memberGap = []byte(`,"gap":{`)

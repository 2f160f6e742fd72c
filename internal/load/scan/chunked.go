package scan

import (
	"errors"
	"io"
)

// dechunker takes the framing of the chunked transfer coding (RFC 9112, section
// 7.1) out of a byte stream, however it is cut into reads.
type dechunker struct {
	state     chunkState
	some      bool  // the size line has a digit
	remaining int64 // of the chunk; in the size line: the size so far
}

type chunkState uint8

const (
	chunkSize    chunkState = iota // in the digits of a size line
	chunkExt                       // behind them, up to the line's end
	chunkData                      // in a chunk's data
	chunkEnd                       // in the CRLF behind the data
	trailerStart                   // at the start of a line behind the last chunk
	trailerLine                    // in such a line, which is not empty
)

// maxChunk is the largest size of a chunk, more than any server sends.
const maxChunk = 1 << 40

var errChunk = errors.New("bad chunked transfer coding")

// strip moves the data in b to its front and returns how much it is. With
// io.EOF the body ended within b.
func (d *dechunker) strip(b []byte) (n int, err error) {
	for i := 0; i < len(b); {
		if d.state == chunkData {
			m := int(min(d.remaining, int64(len(b)-i)))
			copy(b[n:], b[i:i+m])
			n, i = n+m, i+m
			if d.remaining -= int64(m); d.remaining == 0 {
				d.state = chunkEnd
			}
			continue
		}
		if err := d.frame(b[i]); err != nil {
			return n, err
		}
		i++
	}
	return n, nil
}

// frame takes a byte that is not data.
func (d *dechunker) frame(c byte) error {
	switch d.state {
	case chunkSize:
		return d.sizeLine(c)
	case chunkExt:
		if c == '\n' {
			d.beginData()
		}
	case chunkEnd:
		switch c {
		case '\r':
		case '\n':
			*d = dechunker{}
		default:
			return errChunk
		}
	case trailerStart:
		switch c {
		case '\r':
		case '\n':
			return io.EOF
		default:
			d.state = trailerLine
		}
	case trailerLine:
		if c == '\n' {
			d.state = trailerStart
		}
	}
	return nil
}

func (d *dechunker) sizeLine(c byte) error {
	var digit byte
	switch {
	case '0' <= c && c <= '9':
		digit = c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		digit = c | 0x20 - 'a' + 10
	case !d.some:
		return errChunk
	case c == '\n':
		d.beginData()
		return nil
	case c == '\r', c == ';', c == ' ', c == '\t':
		d.state = chunkExt
		return nil
	default:
		return errChunk
	}
	d.some = true
	if d.remaining = d.remaining<<4 | int64(digit); d.remaining > maxChunk {
		return errChunk
	}
	return nil
}

func (d *dechunker) beginData() {
	d.state = chunkData
	if d.remaining == 0 {
		d.state = trailerStart
	}
}

package scan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Parser reads one response: its head, the framing of its body, and the events
// in it.
type Parser struct {
	Answered  bool // the head was read
	frame     framing
	chunk     dechunker
	remaining int64 // of a body of known length, in bytes
	Closes    bool  // the server ends the connection after the answer
	Lines     Lines
	// carry is a cut head, or the beginning of a cut line, copied from the buffer.
	carry []byte
}

// framing says how a body is delimited.
type framing uint8

const (
	untilClose framing = iota
	chunked
	counted
)

// Headroom is how much of a reader's buffer must be free in front of what was
// read.
const Headroom = lineHead

// maxHead is how long a head may be: as much as browsers and proxies let pass.
const maxHead = 16 << 10

var errHead = errors.New("the answer is no HTTP/1.1 response")

// Restart makes the parser ready for another connection of the same
// subscriber, which goes on where the last one ended.
func (p *Parser) Restart() {
	p.Answered, p.Closes, p.chunk, p.carry = false, false, dechunker{}, nil
	p.Lines.reset()
}

// Take reads what a read put into buf[headroom:headroom+n]. It uses the
// headroom and changes the buffer. The error is io.EOF when the body ended,
// else what is wrong with the answer.
func (p *Parser) Take(buf []byte, n int, emit func(*Lines)) error {
	if !p.Answered {
		rest, err := p.head(buf[Headroom : Headroom+n])
		if err != nil || !p.Answered {
			return err
		}
		n = copy(buf[Headroom:], rest)
	}
	n, err := p.unframe(buf[Headroom : Headroom+n])
	if p.Lines.Pages {
		return p.takePage(buf[Headroom:Headroom+n], err, emit)
	}
	start := Headroom - len(p.carry)
	copy(buf[start:], p.carry)
	rest := p.Lines.parse(buf[start:Headroom+n], emit)
	p.carry = append(p.carry[:0], rest...)
	return err
}

// unframe moves the body's data to the front of b and returns how much it is.
func (p *Parser) unframe(b []byte) (int, error) {
	switch p.frame {
	case chunked:
		return p.chunk.strip(b)
	case counted:
		n := min(p.remaining, int64(len(b)))
		if p.remaining -= n; p.remaining == 0 {
			return int(n), io.EOF
		}
		return int(n), nil
	default:
		return len(b), nil
	}
}

var headEnd = []byte("\r\n\r\n")

// head takes a piece of the head. Once it is whole, p.body is true and rest is
// what of b lies behind it.
func (p *Parser) head(b []byte) (rest []byte, err error) {
	all := b
	if len(p.carry) > 0 {
		p.carry = append(p.carry, b...)
		all = p.carry
	}
	if p.Lines.Pages {
		if rest, ok := p.pageHead(all); ok {
			p.Answered, p.carry = true, nil
			return rest, nil
		}
	}
	for {
		end := bytes.Index(all, headEnd)
		if end < 0 {
			if len(all) > maxHead || len(all) >= 5 && string(all[:5]) != "HTTP/" {
				return nil, errHead
			}
			if len(p.carry) != len(all) {
				p.carry = append([]byte(nil), all...)
			}
			return nil, nil
		}
		interim, err := p.readHead(string(all[:end]))
		if err != nil {
			return nil, err
		}
		all = all[end+len(headEnd):]
		if !interim {
			p.Answered, p.carry = true, nil
			return all, nil
		}
	}
}

// readHead reads a whole head. Interim responses (1xx) come before the one
// that counts.
func (p *Parser) readHead(head string) (interim bool, err error) {
	status, fields, _ := strings.Cut(head, "\r\n")
	version, code, ok := strings.Cut(status, " ")
	if !ok || !strings.HasPrefix(version, "HTTP/1.") {
		return false, errHead
	}
	if strings.HasPrefix(code, "1") && !strings.HasPrefix(code, "101") {
		return true, nil
	}
	if !strings.HasPrefix(code, "200") {
		return false, fmt.Errorf("the server answers %s", code)
	}
	p.frame = untilClose
	for field := range strings.SplitSeq(fields, "\r\n") {
		name, value, _ := strings.Cut(field, ":")
		if err := p.readField(strings.ToLower(name), strings.ToLower(strings.TrimSpace(value))); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (p *Parser) readField(name, value string) error {
	switch name {
	case "transfer-encoding":
		switch value {
		case "chunked":
			p.frame = chunked
		case "identity":
		default:
			return fmt.Errorf("the transfer coding %q is not known here", value)
		}
	case "content-length":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return errHead
		}
		if p.frame != chunked {
			p.frame, p.remaining = counted, n
		}
	case "connection":
		p.Closes = value == "close"
	case "content-encoding":
		if value != "identity" && value != "" {
			return fmt.Errorf("the stream is compressed (%s), which was not asked for", value)
		}
	case "content-type":
		want := "text/event-stream"
		if p.Lines.NDJSON || p.Lines.Pages {
			want = "json" // application/x-ndjson, jsonl, stream+json
		}
		if !strings.Contains(value, want) {
			return fmt.Errorf("the answer is of type %q, not a stream of the format asked for", value)
		}
	}
	return nil
}

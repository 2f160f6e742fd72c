package client

import (
	"bytes"
)

// The library reads some fields otherwise than the HTML standard says (9.2.6).
// For streams of other servers than feedd each line is changed into one that
// both read alike. What the library cannot express goes through it as a value
// that no server can send, because such a value is left out if a server sends
// it.
const (
	resetID  = "\x00"      // as an id: the server took its last id back
	tooLarge = "too large" // as a retry: the block's data was left out
)

// field splits a line as the standard does.
func field(line []byte) (name string, value []byte) {
	before, value, _ := bytes.Cut(line, []byte(":"))
	return string(before), bytes.TrimPrefix(value, []byte(" "))
}

// plainLine changes the last line of block, which is not blank, or leaves it
// out.
func (b *blocks) plainLine() {
	line := b.block[b.line:]
	name, value := field(line)
	switch name {
	case "data":
		return
	case "event":
		if len(value) > 0 {
			return
		}
		// The library does not know the line without a colon.
		b.block = append(b.block[:b.line], "event:"...)
		return
	case "id":
		if len(value) == 0 {
			b.block = append(b.block[:b.line], "id:"+resetID...)
			return
		}
		if sendable(string(value)) && len(decodeUTF8(value)) <= maxID {
			return
		}
	case "retry":
		if isDigits(value) {
			return
		}
	}
	b.block = b.block[:b.line]
}

// shed makes room in a block that is too large: of its whole lines only those
// with an id stay. It reports whether its last line fits now, with more bytes.
func (b *blocks) shed(more int) bool {
	var ids []byte
	for line := range bytes.Lines(b.block[:b.line]) {
		if bytes.HasPrefix(line, []byte("id:")) {
			ids = append(ids[:0], line...) // the last one counts
		}
	}
	last := b.block[b.line:]
	b.over, b.line = true, len(ids)
	b.block = append(ids, last...)
	return len(b.block)+more <= b.most
}

func isDigits(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) > 0
}

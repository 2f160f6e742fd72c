package client

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// blocks is the body of an event stream as the library's reader needs it: each
// block (the lines up to a blank one) is handed out when it is whole, and what
// follows the last blank line never is. A byte order mark at the beginning is
// left out, and each line end (CRLF, CR or LF) becomes LF.
//
// It hands out at most one block with a Read. The library searches all that it
// has buffered for each block and again after each Read. If a Read had many
// small blocks, or a large block came in small parts, the time would grow with
// the square of their size.
//
// All fields belong to the goroutine that reads.
type blocks struct {
	src  io.ReadCloser
	idle *time.Timer   // ends the connection; runs only while src is read
	wait time.Duration // how long one read may take
	most int           // size of a block, in bytes
	// standard says that lines are put into the words of standard.go, and that a
	// block which is too large is handed out without its data. Else it is an
	// error, and lines stay as they are.
	standard bool

	chunk [32 << 10]byte // what one read takes at most: some hundred items
	rest  []byte         // of chunk, not looked at yet
	block []byte         // the block that is being put together
	line  int            // where its last line begins
	out   []byte         // of block, whole, to be handed out
	cr    bool           // the last line ended in CR: an LF now belongs to it
	begun bool           // the first line is over
	over  bool           // the block is too large: its data is left out
	skip  bool           // so is the rest of its last line
	err   error          // of src, or errTooLarge
}

// errTooLarge ends Follow: the event would come again after each reconnect.
var errTooLarge = errors.New("an event is larger than the limit of the reader")

// keepBlock is how much memory is kept for the next block, in bytes: as much as
// the largest item by default. The memory of a larger block is given back.
const keepBlock = 1 << 20

func newBlocks(src io.ReadCloser, idle *time.Timer, wait time.Duration, most int) *blocks {
	return &blocks{src: src, idle: idle, wait: wait, most: most}
}

func (b *blocks) Close() error { return b.src.Close() }

func (b *blocks) Read(p []byte) (int, error) {
	for len(b.out) == 0 {
		if len(b.rest) > 0 && !errors.Is(b.err, errTooLarge) {
			b.assemble()
		} else if b.err != nil {
			return 0, b.err
		} else {
			b.fill()
		}
	}
	n := copy(p, b.out)
	b.out = b.out[n:]
	if len(b.out) == 0 {
		b.block, b.line = b.block[:0], 0
		if cap(b.block) > keepBlock {
			b.block = nil
		}
	}
	return n, nil
}

// fill reads more of the stream.
func (b *blocks) fill() {
	b.idle.Reset(b.wait)
	n, err := b.src.Read(b.chunk[:])
	b.idle.Stop()
	b.rest, b.err = b.chunk[:n], err
}

// assemble moves lines from rest to block until the block is whole or rest is
// used up.
func (b *blocks) assemble() {
	for len(b.rest) > 0 {
		if b.cr {
			b.cr = false
			if b.rest[0] == '\n' {
				b.rest = b.rest[1:]
				continue
			}
		}
		part, _, ended := bytes.Cut(b.rest, []byte("\n"))
		if i := bytes.IndexByte(part, '\r'); i >= 0 {
			part, ended = part[:i], true
		}
		if !b.fits(part) {
			if !b.standard {
				b.err = errTooLarge
				return
			}
			b.skip = true
		}
		if !b.skip {
			b.block = append(b.block, part...)
		}
		if !ended {
			b.rest = nil
			return
		}
		b.cr = b.rest[len(part)] == '\r'
		b.rest = b.rest[len(part)+1:]
		if b.endLine() {
			return
		}
	}
}

// fits reports whether the last line can have this part as well.
func (b *blocks) fits(part []byte) bool {
	if len(b.block)+len(part) <= b.most {
		return true
	}
	comment := len(b.block) > b.line && b.block[b.line] == ':' || len(b.block) == b.line && part[0] == ':'
	return b.standard && !b.skip && !comment && b.shed(len(part))
}

// endLine ends the last line of block, and reports whether that makes the
// block whole.
func (b *blocks) endLine() bool {
	if !b.begun {
		b.begun = true
		b.block = bytes.TrimPrefix(b.block, []byte("\ufeff"))
	}
	blank := len(b.block) == b.line && !b.skip
	if b.standard && !blank {
		if b.skip {
			b.block, b.skip = b.block[:b.line], false
		} else {
			b.plainLine()
		}
		if len(b.block) == b.line {
			return false // the line is left out
		}
	}
	if blank && b.over {
		b.block, b.over = append(b.block, "retry:"+tooLarge+"\n"...), false
	} else if blank && b.line == 0 {
		return false // there is nothing before it
	}
	b.block = append(b.block, '\n')
	b.line = len(b.block)
	if blank {
		b.out = b.block
	}
	return blank
}

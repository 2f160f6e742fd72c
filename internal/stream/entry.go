package stream

import "sync/atomic"

// maxFormats is how many formats a program may make: each costs a pointer in
// every entry.
const maxFormats = 4

var formats atomic.Int32

// Format is a wire format of items: how one item looks as bytes on a
// connection. What it encodes is kept with the window's entries, so that the
// readers of a feed share it.
type Format struct {
	slot   int32
	append func(dst []byte, it *Item) []byte
}

// NewFormat makes a format of a function that appends the encoded item to dst
// and always gives the same bytes for the same item. It is meant for package
// variables: it panics when there are too many.
func NewFormat(appendItem func(dst []byte, it *Item) []byte) *Format {
	f := &Format{slot: formats.Add(1) - 1, append: appendItem}
	if f.slot >= maxFormats {
		panic("stream: too many formats")
	}
	return f
}

// Entry is an item on its way to readers. It is immutable and shared.
type Entry struct {
	Item
	before ID // see Commit.Before
	shared bool
	gone   bool // taken out before its turn; guarded by windows.mu
	// frames are the encodings that somebody asked for. Each is set once; two
	// readers that come together may both encode, to the same bytes.
	frames [maxFormats]atomic.Pointer[[]byte]
}

// AppendFrame appends the entry in the given format. An entry that is shared
// is encoded once for all readers.
func (e *Entry) AppendFrame(dst []byte, f *Format) []byte {
	if !e.shared {
		return f.append(dst, &e.Item)
	}
	return append(dst, e.Frame(f)...)
}

// Frame returns the entry in the given format, encoded once for all readers.
func (e *Entry) Frame(f *Format) []byte {
	if p := e.frames[f.slot].Load(); p != nil {
		return *p
	}
	b := f.append(nil, &e.Item)
	e.frames[f.slot].Store(&b)
	return b
}

// cost estimates the memory that an entry takes with its usual two encodings.
func (e *Entry) cost() int64 { return 256 + 3*int64(e.Size()) }

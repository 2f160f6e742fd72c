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

// Entry is an item on its way to readers. Its item is immutable; the frames
// come as somebody asks for them.
type Entry struct {
	Item
	before ID   // see Commit.Before
	gone   bool // taken out before its turn; guarded by windows.mu

	// memory is what the frames of a window's entry count against; nil for an
	// entry of one reader alone, which keeps none.
	memory *memory
	// frames are the encodings. Each is set once; two readers that come
	// together may both encode, to the same bytes.
	frames [maxFormats]atomic.Pointer[[]byte]
	framed atomic.Int64 // bytes of frames that count
	left   atomic.Bool  // the entry left the windows: no more frames count
}

// memory counts what the windows hold, entries and frames, against a bound.
type memory struct {
	used atomic.Int64
	max  int64
}

// AppendFrame appends the entry in the given format. An entry of a window is
// encoded once for all readers.
func (e *Entry) AppendFrame(dst []byte, f *Format) []byte {
	if e.memory == nil {
		return f.append(dst, &e.Item)
	}
	return append(dst, e.Frame(f)...)
}

// Frame returns the entry in the given format, shared: nobody writes to it. It
// is kept for the next reader as long as the entry is in a window and there is
// room for it.
func (e *Entry) Frame(f *Format) []byte {
	if e.memory == nil {
		return f.append(nil, &e.Item)
	}
	if p := e.frames[f.slot].Load(); p != nil {
		return *p
	}
	b := f.append(nil, &e.Item)
	n := int64(len(b))
	if e.left.Load() || e.memory.used.Load()+n > e.memory.max {
		return b
	}
	if e.frames[f.slot].CompareAndSwap(nil, &b) {
		e.memory.used.Add(n)
		e.framed.Add(n)
		if e.left.Load() {
			e.release() // it left meanwhile, perhaps before this frame counted
		}
	}
	return b
}

// leave takes the entry's frames out of the count; the entry is on its way out.
func (e *Entry) leave() {
	e.left.Store(true)
	for i := range e.frames {
		e.frames[i].Store(nil)
	}
	e.release()
}

func (e *Entry) release() { e.memory.used.Add(-e.framed.Swap(0)) }

// cost is the memory that an entry takes without its frames, about.
func (e *Entry) cost() int64 { return 256 + int64(e.Size()) }

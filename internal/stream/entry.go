package stream

import "sync/atomic"

// Format is a wire format of items: how one item looks as bytes on a
// connection. What it encodes is kept with the entries of the windows, so that
// the readers of a feed share it; entries tell formats apart by their address.
type Format struct {
	append func(dst []byte, it *Item) []byte
}

// NewFormat makes a format of a function that appends the encoded item to dst
// and always gives the same bytes for the same item. A format is meant to be
// made once and shared.
func NewFormat(appendItem func(dst []byte, it *Item) []byte) *Format {
	return &Format{append: appendItem}
}

// Entry is an item on its way to readers. The item is immutable; its frames are
// made when the first reader needs them.
type Entry struct {
	Item
	before ID   // see Commit.Before
	gone   bool // taken out before its turn; guarded by windows.mu

	// memory is what the frames of a window's entry count against; nil for an
	// entry of one reader alone, which keeps none.
	memory *memory
	// frames are the encodings that were asked for: a list, because readers of
	// one feed rarely use more than one or two formats.
	frames  atomic.Pointer[frame]
	framed  atomic.Int64 // bytes of frames that count
	evicted atomic.Bool  // the entry is not in the windows any more: no more frames count
}

// frame is an entry in a format.
type frame struct {
	format *Format
	bytes  []byte
	next   *frame
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

// Frame returns the entry in the given format, shared: it must not be written to. It
// is kept for the next reader as long as the entry is in a window and there is
// room for it.
func (e *Entry) Frame(f *Format) []byte {
	if e.memory == nil {
		return f.append(nil, &e.Item)
	}
	var b []byte
	for {
		first := e.frames.Load()
		if kept := first.of(f); kept != nil {
			return kept.bytes // perhaps that of a reader who came at the same time
		}
		if b == nil {
			b = f.append(nil, &e.Item)
		}
		n := int64(len(b))
		if e.evicted.Load() || e.memory.used.Load()+n > e.memory.max {
			return b
		}
		if e.frames.CompareAndSwap(first, &frame{f, b, first}) {
			e.memory.used.Add(n)
			e.framed.Add(n)
			if e.evicted.Load() {
				e.release() // perhaps it was evicted before this frame counted
			}
			return b
		}
	}
}

// of returns the frame in a format, nil if the list has none.
func (fr *frame) of(f *Format) *frame {
	for ; fr != nil && fr.format != f; fr = fr.next {
	}
	return fr
}

// evict takes the entry's frames out of the count; the entry is on its way out.
func (e *Entry) evict() {
	e.evicted.Store(true)
	e.frames.Store(nil)
	e.release()
}

func (e *Entry) release() { e.memory.used.Add(-e.framed.Swap(0)) }

// cost is about how much memory an entry takes without its frames, in bytes.
// 256 of them are for the entry, its places in two queues, and what an
// allocation is rounded up by.
func (e *Entry) cost() int64 { return 256 + int64(e.Size()) }

package scan

import "bytes"

// lineHead is how many bytes of a line are looked at: the name of an SSE field, the
// id and the mark must be in them. An envelope has its id and its feed's name, of up
// to 128 bytes, before the mark. The rest of a line is passed over.
const lineHead = 1024

// maxID is the longest id that a subscriber can present when it connects again; a
// longer one counts as none. feedd's have 16 bytes. The two positions of a
// subscriber take 190 bytes.
const maxID = 94

// position is an id as the server gave it.
type position struct {
	n    uint8 // 0: none
	text [maxID]byte
}

func (p *position) set(id []byte) {
	p.n = 0
	if len(id) <= maxID {
		p.n = uint8(copy(p.text[:], id))
	}
}

func (p *position) bytes() []byte { return p.text[:p.n] }

// Lines reads events out of the body of a stream. It remembers what it knows of
// the event that is not whole yet; its caller keeps the bytes of a cut line.
type Lines struct {
	NDJSON bool
	Pages  bool // there are none, but pages
	Items  int  // of the latest page
	skip   bool // the head of this line was read, the rest is passed over

	// Of the event that is being read:
	data   bool // there is a data line, or it is a line of NDJSON that is no notice
	Marked bool
	Gap    bool // it is feedd's notice of a loss
	Notice bool // it is another notice of feedd's
	moved  bool // it has an id
	Mark   Mark

	// ids holds the position, at cur, and that of the event being read.
	ids [2]position
	cur uint8
}

// reset forgets the event that is not whole, as a reader does whose connection
// broke. The position stays.
func (l *Lines) reset() {
	l.skip = false
	l.begin()
}

func (l *Lines) begin() {
	l.data, l.Marked, l.Gap, l.Notice, l.moved = false, false, false, false, false
}

// Position returns the id of the last whole event that had one.
func (l *Lines) Position() []byte { return l.ids[l.cur].bytes() }

// parse reads b, calls emit for each event that ends in it, and returns the
// beginning of a line that it needs to see again in front of what comes next;
// it is shorter than lineHead. The event that emit is called for is l.
func (l *Lines) parse(b []byte, emit func(*Lines)) (rest []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		switch {
		case end < 0 && l.skip:
			return nil
		case end < 0 && len(b) < lineHead:
			return b
		case end < 0:
			l.line(b[:lineHead], emit)
			l.skip = true
			return nil
		case l.skip:
			l.skip = false
		default:
			l.line(b[:min(end, lineHead)], emit)
		}
		if l.NDJSON {
			l.end(emit)
		}
		b = b[end+1:]
	}
	return nil
}

// line looks at a line, or the head of a long one.
func (l *Lines) line(b []byte, emit func(*Lines)) {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	switch {
	case l.NDJSON:
		l.object(b)
	case len(b) == 0:
		l.end(emit)
	default:
		l.field(b)
	}
}

// end ends the event.
func (l *Lines) end(emit func(*Lines)) {
	if l.moved {
		l.cur ^= 1
	}
	if l.data {
		emit(l)
	}
	l.begin()
}

var (
	fieldData  = []byte("data")
	fieldID    = []byte("id")
	fieldEvent = []byte("event")
)

// field reads a line of SSE.
func (l *Lines) field(b []byte) {
	switch b[0] {
	case 'd':
		if value, ok := fieldValue(b, fieldData); ok {
			l.data = true
			l.findMark(value)
		}
	case 'i':
		if value, ok := fieldValue(b, fieldID); ok {
			l.moved = true
			l.ids[l.cur^1].set(value)
		}
	case 'e':
		if value, ok := fieldValue(b, fieldEvent); ok {
			l.Gap = string(value) == "gap"
			l.Notice = string(value) == "closing"
		}
	}
}

// fieldValue returns the value of a field, if b is the field of that name.
func fieldValue(b, name []byte) ([]byte, bool) {
	b, ok := bytes.CutPrefix(b, name)
	if !ok || len(b) == 0 {
		return nil, ok
	}
	if b[0] != ':' {
		return nil, false
	}
	if b = b[1:]; len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	return b, true
}

// findMark looks for the first mark.
func (l *Lines) findMark(b []byte) {
	for !l.Marked {
		i := bytes.IndexByte(b, MarkEdge)
		if i < 0 {
			return
		}
		b = b[i:]
		l.Marked = ParseMark(b, &l.Mark)
		b = b[1:]
	}
}

var (
	memberID     = []byte(`"id":`)
	memberCursor = []byte(`"cursor":`)
	memberData   = []byte(`"data":`)
	objectGap    = []byte(`{"gap":`)
	objectClose  = []byte(`{"closing":`)
	objectCursor = []byte(`{"cursor":`)
)

// object reads a line of NDJSON: feedd's envelopes and notices, and as far as
// it can those of others.
func (l *Lines) object(b []byte) {
	if len(b) == 0 {
		return
	}
	l.data = true
	l.findMark(b)
	l.moved = l.member(b, memberID)
	if l.Marked {
		return
	}
	switch {
	case bytes.HasPrefix(b, objectGap):
		l.Gap = true
	case bytes.HasPrefix(b, objectClose):
		l.Notice = true
	case bytes.HasPrefix(b, objectCursor) && !bytes.Contains(b, memberData):
		l.data = false
		l.moved = l.member(b, memberCursor)
	}
}

// member takes the string or number behind a name for the position.
func (l *Lines) member(b, name []byte) bool {
	i := bytes.Index(b, name)
	if i < 0 {
		return false
	}
	b = bytes.TrimLeft(b[i+len(name):], " ")
	end := -1
	if len(b) > 0 && b[0] == '"' {
		b = b[1:]
		end = bytes.IndexByte(b, '"')
	} else {
		end = bytes.IndexAny(b, ",}] ")
	}
	if end <= 0 {
		return false
	}
	l.ids[l.cur^1].set(b[:end])
	return true
}

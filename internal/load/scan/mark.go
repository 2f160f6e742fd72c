package scan

import (
	"bytes"
	"errors"
)

// Mark is what an item carries to be recognised: it stands at the beginning
// of the payload, between two tildes, as digits to the base 64 of fixed width.
// All its characters go unchanged through JSON, HTML, and URLs, so a server may
// wrap and quote the payload as it likes.
//
//	~rrrrrrffffppssssssaaaaaatttttttttttt~
//
// The tilde is rare in what servers put around items, which makes a mark cheap
// to find.
type Mark struct {
	Run  uint64 // the run, so that items of other runs are not counted
	Feed uint32
	Pub  uint32 // the publisher
	Seq  uint64 // its number among the publisher's items of the feed, from 1
	All  uint64 // its number among all of the publisher's items, from 1
	At   int64  // when it was, or should have been, published; Unix time in ns
}

const (
	MarkEdge = '~'

	runWidth  = 6
	feedWidth = 4
	pubWidth  = 2
	seqWidth  = 6
	atWidth   = 12
	markLen   = 1 + runWidth + feedWidth + pubWidth + 2*seqWidth + atWidth + 1

	MaxFeeds      = 1 << (6 * feedWidth)
	MaxPublishers = 1 << (6 * pubWidth)
	MaxRun        = 1 << (6 * runWidth)
)

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"

// values are the reverse of digits, shifted to where a digit stands in a group
// of four: values[0] is for the last one. noDigit marks what is none.
var values = func() (v [4][256]uint32) {
	for place := range v {
		for c := range v[place] {
			v[place][c] = noDigit
		}
		for i := range len(digits) {
			v[place][digits[i]] = uint32(i) << (6 * place)
		}
	}
	return v
}()

const noDigit = 1 << 31

// two and four read two and four digits. The bit noDigit is set when one is none.
func two(b []byte) uint32 { return values[1][b[0]] | values[0][b[1]] }

func four(b []byte) uint32 {
	return values[3][b[0]] | values[2][b[1]] | values[1][b[2]] | values[0][b[3]]
}

// appendMark appends the mark, markLen bytes.
func appendMark(dst []byte, m *Mark) []byte {
	dst = append(dst, MarkEdge)
	dst = appendDigits(dst, m.Run, runWidth)
	dst = appendDigits(dst, uint64(m.Feed), feedWidth)
	dst = appendDigits(dst, uint64(m.Pub), pubWidth)
	dst = appendDigits(dst, m.Seq, seqWidth)
	dst = appendDigits(dst, m.All, seqWidth)
	dst = appendDigits(dst, uint64(m.At), atWidth)
	return append(dst, MarkEdge)
}

func appendDigits(dst []byte, v uint64, width int) []byte {
	for shift := 6 * (width - 1); shift >= 0; shift -= 6 {
		dst = append(dst, digits[v>>shift&63])
	}
	return dst
}

// ParseMark reads the mark that b begins with. It is false if there is none.
func ParseMark(b []byte, m *Mark) bool {
	if len(b) < markLen || b[0] != MarkEdge || b[markLen-1] != MarkEdge {
		return false
	}
	b = b[1:markLen:markLen]
	run1, run2 := four(b), two(b[4:])
	feed, pub := four(b[6:]), two(b[10:])
	seq1, seq2 := four(b[12:]), two(b[16:])
	all1, all2 := four(b[18:]), two(b[22:])
	at1, at2, at3 := four(b[24:]), four(b[28:]), four(b[32:])
	*m = Mark{
		Run:  uint64(run1)<<12 | uint64(run2),
		Feed: feed,
		Pub:  pub,
		Seq:  uint64(seq1)<<12 | uint64(seq2),
		All:  uint64(all1)<<12 | uint64(all2),
		At:   int64(at1)<<48 | int64(at2)<<24 | int64(at3),
	}
	return (run1|run2|feed|pub|seq1|seq2|all1|all2|at1|at2|at3)&noDigit == 0
}

// The payload is a JSON object, filled up to the size that was asked for.
const (
	payloadBefore  = `{"bench":"`
	payloadBetween = `","fill":"`
	payloadAfter   = `"}`

	// MinSize is the size of the smallest item, in bytes.
	MinSize = len(payloadBefore) + markLen + len(payloadBetween) + len(payloadAfter)
)

var errSize = errors.New("the item is too small for what it must carry")

// newPayload makes a payload of size bytes, whose mark setMark writes.
func newPayload(size int) ([]byte, error) {
	if size < MinSize {
		return nil, errSize
	}
	b := make([]byte, 0, size)
	b = append(b, payloadBefore...)
	b = appendMark(b, new(Mark))
	b = append(b, payloadBetween...)
	for range size - MinSize {
		b = append(b, 'x')
	}
	return append(b, payloadAfter...), nil
}

// BodySize is the size of the body of a publish.
func BodySize(size, items int) int {
	if items == 1 {
		return size
	}
	return items * (size + 1)
}

// ContentType is that of a publish of a number of items.
func ContentType(items int) string {
	if items == 1 {
		return "application/json"
	}
	return "application/x-ndjson"
}

// NewBody makes the body of a publish: a payload, or several, each a line.
func NewBody(size, items int) ([]byte, error) {
	payload, err := newPayload(size)
	if err != nil || items == 1 {
		return payload, err
	}
	return bytes.Repeat(append(payload, '\n'), items), nil
}

// SetMark writes the mark of a payload.
func SetMark(payload []byte, m *Mark) {
	appendMark(payload[:len(payloadBefore)], m)
}

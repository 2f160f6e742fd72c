package wire

import (
	"errors"
	"fmt"

	"feedd/internal/selector"
	"feedd/internal/stream"
)

// maxRef is how long the ref of a client's frame may be, in bytes as it stands
// in the frame. It is sent back, so it must be short; 256 bytes hold any counter
// or UUID.
const maxRef = 256

// ClientFrame is what a client sends over a WebSocket: an item to publish.
type ClientFrame struct {
	Ref   string // repeated in the answer, "" for none
	Feed  string // "" for the one that is read
	Key   string // the idempotency key, "" for none
	Draft stream.Draft
}

// ParseClientFrame reads a frame: a JSON object with data, and optionally ref,
// feed, event, ttl and key, all of them strings; other members are ignored.
// With an error the frame holds no more than the ref, if that could be read.
// Data is read as in [ParseEnvelopes].
func ParseClientFrame(b []byte) (ClientFrame, error) {
	m, err := scanMembers(b)
	if err != nil {
		return ClientFrame{}, err
	}
	var ref string
	if m.ref.at != 0 {
		if ref, err = m.ref.str("ref"); err != nil {
			return ClientFrame{}, m.ref.fault(err.Error())
		}
		if len(m.ref.raw) > maxRef {
			return ClientFrame{}, m.ref.fault(fmt.Sprintf("ref is longer than %d bytes", maxRef))
		}
	}
	f := ClientFrame{Ref: ref}
	for _, text := range []struct {
		name  string
		from  span
		to    *string
		check func(string) error
	}{
		{"feed", m.feed, &f.Feed, selector.CheckFeed},
		{"key", m.key, &f.Key, stream.CheckKey},
	} {
		if text.from.at == 0 {
			continue
		}
		if *text.to, err = text.from.str(text.name); err == nil {
			err = text.check(*text.to)
		}
		if err != nil {
			return ClientFrame{Ref: ref}, text.from.fault(err.Error())
		}
	}
	if m.data.at == 0 {
		return ClientFrame{Ref: ref}, errors.New("the frame has no data: it must be an item to publish")
	}
	if f.Draft, err = m.draft(); err != nil {
		return ClientFrame{Ref: ref}, err
	}
	return f, nil
}

// AppendAnswer appends the answer to a client's frame: {"ref":"1","id":"N"}.
func AppendAnswer(dst []byte, ref string, id stream.ID) []byte {
	dst = appendRef(dst, ref)
	dst = append(dst, `"id":`...)
	dst = appendID(dst, id)
	return append(dst, '}')
}

// AppendRefusal appends the answer to a client's frame that was refused:
// {"ref":"1","error":{...}}. The error is a JSON object.
func AppendRefusal(dst []byte, ref string, problem []byte) []byte {
	dst = appendRef(dst, ref)
	dst = append(dst, `"error":`...)
	dst = append(dst, problem...)
	return append(dst, '}')
}

func appendRef(dst []byte, ref string) []byte {
	dst = append(dst, '{')
	if ref == "" {
		return dst
	}
	dst = append(dst, `"ref":`...)
	dst = appendQuoted(dst, []byte(ref))
	return append(dst, ',')
}

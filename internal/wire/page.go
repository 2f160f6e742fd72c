package wire

import (
	"strconv"

	"feedd/internal/stream"
)

// Page is the answer to a poll.
type Page struct {
	Items  []*stream.Item // ascending by id
	Cursor stream.ID      // the position up to which the selection was examined
	More   bool
	Gap    *stream.Gap // nil for none
}

// AppendPage appends the page as one JSON object and a newline:
// {"items":[...],"cursor":"...","more":false}, with "gap" if it has one.
func AppendPage(dst []byte, p Page) []byte {
	dst = append(dst, `{"items":[`...)
	for i, it := range p.Items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendEnvelope(dst, it)
	}
	dst = append(dst, `],"cursor":`...)
	dst = appendID(dst, p.Cursor)
	dst = append(dst, `,"more":`...)
	dst = strconv.AppendBool(dst, p.More)
	if p.Gap != nil {
		dst = append(dst, `,"gap":`...)
		dst = appendGap(dst, p.Gap)
	}
	return append(dst, "}\n"...)
}

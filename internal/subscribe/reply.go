package subscribe

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"time"

	"feedd/internal/fanout"
	"feedd/internal/wire"
)

// replies are the heads of answers that shards write. Their number is bounded
// by the different heads that routes set.
type replies struct {
	mu   sync.Mutex // guards list
	list map[replyKey]*fanout.Reply
}

type replyKey struct {
	form *PageForm
	head string
}

// of returns the reply with the header fields of h. It copies what it keeps of
// them.
func (rp *replies) of(form *PageForm, h http.Header) *fanout.Reply {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	h.Write(&b)
	key := replyKey{form, b.String()}
	rp.mu.Lock()
	defer rp.mu.Unlock()
	if rp.list[key] == nil {
		if rp.list == nil {
			rp.list = make(map[replyKey]*fanout.Reply)
		}
		rp.list[key] = &fanout.Reply{Append: key.append}
	}
	return rp.list[key]
}

// append appends an answer as http.Server would write it.
func (k *replyKey) append(dst []byte, a *fanout.Answer, last bool) []byte {
	if a.Gap != nil && len(a.Entries) == 0 && !k.form.gaps {
		return dst
	}
	body := k.form.append(nil, wire.Page{
		Items: appendItems(nil, a.Entries), Cursor: a.At, More: a.More, Gap: a.Gap,
	})
	dst = append(dst, k.head...)
	if last {
		dst = append(dst, "Connection: close\r\n"...)
	}
	dst = append(dst, "Date: "...)
	dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

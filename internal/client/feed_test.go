package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"feedd/internal/client"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// feed is a server with a fixed backlog that speaks the contract, and whose
// wire can be tampered with.
type feed struct {
	items []stream.Item
	retry time.Duration
	// tamper, if set, sends the bytes of the visit-th stream (from 0); it
	// returns false to have them sent as they are.
	tamper func(visit int, w http.ResponseWriter, bytes []byte) bool

	visits []visit // the handler runs one at a time
}

// visit is what a request said.
type visit struct {
	position string
	query    string
	at       time.Time
}

// newFeed has n items, every third of them text; the data of the second is
// outside of ASCII.
func newFeed(n int) *feed {
	f := &feed{retry: time.Second}
	for i := range n {
		it := stream.Item{ID: stream.ID(101 + i), Feed: "news", JSON: i%3 != 0, Time: time.Unix(int64(i), 0)}
		if it.Data = fmt.Appendf(nil, `{"n":%d}`, i); !it.JSON {
			it.Data, it.Event = fmt.Appendf(nil, "text %d\nof two lines", i), "note"
		}
		if i == 1 {
			it.Data = []byte(`"é😀"`)
		}
		f.items = append(f.items, it)
	}
	return f
}

// bytes is the stream from behind a position.
func (f *feed) bytes(after stream.ID) []byte {
	b := wire.AppendSSEOpening(nil, after, f.retry)
	for i := range f.items {
		if f.items[i].ID > after {
			b = wire.AppendSSEEnvelope(b, &f.items[i])
		}
	}
	return b
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := visit{r.Header.Get("Last-Event-ID"), r.URL.Query().Encode(), time.Now()}
	f.visits = append(f.visits, v)
	after, _ := strconv.ParseInt(v.position, 10, 64)
	b := f.bytes(stream.ID(after))
	w.Header().Set("Content-Type", "text/event-stream")
	if f.tamper != nil && f.tamper(len(f.visits)-1, w, b) {
		return
	}
	send(w, b)
	<-r.Context().Done()
}

// send writes and flushes.
func send[B string | []byte](w http.ResponseWriter, b B) {
	w.Write([]byte(b))
	w.(http.Flusher).Flush()
}

var errStop = errors.New("the test has seen enough")

// follow follows the feed named news until n items came, and returns them and
// the gaps as strings.
func follow(ctx context.Context, c *client.Client, opt client.Options, n int) ([]string, error) {
	var got []string
	items := 0
	err := c.Follow(ctx, "news", opt, func(m client.Message) error {
		if m.Gap != nil {
			got = append(got, "gap "+m.Gap.Through)
			return nil
		}
		got = append(got, m.Item.ID)
		if items++; items == n {
			return errStop
		}
		return nil
	})
	return got, err
}

// ids are the ids of the feed's items.
func (f *feed) ids() []string {
	var ids []string
	for i := range f.items {
		ids = append(ids, f.items[i].ID.String())
	}
	return ids
}

// whole follows the feed to its end and expects every item once, in order.
func (f *feed) whole(t *testing.T, w *world, opt client.Options) {
	t.Helper()
	if opt.Since == "" {
		opt.Since = "all"
	}
	got, err := follow(t.Context(), w.client, opt, len(f.items))
	if !errors.Is(err, errStop) {
		t.Fatalf("Follow: %v", err)
	}
	if !slices.Equal(got, f.ids()) {
		t.Fatalf("items %v, want %v", got, f.ids())
	}
}

// positions are what the visits presented, joined by spaces.
func (f *feed) positions() string {
	var p []string
	for _, v := range f.visits {
		p = append(p, v.position)
	}
	return strings.Join(p, " ")
}

//go:build linux && !portable

package servertest

import (
	"context"
	"strings"
	"time"

	"feedd/internal/stream"
)

// BigText is more than all buffers of a connection hold.
var BigText = strings.Repeat(strings.Repeat("0123456789 \"quoted\" ", 500)+"\n", 15)

// Half has a subscriber whose connection takes only a part of an item, and
// which has the one before it. It returns both.
func (s *Server) Half(tr Transport, ttl time.Duration) (tp *Tap, before, half *stream.Item) {
	s.T.Helper()
	for {
		tp, _ = s.Tap("f", tr, 4096)
		before = s.Text("f", "before")
		tp.MustItem(before)
		blocked := s.Shards.Stats().Blocked
		half = s.Publish("f", stream.Draft{Data: []byte(BigText), TTL: ttl})[0]
		ok := false
		Eventually(s.T, "it is written in part", func() bool {
			ok = s.Shards.Stats().Blocked > blocked
			return ok || ttl > 0 && time.Since(half.Time) > ttl
		})
		if ok {
			return tp, before, half
		}
		ttl *= 2 // this machine is slow
		tp.Conn.Close()
	}
}

// Gone reports whether an item is not retained.
func (s *Server) Gone(it *stream.Item) bool {
	got, err := s.Hub.Item(context.Background(), it.Feed, it.ID)
	return err == nil && got == nil
}

//go:build linux && !portable

package subscribe_test

import (
	"strings"
	"testing"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

// P5: a peer may say a little after its request, which is thrown away; a peer
// that says more is cut.
func TestP5_PeersThatTalkAreCut(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{}})
	for _, tr := range servertest.Taps {
		little, _ := s.Tap("f", tr, 0)
		lot, _ := s.Tap("f", tr, 0)
		it := s.Text("f", "x") // from here on the shards have them
		little.MustItem(it)
		lot.MustItem(it)
		for range 8 {
			little.Conn.Write([]byte(strings.Repeat("y", 512)))
		}
		lot.Conn.Write([]byte(strings.Repeat("y", 4097)))
		s.AwaitSubscribers(1)
		if rest, err := lot.Rest(); err == nil || len(rest) > 0 {
			t.Errorf("%q, %v came to who talks a lot", rest, err)
		}
		little.MustItem(s.Text("f", "y"))
		little.Conn.Write([]byte("y")) // one more
		s.AwaitSubscribers(0)
	}
}

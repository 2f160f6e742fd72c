//go:build linux && !portable

package api_test

import (
	"strings"
	"testing"

	"feedd/internal/api"
)

// P5: a peer may say a little after its request, which nobody reads; whoever
// says more is cut.
func TestP5_PeersThatTalkAreCut(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{}})
	for _, tr := range taps {
		little, _ := s.tap("f", tr, 0)
		lot, _ := s.tap("f", tr, 0)
		it := s.text("f", "x") // from here on the shards have them
		little.mustItem(it)
		lot.mustItem(it)
		for range 8 {
			little.conn.Write([]byte(strings.Repeat("y", 512)))
		}
		lot.conn.Write([]byte(strings.Repeat("y", 4097)))
		s.awaitSubscribers(1)
		if rest, err := lot.rest(); err == nil || len(rest) > 0 {
			t.Errorf("%q, %v came to who talks a lot", rest, err)
		}
		little.mustItem(s.text("f", "y"))
		little.conn.Write([]byte("y")) // one more
		s.awaitSubscribers(0)
	}
}

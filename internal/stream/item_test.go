package stream_test

import (
	"errors"
	"strings"
	"testing"

	"feedd/internal/stream"
)

func TestBatchWithSourceIsChecked(t *testing.T) {
	drafts := []stream.Draft{{Data: []byte("x")}}
	long := strings.Repeat("x", stream.MaxSourceAt)
	for _, b := range []stream.Batch{
		{Source: stream.Source{Name: "u"}},
		{Source: stream.Source{Name: "u", At: long}, Drafts: drafts},
		{Source: stream.Source{Name: long[:stream.MaxSourceName], At: `[{"é": "1"}]`}},
	} {
		b.Feed = "f"
		if err := b.Check(); err != nil {
			t.Errorf("%.40q: %v", b.Source, err)
		}
	}
	for _, b := range []stream.Batch{
		{},
		{Source: stream.Source{At: "1"}, Drafts: drafts},
		{Source: stream.Source{Name: "u", At: long + "x"}},
		{Source: stream.Source{Name: long[:stream.MaxSourceName+1]}},
		{Source: stream.Source{Name: "u", At: "1\xff"}},
		{Source: stream.Source{Name: "\xff"}},
		{Source: stream.Source{Name: "u", At: "1\x00"}},
		{Source: stream.Source{Name: "u"}, Key: "k", Drafts: drafts},
		{Source: stream.Source{Name: "u"}, Drafts: []stream.Draft{{}}},
	} {
		b.Feed = "f"
		if err := b.Check(); !errors.Is(err, stream.ErrInvalid) {
			t.Errorf("%.40q: %v, want ErrInvalid", b.Source, err)
		}
	}
}

package wire_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

func TestParseClientFrame(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want wire.ClientFrame
	}{
		{`{"data":1}`, wire.ClientFrame{Draft: stream.Draft{JSON: true, Data: []byte("1")}}},
		{`{"ref":"a","data":"hi"}`, wire.ClientFrame{Ref: "a", Draft: stream.Draft{Data: []byte("hi")}}},
		{
			` {"ref":"\u00e9\"","feed":"a.b","key":"k 1","event":"x","ttl":"10m","data":{ "a" : [1, 2] },"more":null} `,
			wire.ClientFrame{
				Ref: "é\"", Feed: "a.b", Key: "k 1",
				Draft: stream.Draft{Event: "x", TTL: 10 * time.Minute, JSON: true, Data: []byte(`{"a":[1,2]}`)},
			},
		},
	} {
		got, err := wire.ParseClientFrame([]byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.in, diff)
		}
	}
}

// What is wrong with a frame is told with the ref, where that could be read.
func TestParseClientFrameRefused(t *testing.T) {
	for _, tt := range []struct{ in, ref, says string }{
		{`{`, "", "offset"},
		{`[]`, "", "a JSON object"},
		{`"x"`, "", "a JSON object"},
		{`{"ref":1,"data":1}`, "", "ref must be a string"},
		{`{"ref":"` + strings.Repeat("x", 300) + `","data":1}`, "", "ref is longer"},
		{`{"ref":"a"}`, "a", "no data"},
		{`{"ref":"a","cursor":"5"}`, "a", "no data"},
		{`{"ref":"a","data":1,"data":2}`, "a", "data twice"},
		{`{"ref":"a","data":1,"feed":5}`, "a", "feed must be a string"},
		{`{"ref":"a","data":1,"feed":"*"}`, "a", "feed"},
		{`{"ref":"a","data":1,"key":""}`, "a", "Key"},
		{`{"ref":"a","data":1,"event":"gap"}`, "a", "gap"},
		{`{"ref":"a","data":1,"ttl":"-1s"}`, "a", ""},
	} {
		got, err := wire.ParseClientFrame([]byte(tt.in))
		if err == nil || !strings.Contains(err.Error(), tt.says) && tt.says != "offset" {
			t.Errorf("%.60s: error %v, want one that says %q", tt.in, err, tt.says)
		}
		if syntax := new(wire.SyntaxError); tt.says == "offset" && !errors.As(err, &syntax) {
			t.Errorf("%.60s: %v has no offset", tt.in, err)
		}
		if diff := cmp.Diff(wire.ClientFrame{Ref: tt.ref}, got); diff != "" {
			t.Errorf("%.60s: (-want +got)\n%s", tt.in, diff)
		}
	}
}

func TestAnswersToClientFrames(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{string(wire.AppendAnswer(nil, "1", 7)), `{"ref":"1","id":"7"}`},
		{string(wire.AppendAnswer(nil, "", 7)), `{"id":"7"}`},
		{string(wire.AppendRefusal(nil, `"`, []byte(`{"status":400}`))), `{"ref":"\"","error":{"status":400}}`},
	} {
		if tt.got != tt.want {
			t.Errorf("%s, want %s", tt.got, tt.want)
		}
	}
}

package socket_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"feedd/internal/server/servertest"
)

// Whatever a client sends, good frames and bad, whole and in parts, with pings
// between: each is answered once, in order, and what is answered with an id is
// stored once, in order (P1, P2, P7). The end has the code that it must have.
func TestP2_AnySequenceOfFrames(t *testing.T) {
	for _, e := range servertest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := servertest.Start(t, servertest.Deployment{Memory: e.Memory})
			round := 0
			rapid.Check(t, func(rt *rapid.T) {
				round++
				feed := fmt.Sprintf("f%d", round)
				q := drawSequence(rt)
				ws := s.OpenRaw(feed, 0, servertest.WithKey)
				go ws.Say(q.bytes...)
				messages, code := ws.Texts()
				ws.Conn.Close()
				if code != q.code {
					rt.Errorf("the code is %d, want %d", code, q.code)
				}
				var answers []string
				ids := make(map[string]string) // by the number of the item
				for _, m := range messages {
					var a struct {
						Ref    string
						ID     string
						Cursor string
						Feed   string
						Error  *servertest.Problem
					}
					if err := json.Unmarshal([]byte(m), &a); err != nil {
						rt.Fatalf("%v in %q", err, m)
					}
					switch {
					case a.Cursor != "" || a.Feed != "": // the stream's
					case a.Error != nil:
						answers = append(answers, a.Ref+":"+a.Error.Type)
					default:
						answers = append(answers, a.Ref+":ok")
						n, _, _ := strings.Cut(a.Ref, "/")
						if id := ids[n]; id != "" && id != a.ID {
							rt.Errorf("item %s has the ids %s and %s", n, id, a.ID)
						}
						ids[n] = a.ID
					}
				}
				if !slices.Equal(answers, q.answers) {
					rt.Errorf("the answers are\n%v, want\n%v", answers, q.answers)
				}
				p := s.Page(feed + "?limit=1000")
				if got := p.Data(); !slices.Equal(got, q.stored) {
					rt.Errorf("stored are %v, want %v", got, q.stored)
				}
				for _, it := range p.Items {
					if ids[string(it.Data)] != it.ID {
						rt.Errorf("item %s has the id %s, and %q in its answer", it.Data, it.ID, ids[string(it.Data)])
					}
				}
			})
		})
	}
}

// sequence is what a client sends, and what must come of it.
type sequence struct {
	bytes   [][]byte
	answers []string // the ref, a colon, and ok or the type of the problem
	stored  []string
	code    uint16 // of the closing
}

func drawSequence(t *rapid.T) (q sequence) {
	bad := map[string]string{
		`{`:                                     "bad-frame",
		`[]`:                                    "bad-frame",
		`{"ref":7,"data":1}`:                    "bad-frame",
		`{"ref":"%s"}`:                          "bad-frame",
		`{"ref":"%s","data":}`:                  "bad-frame",
		`{"ref":"%s","feed":"a..b","data":1}`:   "bad-frame",
		`{"ref":"%s","feed":"*","data":1}`:      "bad-frame",
		`{"ref":"%s","data":1,"event":"gap"}`:   "bad-frame",
		`{"ref":"%s","data":1,"key":""}`:        "bad-frame",
		`{"ref":"%s","data":1,"ttl":"-1s"}`:     "bad-frame",
		`{"ref":"%s","feed":"_stats","data":1}`: "forbidden",
	}
	kinds := slices.Sorted(func(yield func(string) bool) {
		for k := range bad {
			if !yield(k) {
				return
			}
		}
	})
	for i := range rapid.IntRange(0, 20).Draw(t, "frames") {
		ref := fmt.Sprint(i)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			kind := rapid.SampledFrom(kinds).Draw(t, "bad")
			body, told := kind, ""
			if strings.Contains(kind, "%s") {
				body = fmt.Sprintf(kind, ref)
				if !strings.Contains(kind, `"data":}`) { // no JSON has no ref
					told = ref
				}
			}
			q.message(t, body)
			q.answers = append(q.answers, told+":"+bad[kind])
		case 1: // a repeat is stored once
			for n := range rapid.IntRange(1, 3).Draw(t, "repeats") {
				r := fmt.Sprintf("%s/%d", ref, n)
				q.message(t, fmt.Sprintf(`{"ref":%q,"key":"k%s","data":%s}`, r, ref, ref))
				q.answers = append(q.answers, r+":ok")
			}
			q.stored = append(q.stored, ref)
		default:
			q.message(t, fmt.Sprintf(`{"other":[{}],"ref":%q,"data":%s}`, ref, ref))
			q.answers = append(q.answers, ref+":ok")
			q.stored = append(q.stored, ref)
		}
	}
	ends := []struct {
		code uint16
		last []byte
	}{
		{1000, servertest.CloseFrame(1000)},
		{1002, servertest.RawFrame(servertest.Fin|servertest.Cont, "x")},
		{1002, servertest.RawFrame(servertest.Fin|servertest.Rsv1|servertest.Text, `{"data":1}`)},
		{1002, servertest.FrameHead(servertest.Fin|servertest.Text, 1<<63)},
		{1003, servertest.RawFrame(servertest.Fin|servertest.Bin, `{"data":1}`)},
		{1007, servertest.RawFrame(servertest.Fin|servertest.Text, "{\"data\":\"\xff\"}")},
		{1009, servertest.RawFrame(servertest.Fin|servertest.Text, strings.Repeat("x", 2<<20))},
	}
	end := rapid.SampledFrom(ends).Draw(t, "end")
	q.bytes = append(q.bytes, end.last)
	q.code = end.code
	return q
}

// message adds a text message, whole or in parts, with pings, and pongs that no
// ping asked for, between them.
func (q *sequence) message(t *rapid.T, body string) {
	first := byte(servertest.Text)
	for rapid.IntRange(0, 3).Draw(t, "in parts") == 0 {
		n := rapid.IntRange(0, len(body)).Draw(t, "part")
		q.bytes = append(q.bytes, servertest.RawFrame(first, body[:n]))
		body, first = body[n:], servertest.Cont
		if rapid.Bool().Draw(t, "control") {
			q.bytes = append(q.bytes, servertest.RawFrame(servertest.Fin|servertest.Pings, "between"), servertest.RawFrame(servertest.Fin|servertest.Pong, ""))
		}
	}
	q.bytes = append(q.bytes, servertest.RawFrame(servertest.Fin|first, body))
}

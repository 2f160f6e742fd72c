package client_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"feedd/internal/client"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// Each test is named after something that r3labs/sse 2.10.0 gets wrong when it
// is used plainly, or that servers and networks do to a stream.

func TestTrapCleanEndIsNotTheEnd(t *testing.T) {
	f := newFeed(3)
	f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
		if visit == 0 {
			send(w, b[:bytes.Index(b, []byte("id: 101\n\n"))+9])
			return true
		}
		return false
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		f.whole(t, w, client.Options{})
		if got := f.positions(); got != " 101" {
			t.Errorf("positions presented: %q", got)
		}
	})
}

// Wherever the stream is cut, by its clean end or by a lost connection, each
// item arrives once.
func TestTrapCutInTheMiddle(t *testing.T) {
	whole := newFeed(4).bytes(0)
	for _, how := range []string{"end", "loss"} {
		for at := range len(whole) + 1 {
			f := newFeed(4)
			f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
				if visit > 0 {
					return false
				}
				send(w, b[:at])
				if how == "loss" {
					cut()
				}
				return true
			}
			inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) { f.whole(t, w, client.Options{}) })
			if t.Failed() {
				t.Fatalf("cut by %s after %q", how, whole[:at])
			}
		}
	}
}

func TestTrapEveryConnectionBringsOneItem(t *testing.T) {
	f := newFeed(30)
	f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
		blocks := bytes.SplitAfter(b, []byte("\n\n"))
		send(w, bytes.Join(blocks[:2], nil))
		send(w, blocks[2][:len(blocks[2])/2])
		cut()
		return true
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		begin := time.Now()
		f.whole(t, w, client.Options{})
		if took := time.Since(begin); took > 45*time.Second {
			t.Errorf("the delay grew though each connection went well: %v", took)
		}
	})
}

func TestTrapCommentsAndPositionsAreNoItems(t *testing.T) {
	f := newFeed(2)
	f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
		if visit > 0 {
			return false
		}
		send(w, ":\n\n: a comment\n\n")
		send(w, "retry: 2000\nid: 7\n\n:\n\n\n\n\n")
		send(w, "id: 99\n\n:\n:\n\n")
		return true
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		f.whole(t, w, client.Options{})
		if got := f.positions(); got != " 99" {
			t.Errorf("positions presented: %q", got)
		}
	})
}

func TestTrapLargeEvent(t *testing.T) {
	f := newFeed(3)
	f.items[1].Data = fmtJSON(strings.Repeat("é", 1<<20))
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) { f.whole(t, w, client.Options{}) })
}

func TestTrapEventOverTheLimitEndsFollow(t *testing.T) {
	f := newFeed(3)
	f.items[1].Data = fmtJSON(strings.Repeat("x", 300<<10))
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		got, err := follow(t.Context(), w.client, client.Options{Since: "all", MaxEventBytes: 100 << 10}, 9)
		if err == nil || !strings.Contains(err.Error(), "larger than the limit") {
			t.Errorf("Follow: %v", err)
		}
		if len(got) != 1 || len(f.visits) != 1 {
			t.Errorf("items %v over %d connections", got, len(f.visits))
		}
	})
}

func fmtJSON(s string) []byte { return []byte(`"` + s + `"`) }

func TestTrapIDThatCannotBePresented(t *testing.T) {
	for name, id := range map[string]string{
		"NUL": "1\x002", "control": "1\x7f", "too long": strings.Repeat("1", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(3)
			f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
				if visit > 0 {
					return false
				}
				send(w, b[:bytes.Index(b, []byte("id: 102\n\n"))+9])
				send(w, "id: "+id+"\n\n:\n\n")
				return true
			}
			inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
				f.whole(t, w, client.Options{})
				if got := f.positions(); got != " 102" {
					t.Errorf("positions presented: %q", got)
				}
			})
		})
	}
}

func TestTrapRetryIsObeyed(t *testing.T) {
	for name, c := range map[string]struct {
		retry    string
		from, to time.Duration
	}{
		"none":         {"", 1 * time.Second, 1500 * time.Millisecond},
		"4 s":          {"retry: 4000\n", 4 * time.Second, 6 * time.Second},
		"below a 1 s":  {"retry: 0\n", time.Second, 1500 * time.Millisecond},
		"above 30 s":   {"retry: 3600000\n", 20 * time.Second, 30*time.Second + 1},
		"not a number": {"retry: soon\n", 1 * time.Second, 1500 * time.Millisecond},
		"with a sign":  {"retry: +4000\n", 1 * time.Second, 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(1)
			f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
				if visit == 0 {
					send(w, c.retry+"id: 7\n\n")
				}
				return visit == 0
			}
			inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
				f.whole(t, w, client.Options{})
				if d := f.visits[1].at.Sub(f.visits[0].at); d < c.from || d > c.to {
					t.Errorf("came back after %v", d)
				}
			})
		})
	}
}

func TestTrapRefusalThatWillNotPassEnds(t *testing.T) {
	for _, status := range []int{204, 301, 400, 401, 403, 404, 406, 410, 422, 501} {
		visits := 0
		inBubble(t, func(w http.ResponseWriter, r *http.Request) {
			visits++
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			if status != 204 {
				w.Write([]byte(`{"type":"/problems/x","title":"No","detail":"because"}`))
			}
		}, func(t *testing.T, w *world) {
			_, err := follow(t.Context(), w.client, client.Options{}, 1)
			var refused *client.Error
			if !errors.As(err, &refused) || refused.Status != status || visits != 1 {
				t.Fatalf("%d: %v after %d connections", status, err, visits)
			}
			if status >= 400 && (refused.Type != "/problems/x" || refused.Title != "No" || refused.Detail != "because") {
				t.Errorf("%d: %#v", status, refused)
			}
		})
	}
}

func TestTrapRefusalThatWillPassGoesOn(t *testing.T) {
	for _, status := range []int{429, 502, 503, 504} {
		f := newFeed(2)
		visits := 0
		inBubble(t, func(w http.ResponseWriter, r *http.Request) {
			if visits++; visits == 1 {
				w.Header().Set("Retry-After", "90")
				w.WriteHeader(status)
				return
			}
			f.ServeHTTP(w, r)
		}, func(t *testing.T, w *world) {
			begin := time.Now()
			f.whole(t, w, client.Options{})
			if took := time.Since(begin); took < 90*time.Second || took > 135*time.Second {
				t.Errorf("%d: came back after %v", status, took)
			}
		})
	}
}

func TestTrapWrongContentTypeEnds(t *testing.T) {
	for _, kind := range []string{"text/html; charset=utf-8", "application/json", "", "text/event-streams"} {
		inBubble(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = []string{kind}
			send(w, "data: hello\n\n")
			<-r.Context().Done()
		}, func(t *testing.T, w *world) {
			got, err := follow(t.Context(), w.client, client.Options{}, 1)
			if err == nil || !strings.Contains(err.Error(), "Content-Type") || got != nil {
				t.Errorf("%q: %v, items %v", kind, err, got)
			}
		})
	}
}

func TestTrapOtherServersEventsEnd(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream;charset=utf-8")
		send(w, "data: hello\n\n")
		<-r.Context().Done()
	}, func(t *testing.T, w *world) {
		_, err := follow(t.Context(), w.client, client.Options{}, 1)
		if err == nil || !strings.Contains(err.Error(), "no answer of a feedd server") {
			t.Errorf("Follow: %v", err)
		}
	})
}

func TestTrapNoticesOfLaterVersionsAreSkipped(t *testing.T) {
	f := newFeed(2)
	f.tamper = func(_ int, w http.ResponseWriter, b []byte) bool {
		send(w, "event: open\ndata: what\nid: 3\n\ndata: {\"news\":{}}\n\n")
		send(w, b)
		return true
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) { f.whole(t, w, client.Options{}) })
}

func TestTrapByteOrderMark(t *testing.T) {
	f := newFeed(2)
	f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
		if visit == 0 {
			// The first line must count: it is the only one with an id.
			send(w, "\xef")
			send(w, "\xbb\xbfid: 101\n\n")
		}
		return visit == 0
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		got, err := follow(t.Context(), w.client, client.Options{Since: "all"}, 1)
		if !errors.Is(err, errStop) || len(got) != 1 || got[0] != "102" {
			t.Errorf("items %v, %v", got, err)
		}
	})
}

func TestTrapLineEnds(t *testing.T) {
	for name, end := range map[string]string{"LF": "\n", "CR": "\r", "CRLF": "\r\n"} {
		for _, each := range []int{1, 7, 1 << 20} {
			t.Run(name, func(t *testing.T) {
				f := newFeed(5)
				f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
					b = bytes.ReplaceAll(b, []byte("\n"), []byte(end))
					for len(b) > 0 {
						n := min(each, len(b))
						send(w, b[:n])
						b = b[n:]
					}
					return true
				}
				inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) { f.whole(t, w, client.Options{}) })
			})
		}
	}
}

// With CR alone, the last item is there without a byte more.
func TestTrapLastCRIsNotWaitedFor(t *testing.T) {
	f := newFeed(2)
	f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
		send(w, bytes.ReplaceAll(b, []byte("\n"), []byte("\r")))
		time.Sleep(20 * time.Second)
		return true
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		begin := time.Now()
		f.whole(t, w, client.Options{})
		if took := time.Since(begin); took > 0 {
			t.Errorf("the last item came after %v", took)
		}
	})
}

func TestTrapStalls(t *testing.T) {
	for name, sent := range map[string]string{"before the answer": "-", "before a byte": "", "in mid-stream": "id: 100\n\ndata: {"} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(2)
			visits := 0
			inBubble(t, func(w http.ResponseWriter, r *http.Request) {
				if visits++; visits > 1 {
					f.ServeHTTP(w, r)
					return
				}
				if sent != "-" {
					w.Header().Set("Content-Type", "text/event-stream")
					send(w, sent)
				}
				<-r.Context().Done()
			}, func(t *testing.T, w *world) {
				begin := time.Now()
				f.whole(t, w, client.Options{Heartbeat: 5 * time.Second})
				if took := time.Since(begin); took < 11*time.Second || took > 11500*time.Millisecond {
					t.Errorf("came back after %v", took)
				}
				if err := w.heard()[0].err; !strings.Contains(err.Error(), "stalled") {
					t.Errorf("notified of %v", err)
				}
			})
		})
	}
}

func TestTrapRefusalThatStallsInItsBody(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		send(w, "not")
		<-r.Context().Done()
	}, func(t *testing.T, w *world) {
		begin := time.Now()
		_, err := follow(t.Context(), w.client, client.Options{}, 1)
		var refused *client.Error
		if !errors.As(err, &refused) || refused.Status != 403 || time.Since(begin) > 30*time.Second {
			t.Errorf("Follow: %v after %v", err, time.Since(begin))
		}
	})
}

func TestTrapHeartbeatsKeepTheConnection(t *testing.T) {
	f := newFeed(2)
	f.tamper = func(_ int, w http.ResponseWriter, b []byte) bool {
		for range 100 {
			send(w, ":\n\n")
			time.Sleep(15 * time.Second)
		}
		send(w, b)
		return true
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		f.whole(t, w, client.Options{})
		if len(f.visits) != 1 {
			t.Errorf("%d connections", len(f.visits))
		}
	})
}

func TestTrapSlowHandlerIsNoStall(t *testing.T) {
	f := newFeed(3)
	f.tamper = func(_ int, w http.ResponseWriter, b []byte) bool {
		for _, block := range bytes.SplitAfter(b, []byte("\n\n")) {
			send(w, block) // each waits for the reader, as over a full socket
		}
		return true
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		n := 0
		err := w.client.Follow(t.Context(), "news", client.Options{Since: "all"}, func(client.Message) error {
			time.Sleep(time.Hour)
			if n++; n == 3 {
				return errStop
			}
			return nil
		})
		if !errors.Is(err, errStop) || len(f.visits) != 1 {
			t.Errorf("%v over %d connections", err, len(f.visits))
		}
	})
}

// The library gives up a quarter of an hour after the first connect.
func TestTrapNeverGivesUp(t *testing.T) {
	f := newFeed(3)
	f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
		if visit == 0 {
			send(w, b[:bytes.Index(b, []byte("id: 101\n\n"))+9])
			cut()
		}
		return visit == 0
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		go func() {
			time.Sleep(time.Second / 2)
			w.net.setDown(true)
			time.Sleep(2 * time.Hour)
			w.net.setDown(false)
		}()
		f.whole(t, w, client.Options{})
		waits := w.heard()
		for i, n := range waits {
			d := time.Second << min(i, 10)
			if from, to := min(d, 20*time.Second), min(d*3/2, 30*time.Second); n.wait < from || n.wait > to {
				t.Errorf("wait %d is %v, not %v to %v", i, n.wait, from, to)
			}
		}
		if len(waits) < 240 || !errors.Is(waits[1].err, errRefused) {
			t.Errorf("%d waits, the second for %v", len(waits), waits[1].err)
		}
	})
}

// The library does not see a cancelled context while it waits.
func TestTrapCancelledWhileWaiting(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.net.setDown(true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		begin := time.Now()
		_, err := follow(ctx, w.client, client.Options{}, 1)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 10*time.Minute {
			t.Errorf("Follow: %v after %v", err, time.Since(begin))
		}
	})
}

func TestTrapCancelledWhileReading(t *testing.T) {
	f := newFeed(2)
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		got, err := follow(ctx, w.client, client.Options{Since: "all"}, 9)
		if !errors.Is(err, context.DeadlineExceeded) || len(got) != 2 {
			t.Errorf("Follow: %v, items %v", err, got)
		}
	})
}

func TestTrapClosingIsObeyed(t *testing.T) {
	f := newFeed(3)
	f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
		if visit == 0 {
			send(w, b[:bytes.Index(b, []byte("id: 102\n\n"))+9])
			send(w, wire.AppendSSEClosing(nil, stream.Closing{Reason: "draining", Cursor: 102, Retry: 100 * time.Second}))
			send(w, "data: nothing comes after it\n\n")
			time.Sleep(time.Hour)
		}
		return visit == 0
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		begin := time.Now()
		f.whole(t, w, client.Options{})
		if took := time.Since(begin); took < 100*time.Second || took > 150*time.Second {
			t.Errorf("came back after %v", took)
		}
		var closing *client.ErrClosing
		if n := w.heard(); len(n) != 1 || !errors.As(n[0].err, &closing) || closing.Reason != "draining" {
			t.Errorf("notices: %v", n)
		}
		if got := f.positions(); got != " 102" {
			t.Errorf("positions presented: %q", got)
		}
	})
}

// A client that was refused before it had a position begins where it wanted to.
func TestTrapClosingWithoutPositionKeepsTheStart(t *testing.T) {
	f := newFeed(3)
	f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
		if visit == 0 {
			send(w, wire.AppendSSEClosing(nil, stream.Closing{Reason: "busy", Retry: time.Second}))
		}
		return visit == 0
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		f.whole(t, w, client.Options{Since: "all"})
		if f.visits[1].query != "envelope=true&since=all" || f.visits[1].position != "" {
			t.Errorf("came back with %+v", f.visits[1])
		}
	})
}

func TestTrapGapIsPassedOnceWhole(t *testing.T) {
	gap := wire.AppendSSEGap(nil, &stream.Gap{After: "50", Through: 99, Oldest: 101, Reason: stream.Trimmed, Feeds: []string{"news"}, ID: 99})
	f := newFeed(2)
	f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
		switch visit {
		case 0: // cut in it: it has to come again
			send(w, "id: 50\n\n")
			send(w, gap[:len(gap)-1])
			cut()
		case 1:
			send(w, gap)
			cut()
		}
		return false
	}
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		got, err := follow(t.Context(), w.client, client.Options{After: "50"}, 2)
		if s := strings.Join(got, ", "); !errors.Is(err, errStop) || s != "gap 99, 101, 102" {
			t.Errorf("%s; %v", s, err)
		}
		if got := f.positions(); got != "50 50 99" {
			t.Errorf("positions presented: %q", got)
		}
	})
}

func TestStartCountsUntilAPositionIsKnown(t *testing.T) {
	for query, opt := range map[string]client.Options{
		"envelope=true":                            {},
		"envelope=true&since=10m":                  {Since: "10m"},
		"envelope=true&last=5":                     {Last: 5},
		"envelope=true&event=goal%2Ccard&last=5":   {Last: 5, Events: []string{"goal", "card"}},
		"envelope=true&event=message&since=100000": {Since: "100000", Events: []string{"message"}},
	} {
		f := newFeed(2)
		f.tamper = func(visit int, w http.ResponseWriter, b []byte) bool {
			switch visit {
			case 0:
				cut()
			case 1:
				send(w, "id: 100\n\n")
				cut()
			}
			return false
		}
		inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
			if _, err := follow(t.Context(), w.client, opt, 2); !errors.Is(err, errStop) {
				t.Fatal(err)
			}
			v := f.visits
			if v[0].query != query || v[1].query != query || v[0].position+v[1].position != "" {
				t.Errorf("began with %+v and %+v, want %s", v[0], v[1], query)
			}
			if q := v[2].query; strings.Contains(q, "since") || strings.Contains(q, "last") || v[2].position != "100" {
				t.Errorf("went on with %+v", v[2])
			}
		})
	}
}

func TestHandlerErrorEndsFollow(t *testing.T) {
	f := newFeed(5)
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		calls := 0
		err := w.client.Follow(t.Context(), "news", client.Options{Since: "all"}, func(m client.Message) error {
			calls++
			if m.Item.ID == "102" {
				return errStop
			}
			return nil
		})
		if err != errStop || calls != 2 {
			t.Errorf("%v after %d calls", err, calls)
		}
	})
}

func TestMessageHasTheServersBytes(t *testing.T) {
	f := newFeed(2)
	inBubble(t, f.ServeHTTP, func(t *testing.T, w *world) {
		i := 0
		err := w.client.Follow(t.Context(), "news", client.Options{Since: "all"}, func(m client.Message) error {
			if want := wire.AppendEnvelope(nil, &f.items[i]); !bytes.Equal(m.Raw, want) || m.Position != f.items[i].ID.String() {
				t.Errorf("%s at %s, want %s", m.Raw, m.Position, want)
			}
			if i++; i == 2 {
				return errStop
			}
			return nil
		})
		if err != errStop {
			t.Error(err)
		}
	})
}

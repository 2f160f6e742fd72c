package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"feedd/internal/client"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// other is a server that is no feedd: each visit is sent what the test wrote.
type other struct {
	say    []func(w http.ResponseWriter, r *http.Request) // by visit; the last one goes on
	visits []visit
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.visits = append(o.visits, visit{r.Header.Get("Last-Event-ID"), r.URL.RawQuery, time.Now()})
	o.say[min(len(o.visits), len(o.say))-1](w, r)
}

// says sends bytes, and then ends well or waits for the reader's end.
func says(s string, stay bool) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		send(w, s)
		if stay {
			<-r.Context().Done()
		}
	}
}

func refuses(status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func (o *other) presented() []string {
	var p []string
	for _, v := range o.visits {
		p = append(p, v.position)
	}
	return p
}

const otherURL = "http://127.0.0.1:8001/v2/stream?of=everything"

// events follows until the event named stop, and returns the others as text:
// name, id and data.
func (o *other) events(t *testing.T, opt client.URLOptions) (got []string, w *world) {
	t.Helper()
	inBubble(t, o.ServeHTTP, func(t *testing.T, in *world) {
		w = in
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		err := in.client.FollowURL(ctx, otherURL, opt, func(e client.Event) error {
			if e.Name == "stop" {
				return errStop
			}
			s := fmt.Sprintf("%s|%s|%s", e.Name, e.ID, e.Data)
			if e.TooLarge {
				s += "too large"
			}
			if e.Gap != nil {
				s += "gap " + e.Gap.Through
			}
			got = append(got, s)
			return nil
		})
		if !errors.Is(err, errStop) {
			t.Errorf("FollowURL: %v", err)
		}
	})
	return got, w
}

const stop = "event: stop\ndata: now\n\n"

func wants(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\ngot  %.2000s\nwant %.2000s", what, fmt.Sprintf("%.100q", got), fmt.Sprintf("%.100q", want))
	}
}

// What a browser makes of a stream, by the HTML standard.
func TestURLFieldsAreThoseOfTheStandard(t *testing.T) {
	for name, c := range map[string]struct {
		sent string
		want []string
	}{
		"plain":                           {"event: a\nid: 1\ndata: x\n\n", []string{"a|1|x"}},
		"message is no name":              {"event: message\ndata: x\n\n", []string{"||x"}},
		"an id stays":                     {"id: 1\ndata: x\n\ndata: y\n\nid: 2\n\ndata: z\n\n", []string{"|1|x", "|1|y", "|2|", "|2|z"}},
		"a name does not":                 {"event: a\ndata: x\n\ndata: y\n\n", []string{"a||x", "||y"}},
		"an id is taken back":             {"id: 1\ndata: x\n\nid\ndata: y\n\nid:\n\ndata: z\n\nid: 2\ndata: u\n\n", []string{"|1|x", "||y", "||", "||z", "|2|u"}},
		"a name is taken back":            {"event: a\nevent\ndata: x\n\nevent: a\nevent:\ndata: y\n\n", []string{"||x", "||y"}},
		"the last of two ids":             {"id: 1\nid: 2\ndata: x\n\nid: 3\nid: 4\x005\ndata: y\n\n", []string{"|2|x", "|3|y"}},
		"one space":                       {"data:x\ndata:  y\ndata : z\nevent:  a\n\n", []string{" a||x\n y"}},
		"a colon in data":                 {"data: a: b\ndata::\n\n", []string{"||a: b\n:"}},
		"lines without a value":           {"data\ndata\ndata: x\ndata:\n\n", []string{"||\n\nx\n"}},
		"fields that are none":            {"datax: 1\ndat: 2\n data: 3\nDATA: 4\nids: 5\nid 6\nfoo\ndata: x\n\n", []string{"||x"}},
		"comments":                        {":\n\n: a\n\n:\n:\n\ndata: x\n: data: y\n\n:\n", []string{"||x"}},
		"a comment first":                 {":ok\n\nid: 1\n\n", []string{"|1|"}},
		"no data is no event":             {"event: a\n\nevent: b\nid: 1\n\ndata\n\n", []string{"||", "|1|", "|1|"}},
		"bytes that are not UTF-8":        {"data: a\xffb\xe2\x82c\xf0\x9f\x98\xed\xa0\x80\nid: \xc0\n\n", []string{"|\ufffd|a\ufffdb\ufffdc\ufffd\ufffd\ufffd\ufffd"}},
		"NUL in data and name":            {"event: a\x00b\ndata: x\x00y\n\n", []string{"a\x00b||x\x00y"}},
		"a retry that is none":            {"retry: too large\ndata: x\n\nretry: 1e3\ndata: y\n\n", []string{"||x", "||y"}},
		"a mark of byte order, then none": {"\ufeffdata: x\n\n\ufeffdata: y\n\n", []string{"||x"}},
		"other servers' gap and closing":  {"event: gap\ndata: mind it\n\nevent: closing\ndata: {\"reason\":\"night\"}\n\nevent: error\ndata: x\n\nevent: gap\ndata: {\"through\":\"a\",\"reason\":\"purged\"}\n\nevent: gap\ndata: {\"through\":\"1\"}\n\n", []string{"gap||mind it", `closing||{"reason":"night"}`, "error||x", `gap||{"through":"a","reason":"purged"}`, `gap||{"through":"1"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, end := range []string{"\n", "\r", "\r\n"} {
				o := &other{say: []func(http.ResponseWriter, *http.Request){says(strings.ReplaceAll(c.sent+stop, "\n", end), true)}}
				got, _ := o.events(t, client.URLOptions{})
				wants(t, fmt.Sprintf("with %q", end), got, c.want)
			}
		})
	}
}

// wikimedia is an id as https://stream.wikimedia.org gives them.
const wikimedia = `[{"topic":"eqiad.mediawiki.recentchange","partition":0,"timestamp":1763792000000},{"topic":"codfw.mediawiki.recentchange","partition":0,"offset":-1}]`

// Whatever id a header can carry is presented byte by byte.
func TestURLIDsArePresentedAsTheyCame(t *testing.T) {
	for _, id := range []string{
		wikimedia, `[` + strings.Repeat(wikimedia+" ,\t", 10) + `"é😀"]`, "0", "a b", `"`, "é", strings.Repeat("x", 4096),
	} {
		o := &other{say: []func(http.ResponseWriter, *http.Request){
			says("id: "+id+"\ndata: x\n\n", false), says("data: y\n\n"+stop, true),
		}}
		got, _ := o.events(t, client.URLOptions{After: id + "!"})
		wants(t, "events", got, []string{"|" + id + "|x", "|" + id + "|y"})
		wants(t, "presented", o.presented(), []string{id + "!", id})
	}
}

// One that no header can carry counts as none, and does not break reconnects.
func TestURLIDsThatCannotBePresented(t *testing.T) {
	for _, id := range []string{"1\x002", "1\x7f", "1\x1b", strings.Repeat("x", 4097), strings.Repeat("\xff", 2000)} {
		o := &other{say: []func(http.ResponseWriter, *http.Request){
			says("id: 1\ndata: x\n\nid: "+id+"\ndata: y\n\n", false), says(stop, true),
		}}
		got, _ := o.events(t, client.URLOptions{})
		wants(t, "events", got, []string{"|1|x", "|1|y"})
		wants(t, "presented", o.presented(), []string{"", "1"})
	}
	o := &other{say: []func(http.ResponseWriter, *http.Request){says("id: 1\ndata: x\n\nid\n\n", false), says(stop, true)}}
	o.events(t, client.URLOptions{})
	wants(t, "after the id was taken back", o.presented(), []string{"", ""})
}

// A block is handed out whole, or not at all, wherever the stream is cut, and
// however it ends.
func TestURLCutInTheMiddle(t *testing.T) {
	items := []string{"event: a\r\nid: [1]\r\ndata: one\r\ndata: line\r\n\r\n", "data: two\nid: [2]\n\n", ":\n\n", "id: [3]\n\n", "id: [4]\ndata: four\n\n"}
	whole := strings.Join(items, "")
	for _, lost := range []bool{false, true} {
		for at := range len(whole) + 1 {
			o := new(other)
			o.say = []func(http.ResponseWriter, *http.Request){
				func(w http.ResponseWriter, r *http.Request) {
					says(whole[:at], false)(w, r)
					if lost {
						cut()
					}
				},
				func(w http.ResponseWriter, r *http.Request) {
					rest := map[string]string{"": whole, "[1]": items[1] + items[3] + items[4], "[2]": items[3] + items[4], "[3]": items[4], "[4]": ""}
					says(rest[r.Header.Get("Last-Event-ID")]+stop, true)(w, r)
				},
			}
			got, _ := o.events(t, client.URLOptions{})
			got = slices.DeleteFunc(got, func(s string) bool { return strings.HasSuffix(s, "|") })
			wants(t, fmt.Sprintf("cut behind %q, lost %v", whole[:at], lost), got, []string{"a|[1]|one\nline", "|[2]|two", "|[4]|four"})
			if t.Failed() {
				return
			}
		}
	}
}

// Of an event that is too large the rest is handed out, so that its reader can
// go on behind it: wherever the id stands, and whatever makes it too large.
func TestURLTooLargeIsPassedOver(t *testing.T) {
	const most = 10 << 10
	big := strings.Repeat("x", 200<<10)
	for name, c := range map[string]struct{ sent, want string }{
		"just fits":          {"id: 1\ndata: " + big[:most] + "\n\n", "|1|" + big[:most]},
		"just not":           {"id: 1\ndata: " + big[:most+1] + "\n\n", "|1|too large"},
		"fits in many lines": {"id: 1\n" + strings.Repeat("data: \n", most-1) + "data: x\n\n", "|1|" + strings.Repeat("\n", most-1) + "x"},
		"an id before it":    {"id: 1\nevent: a\ndata: " + big + "\n\n", "a|1|too large"},
		"an id behind it":    {"event: a\ndata: " + big + "\nid: 1\n\n", "|1|too large"},
		"a later id":         {"id: 0\ndata: " + big + "\nid: 1\n\n", "|1|too large"},
		"in many lines":      {"id: 1\n" + strings.Repeat("data: "+big[:1000]+"\n", 400) + "\n", "|1|too large"},
		"id amid many lines": {strings.Repeat("data: "+big[:1000]+"\n", 200) + "id: 1\n" + strings.Repeat("data: "+big[:1000]+"\n", 200) + "\n", "|1|too large"},
		"without an id":      {"data: " + big + "\n\n", "||too large"},
		"a large name":       {"id: 1\nevent: " + big + "\ndata: x\n\n", "|1|too large"},
		"a large id":         {"id: 1\nid: " + big + "\ndata: x\n\n", "|1|too large"},
		"a large comment":    {"id: 1\ndata: x\n: " + big + "\n\n", "|1|x"},
		"many comments":      {"id: 1\ndata: x\n" + strings.Repeat(":"+big[:1000]+"\n", 400) + "\n", "|1|x"},
		"a retry is kept":    {"id: 1\ndata: x\nretry: 5000\n\n", "|1|x"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &other{say: []func(http.ResponseWriter, *http.Request){says(c.sent+"data: same\n\n", false), says("data: next\n\n"+stop, true)}}
			got, _ := o.events(t, client.URLOptions{MaxDataBytes: most})
			// The name of what is too large is of no use to anyone.
			if len(got) > 0 && strings.HasSuffix(got[0], "too large") {
				got[0] = got[0][strings.Index(got[0], "|"):]
				c.want = c.want[strings.Index(c.want, "|"):]
			}
			id := strings.Split(c.want, "|")[1]
			wants(t, "events", got, []string{c.want, "|" + id + "|same", "|" + id + "|next"})
			wants(t, "presented", o.presented(), []string{"", id})
		})
	}
}

// No refusal is for good: each is tried again, in waits that grow up to five
// minutes and begin anew once something came.
func TestURLRefusalsAreTriedAgain(t *testing.T) {
	for name, say := range map[string]func(http.ResponseWriter, *http.Request){
		"204": refuses(204), "301": refuses(301), "401": refuses(401), "403": refuses(403), "404": refuses(404), "500": refuses(500),
		"another type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			send(w, "<p>data: x\n\n")
		},
		"compressed": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") == "identity" {
				w.Header().Set("Content-Encoding", "gzip")
			}
			says("data: x\n\n", false)(w, r)
		},
		"endless redirects": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, otherURL, http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			const tries = 30
			o := new(other)
			begin := time.Time{}
			inBubble(t, func(w http.ResponseWriter, r *http.Request) {
				if time.Since(begin) > 2*time.Hour {
					say = says("id: 7\ndata: x\n\n"+stop, true)
				}
				o.say = []func(http.ResponseWriter, *http.Request){say}
				o.ServeHTTP(w, r)
			}, func(t *testing.T, w *world) {
				begin = time.Now()
				err := w.client.FollowURL(t.Context(), otherURL, client.URLOptions{After: "6"}, func(e client.Event) error {
					if e.ID != "7" {
						t.Errorf("an event %+v", e)
					}
					return errStop
				})
				heard := w.heard()
				if !errors.Is(err, errStop) || len(heard) < tries {
					t.Fatalf("%v after %d tries", err, len(heard))
				}
				for i, n := range heard {
					d := time.Second << min(i, 10)
					if from, to := min(d, 200*time.Second), min(d*3/2, 5*time.Minute); n.wait < from || n.wait > to {
						t.Errorf("wait %d is %v, not %v to %v", i, n.wait, from, to)
					}
				}
			})
		})
	}
}

// What passes by itself is tried again sooner, and the server may say when.
func TestURLLossesAreTriedAgainSooner(t *testing.T) {
	o := &other{say: []func(http.ResponseWriter, *http.Request){
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "400")
			w.WriteHeader(503)
		},
		refuses(502), refuses(429),
		says("retry: 7000\nid: 1\n\n", false),
		says(stop, true),
	}}
	_, w := o.events(t, client.URLOptions{})
	heard := w.heard()
	if len(heard) != 4 {
		t.Fatalf("%d waits", len(heard))
	}
	for i, from := range []time.Duration{400 * time.Second, 2 * time.Second, 4 * time.Second, 7 * time.Second} {
		if d := heard[i].wait; d < from || d > from*3/2 {
			t.Errorf("wait %d is %v, not %v to %v", i, d, from, from*3/2)
		}
	}
}

// A stream on which nothing happened for long is no failure.
func TestURLLongSilenceWithoutEventsIsNoFailure(t *testing.T) {
	n := 0
	o := &other{say: []func(http.ResponseWriter, *http.Request){func(w http.ResponseWriter, r *http.Request) {
		switch n++; {
		case n <= 6:
			cut()
		case n > 7:
			says(stop, true)(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for range 100 {
			send(w, ": still here\n\n")
			time.Sleep(30 * time.Second)
		}
	}}}
	_, w := o.events(t, client.URLOptions{Idle: time.Minute})
	if h := w.heard(); len(h) != 7 || h[5].wait < 20*time.Second || h[6].wait > 1500*time.Millisecond {
		t.Errorf("waits %v", h)
	}
}

func TestURLStalls(t *testing.T) {
	for name, sent := range map[string]string{"before the answer": "-", "before a byte": "", "in an event": "id: 1\ndata: x\n\ndata: "} {
		t.Run(name, func(t *testing.T) {
			o := &other{say: []func(http.ResponseWriter, *http.Request){
				func(w http.ResponseWriter, r *http.Request) {
					if sent != "-" {
						says(sent, true)(w, r)
					}
					<-r.Context().Done()
				},
				says(stop, true),
			}}
			o.events(t, client.URLOptions{Idle: 90 * time.Second})
			if d := o.visits[1].at.Sub(o.visits[0].at); d < 91*time.Second || d > 91500*time.Millisecond {
				t.Errorf("came back after %v", d)
			}
		})
	}
}

// What a feedd says of itself is understood.
func TestURLNoticesOfAFeedd(t *testing.T) {
	gap := wire.AppendSSEGap(nil, &stream.Gap{After: "5", Through: 99, Oldest: 101, Reason: stream.Trimmed, ID: 99})
	closing := wire.AppendSSEClosing(nil, stream.Closing{Reason: "draining", Cursor: 103, Retry: 100 * time.Second})
	o := &other{say: []func(http.ResponseWriter, *http.Request){
		says("id: 50\n\n"+string(gap)+"data: x\nid: 102\n\n"+string(closing)+"data: nothing comes after it\n\n", true), says(stop, true),
	}}
	got, w := o.events(t, client.URLOptions{After: "50"})
	wants(t, "events", got, []string{"|50|", "gap|99|gap 99", "|102|x"})
	wants(t, "presented", o.presented(), []string{"50", "103"})
	var c *client.ErrClosing
	if h := w.heard(); len(h) != 1 || !errors.As(h[0].err, &c) || h[0].wait < 100*time.Second || h[0].wait > 150*time.Second {
		t.Errorf("waits %v", h)
	}
}

// The position does not move past what the handler did not take, and its error
// is what FollowURL returns.
func TestURLHandlerErrorEnds(t *testing.T) {
	o := &other{say: []func(http.ResponseWriter, *http.Request){says("id: 1\ndata: x\n\nid: 2\ndata: y\n\n", true)}}
	inBubble(t, o.ServeHTTP, func(t *testing.T, w *world) {
		n := 0
		err := w.client.FollowURL(t.Context(), otherURL, client.URLOptions{}, func(client.Event) error { n++; return errStop })
		if err != errStop || n != 1 {
			t.Errorf("%v after %d calls", err, n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := w.client.FollowURL(ctx, otherURL, client.URLOptions{}, func(client.Event) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("FollowURL: %v", err)
		}
		for _, bad := range []string{"", "/feeds/a", "ftp://127.0.0.1/", "http://", "http://a b/", "127.0.0.1:8001"} {
			if err := w.client.FollowURL(ctx, bad, client.URLOptions{}, nil); err == nil || !strings.Contains(err.Error(), "no http or https URL") {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// The key goes to the Client's own server, with the address as it is.
func TestURLKeyAndAddress(t *testing.T) {
	var keys []string
	inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Host+" "+r.Header.Get("Authorization")+" "+r.RequestURI+" "+r.UserAgent())
		if r.Host == "127.0.0.1:8001" {
			http.Redirect(w, r, "http://other.example/", http.StatusFound)
			return
		}
		says(stop, true)(w, r)
	}, func(t *testing.T, w *world) {
		opened := 0
		opt := client.URLOptions{Opened: func() { opened++ }}
		if err := w.client.FollowURL(t.Context(), otherURL, opt, func(client.Event) error { return errStop }); err != errStop || opened != 1 {
			t.Errorf("%v, opened %d times", err, opened)
		}
		wants(t, "requests", keys, []string{"127.0.0.1:8001 Bearer k3y /v2/stream?of=everything feedd", "other.example  / feedd"})
	})
}

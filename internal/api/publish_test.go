package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/publish"
	"feedd/internal/stream"
)

const (
	jsonType  = "application/json"
	textType  = "text/plain"
	formType  = "application/x-www-form-urlencoded"
	linesType = "application/x-ndjson"
	batchType = "application/vnd.feedd+ndjson"
)

func TestPublish_StoresWhatTheContentTypeSays(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	for _, c := range []struct {
		name, typ, body string
		want            string // the data in the envelope
	}{
		{"json without insignificant whitespace", jsonType, " { \"a\" : [ 1 , 2 ] ,\n\"b\":\"x  y\"}\n", `{"a":[1,2],"b":"x  y"}`},
		{"json number to the digit", jsonType, `-12345678901234567890.00010e+0400`, `-12345678901234567890.00010e+0400`},
		{"json string", jsonType, `"a\u00e9\/"`, `"a\u00e9\/"`},
		{"json empty string", jsonType, `""`, `""`},
		{"json null", jsonType, `null`, `null`},
		{"json escaped NUL", jsonType, `"\u0000"`, `"\u0000"`},
		{"json lone surrogate, kept byte for byte", jsonType, `["\ud800"]`, `["\ud800"]`},
		{"json repeated names", jsonType, `{"a":1,"a":2}`, `{"a":1,"a":2}`},
		{"json with parameters", "Application/JSON; charset=UTF-8", `1`, `1`},
		{"json nested 500 deep", jsonType, strings.Repeat("[", 500) + strings.Repeat("]", 500), strings.Repeat("[", 500) + strings.Repeat("]", 500)},
		{"text", textType, "one\ntwo\n", `"one\ntwo\n"`},
		{"text with a charset", `text/plain; charset="utf-8"`, "é", `"é"`},
		{"text in ASCII", "text/plain; charset=us-ascii", "e", `"e"`},
		{"text that looks like JSON", textType, `{"a":1}`, `"{\"a\":1}"`},
		{"text of spaces", textType, "  ", `"  "`},
		{"no content type", "", `{"a":1}`, `"{\"a\":1}"`},
		{"curl -d an object", formType, `{"a":1}`, `{"a":1}`},
		{"curl -d an object over lines", formType, "{ \"a\": \"x=1&y=2\" }", `{"a":"x=1&y=2"}`},
		{"curl -d an array", formType, `[1, 2]`, `[1,2]`},
		{"curl -d a=1", formType, `a=1`, `{"a":"1"}`},
		{"curl -d hello", formType, `hello`, `"hello"`},
		{"curl -d a repeated field", formType, `a=1&b=2&a=3`, `{"a":["1","3"],"b":"2"}`},
		{"curl -d a percent sign", formType, `100%=all`, `"100%=all"`},
		{"curl -d quotes", formType, `"quoted"`, `"\"quoted\""`},
		{"curl -d a number", formType, `42`, `"42"`},
		{"form escapes", formType, `a%20b=c+d%2B&x[]=1&x[]=2`, `{"a b":"c d+","x[]":["1","2"]}`},
		{"form empty value", formType, `a=`, `{"a":""}`},
		{"form with charset", formType + "; charset=utf-8", `a=1`, `{"a":"1"}`},
		{"curl -d a sentence with =", formType, `x = y & z`, `"x = y & z"`},
		{"curl -d broken JSON is what it is: text", formType, `{"a":`, `"{\"a\":"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.typ != "" {
				headers = append(headers, "Content-Type: "+c.typ)
			}
			a := s.do("POST", "/feeds/types", c.body, headers...).mustStatus(t, http.StatusCreated)
			var r receipt
			a.decode(t, &r)
			if r.Feed != "types" || a.header.Get("Content-Type") != jsonType {
				t.Errorf("receipt %s as %q", a.body, a.header.Get("Content-Type"))
			}
			if at := a.header.Get("Location"); at != "/feeds/types/items/"+r.ID {
				t.Fatalf("Location %q for the id %s", at, r.ID)
			}
			var got item
			s.get(a.header.Get("Location")).mustStatus(t, http.StatusOK).decode(t, &got)
			if string(got.Data) != c.want || got.Time != r.Time || got.ID != r.ID || got.Feed != "types" {
				t.Errorf("the item is %+v with data %s, want %s", got, got.Data, c.want)
			}
		})
	}
}

func TestPublish_ReceiptSaysWhenAndHowDurable(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		before := time.Now().Add(-time.Second)
		a := s.do("POST", "/feeds/news", "x").mustStatus(t, http.StatusCreated)
		var r receipt
		a.decode(t, &r)
		at, err := time.Parse("2006-01-02T15:04:05.000000Z", r.Time)
		if err != nil || at.Before(before) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("time %q: %v", r.Time, err)
		}
		want := map[bool]string{false: "fsync", true: "memory"}[d.memory]
		if got := a.header.Get("Feedd-Durability"); got != want {
			t.Errorf("Feedd-Durability %q, want %q", got, want)
		}
		if a.header.Get("Idempotent-Replay") != "" {
			t.Error("a first publish is marked as a replay")
		}
	})
}

func TestPublish_BatchIsCommittedTogether(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		var r receipt
		a := s.do("POST", "/feeds/batch?event=tick", "1\r\n\n  \n{\"a\": 2}\n\"x\"", "Content-Type: "+linesType)
		a.mustStatus(t, http.StatusCreated).decode(t, &r)
		p := s.page("batch")
		if fmt.Sprint(p.data()) != `[1 {"a":2} "x"]` {
			t.Fatalf("items %q", p.data())
		}
		if r.Feed != "batch" || r.Count != 3 || r.First != p.Items[0].ID || r.Last != p.Items[2].ID {
			t.Errorf("receipt %s for %+v", a.body, p.Items)
		}
		for _, it := range p.Items {
			if it.Event != "tick" {
				t.Errorf("the event of the query did not reach %+v", it)
			}
		}
	})
}

// What one feedd prints another takes.
func TestPublish_EnvelopesRoundTrip(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		from := s.position()
		for _, c := range [][2]string{
			{jsonType, `{"a":[1,2.50]}`}, {textType, "two\nlines\r\n\"\\\u2028 \x00"}, {jsonType, `null`},
			{textType, `{"a":1}`}, {jsonType, `""`}, {jsonType, `"\ud800"`}, {jsonType, `{"cursor":"1"}`},
		} {
			s.do("POST", "/feeds/one?event=e:1", c[1], "Content-Type: "+c[0]).mustStatus(t, http.StatusCreated)
		}
		r := openNDJSON(s, "one?since="+from)
		lines := fmt.Sprintf("{\"cursor\":%q}\n{\"gap\":{}}\n{\"closing\":{}}\n", r.first)
		for range 7 {
			lines += r.item().raw
		}
		s.do("POST", "/feeds/two?event=other", lines, "Content-Type: "+batchType).mustStatus(t, http.StatusCreated)
		one, two := s.page("one"), s.page("two")
		for i := range one.Items {
			a, b := one.Items[i], two.Items[i]
			if string(a.Data) != string(b.Data) || a.Event != b.Event || b.Feed != "two" || a.ID == b.ID {
				t.Errorf("%+v (%s) became %+v (%s)", a, a.Data, b, b.Data)
			}
		}
		a, b := openSSE(s, "one?since="+from), openSSE(s, "two?since="+from)
		for range one.Items {
			if x, y := a.item(), b.item(); x.data != y.data {
				t.Errorf("the raw data %q became %q", x.data, y.data)
			}
		}
	})
}

func TestPublish_EnvelopeMembersOutrankTheQuery(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	s.do("POST", "/feeds/f?event=q", `{"id":"1","feed":"x","time":"y","event":"own","data":1}`+"\n"+`{"data":2}`, "Content-Type: "+batchType).
		mustStatus(t, http.StatusCreated)
	p := s.page("f")
	if p.Items[0].Event != "own" || p.Items[1].Event != "q" || p.Items[0].ID == "1" {
		t.Errorf("items %+v", p.Items)
	}
}

func TestPublish_TTLMakesTheItemGo(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		from := s.position()
		s.putQuery("f", "ttl=50ms", "short")
		s.do("POST", "/feeds/f", `{"ttl":"50ms","data":"short too"}`, "Content-Type: "+batchType).mustStatus(t, http.StatusCreated)
		s.putQuery("f", "ttl=1d", "long")
		eventually(t, "the items with a short ttl are gone", func() bool { return len(s.page("f").Items) == 1 })
		onTransports(t, func(t *testing.T, tr transport) {
			r := tr.open(s, "f?since="+from)
			r.mustItems("long") // and no gap: someone wanted them gone
		})
	})
}

func TestPublish_RefusedParameters(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	s := start(t, d)
	for _, query := range []string{
		"event=gap", "event=closing", "event=error", "event=open",
		"event=", "event=a%0Ab", "event=a%0D", "event=a%00", "event=a+b", "event=%C3%A9", "event=a,b",
		"event=" + strings.Repeat("e", 65), "event=a&event=b",
		"ttl=", "ttl=0", "ttl=-1s", "ttl=x", "ttl=10", "ttl=1000000d", "ttl=1s&ttl=1s",
		"evnt=a", "Event=a", "event=%zz", "a;b",
	} {
		s.rawRequest("POST /feeds/f?"+query, "x").mustProblem(t, 400, "bad-query")
	}
	for _, line := range []string{
		`{"data":1,"event":"gap"}`, `{"data":1,"event":"closing"}`, `{"data":1,"event":"error"}`, `{"data":1,"event":"open"}`,
		`{"data":1,"event":"a\nb"}`, `{"data":1,"event":"a\u0000"}`, `{"data":1,"event":""}`, `{"data":1,"event":7}`,
		`{"data":1,"event":"a","event":"gap"}`,
		`{"data":1,"ttl":"0s"}`, `{"data":1,"ttl":"-1s"}`, `{"data":1,"ttl":10}`,
		`{"event":"a"}`, `[1]`, `1`,
	} {
		p := s.do("POST", "/feeds/f", `{"data":0}`+"\n"+line, "Content-Type: "+batchType).mustProblem(t, 400, "bad-json")
		if p.Line != 2 {
			t.Errorf("%s: line %d, want 2", line, p.Line)
		}
	}
	s.mustStore(0)
	s.putQuery("f", "event="+strings.Repeat("e", 64), "x")
	s.putQuery("f", "event=A-z_0.9:message", "x")
}

func TestPublish_RefusesOtherTypes(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	for _, header := range []string{
		"Content-Type: text/html", "Content-Type: application/xml", "Content-Type: multipart/form-data; boundary=x",
		"Content-Type: application/octet-stream", "Content-Type: nonsense", "Content-Type: text/plain; charset",
		"Content-Type: text/plain; charset=iso-8859-1", "Content-Type: application/json; charset=utf-16",
		"Content-Encoding: gzip", "Content-Encoding: identity, gzip",
	} {
		headers := []string{header}
		if !strings.HasPrefix(header, "Content-Type") {
			headers = append(headers, "Content-Type: text/plain")
		}
		s.do("POST", "/feeds/f", "x", headers...).mustProblem(t, 415, "unsupported-media-type")
	}
	s.do("POST", "/feeds/f", "x", "Content-Type: text/plain", "Content-Encoding: identity", "Content-Encoding: br").
		mustProblem(t, 415, "unsupported-media-type")
	s.mustStore(0)
	s.put("f", "x", "Content-Encoding: identity")
}

func TestP7_RepeatGetsTheFirstAnswerAgain(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		publish := func(path, body, typ string) answer {
			t.Helper()
			return s.do("POST", path, body, "Content-Type: "+typ, "Idempotency-Key: k 1")
		}
		first := publish("/feeds/f?event=e&ttl=1h", "x", textType).mustStatus(t, http.StatusCreated)
		again := publish("/feeds/f?event=e&ttl=1h", "x", textType).mustStatus(t, http.StatusOK)
		if again.body != first.body || again.header.Get("Idempotent-Replay") != "true" {
			t.Errorf("the repeat got %q with Idempotent-Replay %q, the first %q", again.body, again.header.Get("Idempotent-Replay"), first.body)
		}
		for _, other := range [][3]string{
			{"/feeds/f?event=e&ttl=1h", "y", textType}, {"/feeds/f?event=e2&ttl=1h", "x", textType},
			{"/feeds/f?event=e&ttl=2h", "x", textType}, {"/feeds/f?ttl=1h", "x", textType}, {"/feeds/f?event=e", "x", textType},
			{"/feeds/f?event=e&ttl=1h", `"x"`, jsonType}, {"/feeds/f?event=e&ttl=1h", "\"x\"\n\"x\"", linesType},
		} {
			publish(other[0], other[1], other[2]).mustProblem(t, 422, "idempotency-key-reused")
		}
		s.mustStore(1)
		publish("/feeds/g?event=e&ttl=1h", "y", textType).mustStatus(t, http.StatusCreated) // the scope is the feed

		batch := publish("/feeds/h", "1\n2\n3", linesType).mustStatus(t, http.StatusCreated)
		if again := publish("/feeds/h", "1\n2\n3\n", linesType).mustStatus(t, http.StatusOK); again.body != batch.body {
			t.Errorf("the repeated batch got %q, the first %q", again.body, batch.body)
		}
		publish("/feeds/h", "1\n2", linesType).mustProblem(t, 422, "idempotency-key-reused")
		s.mustStore(5)

		// Whether or not the item is still retained.
		s.do("DELETE", "/feeds/f", "").mustStatus(t, http.StatusOK)
		if again := publish("/feeds/f?event=e&ttl=1h", "x", textType).mustStatus(t, http.StatusOK); again.body != first.body {
			t.Errorf("the repeat after a purge got %q", again.body)
		}
		s.mustStore(4)
	})
}

func TestP7_RepeatIsKnownAfterARestart(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{})
	first := s.do("POST", "/feeds/f", "x", "Idempotency-Key: k").mustStatus(t, http.StatusCreated)
	s.stop()
	s = start(t, deployment{dir: s.dir})
	if again := s.do("POST", "/feeds/f", "x", "Idempotency-Key: k").mustStatus(t, http.StatusOK); again.body != first.body {
		t.Errorf("the repeat got %q, the first %q", again.body, first.body)
	}
}

func TestP7_RepeatsJoinTheFirstThatIsStillBeingCommitted(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		entered, release := s.holdCommit(t)
		answers := make(chan answer, 9)
		post := func() { answers <- s.do("POST", "/feeds/f", "x", "Idempotency-Key: k") }
		var wg sync.WaitGroup
		wg.Go(post)
		<-entered
		for range 8 {
			wg.Go(post)
		}
		release()
		wg.Wait()
		close(answers)
		created, body := 0, ""
		for a := range answers {
			if a.status == http.StatusCreated {
				created++
			} else {
				a.mustStatus(t, http.StatusOK)
			}
			if body == "" {
				body = a.body
			}
			if a.body != body {
				t.Errorf("answers differ: %q and %q", a.body, body)
			}
		}
		if created != 1 {
			t.Errorf("%d of them say to have stored it", created)
		}
		s.mustStore(1)
	})
}

func TestPublish_BadIdempotencyKeys(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	for _, k := range []string{"", strings.Repeat("k", 129), "clé", "a\tb"} {
		s.do("POST", "/feeds/f", "x", "Idempotency-Key: "+k).mustProblem(t, 400, "bad-idempotency-key")
	}
	s.do("POST", "/feeds/f", "x", "Idempotency-Key: a", "Idempotency-Key: b").mustProblem(t, 400, "bad-idempotency-key")
	s.mustStore(0)
	s.do("POST", "/feeds/f", "x", "Idempotency-Key: "+strings.Repeat("k", 128)).mustStatus(t, http.StatusCreated)
}

func TestPublish_SizeLimits(t *testing.T) {
	t.Parallel()
	d := deployment{memory: true}
	d.options = api.Options{Publish: publish.Limits{MaxItemBytes: 1000, MaxBodyBytes: 5000, MaxBatchItems: 10}}
	s := start(t, d)
	line := strings.Repeat("1", 600) + "\n"
	for _, c := range []struct{ name, typ, body, limit string }{
		{"text", textType, strings.Repeat("x", 1001), "max_item_bytes"},
		{"json", jsonType, "[" + strings.Repeat(" ", 1000) + "]", "max_item_bytes"},
		{"form that grows by its quotes", formType, "a=" + strings.Repeat(`"`, 900), "max_item_bytes"},
		{"batch", linesType, strings.Repeat(line, 9), "max_body_bytes"},
		{"item in a batch", linesType, "1\n" + strings.Repeat("1", 1001), "max_item_bytes"},
		{"item in an envelope", batchType, `{"data":"` + strings.Repeat("x", 1001) + `"}`, "max_item_bytes"},
		{"items in a batch", linesType, strings.Repeat("1\n", 11), "max_batch_items"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hits := `feedd_limit_hits_total{limit="` + c.limit + `"}`
			before := s.metric(hits)
			s.do("POST", "/feeds/f", c.body, "Content-Type: "+c.typ).mustProblem(t, 413, "too-large")
			chunked := s.request(t.Context(), "POST", "/feeds/f", io.MultiReader(strings.NewReader(c.body)), "Content-Type: "+c.typ)
			s.send(chunked).mustProblem(t, 413, "too-large")
			if n := s.metric(hits) - before; n != 2 {
				t.Errorf("%s rose by %v, want 2", hits, n)
			}
		})
	}
	s.mustStore(0)
	s.put("f", strings.Repeat("x", 1000))
	s.do("POST", "/feeds/f", strings.Repeat("1\n", 10), "Content-Type: "+linesType).mustStatus(t, http.StatusCreated)
	s.do("POST", "/feeds/f", strings.Repeat(line, 8), "Content-Type: "+linesType).mustStatus(t, http.StatusCreated)
	s.mustStore(19)
}

// A body that says to be too large is not asked for.
func TestPublish_ExpectContinueIsRefusedWithoutReading(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	expect := func(size int, auth string) (*bufio.Reader, io.Writer) {
		c := s.dial(0)
		fmt.Fprintf(c, "POST /feeds/f HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", s.addr, auth, size)
		return bufio.NewReader(c), c
	}
	for _, c := range []struct {
		size int
		auth string
		want string
	}{
		{2 << 20, "Bearer " + key, "HTTP/1.1 413 "},
		{1 << 40, "Bearer " + key, "HTTP/1.1 413 "},
		{10, "Bearer wrong", "HTTP/1.1 401 "},
	} {
		in, _ := expect(c.size, c.auth)
		if line, err := in.ReadString('\n'); !strings.HasPrefix(line, c.want) {
			t.Errorf("%d bytes as %q: %q, %v", c.size, c.auth, line, err)
		}
	}
	in, out := expect(5, "Bearer "+key)
	if line, err := in.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("a body that fits: %q, %v", line, err)
	}
	in.ReadString('\n')
	io.WriteString(out, "hello")
	if line, err := in.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 201 ") {
		t.Errorf("a body that fits: %q, %v", line, err)
	}
}

// A client that only ends its sending half still reads the answer: it waits for
// the commit like any other.
func TestP2_AClientThatHalfClosesGetsItsAnswer(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		entered, release := s.holdCommit(t)
		c := s.dial(0)
		fmt.Fprintf(c, "POST /feeds/f HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: 1\r\n\r\nx", s.addr, key)
		<-entered
		c.CloseWrite()
		release()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Errorf("got %s", resp.Status)
		}
	})
}

func TestP2_OutcomeUnknownIsSettledByARetry(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		lie := io.ErrUnexpectedEOF
		s.hooks.set(nil, func() error { return lie })
		s.do("POST", "/feeds/f", "x", "Idempotency-Key: k").mustProblem(t, 503, "outcome-unknown")
		s.hooks.set(nil, nil)
		a := s.do("POST", "/feeds/f", "x", "Idempotency-Key: k")
		if a.status != http.StatusOK && a.status != http.StatusCreated {
			t.Fatalf("the retry got %d: %s", a.status, a.body)
		}
		s.mustStore(1)

		s.hooks.set(func() error { return lie }, nil)
		s.do("POST", "/feeds/f", "y").mustProblem(t, 503, "unavailable")
		s.hooks.set(nil, nil)
		s.mustStore(1)
	})
}

func TestPublish_BoundsOfTheStore(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		d.store = stream.StoreOptions{Feeds: 2}
		s := start(t, d)
		s.put("a", "1")
		s.put("b", "1")
		s.do("POST", "/feeds/c", "1").mustProblem(t, 503, "too-many-feeds")
		s.do("GET", "/readyz", "").mustStatus(t, http.StatusOK) // the feeds that there are work
		s.put("a", "2")
		if n := s.metric(`feedd_limit_hits_total{limit="max_feeds"}`); n != 1 {
			t.Errorf("max_feeds was hit %v times", n)
		}
	})
	onEngines(t, func(t *testing.T, d deployment) {
		d.store = stream.StoreOptions{Bytes: 1 << 20}
		s := start(t, d)
		full := func() answer { return s.do("POST", "/feeds/a", strings.Repeat("x", 100_000)) }
		for range 20 {
			if a := full(); a.status != http.StatusCreated {
				a.mustProblem(t, 503, "store-full")
				if s.do("POST", "/feeds/a", "small").status == http.StatusCreated {
					full().mustProblem(t, 503, "store-full")
					s.do("GET", "/readyz", "").mustStatus(t, http.StatusOK) // others have room
				}
				return
			}
		}
		t.Error("a store of 1 MiB took 2 MB")
	})
}

// rawRequest sends a request line and a body as they are, with the key.
func (s *server) rawRequest(line, body string, headers ...string) answer {
	s.t.Helper()
	c := s.dial(0)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n", line, s.addr, key)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	c.Write(b.Bytes())
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

package publish_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"feedd/internal/api"
	"feedd/internal/publish"
	"feedd/internal/server/servertest"
	"feedd/internal/stream"
)

func TestPublish_StoresWhatTheContentTypeSays(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, c := range []struct {
		name, typ, body string
		want            string // the data in the envelope
	}{
		{"json without insignificant whitespace", servertest.JSONType, " { \"a\" : [ 1 , 2 ] ,\n\"b\":\"x  y\"}\n", `{"a":[1,2],"b":"x  y"}`},
		{"json number to the digit", servertest.JSONType, `-12345678901234567890.00010e+0400`, `-12345678901234567890.00010e+0400`},
		{"json string", servertest.JSONType, `"a\u00e9\/"`, `"a\u00e9\/"`},
		{"json empty string", servertest.JSONType, `""`, `""`},
		{"json null", servertest.JSONType, `null`, `null`},
		{"json escaped NUL", servertest.JSONType, `"\u0000"`, `"\u0000"`},
		{"json lone surrogate, kept byte for byte", servertest.JSONType, `["\ud800"]`, `["\ud800"]`},
		{"json repeated names", servertest.JSONType, `{"a":1,"a":2}`, `{"a":1,"a":2}`},
		{"json with parameters", "Application/JSON; charset=UTF-8", `1`, `1`},
		{"json nested 500 deep", servertest.JSONType, strings.Repeat("[", 500) + strings.Repeat("]", 500), strings.Repeat("[", 500) + strings.Repeat("]", 500)},
		{"text", servertest.TextType, "one\ntwo\n", `"one\ntwo\n"`},
		{"text with a charset", `text/plain; charset="utf-8"`, "é", `"é"`},
		{"text in ASCII", "text/plain; charset=us-ascii", "e", `"e"`},
		{"text that looks like JSON", servertest.TextType, `{"a":1}`, `"{\"a\":1}"`},
		{"text of spaces", servertest.TextType, "  ", `"  "`},
		{"no content type", "", `{"a":1}`, `"{\"a\":1}"`},
		{"curl -d an object", servertest.FormType, `{"a":1}`, `{"a":1}`},
		{"curl -d an object over lines", servertest.FormType, "{ \"a\": \"x=1&y=2\" }", `{"a":"x=1&y=2"}`},
		{"curl -d an array", servertest.FormType, `[1, 2]`, `[1,2]`},
		{"curl -d a=1", servertest.FormType, `a=1`, `{"a":"1"}`},
		{"curl -d hello", servertest.FormType, `hello`, `"hello"`},
		{"curl -d a repeated field", servertest.FormType, `a=1&b=2&a=3`, `{"a":["1","3"],"b":"2"}`},
		{"curl -d a percent sign", servertest.FormType, `100%=all`, `"100%=all"`},
		{"curl -d quotes", servertest.FormType, `"quoted"`, `"\"quoted\""`},
		{"curl -d a number", servertest.FormType, `42`, `"42"`},
		{"form escapes", servertest.FormType, `a%20b=c+d%2B&x[]=1&x[]=2`, `{"a b":"c d+","x[]":["1","2"]}`},
		{"form empty value", servertest.FormType, `a=`, `{"a":""}`},
		{"form with charset", servertest.FormType + "; charset=utf-8", `a=1`, `{"a":"1"}`},
		{"curl -d a sentence with =", servertest.FormType, `x = y & z`, `"x = y & z"`},
		{"curl -d broken JSON is what it is: text", servertest.FormType, `{"a":`, `"{\"a\":"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.typ != "" {
				headers = append(headers, "Content-Type: "+c.typ)
			}
			a := s.Do("POST", "/feeds/types", c.body, headers...).MustStatus(t, http.StatusCreated)
			var r servertest.Receipt
			a.Decode(t, &r)
			if r.Feed != "types" || a.Header.Get("Content-Type") != servertest.JSONType {
				t.Errorf("receipt %s as %q", a.Body, a.Header.Get("Content-Type"))
			}
			if at := a.Header.Get("Location"); at != "/feeds/types/items/"+r.ID {
				t.Fatalf("Location %q for the id %s", at, r.ID)
			}
			var got servertest.Item
			s.Get(a.Header.Get("Location")).MustStatus(t, http.StatusOK).Decode(t, &got)
			if string(got.Data) != c.want || got.Time != r.Time || got.ID != r.ID || got.Feed != "types" {
				t.Errorf("the item is %+v with data %s, want %s", got, got.Data, c.want)
			}
		})
	}
}

func TestPublish_ReceiptSaysWhenAndHowDurable(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		before := time.Now().Add(-time.Second)
		a := s.Do("POST", "/feeds/news", "x").MustStatus(t, http.StatusCreated)
		var r servertest.Receipt
		a.Decode(t, &r)
		at, err := time.Parse("2006-01-02T15:04:05.000000Z", r.Time)
		if err != nil || at.Before(before) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("time %q: %v", r.Time, err)
		}
		want := map[bool]string{false: "fsync", true: "memory"}[d.Memory]
		if got := a.Header.Get("Feedd-Durability"); got != want {
			t.Errorf("Feedd-Durability %q, want %q", got, want)
		}
		if a.Header.Get("Idempotent-Replay") != "" {
			t.Error("a first publish is marked as a replay")
		}
	})
}

func TestPublish_BatchIsCommittedTogether(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		var r servertest.Receipt
		a := s.Do("POST", "/feeds/batch?event=tick", "1\r\n\n  \n{\"a\": 2}\n\"x\"", "Content-Type: "+servertest.LinesType)
		a.MustStatus(t, http.StatusCreated).Decode(t, &r)
		p := s.Page("batch")
		if fmt.Sprint(p.Data()) != `[1 {"a":2} "x"]` {
			t.Fatalf("items %q", p.Data())
		}
		if r.Feed != "batch" || r.Count != 3 || r.First != p.Items[0].ID || r.Last != p.Items[2].ID {
			t.Errorf("receipt %s for %+v", a.Body, p.Items)
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
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		from := s.Position()
		for _, c := range [][2]string{
			{servertest.JSONType, `{"a":[1,2.50]}`}, {servertest.TextType, "two\nlines\r\n\"\\\u2028 \x00"}, {servertest.JSONType, `null`},
			{servertest.TextType, `{"a":1}`}, {servertest.JSONType, `""`}, {servertest.JSONType, `"\ud800"`}, {servertest.JSONType, `{"cursor":"1"}`},
		} {
			s.Do("POST", "/feeds/one?event=e:1", c[1], "Content-Type: "+c[0]).MustStatus(t, http.StatusCreated)
		}
		r := servertest.OpenNDJSON(s, "one?since="+from)
		lines := fmt.Sprintf("{\"cursor\":%q}\n{\"gap\":{}}\n{\"closing\":{}}\n", r.First)
		for range 7 {
			lines += r.Item().Raw
		}
		s.Do("POST", "/feeds/two?event=other", lines, "Content-Type: "+servertest.BatchType).MustStatus(t, http.StatusCreated)
		one, two := s.Page("one"), s.Page("two")
		for i := range one.Items {
			a, b := one.Items[i], two.Items[i]
			if string(a.Data) != string(b.Data) || a.Event != b.Event || b.Feed != "two" || a.ID == b.ID {
				t.Errorf("%+v (%s) became %+v (%s)", a, a.Data, b, b.Data)
			}
		}
		a, b := servertest.OpenSSE(s, "one?since="+from), servertest.OpenSSE(s, "two?since="+from)
		for range one.Items {
			if x, y := a.Item(), b.Item(); x.Data != y.Data {
				t.Errorf("the raw data %q became %q", x.Data, y.Data)
			}
		}
	})
}

func TestPublish_EnvelopeMembersOutrankTheQuery(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	s.Do("POST", "/feeds/f?event=q", `{"id":"1","feed":"x","time":"y","event":"own","data":1}`+"\n"+`{"data":2}`, "Content-Type: "+servertest.BatchType).
		MustStatus(t, http.StatusCreated)
	p := s.Page("f")
	if p.Items[0].Event != "own" || p.Items[1].Event != "q" || p.Items[0].ID == "1" {
		t.Errorf("items %+v", p.Items)
	}
}

func TestPublish_TTLMakesTheItemGo(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		from := s.Position()
		s.PutQuery("f", "ttl=50ms", "short")
		s.Do("POST", "/feeds/f", `{"ttl":"50ms","data":"short too"}`, "Content-Type: "+servertest.BatchType).MustStatus(t, http.StatusCreated)
		s.PutQuery("f", "ttl=1d", "long")
		servertest.Eventually(t, "the items with a short ttl are gone", func() bool { return len(s.Page("f").Items) == 1 })
		servertest.OnTransports(t, func(t *testing.T, tr servertest.Transport) {
			r := tr.Open(s, "f?since="+from)
			r.MustItems("long") // and no gap: someone wanted them gone
		})
	})
}

func TestPublish_RefusedParameters(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	s := servertest.Start(t, d)
	for _, query := range []string{
		"event=gap", "event=closing", "event=error", "event=open",
		"event=", "event=a%0Ab", "event=a%0D", "event=a%00", "event=a+b", "event=%C3%A9", "event=a,b",
		"event=" + strings.Repeat("e", 65), "event=a&event=b",
		"ttl=", "ttl=0", "ttl=-1s", "ttl=x", "ttl=10", "ttl=1000000d", "ttl=1s&ttl=1s",
		"evnt=a", "Event=a", "event=%zz", "a;b",
	} {
		s.RawRequest("POST /feeds/f?"+query, "x").MustProblem(t, 400, "bad-query")
	}
	for _, line := range []string{
		`{"data":1,"event":"gap"}`, `{"data":1,"event":"closing"}`, `{"data":1,"event":"error"}`, `{"data":1,"event":"open"}`,
		`{"data":1,"event":"a\nb"}`, `{"data":1,"event":"a\u0000"}`, `{"data":1,"event":""}`, `{"data":1,"event":7}`,
		`{"data":1,"event":"a","event":"gap"}`,
		`{"data":1,"ttl":"0s"}`, `{"data":1,"ttl":"-1s"}`, `{"data":1,"ttl":10}`,
		`{"event":"a"}`, `[1]`, `1`,
	} {
		p := s.Do("POST", "/feeds/f", `{"data":0}`+"\n"+line, "Content-Type: "+servertest.BatchType).MustProblem(t, 400, "bad-json")
		if p.Line != 2 {
			t.Errorf("%s: line %d, want 2", line, p.Line)
		}
	}
	s.MustStore(0)
	s.PutQuery("f", "event="+strings.Repeat("e", 64), "x")
	s.PutQuery("f", "event=A-z_0.9:message", "x")
}

func TestPublish_RefusesOtherTypes(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
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
		s.Do("POST", "/feeds/f", "x", headers...).MustProblem(t, 415, "unsupported-media-type")
	}
	s.Do("POST", "/feeds/f", "x", "Content-Type: text/plain", "Content-Encoding: identity", "Content-Encoding: br").
		MustProblem(t, 415, "unsupported-media-type")
	s.MustStore(0)
	s.Put("f", "x", "Content-Encoding: identity")
}

func TestP7_RepeatGetsTheFirstAnswerAgain(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		publish := func(path, body, typ string) servertest.Answer {
			t.Helper()
			return s.Do("POST", path, body, "Content-Type: "+typ, "Idempotency-Key: k 1")
		}
		first := publish("/feeds/f?event=e&ttl=1h", "x", servertest.TextType).MustStatus(t, http.StatusCreated)
		again := publish("/feeds/f?event=e&ttl=1h", "x", servertest.TextType).MustStatus(t, http.StatusOK)
		if again.Body != first.Body || again.Header.Get("Idempotent-Replay") != "true" {
			t.Errorf("the repeat got %q with Idempotent-Replay %q, the first %q", again.Body, again.Header.Get("Idempotent-Replay"), first.Body)
		}
		for _, other := range [][3]string{
			{"/feeds/f?event=e&ttl=1h", "y", servertest.TextType}, {"/feeds/f?event=e2&ttl=1h", "x", servertest.TextType},
			{"/feeds/f?event=e&ttl=2h", "x", servertest.TextType}, {"/feeds/f?ttl=1h", "x", servertest.TextType}, {"/feeds/f?event=e", "x", servertest.TextType},
			{"/feeds/f?event=e&ttl=1h", `"x"`, servertest.JSONType}, {"/feeds/f?event=e&ttl=1h", "\"x\"\n\"x\"", servertest.LinesType},
		} {
			publish(other[0], other[1], other[2]).MustProblem(t, 422, "idempotency-key-reused")
		}
		s.MustStore(1)
		publish("/feeds/g?event=e&ttl=1h", "y", servertest.TextType).MustStatus(t, http.StatusCreated) // the scope is the feed

		batch := publish("/feeds/h", "1\n2\n3", servertest.LinesType).MustStatus(t, http.StatusCreated)
		if again := publish("/feeds/h", "1\n2\n3\n", servertest.LinesType).MustStatus(t, http.StatusOK); again.Body != batch.Body {
			t.Errorf("the repeated batch got %q, the first %q", again.Body, batch.Body)
		}
		publish("/feeds/h", "1\n2", servertest.LinesType).MustProblem(t, 422, "idempotency-key-reused")
		s.MustStore(5)

		// Whether or not the item is still retained.
		s.Do("DELETE", "/feeds/f", "").MustStatus(t, http.StatusOK)
		if again := publish("/feeds/f?event=e&ttl=1h", "x", servertest.TextType).MustStatus(t, http.StatusOK); again.Body != first.Body {
			t.Errorf("the repeat after a purge got %q", again.Body)
		}
		s.MustStore(4)
	})
}

func TestP7_RepeatIsKnownAfterARestart(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{})
	first := s.Do("POST", "/feeds/f", "x", "Idempotency-Key: k").MustStatus(t, http.StatusCreated)
	s.Stop()
	s = servertest.Start(t, servertest.Deployment{Dir: s.Dir})
	if again := s.Do("POST", "/feeds/f", "x", "Idempotency-Key: k").MustStatus(t, http.StatusOK); again.Body != first.Body {
		t.Errorf("the repeat got %q, the first %q", again.Body, first.Body)
	}
}

func TestP7_RepeatsJoinTheFirstThatIsStillBeingCommitted(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		entered, release := s.HoldCommit(t)
		answers := make(chan servertest.Answer, 9)
		post := func() { answers <- s.Do("POST", "/feeds/f", "x", "Idempotency-Key: k") }
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
			if a.Status == http.StatusCreated {
				created++
			} else {
				a.MustStatus(t, http.StatusOK)
			}
			if body == "" {
				body = a.Body
			}
			if a.Body != body {
				t.Errorf("answers differ: %q and %q", a.Body, body)
			}
		}
		if created != 1 {
			t.Errorf("%d of them say to have stored it", created)
		}
		s.MustStore(1)
	})
}

func TestPublish_BadIdempotencyKeys(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, k := range []string{"", strings.Repeat("k", 129), "clé", "a\tb"} {
		s.Do("POST", "/feeds/f", "x", "Idempotency-Key: "+k).MustProblem(t, 400, "bad-idempotency-key")
	}
	s.Do("POST", "/feeds/f", "x", "Idempotency-Key: a", "Idempotency-Key: b").MustProblem(t, 400, "bad-idempotency-key")
	s.MustStore(0)
	s.Do("POST", "/feeds/f", "x", "Idempotency-Key: "+strings.Repeat("k", 128)).MustStatus(t, http.StatusCreated)
}

func TestPublish_SizeLimits(t *testing.T) {
	t.Parallel()
	d := servertest.Deployment{Memory: true}
	d.Options = api.Options{Publish: publish.Limits{MaxItemBytes: 1000, MaxBodyBytes: 5000, MaxBatchItems: 10}}
	s := servertest.Start(t, d)
	line := strings.Repeat("1", 600) + "\n"
	for _, c := range []struct{ name, typ, body, limit string }{
		{"text", servertest.TextType, strings.Repeat("x", 1001), "max_item_bytes"},
		{"json", servertest.JSONType, "[" + strings.Repeat(" ", 1000) + "]", "max_item_bytes"},
		{"form that grows by its quotes", servertest.FormType, "a=" + strings.Repeat(`"`, 900), "max_item_bytes"},
		{"batch", servertest.LinesType, strings.Repeat(line, 9), "max_body_bytes"},
		{"item in a batch", servertest.LinesType, "1\n" + strings.Repeat("1", 1001), "max_item_bytes"},
		{"item in an envelope", servertest.BatchType, `{"data":"` + strings.Repeat("x", 1001) + `"}`, "max_item_bytes"},
		{"items in a batch", servertest.LinesType, strings.Repeat("1\n", 11), "max_batch_items"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hits := `feedd_limit_hits_total{limit="` + c.limit + `"}`
			before := s.Metric(hits)
			s.Do("POST", "/feeds/f", c.body, "Content-Type: "+c.typ).MustProblem(t, 413, "too-large")
			chunked := s.Request(t.Context(), "POST", "/feeds/f", io.MultiReader(strings.NewReader(c.body)), "Content-Type: "+c.typ)
			s.Send(chunked).MustProblem(t, 413, "too-large")
			if n := s.Metric(hits) - before; n != 2 {
				t.Errorf("%s rose by %v, want 2", hits, n)
			}
		})
	}
	s.MustStore(0)
	s.Put("f", strings.Repeat("x", 1000))
	s.Do("POST", "/feeds/f", strings.Repeat("1\n", 10), "Content-Type: "+servertest.LinesType).MustStatus(t, http.StatusCreated)
	s.Do("POST", "/feeds/f", strings.Repeat(line, 8), "Content-Type: "+servertest.LinesType).MustStatus(t, http.StatusCreated)
	s.MustStore(19)
}

// A body that says to be too large is not asked for.
func TestPublish_ExpectContinueIsRefusedWithoutReading(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	expect := func(size int, auth string) (*bufio.Reader, io.Writer) {
		c := s.Dial(0)
		fmt.Fprintf(c, "POST /feeds/f HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", s.Addr, auth, size)
		return bufio.NewReader(c), c
	}
	for _, c := range []struct {
		size int
		auth string
		want string
	}{
		{2 << 20, "Bearer " + servertest.Key, "HTTP/1.1 413 "},
		{1 << 40, "Bearer " + servertest.Key, "HTTP/1.1 413 "},
		{10, "Bearer wrong", "HTTP/1.1 401 "},
	} {
		in, _ := expect(c.size, c.auth)
		if line, err := in.ReadString('\n'); !strings.HasPrefix(line, c.want) {
			t.Errorf("%d bytes as %q: %q, %v", c.size, c.auth, line, err)
		}
	}
	in, out := expect(5, "Bearer "+servertest.Key)
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
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		entered, release := s.HoldCommit(t)
		c := s.Dial(0)
		fmt.Fprintf(c, "POST /feeds/f HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: 1\r\n\r\nx", s.Addr, servertest.Key)
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
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		lie := io.ErrUnexpectedEOF
		s.Hooks.Set(nil, func() error { return lie })
		s.Do("POST", "/feeds/f", "x", "Idempotency-Key: k").MustProblem(t, 503, "outcome-unknown")
		s.Hooks.Set(nil, nil)
		a := s.Do("POST", "/feeds/f", "x", "Idempotency-Key: k")
		if a.Status != http.StatusOK && a.Status != http.StatusCreated {
			t.Fatalf("the retry got %d: %s", a.Status, a.Body)
		}
		s.MustStore(1)

		s.Hooks.Set(func() error { return lie }, nil)
		s.Do("POST", "/feeds/f", "y").MustProblem(t, 503, "unavailable")
		s.Hooks.Set(nil, nil)
		s.MustStore(1)
	})
}

func TestPublish_BoundsOfTheStore(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Store = stream.StoreOptions{Feeds: 2}
		s := servertest.Start(t, d)
		s.Put("a", "1")
		s.Put("b", "1")
		s.Do("POST", "/feeds/c", "1").MustProblem(t, 503, "too-many-feeds")
		s.Do("GET", "/readyz", "").MustStatus(t, http.StatusOK) // the feeds that there are work
		s.Put("a", "2")
		if n := s.Metric(`feedd_limit_hits_total{limit="max_feeds"}`); n != 1 {
			t.Errorf("max_feeds was hit %v times", n)
		}
	})
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		d.Store = stream.StoreOptions{Bytes: 1 << 20}
		s := servertest.Start(t, d)
		full := func() servertest.Answer { return s.Do("POST", "/feeds/a", strings.Repeat("x", 100_000)) }
		for range 20 {
			if a := full(); a.Status != http.StatusCreated {
				a.MustProblem(t, 503, "store-full")
				if s.Do("POST", "/feeds/a", "small").Status == http.StatusCreated {
					full().MustProblem(t, 503, "store-full")
					s.Do("GET", "/readyz", "").MustStatus(t, http.StatusOK) // others have room
				}
				return
			}
		}
		t.Error("a store of 1 MiB took 2 MB")
	})
}

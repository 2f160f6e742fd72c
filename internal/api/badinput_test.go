package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

func TestBadInput_BodyIsRefusedAndNothingStored(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
		for _, c := range []struct {
			name, typ, body string
			problem         string
			offset, line    int // offset -1: not asked
		}{
			{"no JSON at all", servertest.JSONType, "nope", "bad-json", 1, 0},
			{"a stray byte first", servertest.JSONType, "}", "bad-json", 0, 0},
			{"truncated", servertest.JSONType, `{"a":`, "bad-json", 5, 0},
			{"two values", servertest.JSONType, `1 2`, "bad-json", 2, 0},
			{"deep", servertest.JSONType, deep, "bad-json", 500, 0},
			{"deep by curl -d", servertest.FormType, deep, "bad-text", 500, 0},
			{"NUL", servertest.JSONType, "\"a\x00\"", "bad-json", 2, 0},
			{"NUL between", servertest.JSONType, "[1,\x002]", "bad-json", 3, 0},
			{"control character", servertest.JSONType, "\"a\nb\"", "bad-json", 2, 0},
			{"leading zero", servertest.JSONType, "01", "bad-json", 1, 0},
			{"NaN", servertest.JSONType, "NaN", "bad-json", 0, 0},
			{"trailing comma", servertest.JSONType, "[1,]", "bad-json", 3, 0},
			{"half an escape", servertest.JSONType, `"\u12"`, "bad-json", -1, 0},
			{"byte order mark", servertest.JSONType, "\ufeff1", "bad-json", 0, 0},
			{"bytes that are not UTF-8", servertest.JSONType, "\"\xff\"", "bad-json", 1, 0},
			{"a surrogate in UTF-8", servertest.JSONType, "\"\xed\xa0\x80\"", "bad-json", 1, 0},
			{"text that is not UTF-8", servertest.TextType, "abc\xff", "bad-text", 3, 0},
			{"untyped and not UTF-8", "", "\xc3", "bad-text", 0, 0},
			{"form that is not UTF-8", servertest.FormType, "a=1&b=%FF", "bad-text", 4, 0},
			{"a bad line", servertest.LinesType, "1\n\n{\n2", "bad-json", 1, 3},
			{"a bad first line", servertest.LinesType, "x\n2", "bad-json", 0, 1},
			{"a deep line", servertest.LinesType, "1\n" + deep, "bad-json", 500, 2},
			{"a line that is not UTF-8", servertest.LinesType, "1\n\"\xff\"", "bad-json", 1, 2},
			{"an envelope cut", servertest.BatchType, `{"data":1}` + "\n" + `{"data":`, "bad-json", 8, 2},
			{"empty json", servertest.JSONType, "", "empty-item", -1, 0},
			{"blank json", servertest.JSONType, " \n", "empty-item", -1, 0},
			{"empty text", servertest.TextType, "", "empty-item", -1, 0},
			{"empty form", servertest.FormType, "", "empty-item", -1, 0},
			{"empty lines", servertest.LinesType, "\n\n", "empty-item", -1, 0},
			{"notices only", servertest.BatchType, `{"cursor":"1"}`, "empty-item", -1, 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				var headers []string
				if c.typ != "" {
					headers = append(headers, "Content-Type: "+c.typ)
				}
				p := s.Do("POST", "/feeds/f", c.body, headers...).MustProblem(t, 400, c.problem)
				if c.offset >= 0 && (p.Offset == nil || *p.Offset != c.offset) {
					t.Errorf("no offset %d in %+v", c.offset, p)
				}
				if p.Line != c.line {
					t.Errorf("line %d, want %d", p.Line, c.line)
				}
			})
		}
		s.MustStore(0)
		if p := s.Page("f?since=all"); len(p.Items) > 0 {
			t.Errorf("items %+v", p.Items)
		}
	})
}

// badNames are path parts that name no feed, as they stand in a request line.
var badNames = []string{
	"..", ".", "...", "a..b", ".a", "a.", "a%2Fb", "%2F", "%00", "a%00b", "a%0Ab", "a%0D%0Ab", "a%20b", "a+b", "a:b",
	"%C3%A9", "%FF", "a%252Eb", "%2561", "a%2500", "@", "a~b", "(x)", "<script>", "a;b", "%25", strings.Repeat("a", 129),
	"%2e%2e", "%2e%2e%2fadmin.key",
}

func TestBadInput_FeedNames(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, name := range append([]string{"*", "a.*", "a,b", "**"}, badNames...) {
		for _, line := range []string{
			"POST /feeds/" + name, "DELETE /feeds/" + name, "GET /feeds/" + name + "/settings", "PUT /feeds/" + name + "/settings",
			"DELETE /feeds/" + name + "/settings", "GET /feeds/" + name + "/items/1", "DELETE /feeds/" + name + "/items/1",
		} {
			body := "{}"
			if strings.HasPrefix(line, "GET") {
				body = ""
			}
			s.RawRequest(line, body).MustProblem(t, 400, "bad-feed")
		}
	}
	for _, name := range []string{"a", "A-z_0.9", strings.Repeat("a", 128), "%61", "a%2Eb", "-", "a._b"} {
		s.RawRequest("POST /feeds/"+name, "x").MustStatus(t, http.StatusCreated)
	}
	s.Do("POST", "/feeds/_internal", "x").MustProblem(t, 403, "forbidden")
	s.Do("POST", "/feeds/_internal", "x", "Authorization:").MustProblem(t, 401, "unauthorized")
	s.MustStore(7)
}

// A body that was not asked for, and that perhaps never comes, holds nothing up.
func TestBadInput_BodyOfAGet(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, path := range []string{"/feeds/f", "/healthz"} {
		c := s.Dial(0)
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\n", path, s.Addr)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusBadRequest || !resp.Close {
			t.Errorf("%s: %v %+v", path, err, resp)
		}
	}
}

func TestBadInput_Selectors(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Access: api.Access{MaxSelectorTerms: 4}}})
	for _, sel := range append([]string{
		",", "a,", ",a", "a,,b", "**.a", "a.**.b", "a*", "*a", "a.*b", "***", "a,b,c,d,e", "a,**x", "*,a..b", "%2A%2A%2Fx",
	}, badNames...) {
		for _, accept := range []string{"text/event-stream", servertest.LinesType, servertest.JSONType, "text/html"} {
			s.RawRequest("GET /feeds/"+sel, "", "Accept: "+accept).MustProblem(t, 400, "bad-selector")
		}
		s.RawRequest("GET /feeds?match="+url.QueryEscape(unescape(t, sel)), "").MustProblem(t, 400, "bad-selector")
	}
}

func unescape(t testing.TB, path string) string {
	t.Helper()
	s, err := url.PathUnescape(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBadInput_Queries(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	both := []string{
		"since=yesterday", "since=-5", "since=1.5", "since=2026-13-01T00:00:00Z", "since=-10m", "since=%00", "since=%0A",
		"last=x", "last=-1", "last=1.5", "last=99999999999999999999", "event=", "event=a,,b", "event=gap", "event=a%0Ab",
		"event=%00", "event=" + strings.Repeat("x", 65), "format=xml", "format=SSE", "a=%zz", "a;b",
	}
	for _, accept := range []string{"text/event-stream", servertest.LinesType, servertest.JSONType} {
		for _, q := range both {
			s.RawRequest("GET /feeds/f?"+q, "", "Accept: "+accept).MustProblem(t, 400, "bad-query")
		}
		s.RawRequest("GET /feeds/f?last=10001", "", "Accept: "+accept).MustProblem(t, 400, "bad-query")
	}
	s.RawRequest("GET /feeds/f?envelope=maybe", "", "Accept: text/event-stream").MustProblem(t, 400, "bad-query")
	for _, q := range []string{
		"limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1e3", "last=1001", "wait=61s", "wait=-1s", "wait=x", "wait=5",
		"before=x", "before=0", "before=-1", "before=1&wait=1s", "before=99999999999999999999",
	} {
		s.RawRequest("GET /feeds/f?"+q, "", "Accept: application/json").MustProblem(t, 400, "bad-query")
	}
	for _, q := range []string{"limit=0", "limit=10001", "limit=x", "%zz"} {
		s.RawRequest("GET /feeds?"+q, "").MustProblem(t, 400, "bad-query")
	}
	// A name of feedd's own that a page adds against caches does no harm.
	s.RawRequest("GET /feeds/f?_=1", "", "Accept: application/json").MustStatus(t, http.StatusOK)
}

func TestBadInput_PathsAndMethods(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, path := range []string{"/nothing", "/feeds/", "/feeds/a/b", "/feeds/a/items", "/feeds/a/items/1/2", "/feeds//a", "/../etc/passwd", "//"} {
		s.RawRequest("GET "+path, "").MustProblem(t, 404, "not-found")
	}
	for _, id := range []string{"x", "0", "-1", "99999999999999999999", "1", "%00", "1%2F"} {
		s.RawRequest("GET /feeds/a/items/"+id, "").MustProblem(t, 404, "not-found")
		s.RawRequest("DELETE /feeds/a/items/"+id, "").MustProblem(t, 404, "not-found")
	}
	for _, c := range []struct{ method, path, allow string }{
		{"PUT", "/feeds/a", "GET, HEAD, POST, DELETE"},
		{"PATCH", "/feeds/a", "GET, HEAD, POST, DELETE"},
		{"BREW", "/feeds/a", "GET, HEAD, POST, DELETE"},
		{"PUT", "/feeds/a%2Fb", "GET, HEAD, POST, DELETE"},
		{"POST", "/feeds", "GET, HEAD"},
		{"POST", "/feeds/a/items/1", "GET, HEAD, DELETE"},
		{"POST", "/feeds/a/settings", "GET, HEAD, PUT, DELETE"},
		{"POST", "/healthz", "GET, HEAD"},
		{"DELETE", "/", "GET, HEAD"},
	} {
		a := s.RawRequest(c.method+" "+c.path, "")
		a.MustProblem(t, 405, "method-not-allowed")
		if got := a.Header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, got, c.allow)
		}
	}
	a := s.RawRequest("OPTIONS /feeds/a", "")
	if a.MustStatus(t, 204); a.Header.Get("Allow") != "GET, HEAD, POST, DELETE, OPTIONS" {
		t.Errorf("OPTIONS: Allow %q", a.Header.Get("Allow"))
	}
	for _, method := range []string{"POST", "BREW", "OPTIONS"} {
		s.RawRequest(method+" /nothing", "").MustProblem(t, 404, "not-found")
	}
	s.MustStore(0)
}

// A panic is the only 500 there is; a body that breaks off is none.
func TestBadInput_BodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, line := range []string{"POST /feeds/f", "PUT /feeds/f/settings"} {
		s.RawRequest(line, "", "Transfer-Encoding: chunked", "Content-Type: application/json\r\n\r\nnonsense").
			MustProblem(t, 400, "bad-request")
		c := s.Dial(0)
		io.WriteString(c, line+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+servertest.Key+"\r\nContent-Length: 10\r\n\r\n{}")
		c.CloseWrite()
		if b, _ := io.ReadAll(c); strings.HasPrefix(string(b), "HTTP/1.1 2") {
			t.Errorf("half a body got %q", b)
		}
	}
	s.MustStore(0)
}

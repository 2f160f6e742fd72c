package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"feedd/internal/api"
)

// signIn signs in and returns the cookie as a header.
func (s *server) signIn(body string) (header string, cookie *http.Cookie) {
	s.t.Helper()
	a := s.do("POST", "/session", body, anonymous, "Content-Type: application/json")
	a.mustStatus(s.t, 201)
	cookies := (&http.Response{Header: a.header}).Cookies()
	if len(cookies) != 1 {
		s.t.Fatalf("there are %d cookies", len(cookies))
	}
	return "Cookie: " + cookies[0].Name + "=" + cookies[0].Value, cookies[0]
}

func TestP8_ABrowserSignsInWithTheKeyOrATicket(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, readers: func(string) bool { return false }})
	s.put("closed", "x")
	ticket := func() string {
		var answer struct{ Ticket, Link string }
		a := s.do("POST", "/tickets", "")
		a.mustStatus(t, 201)
		if err := json.Unmarshal([]byte(a.body), &answer); err != nil || answer.Link != "http://localhost/admin#ticket="+answer.Ticket {
			t.Fatalf("%v: %s", err, a.body)
		}
		return `{"ticket":"` + answer.Ticket + `"}`
	}
	used := ticket()
	for name, with := range map[string]string{"key": `{"key":"` + key + `"}`, "ticket": used} {
		t.Run(name, func(t *testing.T) {
			cookie, c := s.signIn(with)
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Secure || c.MaxAge < 7*24*3600-60 {
				t.Errorf("the cookie is %+v", c)
			}
			if strings.Contains(c.String(), key) {
				t.Error("the cookie holds the key")
			}
			s.do("GET", "/feeds/closed?last=1&format=json", "", anonymous, cookie).mustStatus(t, 200)
			s.do("POST", "/feeds/closed", "y", anonymous, cookie).mustStatus(t, 201)
			s.do("GET", "/feeds/closed/settings", "", anonymous, cookie).mustStatus(t, 200)
			if got := s.do("GET", "/session", "", anonymous, cookie).body; !strings.Contains(got, `"admin":true,"expires":"20`) {
				t.Errorf("the session is %s", got)
			}
			// The key in a header outranks it.
			s.do("GET", "/feeds/closed?format=json", "", wrongKey, cookie).mustProblem(t, 401, "unauthorized")

			gone := s.do("DELETE", "/session", "", anonymous, cookie)
			gone.mustStatus(t, 204)
			if h := gone.header.Get("Set-Cookie"); !strings.Contains(h, c.Name+"=;") {
				t.Errorf("the browser keeps its cookie: %q", h)
			}
			s.do("GET", "/feeds/closed?format=json", "", anonymous, cookie).mustProblem(t, 401, "unauthorized")
			if got := s.do("GET", "/session", "", anonymous, cookie).body; got != `{"admin":false}`+"\n" {
				t.Errorf("the session is %s", got)
			}
		})
	}
	s.do("POST", "/session", used, anonymous, "Content-Type: application/json").mustProblem(t, 401, "unauthorized")
	_, c := func() (string, *http.Cookie) {
		a := s.do("POST", "/session", ticket(), anonymous, "Content-Type: application/json", "X-Forwarded-Proto: https")
		cookies := (&http.Response{Header: a.header}).Cookies()
		return "", cookies[0]
	}()
	if !c.Secure {
		t.Error("behind a proxy with TLS the cookie is not for TLS alone")
	}
}

func TestP8_WhatIsNoSignInIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	for _, tt := range []struct {
		body, contentType, kind string
		status                  int
	}{
		{`{"key":"wrong"}`, "application/json", "unauthorized", 401},
		{`{"ticket":"wrong"}`, "application/json", "unauthorized", 401},
		{`{}`, "application/json", "bad-request", 400},
		{`{"key":"` + key + `","ticket":"x"}`, "application/json", "bad-request", 400},
		{`{"key":`, "application/json", "bad-json", 400},
		{`{"key":1}`, "application/json", "bad-json", 400},
		// A form of another site could send these.
		{`{"key":"` + key + `"}`, "text/plain", "unsupported-media-type", 415},
		{`key=` + key, "application/x-www-form-urlencoded", "unsupported-media-type", 415},
		{`{"key":"` + strings.Repeat("x", 5000) + `"}`, "application/json", "too-large", 413},
	} {
		a := s.do("POST", "/session", tt.body, anonymous, "Content-Type: "+tt.contentType)
		a.mustProblem(t, tt.status, tt.kind)
		if a.header.Get("Set-Cookie") != "" {
			t.Errorf("%.40s: a cookie", tt.body)
		}
	}
	s.do("POST", "/session", `{"key":"`+key+`"}`, anonymous, "Content-Type: application/json", "Sec-Fetch-Site: cross-site").mustProblem(t, 403, "cross-origin")
	s.do("POST", "/tickets", "", anonymous).mustProblem(t, 401, "unauthorized")
	// An old cookie locks nobody out of what is open.
	s.do("GET", "/feeds/main?format=json", "", anonymous, "Cookie: "+s.sessions.Name()+"=old").mustStatus(t, 200)
	s.do("DELETE", "/session", "", anonymous).mustStatus(t, 204)
}

// What a session alone allowed ends with it: streams and waiting pages, and a
// WebSocket, which could publish. What anybody may read goes on.
func TestP8_WhatASessionAloneAllowedEndsWithIt(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, readers: func(feed string) bool { return feed == "open" }})
	begin := func() (cookie string, end func()) {
		cookie, _ = s.signIn(`{"key":"` + key + `"}`)
		return cookie, func() { s.do("DELETE", "/session", "", anonymous, cookie).mustStatus(t, 204) }
	}
	for _, path := range []string{"closed", "open,closed", "*", api.StatsFeed} {
		for _, tr := range streams {
			t.Run(tr.name+" of "+path, func(t *testing.T) {
				cookie, end := begin()
				another, _ := begin()
				r, stays := tr.open(s, path, anonymous, cookie), tr.open(s, path, anonymous, another)
				end()
				if n := r.something(); n.kind != ended && n.kind != broken {
					t.Errorf("%s came instead of an end", n.kind)
				}
				if path != api.StatsFeed {
					s.put("closed", "x")
					stays.mustItems("x")
				}
				stays.close()
			})
		}
		t.Run("poll of "+path, func(t *testing.T) {
			cookie, end := begin()
			answers := make(chan answer)
			eventually(t, "those before are gone", func() bool { return s.subscribers() == 0 })
			go func() {
				defer close(answers) // where it failed
				answers <- s.get("/feeds/"+path+"?wait=60s&since=now", anonymous, cookie)
			}()
			eventually(t, "it waits", func() bool { return s.subscribers() == 1 })
			end()
			// No refusal, at which a page would give up: it may have a new session.
			var p page
			if (<-answers).mustStatus(t, 200).decode(t, &p); len(p.Items) > 0 || p.Cursor == "" {
				t.Errorf("the answer is %+v", p)
			}
			want := 401
			if path == "*" { // anybody may read what is open of it
				want = 200
			}
			s.get("/feeds/"+path+"?since=now", anonymous, cookie).mustStatus(t, want)
		})
	}
	t.Run("open", func(t *testing.T) {
		cookie, end := begin()
		stream, socket := openSSE(s, "open", anonymous, cookie), openSocket(s, "open", anonymous, cookie)
		end()
		if n := socket.something(); n.kind != ended && n.kind != broken {
			t.Errorf("%s came instead of the end of a WebSocket that may publish", n.kind)
		}
		s.put("open", "x")
		stream.mustItems("x")
	})
	t.Run("signing in anew", func(t *testing.T) {
		cookie, _ := begin()
		r := openSSE(s, "closed", anonymous, cookie)
		s.do("POST", "/session", `{"key":"`+key+`"}`, anonymous, cookie, "Content-Type: application/json").mustStatus(t, 201)
		if n := r.something(); n.kind != ended && n.kind != broken {
			t.Errorf("%s came instead of an end", n.kind)
		}
		s.get("/feeds/closed", anonymous, cookie).mustProblem(t, 401, "unauthorized")
	})
	t.Run("behind the new cookie", func(t *testing.T) {
		_, old := s.signIn(`{"key":"` + key + `"}`)
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/session", strings.NewReader(`{"key":"`+key+`"}`))
		r.Header.Set("Content-Type", "application/json")
		r.AddCookie(old)
		held := func() bool { _, ok := s.sessions.Holds(old.Value); return ok }
		w := &flushed{ResponseRecorder: httptest.NewRecorder(), held: held}
		s.api.Handler().ServeHTTP(w, r)
		if w.Code != 201 || !w.before || held() {
			t.Errorf("%d; the old session when the answer was flushed: %t, and after: %t", w.Code, w.before, held())
		}
	})
}

// flushed looks whether the old session is held when an answer goes out whole.
type flushed struct {
	*httptest.ResponseRecorder
	held   func() bool
	before bool
}

func (f *flushed) Flush() { f.before = f.held() && f.Body.Len() > 0 }

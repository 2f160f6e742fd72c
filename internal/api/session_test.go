package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

func TestP8_ABrowserSignsInWithTheKeyOrATicket(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Readers: func(string) bool { return false }})
	s.Put("closed", "x")
	ticket := func() string {
		var answer struct{ Ticket, Link string }
		a := s.Do("POST", "/tickets", "")
		a.MustStatus(t, 201)
		if err := json.Unmarshal([]byte(a.Body), &answer); err != nil || answer.Link != "http://localhost/admin#ticket="+answer.Ticket {
			t.Fatalf("%v: %s", err, a.Body)
		}
		return `{"ticket":"` + answer.Ticket + `"}`
	}
	used := ticket()
	for name, with := range map[string]string{"key": `{"key":"` + servertest.Key + `"}`, "ticket": used} {
		t.Run(name, func(t *testing.T) {
			cookie, c := s.SignIn(with)
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Secure || c.MaxAge < 7*24*3600-60 {
				t.Errorf("the cookie is %+v", c)
			}
			if strings.Contains(c.String(), servertest.Key) {
				t.Error("the cookie holds the key")
			}
			s.Do("GET", "/feeds/closed?last=1&format=json", "", servertest.Anonymous, cookie).MustStatus(t, 200)
			s.Do("POST", "/feeds/closed", "y", servertest.Anonymous, cookie).MustStatus(t, 201)
			s.Do("GET", "/feeds/closed/settings", "", servertest.Anonymous, cookie).MustStatus(t, 200)
			if got := s.Do("GET", "/session", "", servertest.Anonymous, cookie).Body; !strings.Contains(got, `"admin":true,"expires":"20`) {
				t.Errorf("the session is %s", got)
			}
			// The key in a header outranks it.
			s.Do("GET", "/feeds/closed?format=json", "", servertest.WrongKey, cookie).MustProblem(t, 401, "unauthorized")

			gone := s.Do("DELETE", "/session", "", servertest.Anonymous, cookie)
			gone.MustStatus(t, 204)
			if h := gone.Header.Get("Set-Cookie"); !strings.Contains(h, c.Name+"=;") {
				t.Errorf("the browser keeps its cookie: %q", h)
			}
			s.Do("GET", "/feeds/closed?format=json", "", servertest.Anonymous, cookie).MustProblem(t, 401, "unauthorized")
			if got := s.Do("GET", "/session", "", servertest.Anonymous, cookie).Body; got != `{"admin":false}`+"\n" {
				t.Errorf("the session is %s", got)
			}
		})
	}
	s.Do("POST", "/session", used, servertest.Anonymous, "Content-Type: application/json").MustProblem(t, 401, "unauthorized")
	_, c := func() (string, *http.Cookie) {
		a := s.Do("POST", "/session", ticket(), servertest.Anonymous, "Content-Type: application/json", "X-Forwarded-Proto: https")
		cookies := (&http.Response{Header: a.Header}).Cookies()
		return "", cookies[0]
	}()
	if !c.Secure {
		t.Error("behind a proxy with TLS the cookie is not for TLS alone")
	}
}

func TestP8_WhatIsNoSignInIsRefused(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	for _, tt := range []struct {
		body, contentType, kind string
		status                  int
	}{
		{`{"key":"wrong"}`, "application/json", "unauthorized", 401},
		{`{"ticket":"wrong"}`, "application/json", "unauthorized", 401},
		{`{}`, "application/json", "bad-request", 400},
		{`{"key":"` + servertest.Key + `","ticket":"x"}`, "application/json", "bad-request", 400},
		{`{"key":`, "application/json", "bad-json", 400},
		{`{"key":1}`, "application/json", "bad-json", 400},
		// A form of another site could send these.
		{`{"key":"` + servertest.Key + `"}`, "text/plain", "unsupported-media-type", 415},
		{`key=` + servertest.Key, "application/x-www-form-urlencoded", "unsupported-media-type", 415},
		{`{"key":"` + strings.Repeat("x", 5000) + `"}`, "application/json", "too-large", 413},
	} {
		a := s.Do("POST", "/session", tt.body, servertest.Anonymous, "Content-Type: "+tt.contentType)
		a.MustProblem(t, tt.status, tt.kind)
		if a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%.40s: a cookie", tt.body)
		}
	}
	s.Do("POST", "/session", `{"key":"`+servertest.Key+`"}`, servertest.Anonymous, "Content-Type: application/json", "Sec-Fetch-Site: cross-site").MustProblem(t, 403, "cross-origin")
	s.Do("POST", "/tickets", "", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	// An old cookie does not lock a browser out of what is open.
	s.Do("GET", "/feeds/main?format=json", "", servertest.Anonymous, "Cookie: "+s.Sessions.Name()+"=old").MustStatus(t, 200)
	s.Do("DELETE", "/session", "", servertest.Anonymous).MustStatus(t, 204)
}

// What a session alone allowed ends with it: streams and long polls, and a
// WebSocket, which could publish. What anyone may read goes on.
func TestP8_WhatASessionAloneAllowedEndsWithIt(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Readers: func(feed string) bool { return feed == "open" }})
	begin := func() (cookie string, end func()) {
		cookie, _ = s.SignIn(`{"key":"` + servertest.Key + `"}`)
		return cookie, func() { s.Do("DELETE", "/session", "", servertest.Anonymous, cookie).MustStatus(t, 204) }
	}
	for _, path := range []string{"closed", "open,closed", "*", api.StatsFeed} {
		for _, tr := range servertest.Streams {
			t.Run(tr.Name+" of "+path, func(t *testing.T) {
				cookie, end := begin()
				another, _ := begin()
				r, stays := tr.Open(s, path, servertest.Anonymous, cookie), tr.Open(s, path, servertest.Anonymous, another)
				end()
				if n := r.Something(); n.Kind != servertest.Ended && n.Kind != servertest.Broken {
					t.Errorf("%s came instead of an end", n.Kind)
				}
				if path != api.StatsFeed {
					s.Put("closed", "x")
					stays.MustItems("x")
				}
				stays.Close()
			})
		}
		t.Run("poll of "+path, func(t *testing.T) {
			cookie, end := begin()
			answers := make(chan servertest.Answer)
			servertest.Eventually(t, "those before are gone", func() bool { return s.Subscribers() == 0 })
			go func() {
				defer close(answers) // where it failed
				answers <- s.Get("/feeds/"+path+"?wait=60s&since=now", servertest.Anonymous, cookie)
			}()
			servertest.Eventually(t, "it waits", func() bool { return s.Subscribers() == 1 })
			end()
			// No refusal, at which a page would give up: it may have a new session.
			var p servertest.Page
			if (<-answers).MustStatus(t, 200).Decode(t, &p); len(p.Items) > 0 || p.Cursor == "" {
				t.Errorf("the answer is %+v", p)
			}
			want := 401
			if path == "*" { // anyone may read the open feeds of it
				want = 200
			}
			s.Get("/feeds/"+path+"?since=now", servertest.Anonymous, cookie).MustStatus(t, want)
		})
	}
	t.Run("open", func(t *testing.T) {
		cookie, end := begin()
		stream, socket := servertest.OpenSSE(s, "open", servertest.Anonymous, cookie), servertest.OpenSocket(s, "open", servertest.Anonymous, cookie)
		end()
		if n := socket.Something(); n.Kind != servertest.Ended && n.Kind != servertest.Broken {
			t.Errorf("%s came instead of the end of a WebSocket that may publish", n.Kind)
		}
		s.Put("open", "x")
		stream.MustItems("x")
	})
	t.Run("signing in anew", func(t *testing.T) {
		cookie, _ := begin()
		r := servertest.OpenSSE(s, "closed", servertest.Anonymous, cookie)
		s.Do("POST", "/session", `{"key":"`+servertest.Key+`"}`, servertest.Anonymous, cookie, "Content-Type: application/json").MustStatus(t, 201)
		if n := r.Something(); n.Kind != servertest.Ended && n.Kind != servertest.Broken {
			t.Errorf("%s came instead of an end", n.Kind)
		}
		s.Get("/feeds/closed", servertest.Anonymous, cookie).MustProblem(t, 401, "unauthorized")
	})
	t.Run("behind the new cookie", func(t *testing.T) {
		_, old := s.SignIn(`{"key":"` + servertest.Key + `"}`)
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/session", strings.NewReader(`{"key":"`+servertest.Key+`"}`))
		r.Header.Set("Content-Type", "application/json")
		r.AddCookie(old)
		held := func() bool { _, ok := s.Sessions.Holds(old.Value); return ok }
		w := &flushed{ResponseRecorder: httptest.NewRecorder(), held: held}
		s.Api.Handler().ServeHTTP(w, r)
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

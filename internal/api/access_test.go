package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/internal/config"
	"feedd/internal/selector"
	"feedd/internal/server/servertest"
)

func TestP8_PublishAndAdministrationNeedACredential(t *testing.T) {
	servertest.OnEngines(t, func(t *testing.T, d servertest.Deployment) {
		s := servertest.Start(t, d)
		s.Put("exists", "x")
		for _, feed := range []string{"exists", "absent"} {
			for _, c := range []struct{ method, path, body string }{
				{"POST", "/feeds/" + feed, "x"},
				{"DELETE", "/feeds/" + feed, ""},
				{"DELETE", "/feeds/" + feed + "/items/1", ""},
				{"GET", "/feeds/" + feed + "/settings", ""},
				{"PUT", "/feeds/" + feed + "/settings", "{}"},
				{"DELETE", "/feeds/" + feed + "/settings", ""},
			} {
				a := s.Do(c.method, c.path, c.body, servertest.Anonymous)
				a.MustProblem(t, 401, "unauthorized")
				if a.Header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s %s: a 401 without WWW-Authenticate", c.method, c.path)
				}
			}
		}
		s.MustStore(1)
	})
}

// The answer does not tell whether a feed exists.
func TestP8_ClosedFeedsLookAlike(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Readers: func(feed string) bool { return feed == "open" }})
	id := s.Put("exists", "x")
	for _, path := range []string{"/feeds/%s", "/feeds/%s?last=1", "/feeds/%s?since=all", "/feeds/open,%s", "/feeds/%s,*", "/feeds/%s/items/" + id, "/feeds?match=%s"} {
		for _, accept := range []string{"text/event-stream", servertest.LinesType, servertest.JSONType} {
			exists := s.Do("GET", fmt.Sprintf(path, "exists"), "", servertest.Anonymous, "Accept: "+accept)
			absent := s.Do("GET", fmt.Sprintf(path, "absent"), "", servertest.Anonymous, "Accept: "+accept)
			exists.MustProblem(t, 401, "unauthorized")
			if strings.ReplaceAll(exists.Body, "exists", "absent") != absent.Body {
				t.Errorf("%s: %q and %q", path, exists.Body, absent.Body)
			}
		}
	}
	// With the key they are what they are, and an absent feed is an empty one.
	if p := s.Page("absent"); len(p.Items) != 0 {
		t.Errorf("%+v", p)
	}
	// No client may publish to feedd's own feeds: with a key that is 403.
	s.Do("POST", "/feeds/_own", "x").MustProblem(t, 403, "forbidden")
	s.Do("POST", "/feeds/_own", "x", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	s.Do("GET", "/feeds/_own", "", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
}

func TestP8_InvalidCredentialIsRefusedOnOpenFeedsToo(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Publishers: func(string) bool { return true }})
	for _, header := range []string{
		servertest.WrongKey, "Authorization: Bearer", "Authorization: Bearer " + servertest.Key + "x", "Authorization: Basic " + servertest.Key, "Authorization: " + servertest.Key, "Authorization: x",
	} {
		s.Do("POST", "/feeds/open", "x", header).MustProblem(t, 401, "unauthorized")
		for _, path := range []string{"/feeds/open", "/feeds", "/healthz", "/nothing"} {
			s.Get(path, header).MustProblem(t, 401, "unauthorized")
		}
	}
	s.RawRequest("POST /feeds/open", "x", "Authorization: Bearer other").MustProblem(t, 401, "unauthorized") // two of them
	s.MustStore(0)
	s.Do("POST", "/feeds/open", "x", servertest.Anonymous).MustStatus(t, http.StatusCreated)
	s.Do("POST", "/feeds/open", "x", "Authorization: bearer  "+servertest.Key).MustStatus(t, http.StatusCreated)
}

func TestP8_PatternsYieldOnlyReadableFeeds(t *testing.T) {
	servertest.Everywhere(t, func(t *testing.T, d servertest.Deployment, tr servertest.Transport) {
		d.Readers = func(feed string) bool { return strings.HasPrefix(feed, "open") }
		s := servertest.Start(t, d)
		from := s.Position()
		live := tr.Open(s, "**", servertest.Anonymous, "Last-Event-ID: "+from)
		for _, feed := range []string{"open.a", "closed.a", "open.b", "closed.b"} {
			s.Put(feed, feed)
		}
		live.MustItems("open.a", "open.b")
		tr.Open(s, "*.a,*.b", servertest.Anonymous, "Last-Event-ID: "+from).MustItems("open.a", "open.b")
		tr.Open(s, "**", "Last-Event-ID: "+from).MustItems("open.a", "closed.a", "open.b", "closed.b")
		s.Do("DELETE", "/feeds/closed.a", "").MustStatus(t, http.StatusOK)
		tr.Open(s, "**", servertest.Anonymous, "Last-Event-ID: "+from).MustItems("open.a", "open.b") // no gap of what is closed
		var list struct{ Feeds []struct{ Feed string } }
		s.Get("/feeds", servertest.Anonymous).Decode(t, &list)
		if fmt.Sprint(list.Feeds) != "[{open.a} {open.b}]" {
			t.Errorf("the list is %v", list.Feeds)
		}
	})
}

func TestP8_RulesOpenPublishing(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Publishers: func(feed string) bool { return feed == "wall" || feed == "_own" }})
	s.Do("POST", "/feeds/wall", "x", servertest.Anonymous).MustStatus(t, http.StatusCreated)
	s.Do("POST", "/feeds/other", "x", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	s.Do("POST", "/feeds/_own", "x", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	s.Do("DELETE", "/feeds/wall", "", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	s.MustStore(1)
}

// Who reaches the local socket is the administrator.
func TestP8_LocalHandlerIsTheAdministrators(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Local: true, Options: api.Options{Access: api.Access{Hosts: []string{"localhost"}}}, Readers: func(string) bool { return false }})
	s.Put("f", "x", servertest.Anonymous)
	s.Get("/feeds/f", servertest.Anonymous, "Host: feedd").MustStatus(t, http.StatusOK)
	s.Get("/feeds/f/settings", servertest.Anonymous).MustStatus(t, http.StatusOK)
	s.Do("DELETE", "/feeds/f", "", servertest.Anonymous).MustStatus(t, http.StatusOK)
}

func TestBrowsers_StateChangesOfOtherOriginsAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Publishers: func(string) bool { return true }})
	for _, headers := range [][]string{
		{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Origin: https://evil.example"}, {"Origin: null"},
		{"Origin: http://" + s.Addr + ".evil.example"}, {"Sec-Fetch-Site: cross-site", "Origin: http://" + s.Addr},
	} {
		for _, auth := range []string{servertest.Anonymous, "Authorization: Bearer " + servertest.Key} {
			for _, line := range [][2]string{{"POST", "/feeds/f"}, {"DELETE", "/feeds/f"}, {"PUT", "/feeds/f/settings"}, {"DELETE", "/feeds/f/items/1"}} {
				s.Do(line[0], line[1], "{}", append(headers, auth)...).MustProblem(t, 403, "cross-origin")
			}
		}
		s.Get("/feeds/f", headers...).MustStatus(t, http.StatusOK)
	}
	s.MustStore(0)
	s.Put("f", "x", "Sec-Fetch-Site: same-origin", "Origin: http://"+s.Addr)
	s.Put("f", "x", "Sec-Fetch-Site: none")
	s.Put("f", "x", "Origin: http://"+s.Addr)
}

// What the operator calls the server is its own, also where a proxy before it
// passes another Host on and the browser says no more than the page's origin.
func TestBrowsers_PagesOfNamesThatTheOperatorTold(t *testing.T) {
	t.Parallel()
	for _, hosts := range [][]string{{"localhost", "127.0.0.1", "example.com"}, nil} { // on loopback, and elsewhere
		s := servertest.Start(t, servertest.Deployment{Memory: true, Publishers: func(string) bool { return true }, Options: api.Options{Access: api.Access{Hosts: hosts, Names: []string{"Example.com", "::7"}}, Legacy: api.Legacy{Feed: "main", FeedOpen: true, Chat: "chat", ChatOpen: true}}})
		for _, c := range []struct {
			origin string
			own    bool
			also   string
		}{
			{"http://example.com", true, ""},
			{"http://EXAMPLE.com:8080", true, ""},
			{"http://example.com.", true, ""},
			{"https://example.com", true, ""},
			{"http://[::7]:80", true, ""},
			{"https://example.com", true, "Sec-Fetch-Site: cross-site"}, // another of the operator's names
			{"https://example.com", true, "Sec-Fetch-Site: same-site"},
			{"http://example.com", true, "Sec-Fetch-Site: same-origin"},
			{"http://example.com", false, "Sec-Fetch-Site: cross-site"}, // to https, or to this machine
			{"http://www.example.com", false, ""},
			{"http://example.com.evil.example", false, ""},
			{"http://example.com@evil.example", false, ""},
			{"http://evil.example/?http://example.com", false, ""},
			{"ftp://example.com", false, ""},
			{"null", false, ""},
			{"example.com", false, ""},
			{"http://localhost:1", false, ""},
		} {
			headers := []string{"Origin: " + c.origin, servertest.Anonymous}
			if c.also != "" {
				headers = append(headers, c.also)
			}
			ask := func(well int, method, path, body string, more ...string) {
				t.Helper()
				a := s.Do(method, path, body, append(more, headers...)...)
				if c.own {
					a.MustStatus(t, well)
					return
				}
				if p := a.MustProblem(t, 403, "cross-origin"); !strings.Contains(p.Detail, "hosts") || !strings.Contains(p.Detail, c.origin) {
					t.Errorf("%q does not say what to set", p.Detail)
				}
			}
			ask(200, "POST", "/send_feed_item", "type=a&text=b", "Content-Type: application/x-www-form-urlencoded")
			ask(201, "POST", "/chat", "x", "Content-Type: text/plain")
			ask(201, "POST", "/session", `{"key":"`+servertest.Key+`"}`, "Content-Type: application/json")
			for _, path := range []string{"/feeds/f", "/chat"} {
				head := "GET " + path + " HTTP/1.1\r\nHost: localhost:8001\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
					"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: " + c.origin + "\r\n"
				if c.also != "" {
					head += c.also + "\r\n"
				}
				s.MustRaw(head+"\r\n", map[bool]string{true: " 101 ", false: " 403 "}[c.own])
			}
		}
		// Behind a proxy that does not say so, the cookie is known to go over TLS.
		for origin, secure := range map[string]bool{"http://example.com": false, "https://example.com": true} {
			cookie := s.Do("POST", "/session", `{"key":"`+servertest.Key+`"}`, "Content-Type: application/json", "Origin: "+origin, servertest.Anonymous).Header.Get("Set-Cookie")
			if strings.Contains(cookie, "; Secure") != secure {
				t.Errorf("a page of %s: %s", origin, cookie)
			}
		}
	}
}

// A page of any origin could reach a server on loopback by a name of its own
// that resolves to 127.0.0.1.
func TestBrowsers_LoopbackAnswersToItsNamesOnly(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Access: api.Access{Hosts: []string{"localhost", "127.0.0.1", "::1", "Feeds.Example"}}}})
	for _, host := range []string{"evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", "127.0.0.2", "[::2]:80", "xlocalhost"} {
		for _, line := range [][2]string{{"GET", "/feeds/f"}, {"POST", "/feeds/f"}, {"GET", "/"}, {"GET", "/metrics"}, {"OPTIONS", "/"}, {"POST", "/healthz"}} {
			s.Do(line[0], line[1], "", "Accept: application/json", "Host: "+host).MustProblem(t, 421, "misdirected")
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST:8001", "localhost.", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8001", "feeds.example", "feeds.EXAMPLE:80"} {
		s.Get("/feeds/f", "Host: "+host).MustStatus(t, http.StatusOK)
	}
	any := servertest.Start(t, servertest.Deployment{Memory: true})
	any.Get("/feeds/f", "Host: evil.example").MustStatus(t, http.StatusOK)
}

// Load balancers ask how a server is by any name, and without one, as no browser
// can.
func TestProbes_AnswerToAnyName(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Access: api.Access{Hosts: []string{"localhost", "127.0.0.1"}}}})
	for _, path := range []string{"/healthz", "/readyz", "/readyz?from=haproxy"} {
		for _, method := range []string{"GET", "HEAD"} {
			for _, head := range []string{"HTTP/1.0\r\n", "HTTP/1.0\r\nHost:\r\n", "HTTP/1.1\r\nHost:\r\n", "HTTP/1.1\r\nHost: 10.1.2.3:8001\r\n",
				"HTTP/1.1\r\nHost: [fd00::7]:8001\r\n", "HTTP/1.0\r\nHost: any.example\r\n"} {
				s.MustRaw(method+" "+path+" "+head+"\r\n", " 200 ")
			}
		}
	}
	s.MustRaw("OPTIONS / HTTP/1.0\r\n\r\n", " 204 ")
	s.MustRaw("GET /feeds/f?format=json HTTP/1.0\r\n\r\n", " 200 ")
	for _, path := range []string{"/metrics", "/feeds/f", "/", "/healthz/", "/healthz/../metrics", "/%68ealthz/../metrics", "//healthz"} {
		s.MustRaw("GET "+path+" HTTP/1.0\r\nHost: any.example\r\n\r\n", " 421 ")
	}
	// A page is refused as ever, whatever it leaves out.
	s.MustRaw("POST /feeds/f HTTP/1.0\r\nOrigin: http://any.example\r\nContent-Length: 0\r\n\r\n", " 403 ")
	s.Hub.Drain()
	s.MustRaw("GET /healthz HTTP/1.0\r\n\r\n", " 200 ")
	s.MustRaw("GET /readyz HTTP/1.0\r\n\r\n", " 503 ")
	s.MustRaw("OPTIONS / HTTP/1.0\r\n\r\n", " 503 ")
}

func TestMetrics_OffLoopbackNeedTheKey(t *testing.T) {
	t.Parallel()
	a := servertest.Start(t, servertest.Deployment{Memory: true}).Api
	get := func(remote string, headers ...string) servertest.Answer {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = remote
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		return servertest.Answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
	}
	for _, remote := range []string{"127.0.0.1:5", "127.9.9.9:5", "[::1]:5", "[::ffff:127.0.0.1]:5", "@"} {
		get(remote).MustStatus(t, http.StatusOK)
	}
	for _, remote := range []string{"192.0.2.1:5", "[2001:db8::1]:5", "[fe80::1%25eth0]:5"} {
		get(remote).MustProblem(t, 401, "unauthorized")
		get(remote, servertest.WrongKey).MustProblem(t, 401, "unauthorized")
		get(remote, "Authorization: Bearer "+servertest.Key).MustStatus(t, http.StatusOK)
	}
	// A proxy on this machine passes on what comes from elsewhere.
	for _, h := range []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1"} {
		get("127.0.0.1:5", h).MustProblem(t, 401, "unauthorized")
		get("127.0.0.1:5", h, "Authorization: Bearer "+servertest.Key).MustStatus(t, http.StatusOK)
	}
}

func TestMetrics_HaveNoLabelByFeed(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Deployment{Memory: true})
	s.Put("a-feed-of-this-test", "x")
	s.Put("a-feed-of-this-test", "x", "Idempotency-Key: k")
	s.Do("POST", "/feeds/a-feed-of-this-test", "x", "Idempotency-Key: k")
	servertest.OpenSSE(s, "a-feed-of-this-test?last=2").MustItems("x", "x")
	body := s.Do("GET", "/metrics", "", servertest.Anonymous).MustStatus(t, http.StatusOK).Body
	if strings.Contains(body, "a-feed-of-this-test") {
		t.Error("the metrics name a feed")
	}
	for name, want := range map[string]float64{
		"feedd_items_published_total": 2, `feedd_publishes_total{outcome="stored"}`: 2, `feedd_publishes_total{outcome="replayed"}`: 1,
		"feedd_items_delivered_total": 2, "feedd_store_feeds": 1, "feedd_store_items": 2, "feedd_store_idempotency_keys": 1,
		"feedd_subscribers": 1, "feedd_max_subscribers": 100, "feedd_publish_seconds_count": 3,
	} {
		if got := s.Metric(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// The rules as the configuration states them.
func TestP8_RulesOfTheConfiguration(t *testing.T) {
	t.Parallel()
	var cfg config.Config
	pattern, err := selector.Parse("chat.**", 1)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := selector.Parse("staff", 1)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Feeds = []config.Rule{{Match: config.Match{Selection: closed}, Read: config.Token}, {Match: config.Match{Selection: pattern}, Publish: config.Anyone}}
	rules := auth.Rules{Read: cfg.ReadOpen, Publish: cfg.PublishOpen, ReadAny: cfg.AnyReadOpen}
	s := servertest.Start(t, servertest.Deployment{Memory: true, Readers: rules.Read, Publishers: rules.Publish})
	s.Do("POST", "/feeds/chat.a", "x", servertest.Anonymous).MustStatus(t, http.StatusCreated)
	s.Do("POST", "/feeds/chat", "x", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	s.Get("/feeds/staff", servertest.Anonymous).MustProblem(t, 401, "unauthorized")
	s.Get("/feeds/staff").MustStatus(t, http.StatusOK)
	s.Get("/feeds/news", servertest.Anonymous).MustStatus(t, http.StatusOK)
}

package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/internal/config"
	"feedd/internal/selector"
)

const (
	anonymous = "Authorization:"
	wrongKey  = "Authorization: Bearer wrong"
)

func TestP8_PublishAndAdministrationNeedACredential(t *testing.T) {
	onEngines(t, func(t *testing.T, d deployment) {
		s := start(t, d)
		s.put("exists", "x")
		for _, feed := range []string{"exists", "absent"} {
			for _, c := range []struct{ method, path, body string }{
				{"POST", "/feeds/" + feed, "x"},
				{"DELETE", "/feeds/" + feed, ""},
				{"DELETE", "/feeds/" + feed + "/items/1", ""},
				{"GET", "/feeds/" + feed + "/settings", ""},
				{"PUT", "/feeds/" + feed + "/settings", "{}"},
				{"DELETE", "/feeds/" + feed + "/settings", ""},
			} {
				a := s.do(c.method, c.path, c.body, anonymous)
				a.mustProblem(t, 401, "unauthorized")
				if a.header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s %s: a 401 without WWW-Authenticate", c.method, c.path)
				}
			}
		}
		s.mustStore(1)
	})
}

// The answer does not tell whether a feed exists.
func TestP8_ClosedFeedsLookAlike(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, readers: func(feed string) bool { return feed == "open" }})
	id := s.put("exists", "x")
	for _, path := range []string{"/feeds/%s", "/feeds/%s?last=1", "/feeds/%s?since=all", "/feeds/open,%s", "/feeds/%s,*", "/feeds/%s/items/" + id, "/feeds?match=%s"} {
		for _, accept := range []string{"text/event-stream", linesType, jsonType} {
			exists := s.do("GET", fmt.Sprintf(path, "exists"), "", anonymous, "Accept: "+accept)
			absent := s.do("GET", fmt.Sprintf(path, "absent"), "", anonymous, "Accept: "+accept)
			exists.mustProblem(t, 401, "unauthorized")
			if strings.ReplaceAll(exists.body, "exists", "absent") != absent.body {
				t.Errorf("%s: %q and %q", path, exists.body, absent.body)
			}
		}
	}
	// With the key they are what they are, and an absent feed is an empty one.
	if p := s.page("absent"); len(p.Items) != 0 {
		t.Errorf("%+v", p)
	}
	// Feeds of feedd's own are nobody's to publish to: with a key that is 403.
	s.do("POST", "/feeds/_own", "x").mustProblem(t, 403, "forbidden")
	s.do("POST", "/feeds/_own", "x", anonymous).mustProblem(t, 401, "unauthorized")
	s.do("GET", "/feeds/_own", "", anonymous).mustProblem(t, 401, "unauthorized")
}

func TestP8_InvalidCredentialIsRefusedOnOpenFeedsToo(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, publishers: func(string) bool { return true }})
	for _, header := range []string{
		wrongKey, "Authorization: Bearer", "Authorization: Bearer " + key + "x", "Authorization: Basic " + key, "Authorization: " + key, "Authorization: x",
	} {
		s.do("POST", "/feeds/open", "x", header).mustProblem(t, 401, "unauthorized")
		for _, path := range []string{"/feeds/open", "/feeds", "/healthz", "/nothing"} {
			s.get(path, header).mustProblem(t, 401, "unauthorized")
		}
	}
	s.rawRequest("POST /feeds/open", "x", "Authorization: Bearer other").mustProblem(t, 401, "unauthorized") // two of them
	s.mustStore(0)
	s.do("POST", "/feeds/open", "x", anonymous).mustStatus(t, http.StatusCreated)
	s.do("POST", "/feeds/open", "x", "Authorization: bearer  "+key).mustStatus(t, http.StatusCreated)
}

func TestP8_PatternsYieldOnlyReadableFeeds(t *testing.T) {
	everywhere(t, func(t *testing.T, d deployment, tr transport) {
		d.readers = func(feed string) bool { return strings.HasPrefix(feed, "open") }
		s := start(t, d)
		from := s.position()
		live := tr.open(s, "**", anonymous, "Last-Event-ID: "+from)
		for _, feed := range []string{"open.a", "closed.a", "open.b", "closed.b"} {
			s.put(feed, feed)
		}
		live.mustItems("open.a", "open.b")
		tr.open(s, "*.a,*.b", anonymous, "Last-Event-ID: "+from).mustItems("open.a", "open.b")
		tr.open(s, "**", "Last-Event-ID: "+from).mustItems("open.a", "closed.a", "open.b", "closed.b")
		s.do("DELETE", "/feeds/closed.a", "").mustStatus(t, http.StatusOK)
		tr.open(s, "**", anonymous, "Last-Event-ID: "+from).mustItems("open.a", "open.b") // no gap of what is closed
		var list struct{ Feeds []struct{ Feed string } }
		s.get("/feeds", anonymous).decode(t, &list)
		if fmt.Sprint(list.Feeds) != "[{open.a} {open.b}]" {
			t.Errorf("the list is %v", list.Feeds)
		}
	})
}

func TestP8_RulesOpenPublishing(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, publishers: func(feed string) bool { return feed == "wall" || feed == "_own" }})
	s.do("POST", "/feeds/wall", "x", anonymous).mustStatus(t, http.StatusCreated)
	s.do("POST", "/feeds/other", "x", anonymous).mustProblem(t, 401, "unauthorized")
	s.do("POST", "/feeds/_own", "x", anonymous).mustProblem(t, 401, "unauthorized")
	s.do("DELETE", "/feeds/wall", "", anonymous).mustProblem(t, 401, "unauthorized")
	s.mustStore(1)
}

// Who reaches the local socket is the administrator.
func TestP8_LocalHandlerIsTheAdministrators(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, local: true, options: api.Options{Access: api.Access{Hosts: []string{"localhost"}}}, readers: func(string) bool { return false }})
	s.put("f", "x", anonymous)
	s.get("/feeds/f", anonymous, "Host: feedd").mustStatus(t, http.StatusOK)
	s.get("/feeds/f/settings", anonymous).mustStatus(t, http.StatusOK)
	s.do("DELETE", "/feeds/f", "", anonymous).mustStatus(t, http.StatusOK)
}

func TestBrowsers_StateChangesOfOtherOriginsAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, publishers: func(string) bool { return true }})
	for _, headers := range [][]string{
		{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Origin: https://evil.example"}, {"Origin: null"},
		{"Origin: http://" + s.addr + ".evil.example"}, {"Sec-Fetch-Site: cross-site", "Origin: http://" + s.addr},
	} {
		for _, auth := range []string{anonymous, "Authorization: Bearer " + key} {
			for _, line := range [][2]string{{"POST", "/feeds/f"}, {"DELETE", "/feeds/f"}, {"PUT", "/feeds/f/settings"}, {"DELETE", "/feeds/f/items/1"}} {
				s.do(line[0], line[1], "{}", append(headers, auth)...).mustProblem(t, 403, "cross-origin")
			}
		}
		s.get("/feeds/f", headers...).mustStatus(t, http.StatusOK)
	}
	s.mustStore(0)
	s.put("f", "x", "Sec-Fetch-Site: same-origin", "Origin: http://"+s.addr)
	s.put("f", "x", "Sec-Fetch-Site: none")
	s.put("f", "x", "Origin: http://"+s.addr)
}

// What the operator calls the server is its own, also where a proxy before it
// passes another Host on and the browser says no more than the page's origin.
func TestBrowsers_PagesOfNamesThatTheOperatorTold(t *testing.T) {
	t.Parallel()
	for _, hosts := range [][]string{{"localhost", "127.0.0.1", "example.com"}, nil} { // on loopback, and elsewhere
		s := start(t, deployment{memory: true, publishers: func(string) bool { return true }, options: api.Options{Access: api.Access{Hosts: hosts, Names: []string{"Example.com", "::7"}}, Legacy: api.Legacy{Feed: "main", FeedOpen: true, Chat: "chat", ChatOpen: true}}})
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
			headers := []string{"Origin: " + c.origin, anonymous}
			if c.also != "" {
				headers = append(headers, c.also)
			}
			ask := func(well int, method, path, body string, more ...string) {
				t.Helper()
				a := s.do(method, path, body, append(more, headers...)...)
				if c.own {
					a.mustStatus(t, well)
					return
				}
				if p := a.mustProblem(t, 403, "cross-origin"); !strings.Contains(p.Detail, "hosts") || !strings.Contains(p.Detail, c.origin) {
					t.Errorf("%q does not say what to set", p.Detail)
				}
			}
			ask(200, "POST", "/send_feed_item", "type=a&text=b", "Content-Type: application/x-www-form-urlencoded")
			ask(201, "POST", "/chat", "x", "Content-Type: text/plain")
			ask(201, "POST", "/session", `{"key":"`+key+`"}`, "Content-Type: application/json")
			for _, path := range []string{"/feeds/f", "/chat"} {
				head := "GET " + path + " HTTP/1.1\r\nHost: localhost:8001\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
					"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: " + c.origin + "\r\n"
				if c.also != "" {
					head += c.also + "\r\n"
				}
				s.mustRaw(head+"\r\n", map[bool]string{true: " 101 ", false: " 403 "}[c.own])
			}
		}
		// Behind a proxy that does not say so, the cookie is known to go over TLS.
		for origin, secure := range map[string]bool{"http://example.com": false, "https://example.com": true} {
			cookie := s.do("POST", "/session", `{"key":"`+key+`"}`, "Content-Type: application/json", "Origin: "+origin, anonymous).header.Get("Set-Cookie")
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
	s := start(t, deployment{memory: true, options: api.Options{Access: api.Access{Hosts: []string{"localhost", "127.0.0.1", "::1", "Feeds.Example"}}}})
	for _, host := range []string{"evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", "127.0.0.2", "[::2]:80", "xlocalhost"} {
		for _, line := range [][2]string{{"GET", "/feeds/f"}, {"POST", "/feeds/f"}, {"GET", "/"}, {"GET", "/metrics"}, {"OPTIONS", "/"}, {"POST", "/healthz"}} {
			s.do(line[0], line[1], "", "Accept: application/json", "Host: "+host).mustProblem(t, 421, "misdirected")
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST:8001", "localhost.", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8001", "feeds.example", "feeds.EXAMPLE:80"} {
		s.get("/feeds/f", "Host: "+host).mustStatus(t, http.StatusOK)
	}
	any := start(t, deployment{memory: true})
	any.get("/feeds/f", "Host: evil.example").mustStatus(t, http.StatusOK)
}

// Load balancers ask how a server is by any name, and without one, as no browser
// can.
func TestProbes_AnswerToAnyName(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true, options: api.Options{Access: api.Access{Hosts: []string{"localhost", "127.0.0.1"}}}})
	for _, path := range []string{"/healthz", "/readyz", "/readyz?from=haproxy"} {
		for _, method := range []string{"GET", "HEAD"} {
			for _, head := range []string{"HTTP/1.0\r\n", "HTTP/1.0\r\nHost:\r\n", "HTTP/1.1\r\nHost:\r\n", "HTTP/1.1\r\nHost: 10.1.2.3:8001\r\n",
				"HTTP/1.1\r\nHost: [fd00::7]:8001\r\n", "HTTP/1.0\r\nHost: any.example\r\n"} {
				s.mustRaw(method+" "+path+" "+head+"\r\n", " 200 ")
			}
		}
	}
	s.mustRaw("OPTIONS / HTTP/1.0\r\n\r\n", " 204 ")
	s.mustRaw("GET /feeds/f?format=json HTTP/1.0\r\n\r\n", " 200 ")
	for _, path := range []string{"/metrics", "/feeds/f", "/", "/healthz/", "/healthz/../metrics", "/%68ealthz/../metrics", "//healthz"} {
		s.mustRaw("GET "+path+" HTTP/1.0\r\nHost: any.example\r\n\r\n", " 421 ")
	}
	// A page is refused as ever, whatever it leaves out.
	s.mustRaw("POST /feeds/f HTTP/1.0\r\nOrigin: http://any.example\r\nContent-Length: 0\r\n\r\n", " 403 ")
	s.hub.Drain()
	s.mustRaw("GET /healthz HTTP/1.0\r\n\r\n", " 200 ")
	s.mustRaw("GET /readyz HTTP/1.0\r\n\r\n", " 503 ")
	s.mustRaw("OPTIONS / HTTP/1.0\r\n\r\n", " 503 ")
}

// mustRaw sends bytes, and fails the test unless the first line of the answer has
// such a status.
func (s *server) mustRaw(request, status string) {
	s.t.Helper()
	c := s.dial(0)
	defer c.Close()
	io.WriteString(c, request)
	line, err := bufio.NewReader(c).ReadString('\n')
	if _, got, _ := strings.Cut(line, " "); !strings.HasPrefix(" "+got, status) {
		s.t.Errorf("%q is answered %q (%v), not %q", request, line, err, status)
	}
}

func TestMetrics_OffLoopbackNeedTheKey(t *testing.T) {
	t.Parallel()
	a := start(t, deployment{memory: true}).api
	get := func(remote string, headers ...string) answer {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = remote
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		return answer{w.Code, w.Header(), w.Body.String()}
	}
	for _, remote := range []string{"127.0.0.1:5", "127.9.9.9:5", "[::1]:5", "[::ffff:127.0.0.1]:5", "@"} {
		get(remote).mustStatus(t, http.StatusOK)
	}
	for _, remote := range []string{"192.0.2.1:5", "[2001:db8::1]:5", "[fe80::1%25eth0]:5"} {
		get(remote).mustProblem(t, 401, "unauthorized")
		get(remote, wrongKey).mustProblem(t, 401, "unauthorized")
		get(remote, "Authorization: Bearer "+key).mustStatus(t, http.StatusOK)
	}
	// A proxy on this machine passes on what comes from elsewhere.
	for _, h := range []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1"} {
		get("127.0.0.1:5", h).mustProblem(t, 401, "unauthorized")
		get("127.0.0.1:5", h, "Authorization: Bearer "+key).mustStatus(t, http.StatusOK)
	}
}

func TestMetrics_HaveNoLabelByFeed(t *testing.T) {
	t.Parallel()
	s := start(t, deployment{memory: true})
	s.put("a-feed-of-this-test", "x")
	s.put("a-feed-of-this-test", "x", "Idempotency-Key: k")
	s.do("POST", "/feeds/a-feed-of-this-test", "x", "Idempotency-Key: k")
	openSSE(s, "a-feed-of-this-test?last=2").mustItems("x", "x")
	body := s.do("GET", "/metrics", "", anonymous).mustStatus(t, http.StatusOK).body
	if strings.Contains(body, "a-feed-of-this-test") {
		t.Error("the metrics name a feed")
	}
	for name, want := range map[string]float64{
		"feedd_items_published_total": 2, `feedd_publishes_total{outcome="stored"}`: 2, `feedd_publishes_total{outcome="replayed"}`: 1,
		"feedd_items_delivered_total": 2, "feedd_store_feeds": 1, "feedd_store_items": 2, "feedd_store_idempotency_keys": 1,
		"feedd_subscribers": 1, "feedd_max_subscribers": 100, "feedd_publish_seconds_count": 3,
	} {
		if got := s.metric(name); got != want {
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
	s := start(t, deployment{memory: true, readers: rules.Read, publishers: rules.Publish})
	s.do("POST", "/feeds/chat.a", "x", anonymous).mustStatus(t, http.StatusCreated)
	s.do("POST", "/feeds/chat", "x", anonymous).mustProblem(t, 401, "unauthorized")
	s.get("/feeds/staff", anonymous).mustProblem(t, 401, "unauthorized")
	s.get("/feeds/staff").mustStatus(t, http.StatusOK)
	s.get("/feeds/news", anonymous).mustStatus(t, http.StatusOK)
}

package config_test

import (
	"fmt"
	"strings"
	"testing"

	"feedd/internal/config"
)

func TestUpstreamErrors(t *testing.T) {
	const fine = "{url: http://a/, feed: a}"
	for _, tt := range []struct{ name, yaml, want string }{
		{"no list", "upstreams: {url: http://a/}\n", "feedd.yaml:1: upstreams: must be a list, each as in - {url: https://example.org/feeds/news, feed: news}, not a group of settings"},
		{"no group", "upstreams:\n  - http\n", "feedd.yaml:2: upstreams[0]: must be an upstream, as in {url: https://example.org/feeds/news, feed: news}, not a single value"},
		{"no url", "upstreams:\n  - {feed: a}\n", "feedd.yaml:2: upstreams[0]: says no url"},
		{"no feed", "upstreams:\n  - {url: http://a/}\n", "feedd.yaml:2: upstreams[0]: says no feed"},
		{"an unknown key", "upstreams: [{url: http://a/, feed: a, tokn: b}]\n", "feedd.yaml:1: upstreams[0].tokn: unknown setting"},
		{"the token itself", "upstreams: [{url: http://a/, feed: a, token: b}]\n", "feedd.yaml:1: upstreams[0].token: unknown setting; did you mean token_env?"},
		{"another scheme", "upstreams: [{url: ws://a/, feed: a}]\n", `feedd.yaml:1: upstreams[0].url: "ws://a/" is no http or https URL`},
		{"no scheme", "upstreams: [{url: a/b, feed: a}]\n", `feedd.yaml:1: upstreams[0].url: "a/b" is no http or https URL`},
		{"no host", "upstreams: [{url: http:///b, feed: a}]\n", `feedd.yaml:1: upstreams[0].url: there is no host in "http:///b"`},
		{"a password is not shown", "upstreams: [{url: http://u:pass@a/, feed: a, name: b}]\n", `feedd.yaml:1: upstreams[0].url: the URL must not hold a user or password; token_env names the variable of a token`},
		{"a password in no URL", "upstreams: [{url: \"http://u:pass@a:b/\", feed: a, name: b}]\n", `feedd.yaml:1: upstreams[0].url: it is no URL`},
		{"a fragment", "upstreams: [{url: \"http://a/#b\", feed: a}]\n", `feedd.yaml:1: upstreams[0].url: "http://a/#b" must end before the #`},
		{"a bad feed", "upstreams: [{url: http://a/, feed: a..b}]\n", `feedd.yaml:1: upstreams[0].feed: bad feed name "a..b": it must be tokens of letters, digits, _ and - joined by dots`},
		{"a pattern", "upstreams: [{url: http://a/, feed: \"a.*\"}]\n", `feedd.yaml:1: upstreams[0].feed: bad feed name "a.*": it must be tokens of letters, digits, _ and - joined by dots`},
		{"a feed of feedd's own", "upstreams: [{url: http://a/, feed: _a}]\n", `feedd.yaml:1: upstreams[0].feed: "_a" is a name of feedd's own`},
		{"too short", "upstreams: [{url: http://a/, feed: a, idle_timeout: 1ms}]\n", "feedd.yaml:1: upstreams[0].idle_timeout: 1ms is less than 1s"},
		{"too long", "upstreams: [{url: http://a/, feed: a, idle_timeout: 2d}]\n", "feedd.yaml:1: upstreams[0].idle_timeout: 2d is more than 1d"},
		{"the same url twice", "upstreams:\n- " + fine + "\n- {url: http://a/, feed: b}\n", `feedd.yaml:3: upstreams[1]: has the name of upstreams[0], "http://a/"; the name is its url where none is said`},
		{"the same name twice", "upstreams:\n- {url: http://a/, feed: a, name: n}\n- {url: http://b/, feed: a, name: n}\n", `feedd.yaml:3: upstreams[1].name: has the name of upstreams[0], "n"; the name is its url where none is said`},
		{"a long name", "upstreams: [{url: http://a/, feed: a, name: " + strings.Repeat("n", 257) + "}]\n", `feedd.yaml:1: upstreams[0].name: the name has 257 bytes, more than 256; it is the url where none is said`},
		{"a long url", "upstreams: [{url: http://a/" + strings.Repeat("n", 257) + ", feed: a}]\n", `feedd.yaml:1: upstreams[0]: the name has 266 bytes, more than 256; it is the url where none is said`},
		{"a control character", "upstreams: [{url: http://a/, feed: a, name: \"a\\nb\"}]\n", `feedd.yaml:1: upstreams[0].name: the name "a\nb" has a control character`},
		{"no token", "upstreams: [{url: http://a/, feed: a, token_env: T0}]\n", "feedd.yaml:1: upstreams[0].token_env: the variable T0 is not set"},
		{"a bad token is not shown", "upstreams: [{url: http://a/, feed: a, token_env: FEEDD_T1}]\n", "feedd.yaml:1: upstreams[0].token_env: the variable FEEDD_T1: the key has a character that is not printable ASCII, or a space, at 8"},
		{"its own feed", "upstreams: [{url: \"http://127.0.0.1:8001/feeds/a?since=all\", feed: a}]\n", `feedd.yaml:1: upstreams[0].url: "http://127.0.0.1:8001/feeds/a?since=all" is the feed a of this server itself`},
		{"by a pattern", "upstreams: [{url: \"http://127.0.0.1:8001/feeds/x,a.**\", feed: a.b}]\n", `feedd.yaml:1: upstreams[0].url: "http://127.0.0.1:8001/feeds/x,a.**" is the feed a.b of this server itself`},
		{"by another name of it", "upstreams: [{url: \"http://LocalHost:8001/feeds/%61\", feed: a}]\n", `feedd.yaml:1: upstreams[0].url: "http://LocalHost:8001/feeds/%61" is the feed a of this server itself`},
		{"on every address", "listen: \":80\"\nupstreams: [{url: \"http://[::1]:80/feeds/a\", feed: a}]\n", `feedd.yaml:2: upstreams[0].url: "http://[::1]:80/feeds/a" is the feed a of this server itself`},
		{"by its own name", "listen: Feeds.example.com:80\nupstreams: [{url: \"http://feeds.Example.com/feeds/a\", feed: a}]\n", `feedd.yaml:2: upstreams[0].url: "http://feeds.Example.com/feeds/a" is the feed a of this server itself`},
		{"all at once", "upstreams:\n- {url: x, feed: _}\n- {feed: b, idle_timeout: x}\n", "feedd.yaml:2: upstreams[0].url: \"x\" is no http or https URL\nfeedd.yaml:2: upstreams[0].feed: \"_\" is a name of feedd's own\nfeedd.yaml:3: upstreams[1]: says no url\nfeedd.yaml:3: upstreams[1].idle_timeout: \"x\" is no duration; write it as 30s, 720h or 30d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse("feedd.yaml", []byte(tt.yaml), []string{"FEEDD_T1=correct horse"}, nil)
			if tt.name != "a bad token is not shown" {
				_, err = config.Parse("feedd.yaml", []byte(tt.yaml), nil, nil)
			}
			if err == nil || fmt.Sprint(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// What only looks like a loop is none.
func TestUpstreamsThatAreOthers(t *testing.T) {
	c := load(t, `
listen: 127.0.0.1:8001
upstreams:
  - {url: "http://127.0.0.1:8001/feeds/b", feed: a}
  - {url: "http://127.0.0.1:8002/feeds/a", feed: a}
  - {url: "http://feeds.example.com:8001/feeds/a", feed: a}
  - {url: "http://127.0.0.1:8001/other/a", feed: a, token_env: FEEDD_UPSTREAM_TOKEN}
`, []string{"FEEDD_UPSTREAM_TOKEN=t0ken"}, nil)
	if len(c.Upstreams) != 4 || c.Upstreams[3].Token != "t0ken" || c.Upstreams[0].Token != "" {
		t.Errorf("%+v", c.Upstreams)
	}
	if s := fmt.Sprintf("%v %+v", c.Upstreams, c); strings.Contains(s, "t0ken") {
		t.Errorf("the token shows in %s", s)
	}
}

func TestUpstreamsAreForTheFile(t *testing.T) {
	_, err := config.Load("", []string{"FEEDD_UPSTREAMS=a"}, map[string]string{"upstreams": "a"})
	want := "FEEDD_UPSTREAMS: can be set only in the file\n--upstreams: can be set only in the file"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

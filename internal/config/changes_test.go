package config_test

import (
	"slices"
	"strings"
	"testing"
)

func TestPublicURLIsWhatLinksBeginWithAndAHost(t *testing.T) {
	for text, want := range map[string]string{
		"https://Feeds.example.com/": "https://Feeds.example.com a feeds.example.com",
		"http://a:8080/x/":           "http://a:8080/x a",
		"https://[::1]:8443":         "https://[::1]:8443 a ::1",
		"":                           " a",
	} {
		c := load(t, "hosts: [a]\npublic_url: \""+text+"\"\n", nil, nil)
		if got := c.PublicURL + " " + strings.Join(c.Hosts, " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	c := load(t, "", []string{"FEEDD_PUBLIC_URL=https://b"}, nil)
	if c.PublicURL != "https://b" || !slices.Equal(c.Hosts, []string{"b"}) {
		t.Errorf("from the environment: %q, %q", c.PublicURL, c.Hosts)
	}
}

func TestChanges(t *testing.T) {
	const base = "feeds: [{match: a, read: token}, {match: b}]\nupstreams: [{url: \"http://a/\", feed: a}]\n"
	for _, tt := range []struct{ a, b, want string }{
		{base, base, ""},
		{"", "hosts: []\nfeeds: []\nlimits:\n", ""},
		{"", "log: {level: debug}\nlisten: \":1\"\nlimits: {max_feeds: 3}\nretention: {max_age: 1d}\n", "listen retention.max_age limits.max_feeds log.level"},
		{"", "hosts: [a]\n", "hosts"},
		{base, strings.Replace(base, "read: token", "read: anyone", 1), "feeds"},
		{base, strings.Replace(base, "match: b", "match: b, retention: {max_items: 3}", 1), "feeds.retention"},
		{base, strings.Replace(base, "match: b", "match: c", 1), "feeds feeds.retention"},
		{base, strings.Replace(base, "http://a/", "http://b/", 1), "upstreams"},
	} {
		a, b := load(t, tt.a, nil, nil), load(t, tt.b, nil, nil)
		if got := strings.Join(a.Changes(&b), " "); got != tt.want {
			t.Errorf("from %q to %q: %q, want %q", tt.a, tt.b, got, tt.want)
		}
	}
}

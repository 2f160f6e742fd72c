package config_test

import (
	"testing"

	"feedd/internal/config"
	"feedd/internal/selector"
)

func TestAnyReadOpen(t *testing.T) {
	const rules = `
feeds:
  - {match: "news.open", read: anyone}
  - {match: "news.**", read: token}
  - {match: "chat", read: token}
`
	cfg, err := config.Parse("rules.yaml", []byte(rules), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"**": true, "*": true, "sports.**": true, "news.*": true, "news.*.deep": false,
		"news.a.**": false, "chat": false, "news.a.*,chat": false, "news.a.*,chat.*": true,
	} {
		sel, err := selector.Parse(text, 8)
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.AnyReadOpen(sel); got != want {
			t.Errorf("AnyReadOpen(%s) is %v, want %v", text, got, want)
		}
	}
}

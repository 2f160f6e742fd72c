package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"feedd/internal/config"
	"feedd/internal/selector"
)

func TestYAML_IsWhatLoadReads(t *testing.T) {
	dir := t.TempDir()
	load := func(t *testing.T, name, text string) config.Config {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(file, nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		return cfg
	}
	for name, text := range map[string]string{
		"defaults": "",
		"changed": `
hosts: [a.example, "b.example"]
public_url: https://feeds.example/x/
retention: {max_items: 0, max_bytes: 100MB, max_age: 90m}
feeds:
  - {match: "chat,a.*", retention: {max_items: 5}, publish: anyone}
  - {match: "**", read: token}
log: {level: debug, format: json}
upstreams:
  - {url: "https://a.example/feeds/x", feed: x}
  - {url: "https://b.example/s?y=1", feed: y.z, name: b, idle_timeout: 5m}
`,
	} {
		t.Run(name, func(t *testing.T) {
			want := load(t, name, text)
			got := load(t, name+".again", string(want.YAML()))
			selections := cmp.Comparer(func(a, b selector.Selection) bool { return a.String() == b.String() })
			if d := cmp.Diff(want, got, selections); d != "" {
				t.Errorf("(-settings +what Load reads of their YAML)\n%s\n%s", d, want.YAML())
			}
		})
	}
	cfg := config.Default()
	cfg.AdminKey = "secret"
	if strings.Contains(string(cfg.YAML()), "secret") {
		t.Error("the key is among the settings")
	}
}

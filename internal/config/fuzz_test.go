package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"feedd/internal/config"
	"feedd/internal/stream"
)

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(shipped)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, s := range []string{rules, "a: &a [*a]\n", "hosts: [a, b]\n", "---\n...\n", "? a\n: b\n", "log: {level: |\n  x\n}", "data: >-\n  a\n  b\n", "a:\n- b\n-\n- - c\n", "'a': \"b\\n\"\n"} {
		f.Add([]byte(s))
	}
	begin := regexp.MustCompile(`^feedd\.yaml(:[1-9][0-9]*)?: |^and [0-9]+ more$`)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("feedd.yaml", data, nil, nil)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !begin.MatchString(line) {
					t.Errorf("a line that does not say where: %q", line)
				}
			}
			return
		}
		c.RetentionFor("a.b")
		if c.PublishOpen("_a") || c.Heartbeat <= 0 || c.Limits.MaxItemBytes > c.Limits.MaxBodyBytes {
			t.Errorf("taken: %+v", c)
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"retention":{"max_items":200,"max_bytes":"64MiB","max_age":"720h"}}`))
	f.Add([]byte(`{"retention":{"max_bytes":1000}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := config.ParseSettings(data, stream.Retention{})
		if err != nil {
			return
		}
		if back, err := config.ParseSettings(config.AppendSettings(nil, r), stream.Retention{MaxItems: 9}); err != nil || back != r {
			t.Errorf("%s: %+v came back as %+v, %v", data, r, back, err)
		}
	})
}

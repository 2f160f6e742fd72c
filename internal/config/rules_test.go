package config_test

import (
	"testing"
	"time"

	"feedd/internal/config"
	"feedd/internal/stream"
)

const rules = `
retention: {max_items: 100, max_bytes: 1MiB, max_age: 1h}
feeds:
  - {match: chat, retention: {max_items: 7}, publish: anyone}
  - {match: "staff,staff.**", read: token, retention: {max_age: 0}}
  - {match: staff.open, read: anyone}
  - {match: _stats, read: anyone, publish: anyone}
  - {match: "**", read: token, publish: anyone, retention: {max_bytes: 5}}
`

func TestTheFirstRuleThatMatchesCounts(t *testing.T) {
	// What a rule leaves out comes from the settings in force, not the defaults.
	c := load(t, rules, []string{"FEEDD_RETENTION_MAX_BYTES=2MiB"}, nil)
	for _, tt := range []struct {
		name, feed    string
		want          stream.Retention
		read, publish bool
	}{
		{"a name; read is left out", "chat", stream.Retention{MaxItems: 7, MaxBytes: 2 << 20, MaxAge: time.Hour}, true, true},
		{"a name of several terms; publish is left out", "staff", stream.Retention{MaxItems: 100, MaxBytes: 2 << 20}, false, false},
		{"a pattern before a name", "staff.open", stream.Retention{MaxItems: 100, MaxBytes: 2 << 20}, false, false},
		{"the last pattern", "other", stream.Retention{MaxItems: 100, MaxBytes: 5, MaxAge: time.Hour}, false, true},
		{"an internal feed by its name: read, but never publish", "_stats", stream.Retention{MaxItems: 100, MaxBytes: 2 << 20, MaxAge: time.Hour}, true, false},
		{"an internal feed by no name: no pattern matches, and it is closed", "_other", stream.Retention{MaxItems: 100, MaxBytes: 2 << 20, MaxAge: time.Hour}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.RetentionFor(tt.feed); got != tt.want {
				t.Errorf("retention %+v, want %+v", got, tt.want)
			}
			if got := c.ReadOpen(tt.feed); got != tt.read {
				t.Errorf("read open: %v", got)
			}
			if got := c.PublishOpen(tt.feed); got != tt.publish {
				t.Errorf("publish open: %v", got)
			}
		})
	}
}

func TestWithoutRulesAnyoneReadsAndNobodyPublishes(t *testing.T) {
	c := config.Default()
	if !c.ReadOpen("news") || c.PublishOpen("news") || c.ReadOpen("_stats") || c.PublishOpen("_stats") {
		t.Error("the defaults are not those")
	}
	want := stream.Retention{MaxItems: 10_000, MaxBytes: 64 << 20, MaxAge: 720 * time.Hour}
	if got := c.RetentionFor("news"); got != want {
		t.Errorf("retention %+v", got)
	}
}

func TestRulesCostNoMemoryPerCall(t *testing.T) {
	c := load(t, rules, nil, nil)
	if n := testing.AllocsPerRun(100, func() {
		c.RetentionFor("sports.football.de")
		c.ReadOpen("sports.football.de")
		c.PublishOpen("sports.football.de")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRetentionFor(b *testing.B) {
	c, err := config.Parse("", []byte(rules), nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c.RetentionFor("sports.football.de")
	}
}

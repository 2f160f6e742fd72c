package config_test

import (
	"fmt"
	"strings"
	"testing"

	"feedd/internal/config"
)

func sprint(format string, v any) string { return fmt.Sprintf(format, v) }

func TestErrorsOfTheFileNameTheLineAndTheKey(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tt := range []struct{ name, yaml, want string }{
		{"an unknown key", "a: 1\n", "feedd.yaml:1: a: unknown setting"},
		{"a near miss", "\nlimits:\n  max_itemz_bytes: 1\n", "feedd.yaml:3: limits.max_itemz_bytes: unknown setting; did you mean max_item_bytes?"},
		{"the beginning of a key", "limits:\n  max_itemz: 1\n", "feedd.yaml:2: limits.max_itemz: unknown setting; did you mean max_item_bytes?"},
		{"a dash", "shutdown-timeout: 1s\n", "feedd.yaml:1: shutdown-timeout: unknown setting; did you mean shutdown_timeout?"},
		{"the wrong group", "max_feeds: 1\n", "feedd.yaml:1: max_feeds: unknown setting; did you mean limits.max_feeds?"},
		{"a strange key", "\"a b\\n\": 1\n", `feedd.yaml:1: "a b\n": unknown setting`},
		{"a long key", long + ": 1\n", "feedd.yaml:1: " + long[:64] + "...: unknown setting"},
		{"a key that is no text", "1: 2\n", "feedd.yaml:1: 1: unknown setting"},
		{"a key said twice", "data: a\n\ndata: b\n", "feedd.yaml:3: data: said twice, first in line 1"},
		{"a group said twice", "log: {level: info}\nlog: {format: text}\n", "feedd.yaml:2: log: said twice, first in line 1"},
		{"a bad duration", "\n\nheartbeat: fast\n", `feedd.yaml:3: heartbeat: "fast" is no duration; write it as 30s, 720h or 30d`},
		{"a duration without a unit", "heartbeat: 15\n", `feedd.yaml:1: heartbeat: "15" is no duration: it has no unit; write it as 30s, 720h or 30d`},
		{"a bad size", "limits: {max_item_bytes: 1 potato}\n", `feedd.yaml:1: limits.max_item_bytes: "1 potato" is no size; write it as 512, 64MiB or 1MB`},
		{"a negative size", "retention: {max_bytes: -1MiB}\n", `feedd.yaml:1: retention.max_bytes: "-1MiB" is negative`},
		{"a negative number", "retention: {max_items: -1}\n", "feedd.yaml:1: retention.max_items: -1 is negative; 0 means no bound"},
		{"a negative duration", "retention: {max_age: -1h}\n", `feedd.yaml:1: retention.max_age: "-1h" is negative`},
		{"a bad number", "limits:\n  max_feeds: 1_000\n", `feedd.yaml:2: limits.max_feeds: "1_000" is no whole number`},
		{"a fraction", "limits:\n  max_feeds: 1.5\n", `feedd.yaml:2: limits.max_feeds: "1.5" is no whole number`},
		{"a huge number", "limits:\n  max_feeds: 99999999999999999999\n", "feedd.yaml:2: limits.max_feeds: 99999999999999999999 is out of range"},
		{"a bad word", "store: SQLite\n", `feedd.yaml:1: store: "SQLite" is none of sqlite, memory`},
		{"a bad level", "log: {level: loud}\n", `feedd.yaml:1: log.level: "loud" is none of debug, info, warn, error`},
		{"no value", "data:\n", "feedd.yaml:1: data: has no value"},
		{"an empty value", "data: ''\n", `feedd.yaml:1: data: "" is no directory`},
		{"a list for a value", "data: [a]\n", "feedd.yaml:1: data: must be a single value, not a list"},
		{"a group for a value", "data:\n  a: b\n", "feedd.yaml:1: data: must be a single value, not a group of settings"},
		{"a value for a group", "limits: none\n", "feedd.yaml:1: limits: must be a group of settings, not a single value"},
		{"a value for a list", "hosts: a\n", "feedd.yaml:1: hosts: must be a list, as in [a, b], not a single value"},
		{"a list in a list", "hosts:\n  - a\n  - [b]\n", "feedd.yaml:3: hosts[1]: must be a single value, not a list"},
		{"a bad item of a list", "hosts:\n  - a\n  - b:80\n", `feedd.yaml:3: hosts[1]: "b:80": write the name without the port, b`},
		{"a list for the whole", "- a\n", "feedd.yaml:1: must be a group of settings, not a list"},
		{"a word for the whole", "hello\n", "feedd.yaml:1: must be a group of settings, not a single value"},
		{"broken YAML", "data: a\nhosts: [a\n", "feedd.yaml:2: sequence end token ']' not found"},
		{"bad indentation", "data: a\n  store: memory\n", "feedd.yaml:1: mapping value is not allowed in this context"},
		{"a tab", "log:\n\tlevel: info\n", "feedd.yaml:2: found character '\t' that cannot start any token"},
		{"two documents", "data: a\n---\ndata: b\n", "feedd.yaml:2: a second YAML document begins here; there must be only one"},
		{"two empty documents", "---\n---\n", "feedd.yaml:2: a second YAML document begins here; there must be only one"},
		{"a document after an end mark", "data: a\n...\ndata: b\n", "feedd.yaml:3: a second YAML document begins here; there must be only one"},
		{"an anchor", "data: &a b\n", "feedd.yaml:1: anchors and merge keys are not allowed here"},
		{"an alias", "data: a\nlisten: *a\n", `feedd.yaml:2: an alias is not allowed here; a pattern that begins with * needs quotes, as in match: "*"`},
		{"a pattern without quotes", "feeds:\n  - {match: **, read: token}\n", `feedd.yaml:2: an alias is not allowed here; a pattern that begins with * needs quotes, as in match: "*"`},
		{"a merge key", "<<: {data: a}\n", "feedd.yaml:1: anchors and merge keys are not allowed here"},
		{"a tag", "data: !!str a\n", "feedd.yaml:1: a tag is not allowed here; text that begins with ! needs quotes"},
		{"a directive", "%YAML 1.2\n---\ndata: a\n", "feedd.yaml:1: a directive is not allowed here; text that begins with % needs quotes"},
		{"a long-form key", "? data\n: a\n", "feedd.yaml:1: write the key as key: value, without ?"},
		{"not UTF-8", "data: a\nlisten: \xff\n", "feedd.yaml:2: the line is not UTF-8"},
		{"a control character", "data: a\x00b\n", "feedd.yaml:1: the line has a control character"},
		{"rules that are no list", "feeds: {match: chat}\n", "feedd.yaml:1: feeds: must be a list of rules, each as in - {match: chat}, not a group of settings"},
		{"a rule that is no group", "feeds:\n  - chat\n", "feedd.yaml:2: feeds[0]: must be a rule, as in {match: chat}, not a single value"},
		{"a rule without a match", "feeds:\n  - match: a\n  - read: anyone\n", "feedd.yaml:3: feeds[1]: says no match"},
		{"a rule with a bad match", "feeds:\n  - match: a..b\n", `feedd.yaml:2: feeds[0].match: bad feed name "a..b": it must be tokens of letters, digits, _ and - joined by dots`},
		{"a rule with a bad word", "feeds:\n  - match: a\n    publish: all\n", `feedd.yaml:3: feeds[0].publish: "all" is none of anyone, token`},
		{"a rule with an unknown key", "feeds:\n  - {match: a, write: anyone}\n", "feedd.yaml:2: feeds[0].write: unknown setting"},
		{"a rule with a bound in the wrong place", "feeds:\n  - {match: a, max_age: 1h}\n", "feedd.yaml:2: feeds[0].max_age: unknown setting; did you mean retention.max_age?"},
		{"a rule with a bad bound", "feeds:\n  - match: a\n    retention:\n      max_age: 1ms\n", "feedd.yaml:4: feeds[0].retention.max_age: 1ms is less than 1s; 0 means no bound"},
		{"the same key of two rules is no repeat", "feeds: [{match: a}, {match: a, x: 1}]\n", "feedd.yaml:1: feeds[1].x: unknown setting"},
		{"a bad default is told once, not for each rule", "retention: {max_age: 1ms}\nfeeds: [{match: a}]\n", "feedd.yaml:1: retention.max_age: 1ms is less than 1s; 0 means no bound"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse("feedd.yaml", []byte(tt.yaml), nil, nil)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestErrorsOfVariablesAndFlagsNameThem(t *testing.T) {
	for _, tt := range []struct{ name, variable, flag, value, want string }{
		{"a bad duration", "FEEDD_HEARTBEAT", "", "fast", `FEEDD_HEARTBEAT: "fast" is no duration; write it as 30s, 720h or 30d`},
		{"out of bounds", "FEEDD_HEARTBEAT", "", "1h", "FEEDD_HEARTBEAT: 1h is more than 10m"},
		{"a bad item", "FEEDD_HOSTS", "", "a,,b", "FEEDD_HOSTS: the name is empty"},
		{"a near miss", "FEEDD_LIMITS_MAX_ITEM_BYTE", "", "1", "FEEDD_LIMITS_MAX_ITEM_BYTE: unknown setting; did you mean FEEDD_LIMITS_MAX_ITEM_BYTES?"},
		{"an unknown one", "FEEDD_COLOUR", "", "red", "FEEDD_COLOUR: unknown setting"},
		{"a port is no setting", "FEEDD_PORT", "", "8001", "FEEDD_PORT: unknown setting"},
		{"rules", "FEEDD_FEEDS", "", "chat", "FEEDD_FEEDS: can be set only in the file"},
		{"a bad admin key is not shown", "FEEDD_ADMIN_KEY", "", "correct horse", "FEEDD_ADMIN_KEY: the key has a character that is not printable ASCII, or a space, at 8"},
		{"a bad flag", "", "listen", "8001", `--listen: "8001" is no host:port, as in 127.0.0.1:8001 or :8001`},
		{"an empty flag", "", "listen", "", `--listen: "" is no host:port, as in 127.0.0.1:8001 or :8001`},
		{"a flag with dashes", "", "shutdown-timeout", "no", `--shutdown-timeout: "no" is no duration; write it as 30s, 720h or 30d`},
		{"an unknown flag", "", "listne", ":1", "--listne: unknown setting; did you mean listen?"},
		{"rules as a flag", "", "feeds", "a", "--feeds: can be set only in the file"},
		{"the admin key as a flag", "", "admin-key", "a", "--admin-key: comes only from the environment, as FEEDD_ADMIN_KEY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var environ []string
			flags := map[string]string{}
			if tt.variable != "" {
				environ = []string{tt.variable + "=" + tt.value}
			} else {
				flags[tt.flag] = tt.value
			}
			_, err := config.Load("", environ, flags)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestAllErrorsComeAtOnceInOrder(t *testing.T) {
	_, err := config.Parse("feedd.yaml", []byte("feeds: [{match: a, retention: {max_items: x}}]\nheartbeat: 1ms\nshutdown_timeout: x\ncolour: red\n"),
		[]string{"FEEDD_LISTEN=x", "FEEDD_COLOUR=red"}, map[string]string{"store": "nats"})
	want := strings.Join([]string{
		`feedd.yaml:1: feeds[0].retention.max_items: "x" is no whole number`,
		`feedd.yaml:2: heartbeat: 1ms is less than 1s`,
		`feedd.yaml:3: shutdown_timeout: "x" is no duration; write it as 30s, 720h or 30d`,
		`feedd.yaml:4: colour: unknown setting`,
		`FEEDD_COLOUR: unknown setting`,
		`FEEDD_LISTEN: "x" is no host:port, as in 127.0.0.1:8001 or :8001`,
		`--store: "nats" is none of sqlite, memory`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestAnItemMustFitABodyAndTheErrorIsAtWhoSaidIt(t *testing.T) {
	for _, tt := range []struct{ name, yaml, env, want string }{
		{"the item", "limits: {max_item_bytes: 32MiB}\n", "", "feedd.yaml:1: limits.max_item_bytes: 32MiB is more than limits.max_body_bytes (16MiB)"},
		{"the body", "limits: {max_body_bytes: 1KiB}\n", "", "feedd.yaml:1: limits.max_body_bytes: 1KiB is less than limits.max_item_bytes (1MiB)"},
		{"the stronger", "limits: {max_item_bytes: 2MiB}\n", "1MiB", "FEEDD_LIMITS_MAX_BODY_BYTES: 1MiB is less than limits.max_item_bytes (2MiB)"},
		{"no guess where one is bad", "limits: {max_item_bytes: 32MiB, max_body_bytes: x}\n", "", `feedd.yaml:1: limits.max_body_bytes: "x" is no size; write it as 512, 64MiB or 1MB`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse("feedd.yaml", []byte(tt.yaml), []string{"FEEDD_LIMITS_MAX_BODY_BYTES=" + tt.env}, nil)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestHostileFilesAreBounded(t *testing.T) {
	bomb := "a: &a [x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c]\n", c, c, c-1, c-1, c-1)
	}
	for name, yaml := range map[string]string{
		"a bomb of aliases": bomb,
		"deep lists":        strings.Repeat("[", 200_000),
		"deep maps":         strings.Repeat("{a: ", 50_000),
		"deep dashes":       strings.Repeat("- ", 100_000),
		"many documents":    strings.Repeat("---\n", 20_000),
		"many keys":         strings.Repeat("a: b\n", 6_600),
		"too many keys":     strings.Repeat("a: b\n", 17_000),
		"too large":         strings.Repeat("# comment\n", 30_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse("feedd.yaml", []byte(yaml), nil, nil)
			if err == nil {
				t.Fatal("no error")
			}
			if n := strings.Count(err.Error(), "\n"); n > 100 {
				t.Errorf("%d lines of errors", n)
			}
		})
	}
}

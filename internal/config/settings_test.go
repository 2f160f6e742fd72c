package config_test

import (
	"strings"
	"testing"
	"time"

	"feedd/internal/config"
	"feedd/internal/stream"
)

var base = stream.Retention{MaxItems: 10, MaxBytes: 20, MaxAge: 30 * time.Second}

func TestSettingsOfAFeed(t *testing.T) {
	for _, tt := range []struct {
		name, json string
		want       stream.Retention
	}{
		{"all bounds", `{"retention":{"max_items":200,"max_bytes":"64MiB","max_age":"720h"}}`, stream.Retention{MaxItems: 200, MaxBytes: 64 << 20, MaxAge: 720 * time.Hour}},
		{"a size as a number", ` {"retention" : {"max_bytes":1000} } `, stream.Retention{MaxItems: 10, MaxBytes: 1000, MaxAge: 30 * time.Second}},
		{"0 is no bound", `{"retention":{"max_items":0,"max_bytes":0,"max_age":"0"}}`, stream.Retention{}},
		{"a number for 0 of a duration", `{"retention":{"max_age":0}}`, stream.Retention{MaxItems: 10, MaxBytes: 20}},
		{"nothing said", `{}`, base},
		{"an empty group", `{"retention":{}}`, base},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := config.ParseSettings([]byte(tt.json), base)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestErrorsOfSettingsNameTheKey(t *testing.T) {
	for _, tt := range []struct{ name, json, want string }{
		{"an unknown key", `{"retention":{"max_itemz":1}}`, "retention.max_itemz: unknown setting; did you mean max_items?"},
		{"a key in the wrong place", `{"max_items":1}`, "max_items: unknown setting; did you mean retention.max_items?"},
		{"a setting of the server", `{"listen":":1"}`, "listen: unknown setting"},
		{"a key said twice", `{"retention":{"max_items":1,"max_items":2}}`, "retention.max_items: said twice"},
		{"a bad number", `{"retention":{"max_items":1.5}}`, `retention.max_items: "1.5" is no whole number`},
		{"a truth value", `{"retention":{"max_items":true}}`, `retention.max_items: "true" is no whole number`},
		{"a number without a unit", `{"retention":{"max_age":720}}`, `retention.max_age: "720" is no duration: it has no unit; write it as 30s, 720h or 30d`},
		{"a negative number", `{"retention":{"max_items":-1}}`, "retention.max_items: -1 is negative; 0 means no bound"},
		{"a null", `{"retention":{"max_items":null}}`, "retention.max_items: has no value"},
		{"a list", `{"retention":[]}`, "retention: must be a group of settings, not a list"},
		{"all at once", `{"retention":{"max_items":"x","max_age":"1ms"},"colour":1}`, "retention.max_items: \"x\" is no whole number\ncolour: unknown setting\nretention.max_age: 1ms is less than 1s; 0 means no bound"},
		{"no object", `[]`, `the settings must be an object, as in {"retention":{"max_items":200}}`},
		{"null", `null`, `the settings must be an object, as in {"retention":{"max_items":200}}`},
		{"nothing", ``, "bad JSON at byte 0: it ends too early"},
		{"cut off", `{"retention":{`, "bad JSON at byte 14: it ends too early"},
		{"something more", `{} {}`, "bad JSON at byte 4: something follows the value"},
		{"YAML", `{retention: {max_items: 1}}`, "bad JSON at byte 1: invalid character 'r'"},
		{"a comma too many", `{"retention":{},}`, "bad JSON at byte 16: invalid character '}'"},
		{"not UTF-8", "{\"\xff\":1}", "the settings are not UTF-8"},
		{"deep", strings.Repeat("[", 100_000), "bad JSON at byte 17: values are nested too deeply"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := config.ParseSettings([]byte(tt.json), base)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if got != (stream.Retention{}) {
				t.Errorf("with an error: %+v", got)
			}
		})
	}
}

func TestSettingsAreWrittenAsTheyAreRead(t *testing.T) {
	r := stream.Retention{MaxItems: 200, MaxBytes: 64 << 20, MaxAge: 720 * time.Hour}
	got := config.AppendSettings([]byte("x"), r)
	if want := `x{"retention":{"max_items":200,"max_bytes":"64MiB","max_age":"30d"}}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, r := range []stream.Retention{r, {}, {MaxItems: 1, MaxBytes: 1023, MaxAge: 1500 * time.Millisecond}} {
		back, err := config.ParseSettings(config.AppendSettings(nil, r), base)
		if err != nil || back != r {
			t.Errorf("%+v came back as %+v, %v", r, back, err)
		}
	}
}

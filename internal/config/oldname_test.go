package config_test

import (
	"strings"
	"testing"

	"feedd/internal/config"
)

// legacy was called forerunner once. What was written then is still valid,
// wherever it was written.
func TestOldNamesAreTaken(t *testing.T) {
	const file = "forerunner: {feed: a, chat_publish: anyone}\n"
	for _, tt := range []struct {
		name, file  string
		environ     []string
		flags       map[string]string
		feed, speak string
	}{
		{"in the file", file, nil, nil, "a", "anyone"},
		{"a variable", "", []string{"FEEDD_FORERUNNER_FEED=b", "FEEDD_FORERUNNER_CHAT_PUBLISH=anyone"}, nil, "b", "anyone"},
		{"a flag", "", nil, map[string]string{"forerunner.feed": "c", "forerunner.chat-publish": "anyone"}, "c", "anyone"},
		{"an old name in the file, today's in a variable", file, []string{"FEEDD_LEGACY_FEED=b"}, nil, "b", "anyone"},
		{"today's name in the file, the old one in a variable", "legacy: {feed: a, chat_publish: anyone}\n", []string{"FEEDD_FORERUNNER_FEED=b"}, nil, "b", "anyone"},
		{"different settings under both names", file, []string{"FEEDD_LEGACY_FEED=b", "FEEDD_FORERUNNER_CHAT_PUBLISH=token"}, nil, "b", "token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, tt.file, tt.environ, tt.flags)
			if c.Legacy.Feed != tt.feed || string(c.Legacy.ChatPublish) != tt.speak {
				t.Errorf("got %+v", c.Legacy)
			}
			if text := string(c.YAML()); !strings.Contains(text, "\nlegacy:\n  feed: "+tt.feed+"\n") || strings.Contains(text, "forerunner") {
				t.Errorf("they are shown as\n%s", text)
			}
		})
	}
}

func TestErrorsNameWhatWasWritten(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		environ    []string
		flags      map[string]string
		want       string
	}{
		{"a bad value", "\nforerunner:\n  feed: '*'\n", nil, nil, `feedd.yaml:3: forerunner.feed: bad feed name "*": it must be tokens of letters, digits, _ and - joined by dots`},
		{"a bad word", "forerunner: {chat_publish: all}\n", nil, nil, `feedd.yaml:1: forerunner.chat_publish: "all" is none of anyone, token`},
		{"an unknown key", "forerunner: {fed: a}\n", nil, nil, "feedd.yaml:1: forerunner.fed: unknown setting; did you mean feed?"},
		{"both", "legacy: {feed: a}\n\nforerunner: {chat: b}\n", nil, nil, "feedd.yaml:3: forerunner: forerunner and legacy (line 1) are two names of one group; say only legacy"},
		{"both, the old one first", "forerunner: {feed: a}\nlegacy: {chat: b}\n", nil, nil, "feedd.yaml:2: legacy: legacy and forerunner (line 1) are two names of one group; say only legacy"},
		{"the old one twice", "forerunner: {feed: a}\nforerunner: {feed: b}\n", nil, nil, "feedd.yaml:2: forerunner: said twice, first in line 1"},
		{"a near miss of a group", "legasy: {feed: a}\n", nil, nil, "feedd.yaml:1: legasy: unknown setting; did you mean legacy?"},
		{"a near miss of the old group", "forerunners: {feed: a}\n", nil, nil, "feedd.yaml:1: forerunners: unknown setting; did you mean forerunner?"},
		{"a near miss of an old variable", "", []string{"FEEDD_FORERUNNER_FED=a"}, nil, "FEEDD_FORERUNNER_FED: unknown setting; did you mean FEEDD_FORERUNNER_FEED?"},
		{"both variables", "", []string{"FEEDD_LEGACY_FEED=a", "FEEDD_FORERUNNER_FEED=a"}, nil, "FEEDD_FORERUNNER_FEED: this and FEEDD_LEGACY_FEED are two names of one setting; set only FEEDD_LEGACY_FEED"},
		{"both variables, the old one first", "", []string{"FEEDD_FORERUNNER_FEED=a", "FEEDD_LEGACY_FEED=a"}, nil, "FEEDD_LEGACY_FEED: this and FEEDD_FORERUNNER_FEED are two names of one setting; set only FEEDD_LEGACY_FEED"},
		{"both flags", "", nil, map[string]string{"legacy.feed": "a", "forerunner.feed": "b"}, "--legacy.feed: this and --forerunner.feed are two names of one setting; set only legacy.feed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse("feedd.yaml", []byte(tt.file), tt.environ, tt.flags)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

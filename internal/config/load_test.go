package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"feedd/internal/config"
	"feedd/internal/selector"
	"feedd/internal/units"
)

// same compares settings; a selection is what was written.
var same = cmp.Comparer(func(a, b selector.Selection) bool { return a.String() == b.String() })

func load(t *testing.T, yaml string, environ []string, flags map[string]string) config.Config {
	t.Helper()
	c, err := config.Parse("feedd.yaml", []byte(yaml), environ, flags)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

func TestNothingSaidGivesTheDefaults(t *testing.T) {
	for name, yaml := range map[string]string{
		"no file":           "",
		"only comments":     "# nothing\n\n# here\n",
		"only a header":     "---\n",
		"a null":            "null\n",
		"empty groups":      "limits:\nretention: {}\nlog: ~\n",
		"empty lists":       "hosts:\nfeeds: []\n",
		"byte order mark":   "\ufeffstore: sqlite\n",
		"Windows line ends": "store: sqlite\r\nhosts: []\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(config.Default(), load(t, yaml, nil, nil), same); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestEveryKindOfSettingIsTakenFromTheFile(t *testing.T) {
	got := load(t, `
listen: ":0"
hosts: [Feeds.Example.COM, 10.0.0.7]
store: memory
retention: {max_items: 0, max_bytes: 1MB, max_age: 90d}
heartbeat: 1m30s
limits:
  max_item_bytes: 512
  max_subscribers: 20000
log: {level: debug, format: json, max_queue_bytes: 2MiB}
`, nil, nil)
	want := config.Default()
	want.Listen = ":0"
	want.Hosts = []string{"feeds.example.com", "10.0.0.7"}
	want.Store = config.Memory
	want.Retention = config.Retention{MaxItems: 0, MaxBytes: 1_000_000, MaxAge: 90 * units.Day}
	want.Heartbeat = units.Duration(90 * time.Second)
	want.Limits.MaxItemBytes = 512
	want.Limits.MaxSubscribers = 20000
	want.Log = config.Log{Level: config.LevelDebug, Format: config.JSON, MaxQueueBytes: 2 * units.MiB}
	if d := cmp.Diff(want, got, same); d != "" {
		t.Error(d)
	}
}

func TestFlagsBeatEnvironmentBeatsFileBeatsDefaults(t *testing.T) {
	const yaml = "listen: localhost:1\nheartbeat: 11s\nshutdown_timeout: 11s\nhosts: [a, b, c]\n"
	c := load(t, yaml,
		[]string{"FEEDD_LISTEN=localhost:2", "FEEDD_HEARTBEAT=12s", "FEEDD_HOSTS=d, e", "HOME=/", "FEEDD_LIMITS_STALL_TIMEOUT=12s"},
		map[string]string{"listen": "localhost:3", "limits.stall-timeout": "13s"})
	if c.Listen != "localhost:3" || c.Heartbeat.String() != "12s" || c.ShutdownTimeout.String() != "11s" ||
		c.Limits.StallTimeout.String() != "13s" || c.Limits.MaxFeeds != 100_000 || strings.Join(c.Hosts, " ") != "d e" {
		t.Errorf("got %+v", c)
	}
}

func TestAnEmptyVariableIsNotSetButAnEmptyFlagIs(t *testing.T) {
	c := load(t, "hosts: [a]\n", []string{"FEEDD_HOSTS=", "FEEDD_LISTEN=", "FEEDD_NONSENSE=", "FEEDD_ADMIN_KEY="}, nil)
	if len(c.Hosts) != 1 || c.Listen != "127.0.0.1:8001" || c.AdminKey != "" {
		t.Errorf("an empty variable: got %+v", c)
	}
	if c := load(t, "hosts: [a]\n", nil, map[string]string{"hosts": ""}); len(c.Hosts) != 0 {
		t.Errorf("an empty flag: hosts are %q", c.Hosts)
	}
}

func TestVariablesOfOthersAreLeftAlone(t *testing.T) {
	load(t, "", []string{
		"FEEDD_SERVER=http://localhost:8001", "FEEDD_KEY=k", "FEEDD_KEY_FILE=/k", "FEEDD_CONFIG=/etc/feedd.yaml", "FEEDD_TEST_X=1",
		"FEEDD=1", "FEED_LISTEN=x", "XFEEDD_LISTEN=x",
		// What Kubernetes sets for Services called feedd and feedd-web.
		"FEEDD_SERVICE_HOST=10.0.0.1", "FEEDD_SERVICE_PORT=80", "FEEDD_SERVICE_PORT_HTTP=80", "FEEDD_PORT=tcp://10.0.0.1:80",
		"FEEDD_PORT_80_TCP=tcp://10.0.0.1:80", "FEEDD_PORT_80_TCP_PROTO=tcp", "FEEDD_PORT_80_TCP_PORT=80", "FEEDD_PORT_80_TCP_ADDR=10.0.0.1",
		"FEEDD_WEB_SERVICE_HOST=10.0.0.1", "FEEDD_WEB_PORT=udp://10.0.0.1:80", "FEEDD_WEB_PORT_80_UDP_ADDR=10.0.0.1",
	}, nil)
}

func TestTheAdminKeyComesFromTheEnvironmentAndIsNotShown(t *testing.T) {
	c := load(t, "", []string{"FEEDD_ADMIN_KEY=correct-horse"}, nil)
	if string(c.AdminKey) != "correct-horse" {
		t.Errorf("the key is %q", string(c.AdminKey))
	}
	text, _ := c.AdminKey.MarshalText()
	for _, shown := range []string{sprint("%v", c), sprint("%+v", &c), sprint("%#v", c), sprint("%s", c.AdminKey), sprint("%q", c.AdminKey), string(text)} {
		if strings.Contains(shown, "horse") {
			t.Errorf("the key is shown: %s", shown)
		}
	}
	for _, yaml := range []string{"admin_key: correct-horse\n", "admin_key: {a: correct-horse}\n"} {
		_, err := config.Parse("feedd.yaml", []byte(yaml), nil, nil)
		want := "feedd.yaml:1: admin_key: comes only from the environment, as FEEDD_ADMIN_KEY"
		if err == nil || err.Error() != want {
			t.Errorf("in the file: %v, want %s", err, want)
		}
	}
}

func TestLoadReadsTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "feedd.yaml")
	if err := os.WriteFile(file, []byte("heartbeat: 20s\nheart_beat: 3s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(file, nil, nil)
	if want := file + ":2: heart_beat: unknown setting; did you mean heartbeat?"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if c, err := config.Load("", []string{"FEEDD_HEARTBEAT=20s"}, nil); err != nil || c.Heartbeat.String() != "20s" {
		t.Errorf("without a file: %v, %v", c.Heartbeat, err)
	}
}

func TestAFileThatIsNotThereDoesNotHideOtherErrors(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "feedd.yaml"), []string{"FEEDD_HEARTBEAT=fast"}, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not ErrNotExist", err)
	}
	if n := len(strings.Split(err.Error(), "\n")); n != 2 {
		t.Errorf("%d lines, want 2: %v", n, err)
	}
}

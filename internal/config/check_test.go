package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"feedd/internal/config"
)

func TestBounds(t *testing.T) {
	for path, tt := range map[string]struct{ good, bad string }{
		"retention.max_items":           {"0 1 2000000000", "-1"},
		"retention.max_bytes":           {"0 1 1TiB", "-1 9000000TiB"},
		"retention.max_age":             {"0 1s 3650d", "999ms -1s 200000d"},
		"idempotency.max_age":           {"0 1s 24h", "1ms -1h"},
		"idempotency.max_keys":          {"0 1", "-1"},
		"heartbeat":                     {"1s 10m", "0 999ms 601s"},
		"limits.max_item_bytes":         {"1 16MiB", "0 -1 16777217"},
		"limits.max_body_bytes":         {"1MiB 1GiB", "0 1048575 1025MiB"},
		"limits.max_batch_items":        {"1 1000000", "0 1000001"},
		"limits.max_selector_terms":     {"1 10000", "0 10001"},
		"limits.max_feeds":              {"1", "0 -1"},
		"limits.max_store_bytes":        {"1MiB", "0 1048575"},
		"limits.disk_reserve":           {"0 1MiB 1GiB", "-1 1MB"},
		"limits.max_window_bytes":       {"1MiB", "0 1MB"},
		"limits.max_subscribers":        {"0 1 1000000", "-1"},
		"limits.max_anonymous_rate":     {"0 1 1000000", "-1 1000001 x"},
		"legacy.feed":                   {"main a.b", "* _x"},
		"legacy.chat_publish":           {"anyone token", "nobody"},
		"forerunner.feed":               {"main a.b", "* _x"}, // the old name of legacy
		"forerunner.chat_publish":       {"anyone token", "nobody"},
		"limits.max_subscribers_per_ip": {"0 1 1000000", "-1"},
		"limits.stall_timeout":          {"1s 1h", "0 61m"},
		"shutdown_timeout":              {"1s 1h", "0 61m"},
		"store":                         {"sqlite memory", "nats Memory"},
		"log.level":                     {"debug info warn error", "INFO trace"},
		"log.format":                    {"text json", "logfmt"},
		"log.max_queue_bytes":           {"64KiB 1GiB", "0 65535 1025MiB"},
		"public_url": {
			"http://localhost https://feeds.example.com https://feeds.example.com/ http://10.0.0.1:8080/feeds/ https://[::1]:8443/a/b",
			"feeds.example.com ftp://a //a https:// https://:80 https://a?b=c https://a/#b https://u@a https://u:p@a https://a_b! https://a:b https://*.example.com",
		},
		"limits.max_anonymous_patterns":     {"0 1 10000", "-1 10001"},
		"limits.max_event_names":            {"0 1 10000", "-1 10001"},
		"limits.max_selection_bytes":        {"0 1 1TiB", "-1"},
		"limits.max_selection_bytes_per_ip": {"0 1 1TiB", "-1"},
		"listen": {
			"127.0.0.1:8001 :8001 :0 localhost:80 [::1]:80 [::]:80 [fe80::1%eth0]:80 feeds.example.com:443 0.0.0.0:65535",
			"8001 127.0.0.1 :65536 :-1 :http unix:/run/feedd.sock /run/feedd.sock ::1:80 a_b!:80 127.1:80 256.0.0.1:80 http://localhost:80 :",
		},
		"hosts": {
			"localhost feeds.example.com xn--bcher-kva.example feedd_web 10.0.0.1 ::1 a,b",
			"a:80 [::1] [::1]:80 https://a *.example.com bücher.example -a a- a..b a. .a 1.2.3 " + strings.Repeat("a", 64) + " " + strings.Repeat("a.", 130) + "a",
		},
	} {
		t.Run(path, func(t *testing.T) {
			for _, v := range strings.Fields(tt.good) {
				if _, err := config.Load("", nil, map[string]string{path: v}); err != nil {
					t.Errorf("%s is refused: %v", v, err)
				}
			}
			for _, v := range strings.Fields(tt.bad) {
				_, err := config.Load("", nil, map[string]string{path: v})
				if err == nil {
					t.Errorf("%s is taken", v)
				} else if s := err.Error(); !strings.HasPrefix(s, "--"+path+": ") || strings.Contains(s, "\n") {
					t.Errorf("%s: the error is %q", v, s)
				}
			}
		})
	}
}

func TestLevelsAreThoseOfSlog(t *testing.T) {
	for level, want := range map[config.Level]slog.Level{
		config.LevelDebug: slog.LevelDebug, config.LevelInfo: slog.LevelInfo, config.LevelWarn: slog.LevelWarn, config.LevelError: slog.LevelError, "": slog.LevelInfo,
	} {
		if got := level.Slog(); got != want {
			t.Errorf("%q: %v, want %v", level, got, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for listen, want := range map[string]bool{
		"127.0.0.1:8001": true, "127.9.9.9:0": true, "[::1]:80": true, "localhost:80": true, "LocalHost:80": true, "[::ffff:127.0.0.1]:80": true,
		":8001": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "localhost.example.com:80": false, "": false,
	} {
		c := config.Config{Listen: listen}
		if got := c.Loopback(); got != want {
			t.Errorf("%q: %v, want %v", listen, got, want)
		}
	}
}

// What strangers may publish was bounded by its rate alone once: who has raised
// that is not held to less by settings that came later.
func TestAnonymousLimitsFollowTheRate(t *testing.T) {
	for text, want := range map[string][2]int64{
		"":                        {20, 64 << 10},
		"max_anonymous_rate: 500": {500, 64 << 10},
		"max_anonymous_rate: 0":   {0, 0},
		"{max_anonymous_rate: 0, max_anonymous_items: 7, max_anonymous_bytes: 1MiB}": {7, 1 << 20},
	} {
		file := filepath.Join(t.TempDir(), "config.yaml")
		body := ""
		if text != "" {
			body = "limits:\n  " + text + "\n"
		}
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]int64{int64(c.Limits.MaxAnonymousItems), int64(c.Limits.MaxAnonymousBytes)}; got != want {
			t.Errorf("%s: items and bytes are %v, want %v", text, got, want)
		}
	}
}

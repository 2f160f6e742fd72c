package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"feedd/internal/config"
	"feedd/internal/server"
)

// welcome tells a new user what to type. It never tells the key. A ticket,
// which is as good as the key for ten minutes, it tells only to a terminal; "":
// there is none.
func welcome(cfg *config.Config, s *server.Server, ticket string) string {
	url := s.URL()
	key := "$(cat " + shellWord(s.DataFile("admin.key")) + ")"
	if cfg.AdminKey != "" {
		key = "$FEEDD_ADMIN_KEY"
	}
	links := url
	if cfg.PublicURL != "" {
		links = cfg.PublicURL
	}
	admin := fmt.Sprintf("%s/admin#ticket=%s\n            (good once, within ten minutes; feedd link prints another)", links, ticket)
	if ticket == "" {
		admin = fmt.Sprintf("%s/admin; this prints a link that signs a browser in:\n            %s", links, linkCommand(cfg.Data, os.Getenv))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `feedd is ready: %[1]s

  watch     open %[4]s/ in a browser, or:
            curl -N %[1]s/feeds/main
  publish   curl -H "Authorization: Bearer %[2]s" -d 'hello' %[1]s/feeds/main
  admin     %[3]s

`, url, key, admin, links)
	if cfg.Legacy.FeedPublish == config.Anyone && cfg.Legacy.Feed != "" {
		fmt.Fprintf(&b, "  Everybody may post to %s/send_feed_item (feed %s).\n", url, cfg.Legacy.Feed)
	}
	if cfg.Legacy.ChatPublish == config.Anyone && cfg.Legacy.Chat != "" {
		fmt.Fprintf(&b, "  Everybody may speak in %s/chat (feed %s).\n", links, cfg.Legacy.Chat)
	}
	return b.String()
}

// linkCommand returns what to type, in a shell or outside of a container, to
// get a link for the server of this data directory.
func linkCommand(data string, getenv func(string) string) string {
	if abs, err := filepath.Abs(data); err == nil {
		data = abs
	}
	args := " link --data " + shellWord(data)
	inside := "feedd" + args
	if exe, err := os.Executable(); err == nil {
		inside = shellWord(exe) + args // an image without a shell has no PATH either
	}
	// Container runtimes name a container, and its pod, as the host in it, unless
	// they are told otherwise.
	host, err := os.Hostname()
	if err != nil {
		host = "CONTAINER"
	}
	switch {
	case getenv("KUBERNETES_SERVICE_HOST") != "":
		return "kubectl exec " + shellWord(host) + " -- " + inside
	case isFile("/run/.containerenv"):
		return "podman exec " + shellWord(host) + " " + inside
	case isFile("/.dockerenv"):
		return "docker exec " + shellWord(host) + " " + inside
	case getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(os.Getpid()) && os.Getuid() != 0: // systemd.exec(5)
		return "sudo " + inside // only its owner, and root, may open the socket
	}
	return "feedd" + args
}

func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// shellWord quotes a word for a shell if it needs that.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("/._-+:@%", r) || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

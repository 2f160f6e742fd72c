package proxies

import (
	"bytes"
	"feedd/e2e/harness"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// FindCaddy returns where Caddy is, "" for nowhere.
func FindCaddy() string {
	path, _ := exec.LookPath("caddy")
	return path
}

// Caddy runs Debian's Caddy with our Caddyfile before a server, and
// returns its address. The site is an address of loopback, without TLS.
func Caddy(t *testing.T, server string) string {
	t.Helper()
	bin := FindCaddy()
	if bin == "" {
		t.Skip("caddy is not installed")
	}
	site := harness.ReadFile(t, "deploy/Caddyfile")
	address := harness.LastingAddress(t)
	conf := strings.ReplaceAll(site, "127.0.0.1:8001", server)
	conf = strings.ReplaceAll(conf, "\nexample.com {", "\nhttp://"+address+" {\n\tbind 127.0.0.1")
	if !strings.Contains(conf, address) {
		t.Fatalf("the Caddyfile has no site example.com:\n%s", site)
	}
	dir := t.TempDir()
	conf = "{\n\tadmin off\n}\n" + conf
	if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "run", "--config", "Caddyfile", "--adapter", "caddyfile")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() // else it waits for clients that still read
		cmd.Wait()
	})
	awaitProxy(t, address, &said)
	return address
}

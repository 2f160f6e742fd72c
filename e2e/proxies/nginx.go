package proxies

import (
	"bytes"
	"feedd/e2e/harness"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// FindNginx returns where nginx is, "" for nowhere. Debian has it where only
// root looks.
func FindNginx() string {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// AsDeployed is the snippet as it is.
func AsDeployed(snippet string) string { return snippet }

// Nginx runs Debian's nginx with our snippet before a server, and returns
// its address. Change may change the snippet.
func Nginx(t *testing.T, server string, change func(string) string) string {
	t.Helper()
	snippet := harness.ReadFile(t, "deploy/nginx.conf")
	location := change(strings.ReplaceAll(snippet, "127.0.0.1:8001", server))
	address, said := RunNginx(t, t.TempDir(), "server_name localhost; "+location)
	awaitProxy(t, address, said)
	return address
}

// RunNginx runs Debian's nginx in a directory, with one server of which it is
// given what is in it, and returns where that listens.
func RunNginx(t *testing.T, dir, server string) (address string, said *bytes.Buffer) {
	t.Helper()
	bin := FindNginx()
	if bin == "" {
		t.Skip("nginx is not installed")
	}
	address = harness.LastingAddress(t)
	conf := fmt.Sprintf(`daemon off; worker_processes 1; pid nginx.pid; error_log stderr error;
events { worker_connections 256; }
http {
	access_log off;
	client_body_buffer_size 16m; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; scgi_temp_path tmp; uwsgi_temp_path tmp;
	server { listen %s; %s }
}`, address, server)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-p", dir, "-c", "nginx.conf")
	said = new(bytes.Buffer)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	return address, said
}

// awaitProxy waits until a proxy answers at an address.
func awaitProxy(t *testing.T, address string, said fmt.Stringer) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the proxy said %s", said)
		}
	}()
	harness.Await(t, "the proxy answers", func() bool {
		resp, err := http.Get("http://" + address + "/readyz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
}

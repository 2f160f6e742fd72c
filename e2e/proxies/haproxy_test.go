package proxies_test

import (
	"bytes"
	"encoding/csv"
	"feedd/e2e/harness"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// findHAProxy returns where HAProxy is, "" for nowhere. Debian has it where only
// root looks.
func findHAProxy() string {
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// The checks that HAProxy makes find a server on loopback well: they name no
// host, or any.
func TestHAProxy_FindsTheServerWell(t *testing.T) {
	bin := findHAProxy()
	if bin == "" {
		t.Skip("haproxy is not installed")
	}
	s := harness.Start(t)
	address := harness.LastingAddress(t)
	conf := "defaults\n\tmode http\n\ttimeout connect 20s\n\ttimeout client 20s\n\ttimeout server 20s\n" +
		"frontend figures\n\tbind " + address + "\n\tstats enable\n\tstats uri /figures\n"
	checks := []string{
		"option httpchk",
		"option httpchk GET /healthz",
		"option httpchk HEAD /readyz",
		"option httpchk GET /readyz HTTP/1.0",
		"option httpchk\n\thttp-check send meth GET uri /healthz ver HTTP/1.1 hdr Host pod-7:8001",
		"option httpchk\n\thttp-check send meth GET uri /readyz ver HTTP/1.1 hdr Host 10.1.2.3",
	}
	for i, check := range checks {
		conf += fmt.Sprintf("backend b%d\n\t%s\n\tserver feedd %s check inter 100ms\n", i, check, s.Address)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "haproxy.cfg"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	// Until it is checked a server counts as up, so the result of a check counts.
	found := make(map[string]string)
	harness.Await(t, "HAProxy has made all checks", func() bool {
		resp, err := http.Get("http://" + address + "/figures;csv")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		rows, err := csv.NewReader(resp.Body).ReadAll()
		if err != nil || len(rows) == 0 {
			return false
		}
		column := make(map[string]int)
		for i, name := range rows[0] {
			column[name] = i
		}
		for _, row := range rows[1:] {
			if result := row[column["check_status"]]; row[column["svname"]] == "feedd" && strings.HasPrefix(result, "L7") {
				found[row[column["# pxname"]]] = row[column["status"]] + " " + result
			}
		}
		return len(found) == len(checks)
	})
	for i, check := range checks {
		if got := found[fmt.Sprintf("b%d", i)]; got != "UP L7OK" {
			t.Errorf("by %q the server is %s", check, got)
		}
	}
}

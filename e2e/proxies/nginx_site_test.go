package proxies_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"feedd/e2e/harness"
	"feedd/e2e/proxies"
	"feedd/internal/doctor"
)

// besideASite is the snippet as it says itself that a site with a `location /`
// of its own takes it.
func besideASite(t *testing.T) func(string) string {
	return func(snippet string) string {
		changed := strings.Replace(snippet, "\nlocation / {", "\nlocation /feeds/ {", 1)
		if changed == snippet {
			t.Fatal("the snippet has no location /")
		}
		return `location / { return 200 "the site\n"; }` + "\n" + changed
	}
}

// A site of its own stays what it was, and its pages read and publish.
func TestNginx_BesideASite(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.With("FEEDD_HEARTBEAT=2s"))
	address := proxies.Nginx(t, s.Address, besideASite(t))
	for path, want := range map[string]string{"/": "the site\n", "/admin": "the site\n"} {
		if got := harness.Through(t, address, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	u, err := doctor.ParseURL("http://" + address + "/feeds/news")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = "localhost:" + u.Port()
	if !doctor.Run(t.Context(), doctor.Config{URL: u}, func(f doctor.Finding) {
		if f.Status == doctor.Wrong {
			t.Errorf("%s: %s", f.Check, f.Says)
		}
	}) {
		t.Error("the doctor finds something wrong")
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+"/feeds/news", strings.NewReader(`"through the site"`))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	req.Host = "localhost:" + port
	req.Header.Set("Authorization", "Bearer "+s.Key())
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("a publish is answered %s", resp.Status)
	}
	if got := harness.Through(t, address, "/feeds/news?format=json&since=all"); !strings.Contains(got, "through the site") {
		t.Errorf("a reader gets %s", got)
	}
}

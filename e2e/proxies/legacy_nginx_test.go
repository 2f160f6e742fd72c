package proxies_test

import (
	"feedd/e2e/browser"
	"feedd/e2e/harness"
	"feedd/e2e/proxies"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// legacyLocation is all that such a site has in nginx of its legacy server.
const legacyLocation = `location ~* ^(/real_time_feed|/send_feed_item)$ { proxy_pass http://localhost:8001; }`

// legacySite runs Debian's nginx as the sites of the legacy servers do, on plain HTTP
// and with a page of its own, before a server on loopback that knows the site's
// name. It returns the address of nginx.
func legacySite(t *testing.T, server, page string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	address, said := proxies.RunNginx(t, t.TempDir(), "server_name example.com; "+strings.ReplaceAll(legacyLocation, ":8001", ":"+port)+
		"location = /admin.html { default_type text/html; return 200 '"+page+"'; }")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("nginx said %s", said)
		}
	})
	harness.Await(t, "nginx has the page", func() bool {
		resp, err := http.Get("http://" + address + "/admin.html")
		if err != nil {
			return false
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("the page is answered %s", resp.Status)
		}
		return true
	})
	return address
}

// legacyPage is a page as the legacy servers had them: it polls, and posts a form.
// It has neither of what would end or change it in nginx: ' and $.
const legacyPage = `<!doctype html><title>Admin</title>
<form><input name=type value=headline><input name=text><button>Send</button></form>
<ol></ol>
<p id=sent></p>
<script>
const form = document.querySelector("form");
form.addEventListener("submit", async event => {
	event.preventDefault();
	const answer = await fetch("/send_feed_item", {method: "POST", body: new URLSearchParams(new FormData(form))});
	document.querySelector("#sent").textContent += answer.status + " ";
});
let since = "";
async function poll() {
	const answer = await fetch("/real_time_feed" + (since && "?since=" + since));
	for (const item of await answer.json()) {
		since = item.timestamp;
		document.querySelector("ol").append(Object.assign(document.createElement("li"), {textContent: item.text}));
	}
	poll();
}
poll();
</script>`

// A site that has a legacy server in nginx, and nothing else, goes on as it is:
// what feedd must know is the site's name.
func TestLegacy_OwnNginxConfiguration(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a browser")
	}
	s := harness.Start(t, harness.With("FEEDD_HOSTS=example.com", "FEEDD_LEGACY_FEED_PUBLISH=anyone"))
	address := legacySite(t, s.Address, legacyPage)
	b := browser.Start(t, "MAP example.com:80 "+address)
	tab := b.Open(t, "http://example.com/admin.html")
	for _, text := range []string{"one", "two"} {
		s.AwaitConnections(1)
		tab.Eval(`form.elements.text.value = "` + text + `", form.requestSubmit(), ""`)
		tab.Wait(`[...document.querySelectorAll("li")].some(li => li.textContent === "` + text + `")`)
		tab.Wait(`document.querySelector("#sent").textContent.includes("200 ".repeat(document.querySelectorAll("li").length))`)
	}

	// A page of another site may not, and is told what to set if it is no other.
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+"/send_feed_item", strings.NewReader("type=a&text=b"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"http://www.example.com"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusForbidden || !strings.Contains(string(b), "hosts") {
		t.Errorf("%v, %d %s", err, resp.StatusCode, b)
	}
}

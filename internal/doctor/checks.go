package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// The checks, by the names that are printed.
const (
	checkAnswer      = "answer"
	checkFirstByte   = "first byte"
	checkCompression = "compression"
	checkVersion     = "HTTP version"
	checkPosition    = "Last-Event-ID"
	checkOrigin      = "CORS"
	checkWebSocket   = "WebSocket"
	checkIdle        = "idle"
)

// answer: there is an event stream at the URL.
func (d *doctor) answer(ctx context.Context) Finding {
	s, err := d.get(ctx)
	var no *refused
	switch {
	case errors.Is(err, errLate):
		return Finding{
			Check: checkAnswer, Status: Wrong, Says: fmt.Sprintf("no answer within %s: the server is not there, or a proxy holds its answer back until there is more of it", d.Prompt),
			Nginx: "proxy_buffering off;", Caddy: "flush_interval -1", last: true,
		}
	case errors.As(err, &no):
		return no.Finding
	case err != nil:
		return Finding{Check: checkAnswer, Status: Wrong, Says: err.Error(), last: true}
	}
	defer s.close()
	d.proto = s.resp.Proto
	return Finding{Check: checkAnswer, Status: OK, Says: "an event stream"}
}

// saysMost is how many bytes of an answer a finding repeats: a sentence or two.
const saysMost = 300

// refusal explains an answer that is no event stream. Kind is its media type.
func (d *doctor) refusal(resp *http.Response, kind string) Finding {
	f := Finding{Check: checkAnswer, Status: Wrong, last: true}
	to := resp.Header.Get("Location")
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.Says = fmt.Sprintf("status %d: the feed needs a key (FEEDD_KEY, --key-file), or a proxy takes the Authorization header away", status)
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		f.Says = fmt.Sprintf("status %d: the proxy does not reach feedd", status)
	case status == http.StatusMisdirectedRequest:
		f.Says = fmt.Sprintf("status 421: feedd listens on loopback and does not know the host name that it is asked for (%s, unless a proxy changes it); add that to the setting hosts", d.URL.Hostname())
	case status/100 == 3 && to != "":
		f.Says = fmt.Sprintf("status %d: it sends to %s; look at the feed there", status, to)
	case status != http.StatusOK:
		f.Says = strings.TrimSpace(fmt.Sprintf("status %d %s", status, http.StatusText(status)))
		if text, _ := io.ReadAll(io.LimitReader(resp.Body, saysMost)); kind != "text/html" && len(text) > 0 {
			f.Says += ": " + strings.TrimSpace(string(text))
		}
	default:
		f.Says = fmt.Sprintf("the content type is %q, not text/event-stream: this is no feed, or something else answers in its place", kind)
	}
	return f
}

// firstByte: the opening comes at once, so no proxy collects what is sent. It has
// the position where reading starts, which only feedd knows. Without that there
// is no feedd behind the proxy, and what the proxy does cannot be seen.
func (d *doctor) firstByte(ctx context.Context) Finding {
	f := Finding{Check: checkFirstByte, Status: Wrong}
	begin := time.Now()
	s, err := d.get(ctx)
	var b block
	if err == nil {
		defer s.close()
		if b, err = s.next(d.Prompt); err != nil && !errors.Is(err, errLate) {
			err = fmt.Errorf("the stream ended at its opening: %w", err)
		}
	}
	switch took := time.Since(begin); {
	case errors.Is(err, errLate):
		f.Says = fmt.Sprintf("nothing within %s, though feedd opens each stream at once: a proxy collects what is sent", d.Prompt)
		f.Nginx, f.Caddy = "proxy_buffering off;", "flush_interval -1"
	case err != nil:
		f.Says = err.Error()
	case b.event == "closing":
		f.Says, f.last = "feedd takes no readers for now: "+b.data, true
	case b.id == "":
		f.Says, f.last = "the stream opens without an id: a proxy answers for a feedd that is away, or this is no feedd", true
	default:
		f.Status, f.Says = OK, fmt.Sprintf("after %s", took.Round(time.Millisecond/10))
	}
	return f
}

// compression: a stream that is compressed waits in the compressor.
func (d *doctor) compression(ctx context.Context) Finding {
	f := Finding{Check: checkCompression, Status: OK, Says: "none, also for clients that take it"}
	s, err := d.get(ctx, "Accept-Encoding", "gzip, deflate, br, zstd")
	if err != nil {
		return Finding{Check: checkCompression, Status: Wrong, Says: "a client that takes compressed answers gets none: " + err.Error()}
	}
	defer s.close()
	if how := s.resp.Header.Get("Content-Encoding"); how != "" && how != "identity" {
		f = Finding{
			Check: checkCompression, Status: Wrong, Says: "the stream is compressed (" + how + "), and events wait until the compressor has enough of them",
			Nginx: "gzip off;", Caddy: "encode only other types than text/event-stream",
		}
	}
	return f
}

// version: browsers open six connections to an origin over HTTP/1.1, and each
// stream keeps one.
func (d *doctor) version(context.Context) Finding {
	f := Finding{Check: checkVersion, Status: OK, Says: d.proto}
	switch {
	case d.proto == "HTTP/1.0":
		f.Status, f.Says = Wrong, "HTTP/1.0: a proxy on the way is not made for streams"
		f.Nginx = "proxy_http_version 1.1;"
	case strings.HasPrefix(d.proto, "HTTP/1"):
		f.Status, f.Says = Note, d.proto+": a browser reads at most six streams of an origin at a time; over TLS with HTTP/2 there is no such bound"
		f.Nginx, f.Caddy = "listen 443 ssl http2; (since 1.25.1: listen 443 ssl; http2 on;)", "nothing: with a host name it speaks HTTP/2 by itself"
	}
	return f
}

// position: a reader that reconnects presents its position, and feedd repeats that
// in the opening.
func (d *doctor) position(ctx context.Context) Finding {
	f := Finding{Check: checkPosition, Status: Wrong}
	const asked = "1" // no store gave it, and feedd repeats it all the same
	s, err := d.get(ctx, "Last-Event-ID", asked)
	if err == nil {
		defer s.close()
		var b block
		if b, err = s.next(d.Prompt); err == nil && b.id == asked {
			return Finding{Check: checkPosition, Status: OK, Says: "reaches feedd"}
		}
	}
	if err != nil {
		f.Says = err.Error()
		return f
	}
	f.Says = "the header does not reach feedd: readers that come back miss what they missed"
	f.Nginx, f.Caddy = "proxy_set_header Last-Event-ID $http_last_event_id;", "header_up Last-Event-ID {http.request.header.Last-Event-ID}"
	return f
}

// origin: a page on another site may read the feed.
func (d *doctor) origin(ctx context.Context) Finding {
	if d.Origin == "" {
		return Finding{}
	}
	f := Finding{Check: checkOrigin, Status: Wrong, Nginx: "add_header Access-Control-Allow-Origin " + d.Origin + ";", Caddy: "header Access-Control-Allow-Origin " + d.Origin}
	s, err := d.get(ctx, "Origin", d.Origin)
	if err != nil {
		f.Says, f.Nginx, f.Caddy = err.Error(), "", ""
		return f
	}
	defer s.close()
	switch allowed := s.resp.Header.Get("Access-Control-Allow-Origin"); {
	case allowed == "*" && d.Key == "" || strings.EqualFold(allowed, d.Origin):
		return Finding{Check: checkOrigin, Status: OK, Says: "pages of " + d.Origin + " may read it"}
	case allowed == "":
		f.Says = "pages of " + d.Origin + " may not read it: the answer has no Access-Control-Allow-Origin"
	default:
		f.Says = fmt.Sprintf("pages of %s may not read it: Access-Control-Allow-Origin is %s", d.Origin, allowed)
	}
	return f
}

// webSocket: the upgrade of a page of the same site reaches feedd, and a frame
// comes back.
func (d *doctor) webSocket(ctx context.Context) Finding {
	f := Finding{
		Check: checkWebSocket, Status: Wrong,
		Nginx: "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;",
		Caddy: "nothing: reverse_proxy passes it on; look for another proxy",
	}
	ctx, cancel := context.WithTimeout(ctx, d.Prompt)
	defer cancel()
	header := http.Header{"Origin": {d.URL.Scheme + "://" + d.URL.Host}}
	if d.Key != "" {
		header.Set("Authorization", "Bearer "+d.Key)
	}
	conn, resp, err := websocket.Dial(ctx, d.URL.String(), &websocket.DialOptions{HTTPHeader: header, HTTPClient: &http.Client{Transport: d.Transport}})
	if err == nil {
		defer conn.CloseNow()
		_, _, err = conn.Read(ctx)
	}
	switch {
	case err == nil:
		return Finding{Check: checkWebSocket, Status: OK, Says: "opens"}
	case resp != nil && resp.StatusCode == http.StatusForbidden:
		f.Says = "status 403: pages of this site may not open it; feedd says so where a proxy passes on another host name than theirs, which its setting hosts must know"
		f.Nginx, f.Caddy = "proxy_set_header Host $http_host;", "remove header_up Host"
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		f.Says = fmt.Sprintf("the upgrade is answered with status %d", resp.StatusCode)
	default:
		f.Says = err.Error()
	}
	return f
}

// idle: a quiet stream gets its heartbeats, and no proxy cuts it.
func (d *doctor) idle(ctx context.Context) Finding {
	f := Finding{Check: checkIdle, Status: Wrong}
	if d.Idle <= 0 {
		return Finding{}
	}
	s, err := d.get(ctx)
	if err != nil {
		f.Says = err.Error()
		return f
	}
	defer s.close()
	begin, last := time.Now(), time.Now()
	signs, longest := 0, time.Duration(0)
	for left := d.Idle; left > 0; left = d.Idle - time.Since(begin) {
		_, err := s.next(left)
		if errors.Is(err, errLate) {
			break
		}
		if err != nil {
			f.Says = fmt.Sprintf("the stream was cut after %s, %s after the last that came: %v", time.Since(begin).Round(time.Second), time.Since(last).Round(time.Second), err)
			f.Nginx, f.Caddy = "proxy_read_timeout 1h;", "reverse_proxy: transport http { read_timeout 0 }"
			return f
		}
		signs++
		longest = max(longest, time.Since(last))
		last = time.Now()
	}
	longest = max(longest, time.Since(last))
	if signs < 2 { // the opening is one
		f.Says = fmt.Sprintf("no heartbeat within %s: a proxy keeps it back, or the server's heartbeat is longer (see --idle)", d.Idle)
		f.Nginx, f.Caddy = "proxy_buffering off;", "flush_interval -1"
		return f
	}
	return Finding{Check: checkIdle, Status: OK, Says: fmt.Sprintf("open for %s, and never silent for more than %s", d.Idle, longest.Round(time.Second/10))}
}

// ParseURL reads the address of a feed.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	switch {
	case u.User != nil:
		return nil, errors.New("the address of a feed holds no user or password; --key-file and FEEDD_KEY give a key")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("%q is no address of a feed, such as https://example.com/feeds/news", s)
	}
	// As browsers do: their Origin and Host leave the default port out.
	u.Host = strings.TrimSuffix(u.Host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme])
	return u, nil
}

// CheckOrigin reports why s is not what a browser sends as the origin of a page.
func CheckOrigin(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || s != u.Scheme+"://"+strings.ToLower(u.Host) {
		return fmt.Errorf("%q is no origin, such as https://www.example.com", s)
	}
	return nil
}

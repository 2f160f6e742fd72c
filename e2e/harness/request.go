package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Ask makes a request, with a key where it is not empty, and returns status 0
// where there is no answer.
func (s *Server) Ask(method, path, key, body string) (status int, answer string) {
	s.t.Helper()
	status, b, err := s.request(method, path, key, "text/plain", body)
	if err != nil {
		return 0, ""
	}
	return status, string(b)
}

// Do makes a request with the admin key.
func (s *Server) Do(method, path, contentType, body string) (status int, answer []byte) {
	s.t.Helper()
	status, answer, err := s.request(method, path, s.Key(), contentType, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return status, answer
}

func (s *Server) request(method, path, key, contentType, body string) (status int, answer []byte, err error) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	client := http.Client{Timeout: Patience}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// Want makes a request with the admin key, and checks its status.
func (s *Server) Want(status int, method, path, contentType, body string) (answer []byte) {
	s.t.Helper()
	got, answer := s.Do(method, path, contentType, body)
	if got != status {
		s.t.Fatalf("%s %s is answered %d, not %d: %s", method, path, got, status, answer)
	}
	return answer
}

// Publish stores an item and returns its id.
func (s *Server) Publish(feed, event, contentType, data string) (id string) {
	s.t.Helper()
	path := "/feeds/" + feed
	if event != "" {
		path += "?event=" + url.QueryEscape(event)
	}
	var receipt struct{ ID string }
	if err := json.Unmarshal(s.Want(http.StatusCreated, "POST", path, contentType, data), &receipt); err != nil {
		s.t.Fatal(err)
	}
	return receipt.ID
}

// PublishLines stores an item for each line of JSON.
func (s *Server) PublishLines(feed, lines string) {
	s.t.Helper()
	s.Want(http.StatusCreated, "POST", "/feeds/"+feed, "application/x-ndjson", lines)
}

// Batch publishes n items with the texts "from", "from+1", ...
func (s *Server) Batch(feed string, from, n int) {
	s.t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "\"%d\"\n", from+i)
	}
	s.PublishLines(feed, lines.String())
}

// Purge deletes what a feed has.
func (s *Server) Purge(feed string) {
	s.t.Helper()
	s.Want(http.StatusOK, "DELETE", "/feeds/"+feed, "", "")
}

// Get opens an answer in a format.
func (s *Server) Get(path, accept string) io.ReadCloser {
	s.t.Helper()
	req, err := http.NewRequest("GET", s.URL()+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %s", path, resp.Status)
	}
	return resp.Body
}

// Subscribers returns how many readers a feed has.
func (s *Server) Subscribers(feed string) int {
	s.t.Helper()
	_, body := s.Do("GET", "/feeds", "", "")
	var list struct {
		Feeds []struct {
			Feed        string
			Subscribers int
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		s.t.Fatalf("%v in %s", err, body)
	}
	for _, f := range list.Feeds {
		if f.Feed == feed {
			return f.Subscribers
		}
	}
	return 0
}

// AwaitSubscribers waits until a feed has a number of readers.
func (s *Server) AwaitSubscribers(feed string, want int) {
	s.t.Helper()
	AwaitNumber(s.t, "readers of "+feed, want, func() int { return s.Subscribers(feed) })
}

// Connections returns how many streams and long polls the server has.
func (s *Server) Connections() int {
	s.t.Helper()
	_, body := s.Ask("GET", "/metrics", "", "")
	n := -1
	if _, after, ok := strings.Cut(body, "\nfeedd_subscribers "); !ok {
		s.t.Fatalf("there is no feedd_subscribers in\n%s", body)
	} else if _, err := fmt.Sscan(after, &n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// AwaitConnections waits until the server has a number of streams and long polls.
func (s *Server) AwaitConnections(want int) {
	s.t.Helper()
	AwaitNumber(s.t, "connections", want, s.Connections)
}

// Through returns what is answered to a GET of another address, a proxy's.
func Through(t testing.TB, address, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

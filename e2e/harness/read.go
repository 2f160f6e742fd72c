package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// retryPause is between two tries of PublishUntil and Follow: short beside a
// restart, long beside an answer.
const retryPause = 10 * time.Millisecond

// Event is an event as the HTML standard's rules give it to a page.
type Event struct{ ID, Event, Data string }

// NextEvent reads up to the end of the next event that has data. It returns
// io.ErrUnexpectedEOF or another error where the stream ends before that: what
// was read of the event then is nothing, as in a browser.
func NextEvent(r *bufio.Reader) (e Event, err error) {
	var data []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return Event{}, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if data != nil {
				e.Data = strings.Join(data, "\n")
				return e, nil
			}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			e.ID = value
		case "event":
			e.Event = value
		case "data":
			data = append(data, value)
		}
	}
}

// BySSE returns the data of the first n items of a feed, by SSE.
func (s *Server) BySSE(feed string, n int) (items []string) {
	s.t.Helper()
	body := s.Get("/feeds/"+feed+"?since=all", "text/event-stream")
	defer body.Close()
	for r := bufio.NewReader(body); len(items) < n; {
		e, err := NextEvent(r)
		if err != nil {
			s.t.Fatal(err)
		}
		items = append(items, e.Data)
	}
	return items
}

type envelope struct {
	ID   string          `json:"id"`
	Data json.RawMessage `json:"data"`
}

// ByNDJSON is BySSE by NDJSON.
func (s *Server) ByNDJSON(feed string, n int) (items []string) {
	s.t.Helper()
	body := s.Get("/feeds/"+feed+"?since=all", "application/x-ndjson")
	defer body.Close()
	for d := json.NewDecoder(body); len(items) < n; {
		var e envelope
		if err := d.Decode(&e); err != nil {
			s.t.Fatal(err)
		}
		if e.Data != nil {
			items = append(items, string(e.Data))
		}
	}
	return items
}

// ByPages returns the data of all items of a feed, by pages of a number of items.
func (s *Server) ByPages(feed string, limit int) (items []string) {
	s.t.Helper()
	for cursor := "0"; ; {
		body := s.Get(fmt.Sprintf("/feeds/%s?limit=%d&since=%s", feed, limit, cursor), "application/json")
		var page struct {
			Items  []envelope
			Cursor string
			More   bool
			Gap    any
		}
		err := json.NewDecoder(body).Decode(&page)
		body.Close()
		if err != nil || page.Gap != nil {
			s.t.Fatalf("a page after %s: error %v, gap %v", cursor, err, page.Gap)
		}
		for _, e := range page.Items {
			items = append(items, string(e.Data))
		}
		if cursor = page.Cursor; !page.More {
			return items
		}
	}
}

// PublishUntil publishes with a key until it is acknowledged.
func (s *Server) PublishUntil(ctx context.Context, key, feed, idempotency, body string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, "POST", s.URL()+"/feeds/"+feed, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", idempotency)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			answer, e := io.ReadAll(resp.Body)
			resp.Body.Close()
			switch {
			case e == nil && (resp.StatusCode == http.StatusCreated || resp.StatusCode == http.StatusOK):
				return nil
			case resp.StatusCode < 500 && resp.StatusCode >= 400:
				return fmt.Errorf("publish %s: %s %s", idempotency, resp.Status, answer)
			}
		}
		if !Pause(ctx, retryPause) {
			return ctx.Err()
		}
	}
}

// Follow reads n items, and reconnects as a browser does.
func (s *Server) Follow(ctx context.Context, feed string, n int) (events []Event) {
	last := "0"
	for len(events) < n && ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, "GET", s.URL()+"/feeds/"+feed, nil)
		if err != nil {
			s.t.Error(err)
			return events
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("Last-Event-ID", last)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			Pause(ctx, retryPause)
			continue
		}
		for r := bufio.NewReader(resp.Body); len(events) < n; {
			e, err := NextEvent(r)
			if err != nil {
				break
			}
			switch e.Event {
			case "gap":
				s.t.Errorf("P4: a false alarm: %s", e.Data)
			case "":
				events = append(events, e)
			}
			last = e.ID
		}
		resp.Body.Close()
	}
	return events
}

// Reader opens a stream, with a key where it is not empty, and returns a channel
// with all of it once it ends.
func (s *Server) Reader(selector, key string) <-chan string {
	s.t.Helper()
	req, err := http.NewRequest("GET", s.URL()+"/feeds/"+selector, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatal(resp, err)
	}
	all := make(chan string, 1)
	go func() {
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		all <- string(b)
	}()
	return all
}

// EndOf waits for the end of what Reader opened, and returns all of it.
func (s *Server) EndOf(stream <-chan string) string {
	s.t.Helper()
	select {
	case all := <-stream:
		return all
	case <-time.After(Patience):
		s.t.Fatal("the stream does not end")
	}
	return ""
}

// WantClosing waits for the end of a stream, which is to say that the server stops.
func (s *Server) WantClosing(stream <-chan string) {
	s.t.Helper()
	if all := s.EndOf(stream); !strings.Contains(all, "event: closing\n") {
		s.t.Errorf("the reader had %q", all)
	}
}

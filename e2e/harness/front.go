package harness

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Front is a server before this one that answers what scripts ask of feeds as
// the test wants. It returns its URL.
func (s *Server) Front(feeds http.HandlerFunc) string {
	s.t.Helper()
	backend, err := url.Parse(s.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(backend)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/feeds/") && !strings.Contains(r.Header.Get("Accept"), "text/html") {
			feeds(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	s.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// FrontForStreams is a front that leaves pages alone.
func (s *Server) FrontForStreams(streams http.HandlerFunc) string {
	return s.Front(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") == "text/event-stream" {
			streams(w, r)
		} else {
			s.Pass(w, r, 1<<20)
		}
	})
}

// FrontThatCuts is a front that can be away: cut ends what goes through it, and
// everything after until mend. When it has returned nothing goes through.
func (s *Server) FrontThatCuts() (address string, cut, mend func()) {
	there, leave := context.WithCancel(context.Background())
	var mu sync.Mutex // guards there and leave, and passing.Add against Wait
	var passing sync.WaitGroup
	address = s.Front(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		there := there
		if there.Err() != nil {
			mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		passing.Add(1)
		mu.Unlock()
		defer passing.Done()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(there, cancel)()
		s.Pass(w, r.WithContext(ctx), 1<<20)
		if there.Err() != nil {
			panic(http.ErrAbortHandler)
		}
	})
	cut = func() {
		mu.Lock()
		leave()
		mu.Unlock()
		passing.Wait()
	}
	return address, cut, func() {
		mu.Lock()
		defer mu.Unlock()
		there, leave = context.WithCancel(context.Background())
	}
}

// Pass answers with at most limit bytes of the real server's answer. A handler
// that returns then ends the stream well, one that panics breaks it; what the
// page had not read of that one yet may be lost with it.
func (s *Server) Pass(w http.ResponseWriter, r *http.Request, limit int64) {
	req := r.Clone(r.Context())
	req.RequestURI = ""
	req.URL.Scheme, req.URL.Host, req.Host = "http", s.Address, s.Address
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	if resp.StatusCode != http.StatusOK {
		io.Copy(w, resp.Body)
		return
	}
	io.CopyN(crumbs{w, http.NewResponseController(w)}, resp.Body, limit)
}

// crumbs writes in pieces of a few bytes, which cut lines and letters.
type crumbs struct {
	io.Writer
	rc *http.ResponseController
}

func (w crumbs) Write(p []byte) (n int, err error) {
	for piece := range slices.Chunk(p, 7) {
		m, err := w.Writer.Write(piece)
		if n += m; err != nil {
			return n, err
		}
		w.rc.Flush()
	}
	return n, nil
}

// Before is a server before this one; take says whether it has answered
// itself.
func (s *Server) Before(take func(w http.ResponseWriter, r *http.Request) bool) string {
	s.t.Helper()
	backend, err := url.Parse(s.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(backend)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !take(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	s.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

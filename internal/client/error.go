package client

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Error is a refusal by the server: an answer with another status than the
// ones that mean success.
type Error struct {
	Status int
	// Type, Title and Detail are those of the problem document (RFC 9457), as
	// far as there was one.
	Type   string
	Title  string
	Detail string
	// RetryAfter is what the server asked to wait before another try, 0 for
	// nothing.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	s := strconv.Itoa(e.Status)
	if text := http.StatusText(e.Status); text != "" {
		s += " " + text
	}
	switch {
	case e.Detail != "":
		s += ": " + e.Detail
	case e.Title != "" && e.Title != http.StatusText(e.Status):
		s += ": " + e.Title
	}
	return s
}

// Temporary reports whether the same request may succeed later.
func (e *Error) Temporary() bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// maxAnswer bounds what is read of an answer that is not a stream, in bytes: a
// receipt or a problem has at most some KiB.
const maxAnswer = 1 << 20

// refusal makes an Error of an answer. It reads the body and does not close it.
func refusal(resp *http.Response, now time.Time) *Error {
	e := &Error{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now)}
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		e.Detail = fmt.Sprintf("the server sends to %s, which was not followed", printable(to))
		return e
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind {
	case "application/problem+json", "application/json":
		var p struct{ Type, Title, Detail string }
		if json.Unmarshal(body, &p) == nil {
			e.Type, e.Title, e.Detail = p.Type, printable(p.Title), printable(p.Detail)
		}
	case "text/plain":
		line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		e.Detail = printable(line)
	}
	return e
}

// printable makes what a server wrote fit for one line on a terminal.
func printable(s string) string {
	const most = 500 // bytes: some lines of a terminal
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// maxRetryAfter bounds the wait that a server asks for, so that a broken header
// does not stop a publisher for days. feedd itself asks for some seconds.
const maxRetryAfter = 10 * time.Minute

// retryAfter reads the header of that name (RFC 9110, section 10.2.3): seconds
// or a date. What it cannot read is 0.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if t, err := http.ParseTime(s); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// passing reports whether a failed try may succeed later, and how long the
// server asked to wait before it, 0 for nothing.
func passing(err error) (bool, time.Duration) {
	var refused *Error
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &refused):
		return refused.Temporary(), refused.RetryAfter
	case errors.Is(err, errRedirects), errors.Is(err, errNotFeedd), errors.Is(err, errNotStream), errors.Is(err, errTooLarge), errors.Is(err, http.ErrSchemeMismatch),
		errors.As(err, &cert), errors.As(err, &record):
		return false, 0
	}
	return true, 0
}

// bare returns the error that net/http wraps together with the method and the
// whole address.
func bare(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// errNotStream: the answer is no event stream.
var errNotStream = errors.New("this is no event stream")

// errNotFeedd: no feedd gives such an answer.
var errNotFeedd = errors.New("this is no answer of a feedd server")

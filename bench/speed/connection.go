package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// connection is a keep-alive connection that publishes, one request after the
// other. http.Transport has two goroutines for each connection and costs as
// much as the server does; this leaves the machine to the server.
type connection struct {
	conn   net.Conn
	in     *bufio.Reader
	head   []byte // of a request, up to the length of its body
	out    []byte
	unhook func() bool
}

// dial connects for publishes of a content type to a feed. The connection
// breaks when ctx ends.
func (s *server) dial(ctx context.Context, feed, contentType string) (*connection, error) {
	host := strings.TrimPrefix(s.Base, "http://")
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	head := "POST /feeds/" + feed + " HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + adminKey +
		"\r\nContent-Type: " + contentType + "\r\nContent-Length: "
	return &connection{
		conn: conn, in: bufio.NewReader(conn), head: []byte(head),
		unhook: context.AfterFunc(ctx, func() { conn.Close() }),
	}, nil
}

func (c *connection) close() {
	c.unhook()
	c.conn.Close()
}

// post publishes a body, and returns the body of the answer, which must be
// 201.
func (c *connection) post(body []byte) ([]byte, error) {
	c.out = append(c.out[:0], c.head...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("publish: %s\n%s", res.Status, answer)
	}
	return answer, nil
}

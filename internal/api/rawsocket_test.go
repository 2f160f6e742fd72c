package api_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// rawSocket is a WebSocket whose client says any bytes.
type rawSocket struct {
	t    testing.TB
	conn *net.TCPConn
	in   *bufio.Reader
}

// handshake is the headers of a WebSocket's opening.
const handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// openRaw opens a WebSocket, with a receive buffer of so many bytes (0: as it
// comes), and reads nothing of it.
func (s *server) openRaw(path string, buffer int, headers string) *rawSocket {
	s.t.Helper()
	c := s.dial(buffer)
	fmt.Fprintf(c, "GET /feeds/%s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", path, s.addr, handshake, headers)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		s.t.Fatalf("%v %+v", err, resp)
	}
	if ext := resp.Header.Get("Sec-WebSocket-Extensions"); ext != "" {
		s.t.Fatalf("extensions: %s", ext) // a compressed bomb would pass the limits
	}
	return &rawSocket{s.t, c, in}
}

const withKey = "Authorization: Bearer " + key + "\r\n"

// Bits and opcodes of frames (RFC 6455, 5.2).
const (
	fin   = 0x80
	rsv1  = 0x40
	rsv2  = 0x20
	cont  = 0x0
	text  = 0x1
	bin   = 0x2
	bye   = 0x8
	pings = 0x9
	pong  = 0xa
)

// frameHead returns the head of a client's frame that is masked with zeros.
func frameHead(first byte, length uint64) []byte {
	b := []byte{first, 0x80 | 127}
	b = binary.BigEndian.AppendUint64(b, length)
	return append(b, 0, 0, 0, 0)
}

func rawFrame(first byte, payload string) []byte {
	if len(payload) < 126 { // as a control frame must be
		return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	}
	return append(frameHead(first, uint64(len(payload))), payload...)
}

// closeFrame is a client's closing with a code.
func closeFrame(code uint16) []byte {
	return rawFrame(fin|bye, string(binary.BigEndian.AppendUint16(nil, code)))
}

// say sends, and does not mind when the server has closed.
func (c *rawSocket) say(frames ...[]byte) {
	for _, f := range frames {
		c.conn.Write(f)
	}
}

// read returns the next message, or control frame, whole. Its error is that of
// the connection.
func (c *rawSocket) read() (opcode byte, payload string, err error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(c.in, head[:]); err != nil {
			return 0, "", err
		}
		n := uint64(head[1])
		switch n {
		case 126:
			var b [2]byte
			io.ReadFull(c.in, b[:])
			n = uint64(binary.BigEndian.Uint16(b[:]))
		case 127:
			var b [8]byte
			io.ReadFull(c.in, b[:])
			n = binary.BigEndian.Uint64(b[:])
		}
		part := make([]byte, n)
		if _, err := io.ReadFull(c.in, part); err != nil {
			return 0, "", err
		}
		if op := head[0] & 0xf; op >= bye {
			return op, string(part), nil
		} else if op != cont {
			opcode = op
		}
		payload += string(part)
		if head[0]&fin != 0 {
			return opcode, payload, nil
		}
	}
}

// texts reads until the closing and returns the text messages, and the code: 0
// where the connection just ended. Pings are answered.
func (c *rawSocket) texts() (messages []string, code uint16) {
	for {
		op, payload, err := c.read()
		switch {
		case err != nil:
			return messages, 0
		case op == pings:
			c.say(rawFrame(fin|pong, payload))
		case op == text:
			messages = append(messages, payload)
		case op == bye && len(payload) < 2:
			return messages, 1005
		case op == bye:
			return messages, binary.BigEndian.Uint16([]byte(payload))
		}
	}
}

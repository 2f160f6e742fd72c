package servertest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// RawSocket is a WebSocket whose client says any bytes.
type RawSocket struct {
	t    testing.TB
	Conn *net.TCPConn
	In   *bufio.Reader
}

// Handshake is the headers of a WebSocket's opening.
const Handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// OpenRaw opens a WebSocket, with a receive buffer of buffer bytes (0: the
// kernel's default), and reads nothing of it.
func (s *Server) OpenRaw(path string, buffer int, headers string) *RawSocket {
	s.T.Helper()
	c := s.Dial(buffer)
	fmt.Fprintf(c, "GET /feeds/%s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", path, s.Addr, Handshake, headers)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		s.T.Fatalf("%v %+v", err, resp)
	}
	if ext := resp.Header.Get("Sec-WebSocket-Extensions"); ext != "" {
		s.T.Fatalf("extensions: %s", ext) // a compressed bomb would pass the limits
	}
	return &RawSocket{s.T, c, in}
}

const WithKey = "Authorization: Bearer " + Key + "\r\n"

// Bits and opcodes of frames (RFC 6455, 5.2).
const (
	Fin   = 0x80
	Rsv1  = 0x40
	Rsv2  = 0x20
	Cont  = 0x0
	Text  = 0x1
	Bin   = 0x2
	Bye   = 0x8
	Pings = 0x9
	Pong  = 0xa
)

// FrameHead returns the head of a client's frame that is masked with zeros.
func FrameHead(first byte, length uint64) []byte {
	b := []byte{first, 0x80 | 127}
	b = binary.BigEndian.AppendUint64(b, length)
	return append(b, 0, 0, 0, 0)
}

func RawFrame(first byte, payload string) []byte {
	if len(payload) < 126 { // as a control frame must be
		return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	}
	return append(FrameHead(first, uint64(len(payload))), payload...)
}

// CloseFrame is a client's closing with a code.
func CloseFrame(code uint16) []byte {
	return RawFrame(Fin|Bye, string(binary.BigEndian.AppendUint16(nil, code)))
}

// Say sends, and does not mind when the server has closed.
func (c *RawSocket) Say(frames ...[]byte) {
	for _, f := range frames {
		c.Conn.Write(f)
	}
}

// Read returns the next message, or control frame, whole. Its error is that of
// the connection.
func (c *RawSocket) Read() (opcode byte, payload string, err error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(c.In, head[:]); err != nil {
			return 0, "", err
		}
		n := uint64(head[1])
		switch n {
		case 126:
			var b [2]byte
			io.ReadFull(c.In, b[:])
			n = uint64(binary.BigEndian.Uint16(b[:]))
		case 127:
			var b [8]byte
			io.ReadFull(c.In, b[:])
			n = binary.BigEndian.Uint64(b[:])
		}
		part := make([]byte, n)
		if _, err := io.ReadFull(c.In, part); err != nil {
			return 0, "", err
		}
		if op := head[0] & 0xf; op >= Bye {
			return op, string(part), nil
		} else if op != Cont {
			opcode = op
		}
		payload += string(part)
		if head[0]&Fin != 0 {
			return opcode, payload, nil
		}
	}
}

// Texts reads until the closing and returns the text messages, and the code: 0
// where the connection just ended. Pings are answered.
func (c *RawSocket) Texts() (messages []string, code uint16) {
	for {
		op, payload, err := c.Read()
		switch {
		case err != nil:
			return messages, 0
		case op == Pings:
			c.Say(RawFrame(Fin|Pong, payload))
		case op == Text:
			messages = append(messages, payload)
		case op == Bye && len(payload) < 2:
			return messages, 1005
		case op == Bye:
			return messages, binary.BigEndian.Uint16([]byte(payload))
		}
	}
}

package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/fanout"
)

// connected returns both ends of a connection to a listener of serve's.
func connected(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	l, err := listen("127.0.0.1:0", 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*net.TCPConn), c.(*net.TCPConn)
}

// A reader that never reads has no more of the kernel's memory than its own
// window and what is held back for it.
func TestP5_KernelHoldsLittleForWhoDoesNotRead(t *testing.T) {
	server, client := connected(t)
	if err := client.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	server.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	taken := 0
	for chunk := make([]byte, 16<<10); ; {
		n, err := server.Write(chunk)
		taken += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if most := 512 << 10; taken > most {
		t.Errorf("the kernel took %d bytes for a reader that reads nothing, more than %d", taken, most)
	}
}

// P5: more than may lie unread is seen behind urgent data as well.
func TestP5_UrgentDataHideNothing(t *testing.T) {
	server, client := connected(t)
	raw, err := client.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		sent = unix.Sendmsg(int(fd), []byte("!"), nil, nil, unix.MSG_OOB)
	})
	if err := errors.Join(err, sent); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(make([]byte, 2<<10)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !fanout.PeerEnded(server, 1<<10); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not seen")
		}
	}
}

package load

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSourcesFor(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	for _, tc := range []struct {
		rule   string
		target netip.Addr
		n      int
		want   int
		last   string
	}{
		{"few need no other address", local, perSource, 0, ""},
		{"many come from several", local, perSource + 1, 2, "127.0.0.2"},
		{"very many from very many", local, 300 * perSource, 300, "127.0.1.44"},
		{"IPv6 has one loopback address", netip.IPv6Loopback(), 100_000, 0, ""},
		{"towards other machines it is not ours to choose", netip.MustParseAddr("192.0.2.1"), 100_000, 0, ""},
	} {
		list := sourcesFor(tc.target, tc.n)
		if len(list) != tc.want || tc.want > 0 && list[tc.want-1].String() != tc.last {
			t.Errorf("%s: %d addresses, want %d up to %s", tc.rule, len(list), tc.want, tc.last)
		}
	}
}

func TestConnectComesFromTheSource(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fd, err := connect(l.Addr().(*net.TCPAddr).AddrPort(), netip.MustParseAddr("127.0.0.2"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer abandon(fd)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if from := conn.RemoteAddr().(*net.TCPAddr).IP.String(); from != "127.0.0.2" {
		t.Errorf("it comes from %s", from)
	}
	if size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err != nil || size > 2*stalledBuffer {
		t.Errorf("the receive buffer of a stalled subscriber has %d bytes, %v", size, err)
	}
}

package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Addresses are taken from these ports of loopback: below those that the kernel
// gives to connections (from 32768 on Linux, 49152 elsewhere), so that none
// takes a server's port while the server is away.
const (
	firstPort = 20_000
	ports     = 10_000
)

// LastingAddress returns an address that is free and stays the test's until it
// ends, whether a server listens there or is away.
func LastingAddress(t testing.TB) string {
	t.Helper()
	address, free, err := ReserveAddress()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(free)
	return address
}

// ReserveAddress returns an address of loopback where no server listens. Until
// free is called, other tests, also those of other processes, see that it is
// taken: the UDP port of that number, which no test uses, is bound meanwhile.
func ReserveAddress() (address string, free func(), err error) {
	const tries = 100 // each meets a port that is taken once in hundreds
	for range tries {
		address = fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(ports))
		var mark net.PacketConn
		if mark, err = net.ListenPacket("udp", address); err != nil {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", address); err != nil {
			mark.Close()
			continue
		}
		l.Close()
		return address, func() { mark.Close() }, nil
	}
	return "", nil, fmt.Errorf("there is no free port: %w", err)
}

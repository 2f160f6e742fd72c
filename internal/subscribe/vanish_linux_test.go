package subscribe_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"feedd/internal/api"
	"feedd/internal/server/servertest"
)

// vanish makes the kernel drop whatever comes for a connection, unseen: to the
// other end it looks like a cable that was pulled.
func vanish(t testing.TB, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0} // keep 0 bytes
	err2 := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing})
	})
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
}

// P5: a peer that vanishes without a word is noticed within stall_timeout: on a
// feed with items by what it does not acknowledge, on a quiet one by the
// heartbeats. Peers that are there are not cut.
func TestP5_PeersThatVanishAreNoticed(t *testing.T) {
	for _, c := range []struct {
		name  string
		items bool
	}{{"items", true}, {"a quiet feed", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const patience = time.Second
			s := servertest.Start(t, servertest.Deployment{Memory: true, Options: api.Options{Timeouts: api.Timeouts{Stall: patience, Heartbeat: patience / 4}}})
			gone, _ := s.OpenConn("f")
			s.OpenConn("f") // acknowledges, although no program reads
			vanish(t, gone)
			began := time.Now()
			servertest.Eventually(t, "the peer is noticed", func() bool {
				if c.items {
					s.Put("f", "x")
				}
				return s.Metric("feedd_subscribers_cut_total") == 1
			})
			if took := time.Since(began); took < patience/2 {
				t.Errorf("it was cut after %v, which no network promises", took)
			}
			servertest.Eventually(t, "the other is left", func() bool { return s.Metric("feedd_subscribers") == 1 })
		})
	}
}

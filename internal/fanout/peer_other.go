//go:build !linux

package fanout

import (
	"net"
	"time"
)

// Unheard is not known here.
func Unheard(net.Conn) (silence time.Duration, waiting bool) { return 0, false }

// PeerEnded is not known here.
func PeerEnded(net.Conn, int) bool { return false }

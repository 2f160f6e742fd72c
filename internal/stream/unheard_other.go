//go:build !linux

package stream

import (
	"net"
	"time"
)

// Unheard is not known here.
func Unheard(net.Conn) time.Duration { return 0 }

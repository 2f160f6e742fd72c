//go:build !linux

package server

import (
	"context"
	"net"
	"time"
)

// listen listens on a TCP address.
func listen(address string, patience time.Duration) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive(patience)}
	return config.Listen(context.Background(), "tcp", address)
}

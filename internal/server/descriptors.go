package server

import (
	"log/slog"
	"net"
	"syscall"
	"time"
)

const (
	// ownFiles are descriptors for other things than connections: the database,
	// listeners, pollers, the log. A server with the default settings has 26 of
	// them, so 64 leave room for more upstreams and processors.
	ownFiles = 64
	// spareFiles are descriptors kept for connections that are not subscribers':
	// of publishers, and of load balancers that ask how the server is. With ownFiles
	// it makes 256, which the README names.
	spareFiles = 192
)

// descriptors is how many files and connections the process may have open.
type descriptors int

// raiseDescriptors raises the soft limit to the hard one.
func raiseDescriptors(logger *slog.Logger) descriptors {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		logger.Warn("the limit of descriptors is not known", "err", err)
		return 1024
	}
	if limit.Cur < limit.Max {
		raised := limit
		raised.Cur = raised.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
			logger.Warn("the limit of descriptors cannot be raised", "limit", limit.Cur, "to", limit.Max, "err", err)
		} else {
			limit = raised
		}
	}
	return descriptors(min(limit.Cur, 1<<30))
}

// connections returns how many connections there may be.
func (d descriptors) connections() int { return max(int(d)-ownFiles, int(d)/2) }

// subscribers returns how many subscribers there may be: as configured, or as
// the descriptors allow.
func (d descriptors) subscribers(configured int, logger *slog.Logger) int {
	most := max(int(d)-ownFiles-spareFiles, int(d)/2)
	if configured > 0 && configured <= most {
		most = configured
	} else if configured > 0 {
		logger.Warn("max_subscribers is more than the descriptors allow", "max_subscribers", configured)
	}
	logger.Info("limits", "descriptors", int(d), "subscribers", most)
	return most
}

// keepAlive makes the kernel ask the peer of a silent connection whether it is
// there. A peer that vanished is noticed once nothing was heard of it for
// patience.
func keepAlive(patience time.Duration) net.KeepAliveConfig {
	const probes = 4 // so that a probe or two lost on a bad network end no connection
	step := max(patience/(2*probes), time.Second)
	return net.KeepAliveConfig{Enable: true, Idle: max(patience/2, time.Second), Interval: step, Count: probes}
}

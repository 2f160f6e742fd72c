//go:build linux && !portable

package fanout

import (
	"time"

	"golang.org/x/sys/unix"
)

// Happen reports an event to the first shard, as the kernel does.
func (s *Shards) Happen(slot, gen, kind uint32) {
	s.list[0].report([]unix.EpollEvent{{Fd: int32(slot), Pad: int32(gen), Events: kind}})
}

// Leave leaves something to be done in the first shard's inbox.
func (s *Shards) Leave(fn func()) {
	s.list[0].put(func(in *inbox) { in.asked = append(in.asked, func(time.Duration) { fn() }) })
}

// MaxWorkers is how many readers may wait for the store at the same time.
const MaxWorkers = farWorkers

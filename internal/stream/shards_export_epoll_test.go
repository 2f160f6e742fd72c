//go:build linux && !portable

package stream

import "golang.org/x/sys/unix"

// Number returns how many shards there are.
func (s *Shards) Number() int { return len(s.list) }

// Happen reports an event to the first shard, as the kernel does.
func (s *Shards) Happen(slot, gen, kind uint32) {
	s.list[0].report([]unix.EpollEvent{{Fd: int32(slot), Pad: int32(gen), Events: kind}})
}

// MaxWorkers is how many readers may wait for the store at the same time.
const MaxWorkers = farWorkers

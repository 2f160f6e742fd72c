package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpu returns the CPU time that the server has used, to the nanosecond: that
// of /proc is in hundredths of a second. Linux gives each process a clock whose
// number is made of its id, see clock_getcpuclockid(3).
func (s *server) cpu() time.Duration {
	const schedClock = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^s.Cmd.Process.Pid<<3|schedClock), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

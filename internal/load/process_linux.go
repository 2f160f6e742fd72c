package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of times in /proc, on every architecture (USER_HZ).
const tick = 10 * time.Millisecond

// usageOf adds up processes. Memory that they share counts for each.
func usageOf(pids []int) (usage, error) {
	var sum usage
	for _, pid := range pids {
		u, err := usageOfOne(pid)
		if err != nil {
			return usage{}, fmt.Errorf("look at process %d: %w", pid, err)
		}
		sum.user += u.user
		sum.system += u.system
		sum.resident += u.resident
	}
	return sum, nil
}

// usageOfOne reads /proc/PID/stat, see proc_pid_stat(5).
func usageOfOne(pid int) (usage, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return usage{}, err
	}
	// The name, in parentheses, may hold anything; behind it are numbers.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	const first, utime, stime, rss = 3, 14, 15, 24 // as the manual counts
	if len(fields) <= rss-first {
		return usage{}, fmt.Errorf("%q is not understood", b)
	}
	number := func(i int) int64 {
		n, e := strconv.ParseInt(string(fields[i-first]), 10, 64)
		if e != nil && err == nil {
			err = e
		}
		return n
	}
	u := usage{
		user:     time.Duration(number(utime)) * tick,
		system:   time.Duration(number(stime)) * tick,
		resident: number(rss) * int64(os.Getpagesize()),
	}
	return u, err
}

// ownUsage is what this process has used.
func ownUsage() (usage, error) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return usage{}, fmt.Errorf("getrusage: %w", err)
	}
	return usage{user: time.Duration(r.Utime.Nano()), system: time.Duration(r.Stime.Nano())}, nil
}

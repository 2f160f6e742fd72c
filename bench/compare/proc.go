package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What the system tells of processes and of itself, see proc(5). A number that
// it does not tell is 0: then a check that waits for it fails, and says so.

// tick is the unit of times in /proc, in seconds, on every architecture
// (USER_HZ).
const tick = 0.01

// statFields returns the fields of /proc/PID/stat from the third one on: the
// second, a name in parentheses, may hold anything.
func statFields(pid int) []string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

// statNumber returns the field of that number, as the manual counts.
func statNumber(fields []string, number int) float64 {
	const first = 3
	if number-first >= len(fields) {
		return 0
	}
	x, _ := strconv.ParseFloat(fields[number-first], 64)
	return x
}

// cpuOf returns how many seconds of CPU the processes have used.
func cpuOf(pids []int) (seconds float64) {
	for _, pid := range pids {
		f := statFields(pid)
		seconds += tick * (statNumber(f, 14) + statNumber(f, 15))
	}
	return seconds
}

// residentOf returns the resident memory of the processes, in bytes. What they
// share counts for each.
func residentOf(pids []int) (bytes float64) {
	for _, pid := range pids {
		bytes += statNumber(statFields(pid), 24) * float64(os.Getpagesize())
	}
	return bytes
}

// filesOf returns how many descriptors the processes have: with a subscriber
// more there is one more.
func filesOf(pids []int) (n int) {
	for _, pid := range pids {
		list, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
		n += len(list)
	}
	return n
}

func childrenOf(pid int) (list []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		child, _ := strconv.Atoi(filepath.Base(dir))
		if f := statFields(child); int(statNumber(f, 4)) == pid {
			list = append(list, child)
		}
	}
	return list
}

// tcpNumbers reads the line on TCP in /proc/net/sockstat.
func tcpNumbers() map[string]int {
	b, _ := os.ReadFile("/proc/net/sockstat")
	return parseSockstat(string(b))
}

// parseSockstat returns the numbers of the line that begins with TCP: inuse,
// orphan, tw (TIME_WAIT), alloc, and mem, in pages.
func parseSockstat(text string) map[string]int {
	m := make(map[string]int)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(f); i += 2 {
			m[f[i]], _ = strconv.Atoi(f[i+1])
		}
	}
	return m
}

// tcpMemory is what the kernel holds for TCP on the whole machine, in bytes.
func tcpMemory() float64 { return float64(tcpNumbers()["mem"] * os.Getpagesize()) }

// usage is the time that CPUs have spent, at one moment.
type usage struct {
	at    time.Time
	busy  float64 // seconds, of everybody
	own   float64 // of this program, and of what it started and has ended
	stole float64 // that the machine below gave to others
}

func usageNow() usage {
	u := usage{at: time.Now()}
	b, _ := os.ReadFile("/proc/stat")
	u.busy, u.stole = parseStat(string(b))
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err == nil {
			u.own += time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
		}
	}
	return u
}

// parseStat reads what /proc/stat says of all CPUs: user, nice, system, idle,
// iowait, irq, softirq, steal.
func parseStat(text string) (busy, stole float64) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0, 0
	}
	for i, field := range fields[1:9] {
		x, _ := strconv.ParseFloat(field, 64)
		switch i {
		case 3, 4:
		case 7:
			stole = x * tick
		default:
			busy += x * tick
		}
	}
	return busy, stole
}

// since returns how many CPUs other programs kept busy from then on, and how
// many were not there although they were wanted. Both are in every figure.
func (u usage) since() (others, stolen float64) {
	now := usageNow()
	seconds := now.at.Sub(u.at).Seconds()
	return max(0, (now.busy-u.busy)-(now.own-u.own)) / seconds, (now.stole - u.stole) / seconds
}

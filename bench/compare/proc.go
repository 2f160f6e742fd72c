package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

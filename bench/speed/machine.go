package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is the time that CPUs have spent, at one moment.
type usage struct {
	at       time.Time
	all, own float64 // seconds: of everybody, and of this program and its servers that have ended
}

func cpuUsage() usage { return usage{at: time.Now(), all: allCPU(), own: ownCPU()} }

// othersSince returns how many CPUs other programs kept busy since then: they
// are in every figure. 0 where the system does not tell.
func othersSince(u usage) float64 {
	now := cpuUsage()
	return max(0, (now.all-u.all)-(now.own-u.own)) / now.at.Sub(u.at).Seconds()
}

// allCPU reads what proc(5) says of all CPUs, in hundredths of a second: user,
// nice, system, idle, iowait, irq, softirq, steal.
func allCPU() float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0
	}
	sum := 0.0
	for i, field := range fields[1:9] {
		if n, err := strconv.ParseFloat(field, 64); err == nil && i != 3 && i != 4 {
			sum += n / 100
		}
	}
	return sum
}

func ownCPU() float64 {
	sum := 0.0
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err == nil {
			sum += time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
		}
	}
	return sum
}

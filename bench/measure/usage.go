package measure

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc, in seconds, on every architecture (USER_HZ).
const tick = 0.01

// Usage is the time that CPUs have spent, at one moment. What the system does not
// tell is 0.
type Usage struct {
	At     time.Time
	busy   float64 // seconds, of all programs
	own    float64 // of this program, and of what it started and has ended
	stolen float64 // that the machine below gave to others
}

// UsageNow returns the usage at this moment.
func UsageNow() Usage {
	u := Usage{At: time.Now()}
	b, _ := os.ReadFile("/proc/stat")
	u.busy, u.stolen = parseStat(string(b))
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err == nil {
			u.own += time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
		}
	}
	return u
}

// parseStat reads what /proc/stat says of all CPUs, in ticks: user, nice, system,
// idle, iowait, irq, softirq, steal (proc_stat(5)).
func parseStat(text string) (busy, stolen float64) {
	const idle, iowait, steal, known = 3, 4, 7, 8
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) <= known {
		return 0, 0
	}
	for i, field := range fields[1 : 1+known] {
		x, _ := strconv.ParseFloat(field, 64)
		switch i {
		case idle, iowait:
		case steal:
			stolen = x * tick
		default:
			busy += x * tick
		}
	}
	return busy, stolen
}

// Since returns how many CPUs other programs kept busy from then on, and how many
// were not there although they were wanted. Both are in every figure.
func (u Usage) Since() (others, stolen float64) {
	now := UsageNow()
	seconds := now.At.Sub(u.At).Seconds()
	return max(0, (now.busy-u.busy)-(now.own-u.own)) / seconds, (now.stolen - u.stolen) / seconds
}

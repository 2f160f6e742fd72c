package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"feedd/bench/measure"
)

// machine is where the figures come from.
type machine struct {
	CPU    string  `json:"cpu"`
	Cores  int     `json:"cores"`
	Kernel string  `json:"kernel"`
	System string  `json:"system"`
	Memory float64 `json:"memory_gib"`
	Files  uint64  `json:"descriptors"` // that a process may have
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), System: field("/etc/os-release", "PRETTY_NAME=")}
	m.CPU = field("/proc/cpuinfo", "model name")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(kernel))
	kib, _, _ := strings.Cut(field("/proc/meminfo", "MemTotal"), " ")
	n, _ := strconv.ParseFloat(kib, 64)
	m.Memory = n / mib
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		m.Files = limit.Max
	}
	return m
}

// field returns what stands behind a name in a file of lines: after a colon, or
// in quotes.
func field(file, name string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Trim(rest, " \t\n:\"")
		}
	}
	return "unknown"
}

// version is what was measured.
type version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// versions asks each program. One that is not there was not measured.
func (b *bench) versions(ctx context.Context) []version {
	list := []version{{"Go", runtime.Version()}}
	for _, v := range []struct {
		name    string
		command []string
	}{
		{"feedd", []string{b.tools.feedd, "--version"}},
		{"nginx", []string{b.tools.nginx, "-v"}},
		{"nchan", []string{"dpkg-query", "-W", "-f", "${Version} (libnginx-mod-nchan)", "libnginx-mod-nchan"}},
		{"Node", []string{"node", "--version"}},
		{"r3labs/sse", []string{"go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "github.com/r3labs/sse/v2"}},
	} {
		cmd := exec.CommandContext(ctx, v.command[0], v.command[1:]...)
		cmd.Dir = b.root
		out, err := cmd.CombinedOutput()
		if err != nil {
			continue
		}
		text := strings.TrimPrefix(strings.TrimSpace(string(out)), "nginx version: ")
		if v.name == "feedd" {
			text = strings.TrimPrefix(text, "feedd ") + b.commit(ctx)
		}
		list = append(list, version{v.name, text})
	}
	return list
}

// commit tells what feedd was built from, where it was built from here.
func (b *bench) commit(ctx context.Context) string {
	if b.bin != "" {
		return ""
	}
	hash, err := measure.Output(ctx, "git", "-C", b.root, "rev-parse", "--short=12", "HEAD")
	if err != nil {
		return ""
	}
	if changes, err := measure.Output(ctx, "git", "-C", b.root, "status", "--porcelain", "--", "cmd", "internal", "public", "go.mod"); err != nil || changes != "" {
		return ", commit " + hash + " with changes"
	}
	return ", commit " + hash
}

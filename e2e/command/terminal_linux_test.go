package command_test

import (
	"bufio"
	"feedd/e2e/harness"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a pseudoterminal (pty(7)).
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here: ", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// A person who starts a server on a terminal gets a link that signs in. When the
// terminal is closed, the server goes on without it.
func TestServe_Terminal(t *testing.T) {
	s := harness.New(t)
	master, slave := openTerminal(t)
	s.Cmd.Stdin, s.Cmd.Stdout, s.Cmd.Stderr = slave, slave, slave
	s.Cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	s.Start()
	slave.Close()
	lines := bufio.NewReader(master)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "  admin  ") {
			if !strings.Contains(line, "/admin#ticket=") {
				t.Errorf("there is no ticket in %q", line)
			}
			break
		}
	}
	stream := s.Reader("main", "")
	master.Close() // SIGHUP, and every write is an error from now on
	harness.Await(t, "the log is gone", func() bool {
		_, metrics := s.Ask("GET", "/metrics", "", "")
		return !strings.Contains(metrics, "feedd_log_dropped_total 0\n")
	})
	if status, _ := s.Ask("POST", "/feeds/main", s.Key(), "x"); status != 201 {
		t.Errorf("a publish gets %d", status)
	}
	s.Signal(syscall.SIGTERM)
	s.WantClosing(stream)
	s.WantEnd()
}

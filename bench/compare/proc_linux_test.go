package main

import (
	"os"
	"testing"
)

func TestOwnProcess(t *testing.T) {
	pids := []int{os.Getpid()}
	if residentOf(pids) < 1<<20 || filesOf(pids) < 3 {
		t.Errorf("%v bytes, %d files", residentOf(pids), filesOf(pids))
	}
	if x := cpuOf([]int{1 << 30}); x != 0 {
		t.Errorf("a process that is not there used %v s", x)
	}
}

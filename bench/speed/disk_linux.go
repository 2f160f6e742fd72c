package main

import (
	"os"
	"syscall"
)

// syncData makes the file's data durable.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

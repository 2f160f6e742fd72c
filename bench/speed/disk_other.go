//go:build !linux

package main

import "os"

// syncData makes the file's data durable, and here its metadata too.
func syncData(f *os.File) error { return f.Sync() }

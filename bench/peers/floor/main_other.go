//go:build !linux

package main

import "log"

func main() { log.Fatal("floor: it runs on Linux only") }

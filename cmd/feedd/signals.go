package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// oneSignal is how close together two signals count as one. Ctrl-C goes to a
// whole group of processes, and a parent in the group may pass it on to a child
// that has it already. A person who presses it again takes longer than half a
// second.
const oneSignal = 500 * time.Millisecond

// interruptible returns a context that ends with SIGINT or SIGTERM. If another
// one comes later, the process ends at once, by that signal.
func interruptible() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		first := time.Now()
		cancel()
		for s := range signals {
			if time.Since(first) > oneSignal {
				signal.Reset(s)
				syscall.Kill(os.Getpid(), s.(syscall.Signal))
				// The signal does nothing if it was ignored when the process began, as
				// in the background of a script. Else the process is gone long before
				// the second is over.
				time.Sleep(time.Second)
				os.Exit(128 + int(s.(syscall.Signal))) // as a shell tells it
			}
		}
	}()
	return ctx
}

// serverSignals returns the other signals that a server handles. Otherwise
// SIGHUP and SIGQUIT would end it with its store open. All further signals do
// nothing in a Go program (SIGALRM, SIGXFSZ, ...), do what they do to every
// process (SIGTSTP, SIGCONT), or are a fault of the process itself.
//
// A write to a pipe without a reader returns an error and ends nothing, for the
// log and the welcome as for everything else.
func serverSignals() <-chan os.Signal {
	signal.Ignore(syscall.SIGPIPE)
	c := make(chan os.Signal, 8) // room for those that come while the store is opened
	signal.Notify(c, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	return c
}

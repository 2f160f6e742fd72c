package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// oneSignal is how close two signals are one: Ctrl-C goes to a whole group of
// processes, and a parent in it may pass it on to a child that has it already.
// Who is in a hurry, and presses it again, takes longer.
const oneSignal = 500 * time.Millisecond

// interruptible returns a context that ends with SIGINT or SIGTERM. When another
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
				// It does nothing where it was ignored when the process began, as in
				// the background of a script. Else the process is gone by then.
				time.Sleep(time.Second)
				os.Exit(128 + int(s.(syscall.Signal))) // as a shell tells it
			}
		}
	}()
	return ctx
}

// serverSignals are the other signals that a server has an answer to. Without
// one SIGHUP and SIGQUIT would end it with its store open. All that is left
// does nothing in a Go program (SIGALRM, SIGXFSZ, ...), does what it does to
// every process (SIGTSTP, SIGCONT), or is a fault of the process itself.
//
// A pipe that nobody reads any more is an error of the write, for the log and
// the welcome as for everything else, and ends nothing.
func serverSignals() <-chan os.Signal {
	signal.Ignore(syscall.SIGPIPE)
	c := make(chan os.Signal, 8) // those that come while the store is opened are not lost
	signal.Notify(c, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	return c
}

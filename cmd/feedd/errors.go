package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// usageError is a command line that cannot be carried out. The process exits
// with 2 for it, and with 1 for every other error.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// saidError is an error that the command itself has told.
type saidError struct{ err error }

func (e saidError) Error() string { return e.err.Error() }
func (e saidError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// markUsage makes usage errors of what cobra finds wrong with the flags and
// arguments of a command.
func markUsage(cmd *cobra.Command, args cobra.PositionalArgs) {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if err := args(cmd, given); err != nil {
			return usageError{err}
		}
		return nil
	}
}

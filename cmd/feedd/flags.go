package main

import (
	"time"

	"github.com/spf13/cobra"

	"feedd/internal/units"
)

// durationFlag adds a flag that is a duration as settings have it, with days. A
// letter "" is none.
func durationFlag(cmd *cobra.Command, p *time.Duration, name, letter string, value time.Duration, usage string) {
	*p = value
	cmd.Flags().VarP((*units.Duration)(p), name, letter, usage)
}

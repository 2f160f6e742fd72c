// Command feedd is a live-feed push server, and its clients.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(interruptible(), os.Args[1:]))
}

// run runs a command line, and returns the exit status: 0, 1 for a failure, 2
// for a command line or settings that cannot be carried out.
func run(ctx context.Context, args []string) int {
	root := newRootCmd()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.As(err, new(saidError)) {
		io.WriteString(os.Stderr, complaint(err))
	}
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:           "feedd",
		Short:         "A live-feed push server: publish by POST, subscribe by EventSource, miss nothing",
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("feedd {{.Version}}\n")
	markUsage(root, cobra.NoArgs)
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.AddCommand(newServeCmd(), newPublishCmd(), newTailCmd(), newLinkCmd(), newDoctorCmd(), newBenchCmd())
	return root
}

// version is that of the module, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}

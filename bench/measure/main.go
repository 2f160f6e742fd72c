package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Main runs a program until it ends or is interrupted. Its exit status is 0 when
// every target was reached, 1 when one was missed, 2 when it could not be measured.
func Main(run func(ctx context.Context, args []string) (reached bool, err error)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	reached, err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err != nil:
		Note("%v", err)
		os.Exit(2)
	case !reached:
		os.Exit(1)
	}
}

// Note says on standard error what is going on.
func Note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, filepath.Base(os.Args[0])+": "+format+"\n", args...)
}

// Choose parses a flag that names some of all; empty: no choice was made.
func Choose(list string, all []string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("%q is none of %s", name, strings.Join(all, ", "))
		}
	}
	return names, nil
}

// Wanted reports whether a name was chosen, as all are where no choice was made.
func Wanted(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

// Output runs a command and returns what it prints, without spaces around it.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text)
	}
	return text, nil
}

// PrintJSON prints a report for programs.
func PrintJSON(w io.Writer, report any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}

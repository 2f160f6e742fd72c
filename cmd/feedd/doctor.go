package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"feedd/internal/doctor"
)

func newDoctorCmd() *cobra.Command {
	var t target
	var cfg doctor.Config
	cmd := &cobra.Command{
		Use:   "doctor [flags] URL",
		Short: "Look at a feed through the proxies before it, and say what to mend",
		Long: `Look at the feed at URL as a browser would, through whatever proxies stand
before it, and say check by check whether it comes as it should: at once, not
compressed, with its heartbeats, resumable, and over WebSocket. What is wrong
comes with the setting that mends it in nginx and in Caddy. The exit status is 1
when something is wrong.
` + keyHelp,
		Example: `  feedd doctor https://example.com/feeds/news
  feedd doctor --origin https://www.example.org --idle 5m https://example.com/feeds/news`,
		RunE: func(cmd *cobra.Command, args []string) error {
			u, err := doctor.ParseURL(args[0])
			if err != nil {
				return usageError{err}
			}
			if cfg.Origin != "" {
				if err := doctor.CheckOrigin(cfg.Origin); err != nil {
					return usageError{err}
				}
			}
			if cfg.Key, err = t.key(&url.URL{Scheme: u.Scheme, Host: u.Host}); err != nil {
				return err
			}
			cfg.URL = u
			out := cmd.OutOrStdout()
			if !doctor.Run(cmd.Context(), cfg, func(f doctor.Finding) { printFinding(out, &f) }) {
				if err := cmd.Context().Err(); err != nil {
					return errors.New("interrupted")
				}
				return errors.New("something is wrong")
			}
			return nil
		},
	}
	markUsage(cmd, cobra.ExactArgs(1))
	f := cmd.Flags()
	t.keyFlags(cmd)
	f.StringVar(&cfg.Origin, "origin", "", "whether pages of `ORIGIN` may read the feed, such as https://www.example.com")
	durationFlag(cmd, &cfg.Idle, "idle", "", 40*time.Second, "watch a quiet stream for `DURATION`; 0: do not")
	return cmd
}

func printFinding(out io.Writer, f *doctor.Finding) {
	fmt.Fprintf(out, "%-5s  %-13s  %s\n", f.Status, f.Check, tame(f.Says))
	for _, fix := range []struct{ where, set string }{{"nginx", f.Nginx}, {"Caddy", f.Caddy}} {
		if fix.set != "" && f.Status != doctor.OK {
			fmt.Fprintf(out, "%22s %s: %s\n", "", fix.where, tame(fix.set))
		}
	}
}

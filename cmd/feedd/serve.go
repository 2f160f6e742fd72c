package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"feedd/internal/config"
	"feedd/internal/server"
)

func newServeCmd() *cobra.Command {
	var file string
	var demo bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server.

Settings come from the command line, else from the environment (FEEDD_LISTEN,
FEEDD_RETENTION_MAX_ITEMS, ...), else from the file given with --config, else
they are the defaults, which config.yaml lists.

SIGINT and SIGTERM stop it cleanly; a second one ends it at once. SIGHUP reads
the settings and the admin key again: log.level, who may read and publish, and
the key change at once, and the log says what else has changed and needs a
restart. SIGQUIT stops it as well, and the log says what it was doing; while it
stops SIGQUIT ends it at once and says so on standard error. The server goes on
when nobody reads its log.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signals := serverSignals()
			flags := make(map[string]string)
			for _, name := range []string{"listen", "data", "store"} {
				if f := cmd.Flags().Lookup(name); f.Changed {
					flags[name] = f.Value.String()
				}
			}
			load := func() (config.Config, error) {
				cfg, err := config.Load(file, os.Environ(), flags)
				if err == nil && demo {
					err = openForDemo(&cfg)
				}
				return cfg, err
			}
			cfg, err := load()
			if err != nil {
				return usageError{err}
			}
			v := newVoice(&cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
			defer v.close()
			slog.SetDefault(v.logger) // libraries that log do it there
			if err := serve(cmd.Context(), &cfg, v, signals, reloads{file, load}); err != nil {
				v.fail(err)
				return saidError{err}
			}
			v.logger.Info("stopped")
			return nil
		},
	}
	markUsage(cmd, cobra.NoArgs)
	def := config.Default()
	cmd.Flags().StringVar(&file, "config", os.Getenv("FEEDD_CONFIG"), "read settings from `FILE`")
	cmd.Flags().String("listen", def.Listen, "serve on `ADDRESS`, host:port")
	cmd.Flags().String("data", def.Data, "keep everything in `DIR`")
	cmd.Flags().String("store", string(def.Store), "keep items in `ENGINE`: sqlite or memory")
	cmd.Flags().BoolVar(&demo, "demo", false, "let everybody on this machine post to /send_feed_item and speak in /chat")
	return cmd
}

// openForDemo opens the legacy feeds to everyone on this machine, because only
// a loopback address is allowed.
func openForDemo(cfg *config.Config) error {
	host, _, err := net.SplitHostPort(cfg.Listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--demo lets everybody publish, so it listens on loopback only, not on %s", cfg.Listen)
	}
	cfg.Legacy.FeedPublish, cfg.Legacy.ChatPublish = config.Anyone, config.Anyone
	return nil
}

// serve runs a server until ctx ends or a signal ends it.
func serve(ctx context.Context, cfg *config.Config, v *voice, signals <-chan os.Signal, again reloads) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var s *server.Server
	s, err := server.New(cfg, server.Options{
		Logger: v.logger, Level: &v.level, Version: version(), Metrics: v.metrics(), Load: again.read,
		Serving: func() {
			ticket := ""
			if v.terminal { // a file or a journal would keep it for others
				ticket = s.Ticket()
			}
			v.welcome(welcome(cfg, s, ticket))
		},
		Stopping: func() {
			stop()
			signal.Reset(syscall.SIGQUIT) // SIGQUIT ends a stop that hangs
		},
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for {
		select {
		case sig := <-signals:
			// A stop reads nothing again: what a reload writes may be another server's
			// by the end of it.
			if ctx.Err() == nil && !hear(sig, s, v.logger) {
				stop()
			}
		case err := <-ended:
			return err
		}
	}
}

// stackBytes is how much SIGQUIT logs of what the goroutines do. It must fit the
// least queue that a log may have, 64 KiB, as a text in quotes.
const stackBytes = 32 << 10

// hear does what a signal asks for, and reports whether the server continues.
func hear(sig os.Signal, s *server.Server, logger *slog.Logger) bool {
	switch sig {
	case syscall.SIGHUP:
		s.Reload()
	case syscall.SIGQUIT:
		stacks := make([]byte, stackBytes)
		stacks = stacks[:runtime.Stack(stacks, true)]
		logger.Warn("stopping, because of SIGQUIT", "stack", string(stacks)) // under this name it is not cut
		return false
	default:
		logger.Info("a signal was ignored: SIGHUP reads the settings again, SIGTERM stops", "signal", sig.String())
	}
	return true
}

// reloads read the settings again.
type reloads struct {
	file string // "" for none
	load func() (config.Config, error)
}

// read returns the settings as they are now.
func (r reloads) read() (config.Config, error) {
	if r.file != "" {
		// A pipe, as of --config <(...), gives its content only once. To open it
		// again would block.
		if info, err := os.Stat(r.file); err == nil && !info.Mode().IsRegular() {
			return config.Config{}, fmt.Errorf("%s is no file, and can be read only once", r.file)
		}
	}
	return r.load()
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"feedd/internal/client"
)

// tailing holds the values of the flags of feedd tail.
type tailing struct {
	target target
	opt    client.Options
	json   bool
	count  int
}

func newTailCmd() *cobra.Command {
	t := &tailing{}
	cmd := &cobra.Command{
		Use:   "tail [flags] [SELECTOR]",
		Short: "Print the items of feeds as they come",
		Long: `Print the items of the selected feeds (by default main) as they come: each
once and in order, also when the connection breaks or the server restarts.
SELECTOR is feed names and patterns joined by commas; in a pattern * stands for
one part of a name between dots, and ** at its end for one or more.

Items are printed as text or as JSON on one line, with the name of the feed
before it where there may be several. --json prints the envelope with id, feed,
event, time and data, as feedd publish and other servers take it. Losses and
reconnects are told on standard error.
` + targetHelp,
		Example: `  feedd tail news
  feedd tail --last 20 'sports.**,news'
  feedd tail --since 10m --json --event goal sports.football`,
		RunE: t.run,
	}
	markUsage(cmd, cobra.MaximumNArgs(1))
	t.target.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&t.opt.Since, "since", "", "begin at `START`: an id, a time (RFC 3339), a duration back (10m), all or now")
	f.IntVar(&t.opt.Last, "last", 0, "begin with the newest `N` items")
	f.StringSliceVar(&t.opt.Events, "event", nil, "only items with one of these event `NAMES`; message: those without one")
	f.BoolVar(&t.json, "json", false, "print envelopes, one a line")
	f.IntVarP(&t.count, "count", "n", 0, "exit after `N` items")
	durationFlag(cmd, &t.opt.Heartbeat, "heartbeat", "", 15*time.Second, "the server's `INTERVAL` between heartbeats; reconnect when two are missing")
	return cmd
}

func (t *tailing) run(cmd *cobra.Command, args []string) error {
	selector := "main"
	if len(args) == 1 {
		selector = args[0]
	}
	switch {
	case selector == "":
		return usagef("the selector is empty")
	case t.opt.Since != "" && t.opt.Last != 0:
		return usagef("--since and --last exclude each other")
	case t.opt.Last < 0:
		return usagef("--last is below 0")
	case t.count < 0:
		return usagef("--count is below 0")
	case t.opt.Heartbeat <= 0:
		return usagef("--heartbeat must be above 0")
	}
	stderr := cmd.ErrOrStderr()
	c, err := t.target.client(func(err error, wait time.Duration) {
		fmt.Fprintf(stderr, "reconnecting in %s: %v\n", seconds(wait), err)
	})
	if err != nil {
		return err
	}
	defer c.Close()

	// So a write to a closed pipe returns an error, and does not end the process.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)

	p := &printer{
		out: cmd.OutOrStdout(), notes: stderr, selector: selector,
		json: t.json, names: strings.ContainsAny(selector, ",*"),
		tame: isTerminal(cmd.OutOrStdout()), left: t.count,
	}
	err = c.Follow(cmd.Context(), selector, t.opt, p.message)
	// The context ends by SIGINT or SIGTERM, which is how a tail is stopped, so
	// this is no error.
	if cmd.Context().Err() != nil || errors.Is(err, errDone) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

var errDone = errors.New("as many items as were asked for")

// printer prints what tail follows.
type printer struct {
	out      io.Writer
	notes    io.Writer
	selector string
	json     bool // envelopes
	names    bool // the feed's name before each item
	tame     bool // out is a terminal
	left     int  // items until errDone; 0: no end
	buf      []byte
}

func (p *printer) message(m client.Message) error {
	if m.Gap != nil {
		feeds := p.selector
		if len(m.Gap.Feeds) > 0 {
			feeds = strings.Join(m.Gap.Feeds, ", ")
		}
		fmt.Fprintln(p.notes, tame(fmt.Sprintf("gap: items up to %s are gone (%s) in %s", m.Gap.Through, m.Gap.Reason, feeds)))
		return nil
	}
	p.buf = append(p.line(p.buf[:0], m), '\n')
	if _, err := p.out.Write(p.buf); err != nil {
		return fmt.Errorf("print an item: %w", err)
	}
	if p.left--; p.left == 0 {
		return errDone
	}
	return nil
}

// line appends the item as it is printed, without the newline.
func (p *printer) line(dst []byte, m client.Message) []byte {
	if p.json {
		return append(dst, m.Raw...)
	}
	if p.names {
		dst = append(dst, m.Item.Feed...)
		dst = append(dst, ": "...)
	}
	text, ok := m.Item.Text()
	if !ok {
		text = string(m.Item.Data)
	}
	if p.tame {
		text = tame(text)
	}
	return append(dst, text...)
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"feedd/internal/client"
	"feedd/internal/selector"
)

// publishing holds the values of the flags of feedd publish.
type publishing struct {
	target  target
	feed    string
	event   string
	ttlText string
	ttl     time.Duration
	json    bool
	text    bool
	lines   bool
	strict  bool
	key     string
	timeout time.Duration
}

func newPublishCmd() *cobra.Command {
	p := &publishing{}
	cmd := &cobra.Command{
		Use:   "publish [flags] [DATA...]",
		Short: "Publish items to a feed",
		Long: `Publish one item: the arguments joined by a space, or without arguments the
whole standard input, less one newline at its end. Its id goes to standard
output. With --lines every line of the input that is not blank is an item; they
go in batches, in order, and at the latest 100 ms after they were read. What is
not UTF-8 in a line is replaced by U+FFFD. A line that cannot be published
(over 16 MiB, no JSON with --json, refused by the server) is left out. Standard
error tells of both, and the exit status is 0; with --strict the first such line
ends the command with 1.

Arguments are text unless --json is given. Input, or with --lines each line, is
JSON when it is a JSON value other than a string, else text; --json demands JSON
(and takes strings too), --text makes everything text.

What fails because the server cannot be reached or is busy is tried again, for
up to --timeout (with --lines without an end, unless it is given), so that
nothing is lost or stored twice when it restarts. With --lines a key that was
taken and is refused later is read again, until it is taken.
` + targetHelp,
		Example: `  feedd publish --feed news hello, world
  feedd publish --feed news --event goal --json '{"home":1,"away":0}'
  tail -f access.log | feedd publish --feed log --lines`,
		RunE: p.run,
	}
	markUsage(cmd, cobra.ArbitraryArgs)
	p.target.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&p.feed, "feed", "main", "the feed's `NAME`")
	f.StringVar(&p.event, "event", "", "the items' event `NAME`")
	f.StringVar(&p.ttlText, "ttl", "", "the items are gone after this `DURATION`: 90s, 1h30m, 7d")
	f.BoolVar(&p.json, "json", false, "the data is JSON")
	f.BoolVar(&p.text, "text", false, "the data is text, also where it looks like JSON")
	f.BoolVar(&p.lines, "lines", false, "publish every line of the input as an item")
	f.BoolVar(&p.strict, "strict", false, "with --lines: end at the first line that cannot be published as it is")
	f.StringVar(&p.key, "idempotency-key", "", "a `KEY` with which the same item is stored only once in 24 h")
	durationFlag(cmd, &p.timeout, "timeout", "", time.Minute, "give up on a publish after this `DURATION`, 0 for never")
	return cmd
}

func (p *publishing) run(cmd *cobra.Command, args []string) error {
	if err := p.check(args); err != nil {
		return err
	}
	if p.lines {
		if !cmd.Flags().Changed("timeout") {
			p.timeout = 0
		}
		return p.publishLines(cmd.Context(), cmd)
	}
	return p.publishOne(cmd.Context(), cmd, args)
}

// check finds what is wrong with the flags.
func (p *publishing) check(args []string) error {
	switch {
	case p.feed == "":
		return usagef("--feed is empty")
	case p.json && p.text:
		return usagef("--json and --text exclude each other")
	case p.lines && len(args) > 0:
		return usagef("--lines reads standard input and takes no arguments")
	case p.lines && p.key != "":
		return usagef("--idempotency-key is for one item, not for --lines")
	case p.strict && !p.lines:
		return usagef("--strict is for --lines")
	}
	// What is wrong with these is wrong with every line.
	if err := selector.CheckFeed(p.feed); err != nil {
		return usageError{fmt.Errorf("--feed: %w", err)}
	}
	if p.event != "" {
		if err := selector.CheckEvent(p.event); err != nil {
			return usageError{fmt.Errorf("--event: %w", err)}
		}
	}
	if p.ttlText != "" {
		var err error
		if p.ttl, err = client.ParseTTL(p.ttlText); err != nil {
			return usageError{err}
		}
	}
	return nil
}

func (p *publishing) publishOne(ctx context.Context, cmd *cobra.Command, args []string) error {
	stderr := cmd.ErrOrStderr()
	c, err := p.target.client(func(err error, wait time.Duration) {
		fmt.Fprintf(stderr, "publishing again in %s: %v\n", seconds(wait), err)
	})
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := p.readOne(cmd, args)
	if err != nil {
		return err
	}
	ctx, cancel := p.limit(ctx)
	defer cancel()
	r, err := c.Publish(ctx, p.feed, d, p.key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), r.First)
	return err
}

// limit bounds one publish by --timeout.
func (p *publishing) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("given up after %s", seconds(p.timeout)))
}

// maxInput bounds one item, in bytes, because it is held in memory. It is four
// times the largest body that a server takes by default; the server's own limit
// decides.
const maxInput = 64 << 20

var errInputTooLarge = fmt.Errorf("it has more than %d MiB", maxInput>>20)

// readOne makes the item of the arguments or the input.
func (p *publishing) readOne(cmd *cobra.Command, args []string) (client.Draft, error) {
	if len(args) > 0 {
		return p.draft([]byte(strings.Join(args, " ")), p.json)
	}
	in := cmd.InOrStdin()
	if isTerminal(in) {
		fmt.Fprintln(cmd.ErrOrStderr(), "reading the item from the terminal; Ctrl-D ends it")
	}
	data, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return client.Draft{}, fmt.Errorf("read the item: %w", err)
	}
	if len(data) > maxInput {
		return client.Draft{}, fmt.Errorf("read the item: %w", errInputTooLarge)
	}
	return p.draft(trimNewline(data), p.json || !p.text && looksJSON(data))
}

// draft makes an item of data, whose kind is decided.
func (p *publishing) draft(data []byte, asJSON bool) (client.Draft, error) {
	d := client.Draft{Event: p.event, TTL: p.ttl, JSON: asJSON, Data: data}
	switch {
	case !utf8.Valid(data):
		return d, errors.New("the data is not valid UTF-8")
	case asJSON:
		var v json.RawMessage
		if err := json.Unmarshal(data, &v); err != nil {
			return d, fmt.Errorf("the data is not JSON: %w", err)
		}
	case len(data) == 0:
		return d, errors.New("the data is empty")
	}
	return d, nil
}

// looksJSON reports whether input is taken for JSON: a value of any kind but a
// string, which says as much as text and can not be told from it in a batch.
func looksJSON(data []byte) bool {
	data = bytes.TrimSpace(data)
	return len(data) > 0 && data[0] != '"' && json.Valid(data)
}

// trimNewline cuts one line end.
func trimNewline(data []byte) []byte {
	if rest, ok := bytes.CutSuffix(data, []byte("\n")); ok {
		return bytes.TrimSuffix(rest, []byte("\r"))
	}
	return data
}

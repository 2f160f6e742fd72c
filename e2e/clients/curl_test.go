package clients_test

import (
	"bufio"
	"context"
	"feedd/e2e/harness"
	"io"
	"os/exec"
	"strings"
	"time"
)

// readWithCurl is a script around curl -N: it starts curl again with the last
// id whenever that ends.
func readWithCurl(ctx context.Context, r *reader) {
	for last := ""; ctx.Err() == nil; {
		args := []string{"-fsN", r.url}
		if last != "" {
			args = append(args, "-H", "Last-Event-ID: "+last)
		}
		cmd := exec.CommandContext(ctx, "curl", args...)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			r.breaks(err)
			return
		}
		last = readBlocks(out, last, r.got)
		cmd.Wait() // tells that it failed, as it should
		harness.Pause(ctx, 500*time.Millisecond)
	}
}

// readBlocks reads a stream to its end by the standard's rules (HTML, 9.2.6):
// only a blank line makes an event of what came before it, and an id count. It
// returns the last id.
func readBlocks(stream io.Reader, last string, got func(harness.Event)) string {
	e := harness.Event{ID: last}
	var data []string
	for from := bufio.NewReader(stream); ; {
		line, err := from.ReadString('\n')
		if err != nil {
			return last
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "\n":
			last = e.ID
			if data != nil {
				e.Data = strings.Join(data, "\n")
				got(e)
			}
			e, data = harness.Event{ID: last}, nil
		case field == "id":
			e.ID = value
		case field == "event":
			e.Event = value
		case field == "data":
			data = append(data, value)
		}
	}
}

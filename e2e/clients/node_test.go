package clients_test

import (
	"bufio"
	"context"
	"encoding/json"
	"feedd/e2e/harness"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// nodeClients is where the scripts are, and the packages that npm ci puts there.
const nodeClients = "testdata"

// nodeMissing says what the scripts lack on this machine, "" for nothing.
func nodeMissing() string {
	if _, err := exec.LookPath("node"); err != nil {
		return "there is no node"
	}
	for _, name := range []string{"eventsource", "@microsoft/fetch-event-source", "ws"} {
		if _, err := os.Stat(filepath.Join(nodeClients, "node_modules", name, "package.json")); err != nil {
			return "npm ci was not run in " + nodeClients
		}
	}
	return ""
}

// readWithNode runs a script that prints each item on a line, as JSON.
func readWithNode(script string) func(context.Context, *reader) {
	return func(ctx context.Context, r *reader) {
		cmd := exec.CommandContext(ctx, "node", filepath.Join(nodeClients, script), r.url)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			r.breaks(err)
			return
		}
		for lines := json.NewDecoder(bufio.NewReader(out)); ; {
			var e struct{ ID, Event, Data string }
			if lines.Decode(&e) != nil {
				break
			}
			r.got(harness.Event{ID: e.ID, Event: e.Event, Data: e.Data})
		}
		if err := cmd.Wait(); ctx.Err() == nil {
			r.breaks(fmt.Errorf("%s ended: %v\n%s", script, err, said.String()))
		}
	}
}

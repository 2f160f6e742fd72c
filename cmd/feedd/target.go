package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"feedd/internal/client"
)

// target says which server a client command talks to, and with which key.
type target struct {
	server  string
	keyFile string
	data    string
}

const (
	targetHelp = `
The server is --server, else FEEDD_SERVER.` + keyHelp
	keyHelp = `
The key is that in --key-file, else FEEDD_KEY, else, towards this machine only,
the admin.key in the data directory of a server here. There is no flag for the
key itself: other users would see it in the list of processes.`
)

func (t *target) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.server, "server", cmp.Or(os.Getenv("FEEDD_SERVER"), "http://127.0.0.1:8001"), "the server's `URL`, or host:port")
	t.keyFlags(cmd)
}

func (t *target) keyFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.keyFile, "key-file", "", "read the key from `FILE`")
	f.StringVar(&t.data, "data", cmp.Or(os.Getenv("FEEDD_DATA"), "./data"), "`DIR` of a local server's data, for its admin.key")
}

// client returns a client for the server. It calls notify before each wait for
// another try.
func (t *target) client(notify func(error, time.Duration)) (*client.Client, error) {
	u, err := client.ParseServer(t.server)
	if err != nil {
		return nil, usageError{err}
	}
	key, err := t.key(u)
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Server: t.server, Key: key, Notify: notify})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func (t *target) key(server *url.URL) (string, error) {
	if t.keyFile != "" {
		return readKey(t.keyFile)
	}
	if key := strings.TrimSpace(os.Getenv("FEEDD_KEY")); key != "" {
		return key, nil
	}
	// The key in the data directory belongs to the server on this machine, so it
	// goes only to an address that cannot leave this machine.
	if !client.Loopback(server) {
		return "", nil
	}
	key, err := readKey(filepath.Join(t.data, "admin.key"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	return key, err
}

func readKey(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("the key: %w", err)
	}
	key := strings.TrimSpace(string(b))
	if key == "" {
		return "", fmt.Errorf("the key: %s is empty", file)
	}
	return key, nil
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newLinkCmd() *cobra.Command {
	var data, base string
	cmd := &cobra.Command{
		Use:   "link",
		Short: "Print a link that signs a browser in as the administrator",
		Long: `Print a link to the admin page of the server whose data directory this is. It
signs in the browser that opens it, once and within ten minutes. Only the owner
of the data directory can have one, by the socket in it.`,
		Example: `  feedd link
  feedd link --data /var/lib/feedd --url https://feeds.example.com`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			link, err := newLink(cmd.Context(), filepath.Join(data, "admin.sock"), base)
			if err != nil {
				return fmt.Errorf("a link for the server of %s: %w", data, err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), link)
			return err
		},
	}
	markUsage(cmd, cobra.NoArgs)
	cmd.Flags().StringVar(&data, "data", cmp.Or(os.Getenv("FEEDD_DATA"), "./data"), "`DIR` of the server's data")
	cmd.Flags().StringVar(&base, "url", "", "`URL` of the server as the browser reaches it")
	return cmd
}

// newLink asks the server on a socket for a ticket, and returns the link with
// it. base is where browsers reach the server; "": the server says so itself.
func newLink(ctx context.Context, socket, base string) (string, error) {
	client := &http.Client{
		// Longer than the second or two that a busy server takes, and soon enough
		// for the person who waits for the link.
		Timeout: 10 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}},
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/tickets", nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if uerr := new(url.Error); errors.As(err, &uerr) {
		err = uerr.Err // the URL in it is none
	}
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct{ Ticket, Link string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("the server answers %s", resp.Status)
	}
	if base != "" {
		return strings.TrimRight(base, "/") + "/admin#ticket=" + answer.Ticket, nil
	}
	return answer.Link, nil
}

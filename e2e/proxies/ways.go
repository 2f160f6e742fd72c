// Package proxies runs Debian's proxies with the files of deploy/ before a
// server: Nginx and Caddy, and Ways for a test of all. Their own tests are in
// this folder too.
package proxies

import (
	"strings"
	"testing"
)

// Way is what may stand between a client and a server.
type Way struct {
	Name  string
	Here  bool // installed on this machine
	Start func(t *testing.T, server string) (address string)
}

// Ways are the ways to a server; the first has nothing between.
var Ways = []Way{
	{"direct", true, func(_ *testing.T, server string) string { return server }},
	{"nginx", FindNginx() != "", func(t *testing.T, server string) string { return Nginx(t, server, AsDeployed) }},
	{"nginx-buffering", FindNginx() != "", func(t *testing.T, server string) string {
		return Nginx(t, server, func(s string) string {
			return strings.ReplaceAll(s, "proxy_buffering off;", "proxy_buffering on;")
		})
	}},
	{"caddy", FindCaddy() != "", Caddy},
}

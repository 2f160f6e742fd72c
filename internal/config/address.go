package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Loopback reports whether the server listens only to its own machine: the
// host of Listen is localhost or a loopback address.
func (c *Config) Loopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false
	}
	return isLocal(host)
}

// checkListen reports why s is no address to listen on.
func checkListen(s string) error {
	if strings.HasPrefix(s, "unix:") || strings.HasPrefix(s, "/") {
		return fmt.Errorf("%q: a unix socket is not served; write host:port", s)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is no host:port, as in 127.0.0.1:8001 or :8001", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q: %q is no port from 0 to 65535", s, port)
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return nil
	}
	if err := checkHostname(host); err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	return nil
}

// checkHost reports why s is no name (or address) that a browser may send as
// the host, its port aside.
func checkHost(s string) error {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return nil
	}
	switch host, _, err := net.SplitHostPort(s); {
	case s == "":
		return errors.New("the name is empty")
	case strings.Contains(s, "/"):
		return fmt.Errorf("%q: write only the name, not a URL", s)
	case err == nil && host != "":
		return fmt.Errorf("%q: write the name without the port, %s", s, plain(host))
	}
	if err := checkHostname(s); err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	return nil
}

// checkHostname checks the form of a name (RFC 1123, section 2.1), with _ as
// container networks use it. A last label of digits would be part of an
// address.
func checkHostname(s string) error {
	if len(s) > 253 {
		return errors.New("the name has more than 253 characters")
	}
	for r := range strings.SplitSeq(s, ".") {
		if r == "" || len(r) > 63 || r[0] == '-' || r[len(r)-1] == '-' || strings.ContainsFunc(r, notHost) {
			return errors.New("no host name: letters, digits and - in parts joined by dots (others as xn--)")
		}
	}
	if last := s[strings.LastIndexByte(s, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return errors.New("no host name and no IP address")
	}
	return nil
}

func notHost(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// checkPublicURL reports why s is no URL that links can begin with. It does not
// show one that may hold a password.
func checkPublicURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("it is no URL")
	case u.User != nil:
		return errors.New("the URL must not hold a user or password")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q is no http or https URL, as in https://feeds.example.com", s)
	case u.Hostname() == "":
		return fmt.Errorf("there is no host in %q", s)
	case strings.ContainsAny(s, "?#"):
		return fmt.Errorf("%q must end with the path: links go on behind it", s)
	}
	return checkHost(u.Hostname())
}

// addPublicHost puts the host of the public URL among the hosts: browsers ask
// for it by that name.
func (c *Config) addPublicHost() {
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Hostname() == "" {
		return
	}
	if host := strings.ToLower(u.Hostname()); !slices.Contains(c.Hosts, host) {
		c.Hosts = append(slices.Clip(c.Hosts), host)
	}
}

// isLocal reports whether the host can only be this machine.
func isLocal(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// isAny reports whether listening on the host is listening on each address.
func isAny(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}

package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

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

package config

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

const (
	envPrefix   = "FEEDD_"
	adminKey    = "admin_key"
	adminKeyVar = "FEEDD_ADMIN_KEY"
)

// otherVars are the variables that other parts of feedd read.
var otherVars = []string{"FEEDD_SERVER", "FEEDD_KEY", "FEEDD_KEY_FILE", "FEEDD_CONFIG"}

const testPrefix = "FEEDD_TEST_"

// Kubernetes gives every container variables for each Service near it, and so,
// for one that is called feedd or feedd-web, FEEDD_SERVICE_HOST,
// FEEDD_WEB_PORT_8001_TCP_ADDR and the like; these nobody asked for. FEEDD_PORT
// is among them only with a URL in it. (kubernetes.io, "Accessing the Service")
var (
	serviceVar = regexp.MustCompile(`_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)
	serviceURL = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// takeEnviron takes the variables that begin with FEEDD_.
func (l *loader) takeEnviron(environ []string) {
	settings := make(map[string]string) // path of each variable
	values := maps.Collect(leaves(reflect.ValueOf(&l.cfg).Elem(), ""))
	for path := range values {
		settings[envName(path)] = path
	}
	tokens := l.tokenVars()
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if slices.Contains(tokens, name) || value == "" || !strings.HasPrefix(name, envPrefix) || foreign(name, value) {
			continue
		}
		at := origin{source: fromEnviron, name: plain(name)}
		path, ok := settings[name]
		switch {
		case ok:
			l.take(path, values[path], value, at)
		case name == adminKeyVar:
			l.cfg.AdminKey = Secret(value)
			l.origins[adminKey] = at
		case name == envName("feeds") || name == envName("upstreams"):
			l.add(at, "can be set only in the file")
		default:
			l.add(at, "unknown setting%s", suggest(name, slices.Sorted(maps.Keys(settings))))
		}
	}
}

// envName returns the variable of a setting.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// foreign reports whether a variable is for someone else.
func foreign(name, value string) bool {
	return slices.Contains(otherVars, name) || strings.HasPrefix(name, testPrefix) ||
		serviceVar.MatchString(name) || strings.HasSuffix(name, "_PORT") && serviceURL.MatchString(value)
}

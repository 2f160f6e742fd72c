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
// FEEDD_WEB_PORT_8001_TCP_ADDR and the like. They are no settings. FEEDD_PORT is
// among them only with a URL in it. (kubernetes.io, "Accessing the Service")
var (
	serviceVar = regexp.MustCompile(`_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)
	serviceURL = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// said is a variable or a flag.
type said struct {
	key  string // the setting's, as its layer writes it
	text string
	at   origin
}

// takeEnviron takes the variables that begin with FEEDD_.
func (l *loader) takeEnviron(environ []string) {
	tokens := l.tokenVars()
	var all []said
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if slices.Contains(tokens, name) || value == "" || !strings.HasPrefix(name, envPrefix) || foreign(name, value) {
			continue
		}
		at := origin{source: fromEnviron, name: plain(name)}
		if name == adminKeyVar {
			l.cfg.AdminKey = Secret(value)
			l.origins[adminKey] = at
			continue
		}
		all = append(all, said{name, value, at})
	}
	l.takeLayer(all, envName)
}

// takeFlags takes flags, which map a path to a value.
func (l *loader) takeFlags(flags map[string]string) {
	var all []said
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		path := strings.ReplaceAll(name, "-", "_")
		at := origin{source: fromFlag, name: "--" + plain(name)}
		if path == adminKey {
			l.add(at, "comes only from the environment, as %s", adminKeyVar)
			continue
		}
		all = append(all, said{path, flags[name], at})
	}
	l.takeLayer(all, func(path string) string { return path })
}

// takeLayer takes what a layer above the file says; keyOf returns how that layer
// writes a path.
func (l *loader) takeLayer(all []said, keyOf func(path string) string) {
	known := make(map[string]setting)
	for s := range leaves(reflect.ValueOf(&l.cfg).Elem(), "") {
		known[keyOf(s.path)] = s
		if old, renamed := oldPath(s.path); renamed {
			known[keyOf(old)] = s
		}
	}
	names := make(map[string]said) // by path
	for _, v := range all {
		s, ok := known[v.key]
		first, twice := names[s.path]
		switch {
		case ok && twice && first.key != v.key:
			l.add(v.at, "this and %s are two names of one setting; set only %s", first.at.name, keyOf(s.path))
		case ok:
			names[s.path] = v
			l.take(s, v)
		case v.key == keyOf("feeds") || v.key == keyOf("upstreams"):
			l.add(v.at, "can be set only in the file")
		default:
			l.add(v.at, "unknown setting%s", suggest(v.key, slices.Sorted(maps.Keys(known))))
		}
	}
}

// take puts the text of a variable or flag into a setting.
func (l *loader) take(s setting, v said) {
	l.origins[s.path] = v.at
	maps.DeleteFunc(l.origins, func(p string, _ origin) bool { return strings.HasPrefix(p, s.path+"[") })
	if err := setText(s.Value, v.text); err != nil {
		l.fail(s.path, v.at, "%w", err)
	}
}

// envName returns the variable of a setting.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// foreign reports whether a variable is no setting, but is read by another part
// of feedd, by its tests, or comes from Kubernetes.
func foreign(name, value string) bool {
	return slices.Contains(otherVars, name) || strings.HasPrefix(name, testPrefix) ||
		serviceVar.MatchString(name) || strings.HasSuffix(name, "_PORT") && serviceURL.MatchString(value)
}

package config

import (
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Load returns the settings that a server is to run with: the defaults, changed
// by the file, by the variables of environ (NAME=value, as os.Environ has
// them), and by the flags, which map the path of a setting to the value that
// was given on the command line; a path may be written with - for _. An empty
// file name means no file. The errors are those of the package documentation;
// with one, the settings are not to be used.
func Load(file string, environ []string, flags map[string]string) (Config, error) {
	l := newLoader(file)
	if file != "" {
		data, err := readFile(file)
		if err != nil {
			l.add(origin{source: fromFile}, "read the settings: %w", err)
		} else {
			l.takeFile(data)
		}
	}
	return l.finish(environ, flags)
}

// Parse is Load of a file that was read already; file is only its name.
func Parse(file string, data []byte, environ []string, flags map[string]string) (Config, error) {
	l := newLoader(file)
	l.takeFile(data)
	return l.finish(environ, flags)
}

// readFile reads the file, but not much more of it than it may have.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(maxFileBytes)+1))
}

// loader builds a Config of its layers. It lives for one call.
type loader struct {
	problems
	file    string
	cfg     Config
	rules   *node             // the value of feeds in the file, nil for none
	origins map[string]origin // who said a setting last, by path
	bad     map[string]bool   // paths with a value that could not be taken
}

func newLoader(file string) *loader {
	return &loader{file: file, cfg: Default(), origins: map[string]origin{}, bad: map[string]bool{}}
}

func (l *loader) takeFile(data []byte) {
	if root := l.parseYAML(data); root != nil {
		l.decode(root, reflect.ValueOf(&l.cfg).Elem(), "")
	}
}

// finish takes the layers above the file and then checks the whole.
func (l *loader) finish(environ []string, flags map[string]string) (Config, error) {
	l.takeEnviron(environ)
	l.takeTokens(environ)
	l.takeFlags(flags)
	l.finishRules()
	for i, host := range l.cfg.Hosts {
		l.cfg.Hosts[i] = strings.ToLower(host)
	}
	l.cfg.PublicURL = strings.TrimRight(l.cfg.PublicURL, "/")
	l.checkAll()
	if err := l.join(); err != nil {
		return Config{}, err
	}
	l.cfg.addPublicHost()
	return l.cfg, nil
}

func (l *loader) takeFlags(flags map[string]string) {
	settings := maps.Collect(leaves(reflect.ValueOf(&l.cfg).Elem(), ""))
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		path := strings.ReplaceAll(name, "-", "_")
		at := origin{source: fromFlag, name: "--" + plain(name)}
		v, ok := settings[path]
		switch {
		case ok:
			l.take(path, v, flags[name], at)
		case path == "feeds" || path == "upstreams":
			l.add(at, "can be set only in the file")
		case path == adminKey:
			l.add(at, "comes only from the environment, as %s", adminKeyVar)
		default:
			l.add(at, "unknown setting%s", suggest(path, slices.Sorted(maps.Keys(settings))))
		}
	}
}

// take puts the text of a variable or flag into a setting.
func (l *loader) take(path string, v reflect.Value, text string, at origin) {
	l.origins[path] = at
	maps.DeleteFunc(l.origins, func(p string, _ origin) bool { return strings.HasPrefix(p, path+"[") })
	if err := setText(v, text); err != nil {
		l.fail(path, at, "%w", err)
	}
}

// fail reports that a value could not be taken, and remembers that for the
// checks: they are of no use for what the setting had before.
func (l *loader) fail(path string, at origin, format string, args ...any) {
	l.bad[path] = true
	l.add(at, format, args...)
}

// at returns the origin of a setting in a line of the file.
func (l *loader) at(line int, path string) origin {
	o := origin{source: fromFile, line: line}
	if l.file != "" {
		o.name = l.file
	}
	if o.name != "" && line > 0 {
		o.name = fmt.Sprintf("%s:%d", l.file, line)
	}
	switch {
	case o.name == "":
		o.name = path
	case path != "":
		o.name += ": " + path
	}
	return o
}

// origin returns who said a setting, or the list that it is an item of.
func (l *loader) origin(path string) origin {
	if o, ok := l.origins[path]; ok {
		return o
	}
	if i := strings.LastIndexByte(path, '['); i > 0 {
		if o, ok := l.origins[path[:i]]; ok {
			return o
		}
	}
	return origin{source: fromDefault, name: path}
}

package config

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
)

// Load returns the settings that a server is to run with: the defaults, changed
// by the file, by the variables of environ (NAME=value, as os.Environ has
// them), and by the flags, which map the path of a setting to the value that
// was given on the command line; a path may be written with - for _. An empty
// file name means no file. The errors are those of the package documentation;
// with one, the settings are not to be used.
func Load(file string, environ []string, flags map[string]string) (Config, error) {
	if file == "" {
		return newLoader(file).finish(environ, flags)
	}
	data, err := readFile(file)
	if err != nil {
		l := newLoader(file)
		l.add(origin{source: fromFile}, "read the settings: %w", err)
		return l.finish(environ, flags)
	}
	return Parse(file, data, environ, flags)
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

// loader builds a Config from its layers. It lives for one call.
type loader struct {
	problems
	file    string
	cfg     Config
	origins map[string]origin // where a setting was said last, by path
	bad     map[string]bool   // paths with a value that could not be taken
	written map[string]string // the names of groups in the file, by today's names
}

func newLoader(file string) *loader {
	return &loader{file: file, cfg: Default(), origins: map[string]origin{}, bad: map[string]bool{}, written: map[string]string{}}
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
	l.finishUpstreams()
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

// fail reports that a value could not be taken, and remembers it, so that the
// value which the setting had before is not checked instead.
func (l *loader) fail(path string, at origin, format string, args ...any) {
	l.bad[path] = true
	l.add(at, format, args...)
}

// at returns the origin of a setting in a line of the file, under the name that it
// has there.
func (l *loader) at(line int, path string) origin {
	if group, rest, _ := strings.Cut(path, "."); l.written[group] != "" {
		path = subPath(plain(l.written[group]), rest)
	}
	o := origin{source: fromFile, line: line, name: l.file}
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

// origin returns where a setting was said, or the list that it is an item of.
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

package config

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"feedd/internal/units"
)

// node is a value of a file or a JSON body, before it is known what it means.
type node struct {
	kind    kind
	line    int     // in the file, from 1; 0 for JSON
	text    string  // of a scalar: what it says, without quotes
	entries []entry // of a mapping, in order
	items   []*node // of a list
}

// entry is one key of a mapping and its value. Keys may repeat.
type entry struct {
	key   string
	line  int
	value *node
}

type kind int

const (
	null kind = iota // nothing was said
	scalar
	mapping
	list
)

// maxDepth is how deep values may be nested: four times what settings need.
const maxDepth = 16

func (k kind) String() string {
	switch k {
	case scalar:
		return "a single value"
	case mapping:
		return "a group of settings"
	case list:
		return "a list"
	}
	return "nothing"
}

// listForm says what a list of groups is, and each item of it.
type listForm struct {
	list, item string // for errors: how they are written
	needs      []string
	start      reflect.Value // an item as it is before anything in it is read
}

const exampleUpstream = "{url: https://example.org/feeds/news, feed: news}"

var listForms = map[reflect.Type]listForm{
	// What a rule leaves out of its retention may come from other layers: see
	// finishRules.
	reflect.TypeFor[Rule](): {
		"a list of rules, each as in - {match: chat}", "a rule, as in {match: chat}",
		[]string{"match"}, reflect.ValueOf(Rule{}),
	},
	reflect.TypeFor[Upstream](): {
		"a list, each as in - " + exampleUpstream, "an upstream, as in " + exampleUpstream,
		[]string{"url", "feed"}, reflect.ValueOf(Upstream{IdleTimeout: units.Duration(time.Minute)}),
	},
}

// decode puts the value into the setting v and reports what does not fit; v
// keeps what it had then.
func (l *loader) decode(n *node, v reflect.Value, path string) {
	at := l.at(n.line, path)
	if path != "" {
		l.origins[path] = at
	}
	switch {
	case isGroup(v.Type()):
		l.decodeGroup(n, v, path, at)
	case v.Kind() == reflect.Slice:
		l.decodeList(n, v, path, at)
	case n.kind == scalar:
		if err := setText(v, n.text); err != nil {
			l.fail(path, at, "%w", err)
		}
	case n.kind == null:
		l.fail(path, at, "has no value")
	default:
		l.fail(path, at, "must be a single value, not %s", n.kind)
	}
}

// decodeGroup takes a mapping into the fields of a struct. A group with
// nothing in it says nothing.
func (l *loader) decodeGroup(n *node, group reflect.Value, path string, at origin) {
	if n.kind == null {
		return
	}
	if n.kind != mapping {
		l.add(at, "must be a group of settings, not %s", n.kind)
		return
	}
	fields := make(map[string]reflect.Value)
	for s := range fieldsOf(group) {
		fields[s.path] = s.Value
	}
	seen := make(map[string]entry, len(n.entries)) // by today's names
	for _, e := range n.entries {
		name := e.key
		if path == "" {
			name = cmp.Or(oldNames[e.key], e.key)
			l.written[name] = e.key
		}
		sub := subPath(path, plain(name))
		at := l.at(e.line, sub)
		first, twice := seen[name]
		seen[name] = e
		field, known := fields[name]
		switch {
		case twice && first.key != e.key:
			l.add(at, "%s and %s (line %d) are two names of one group; say only %s", e.key, first.key, first.line, name)
		case twice && e.line > 0:
			l.add(at, "said twice, first in line %d", first.line)
		case twice:
			l.add(at, "said twice")
		case known:
			// An error in a value is in the line of its key, wherever the
			// parser saw the value begin.
			e.value.line = e.line
			l.decode(e.value, field, sub)
		case sub == adminKey:
			l.add(at, "comes only from the environment, as %s", adminKeyVar)
		default:
			l.add(at, "unknown setting%s", meant(e.key, group))
		}
	}
}

// meant suggests one of the group's settings, or one of the same name in a
// group within it.
func meant(key string, group reflect.Value) string {
	var here []string
	for s := range fieldsOf(group) {
		here = append(here, s.path)
		if old, renamed := oldPath(s.path); renamed {
			here = append(here, old)
		}
	}
	if s := suggest(key, here); s != "" {
		return s
	}
	for s := range leaves(group, "") {
		if strings.HasSuffix(s.path, "."+key) {
			return "; did you mean " + s.path + "?"
		}
	}
	return ""
}

// decodeList takes a list of single values, or of groups.
func (l *loader) decodeList(n *node, target reflect.Value, path string, at origin) {
	form, groups := listForms[target.Type().Elem()]
	if !groups {
		form = listForm{list: "a list, as in [a, b]", start: reflect.Zero(target.Type().Elem())}
	}
	if n.kind == null {
		return
	}
	if n.kind != list {
		l.fail(path, at, "must be %s, not %s", form.list, n.kind)
		return
	}
	items := reflect.Zero(target.Type()) // an empty list is nil
	for i, item := range n.items {
		items = reflect.Append(items, form.start)
		sub := fmt.Sprintf("%s[%d]", path, i)
		at := l.at(item.line, sub)
		if groups && item.kind != mapping {
			l.fail(sub, at, "must be %s, not %s", form.item, item.kind)
			continue
		}
		for _, key := range form.needs {
			if !slices.ContainsFunc(item.entries, func(e entry) bool { return e.key == key }) {
				l.fail(sub+"."+key, at, "says no %s", key)
			}
		}
		l.decode(item, items.Index(i), sub)
	}
	target.Set(items)
}

// setText puts a value that is written as text into a setting. After an error
// the setting keeps its value.
func setText(v reflect.Value, text string) error {
	switch target := v.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return target.UnmarshalText([]byte(text))
	case *string:
		*target = text
	case *int:
		n, err := strconv.Atoi(text)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return fmt.Errorf("%s is out of range", text)
		case err != nil:
			return fmt.Errorf("%q is no whole number", text)
		}
		*target = n
	case *[]string:
		*target = nil
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" || strings.Contains(text, ",") {
				*target = append(*target, item)
			}
		}
	default:
		panic(fmt.Sprintf("config: no text can be put into a %T", target))
	}
	return nil
}

package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"feedd/internal/selector"
)

// decode puts the value into the setting v and reports what does not fit; v
// keeps what it had then.
func (l *loader) decode(n *node, v reflect.Value, path string) {
	at := l.at(n.line, path)
	if path != "" {
		l.origins[path] = at
	}
	switch target := v.Addr().Interface().(type) {
	case *[]Rule:
		l.rules = n // see finishRules
	case *[]Upstream:
		l.decodeUpstreams(n)
	case *[]string:
		l.decodeList(n, target, path, at)
	default:
		if v.Kind() == reflect.Struct && !isLeaf(v) {
			l.decodeGroup(n, v, path, at)
		} else {
			l.decodeLeaf(n, v, path, at)
		}
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
	seen := make(map[string]int, len(n.entries))
	for _, e := range n.entries {
		sub := subPath(path, plain(e.key))
		at := l.at(e.line, sub)
		first, twice := seen[e.key]
		seen[e.key] = e.line
		field, known := fieldOf(group, e.key)
		switch {
		case twice && e.line > 0:
			l.add(at, "said twice, first in line %d", first)
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
	for name := range fieldsOf(group) {
		here = append(here, name)
	}
	if s := suggest(key, here); s != "" {
		return s
	}
	for path := range leaves(group, "") {
		if strings.HasSuffix(path, "."+key) {
			return "; did you mean " + path + "?"
		}
	}
	return ""
}

// decodeList takes a list of single values.
func (l *loader) decodeList(n *node, target *[]string, path string, at origin) {
	if n.kind == null {
		return
	}
	if n.kind != list {
		l.fail(path, at, "must be a list, as in [a, b], not %s", n.kind)
		return
	}
	var items []string
	for i, item := range n.items {
		sub := fmt.Sprintf("%s[%d]", path, i)
		at := l.at(item.line, sub)
		if item.kind != scalar {
			l.fail(path, at, "must be a single value, not %s", item.kind)
			continue
		}
		l.origins[sub] = at
		items = append(items, item.text)
	}
	*target = items
}

func (l *loader) decodeLeaf(n *node, v reflect.Value, path string, at origin) {
	switch n.kind {
	case scalar:
		if err := setText(v, n.text); err != nil {
			l.fail(path, at, "%w", err)
		}
	case null:
		l.fail(path, at, "has no value")
	default:
		l.fail(path, at, "must be a single value, not %s", n.kind)
	}
}

// setText puts a value that is written as text into a setting, which with an
// error keeps what it had.
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
	case *selector.Selection:
		sel, err := selector.Parse(text, maxRuleTerms)
		if err != nil {
			return err
		}
		*target = sel
	default:
		panic(fmt.Sprintf("config: no text can be put into a %T", target))
	}
	return nil
}

// finishRules decodes the rules of the file. It comes after all else, because
// what a rule leaves out is taken from settings that another layer may say.
func (l *loader) finishRules() {
	n := l.rules
	if n == nil || n.kind == null {
		return
	}
	if n.kind != list {
		l.add(l.at(n.line, "feeds"), "must be a list of rules, each as in - {match: chat}, not %s", n.kind)
		return
	}
	for i, item := range n.items {
		rule := Rule{Retention: l.cfg.Retention}
		path := fmt.Sprintf("feeds[%d]", i)
		said := func(e entry) bool { return e.key == "match" }
		switch {
		case item.kind != mapping:
			l.add(l.at(item.line, path), "must be a rule, as in {match: chat}, not %s", item.kind)
			continue
		case !slices.ContainsFunc(item.entries, said):
			l.add(l.at(item.line, path), "says no match")
		}
		l.decode(item, reflect.ValueOf(&rule).Elem(), path)
		l.cfg.Feeds = append(l.cfg.Feeds, rule)
	}
}

package config

import (
	"encoding"
	"iter"
	"reflect"
	"strings"
)

// setting is a field of a group: a single value, a list, or another group.
type setting struct {
	path string // its name in the group, or its path from where a walk began
	tag  reflect.StructTag
	reflect.Value
}

// oldNames maps what groups were called before to what they are called now. Both
// are valid in the file, in variables and in flags.
var oldNames = map[string]string{"forerunner": "legacy"}

// oldPath returns the path that a setting had before; ok is false if it had no
// other.
func oldPath(path string) (old string, ok bool) {
	group, rest, _ := strings.Cut(path, ".")
	for old, now := range oldNames {
		if group == now {
			return subPath(old, rest), true
		}
	}
	return "", false
}

// fieldsOf yields the settings of a group in order.
func fieldsOf(group reflect.Value) iter.Seq[setting] {
	return func(yield func(setting) bool) {
		t := group.Type()
		for i := range t.NumField() {
			tag := t.Field(i).Tag
			name, _, _ := strings.Cut(tag.Get("yaml"), ",")
			if name != "-" && !yield(setting{name, tag, group.Field(i)}) {
				return
			}
		}
	}
}

// leaves yields the settings in a group and the groups within it that can be said
// as one text, in order: all but the lists of groups. Paths begin with that of
// the group.
func leaves(group reflect.Value, path string) iter.Seq[setting] {
	return func(yield func(setting) bool) { yieldLeaves(group, path, yield) }
}

func yieldLeaves(group reflect.Value, path string, yield func(setting) bool) bool {
	for s := range fieldsOf(group) {
		s.path = subPath(path, s.path)
		switch {
		case isGroup(s.Type()):
			if !yieldLeaves(s.Value, s.path, yield) {
				return false
			}
		case s.Kind() == reflect.Slice && isGroup(s.Type().Elem()):
		case !yield(s):
			return false
		}
	}
	return true
}

// isGroup reports whether a setting of the type has further settings in it. A
// struct that is read from text is one value.
func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// subPath returns the path of a setting in a group.
func subPath(group, name string) string {
	if group == "" || name == "" {
		return group + name
	}
	return group + "." + name
}

package config

import (
	"iter"
	"reflect"

	"feedd/internal/selector"
)

// fieldsOf yields the settings of a group with the words for them, in order.
func fieldsOf(group reflect.Value) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		t := group.Type()
		for i := range t.NumField() {
			if name := t.Field(i).Tag.Get("yaml"); name != "-" && !yield(name, group.Field(i)) {
				return
			}
		}
	}
}

// fieldOf returns the setting of a group that has this name.
func fieldOf(group reflect.Value, name string) (reflect.Value, bool) {
	for n, v := range fieldsOf(group) {
		if n == name {
			return v, true
		}
	}
	return reflect.Value{}, false
}

// leaves yields every setting of the group that can be said as one text, with
// its path, in order: all but the rules and upstreams.
func leaves(group reflect.Value, path string) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		for name, v := range fieldsOf(group) {
			sub := subPath(path, name)
			if onlyInFile(v) {
				continue
			}
			if isLeaf(v) {
				if !yield(sub, v) {
					return
				}
				continue
			}
			for p, leaf := range leaves(v, sub) {
				if !yield(p, leaf) {
					return
				}
			}
		}
	}
}

// onlyInFile reports whether a setting is a list of groups, which only the file
// can say.
func onlyInFile(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct
}

// isLeaf reports whether a setting is no group of further ones.
func isLeaf(v reflect.Value) bool {
	_, selection := v.Interface().(selector.Selection)
	return selection || v.Kind() != reflect.Struct
}

// subPath returns the path of a setting in a group.
func subPath(group, name string) string {
	if group == "" {
		return name
	}
	return group + "." + name
}

package config

import (
	"reflect"
	"slices"
)

// Changes returns the paths of the settings that c and other say differently, in
// order. Of the rules and upstreams, which are lists of groups, it is: "feeds"
// where who may read or publish differs, "feeds.retention" where what is kept
// does, and "upstreams".
func (c *Config) Changes(other *Config) (paths []string) {
	theirs := make(map[string]reflect.Value)
	for path, v := range leaves(reflect.ValueOf(other).Elem(), "") {
		theirs[path] = v
	}
	for path, v := range leaves(reflect.ValueOf(c).Elem(), "") {
		if !reflect.DeepEqual(v.Interface(), theirs[path].Interface()) && (v.Kind() != reflect.Slice || v.Len()+theirs[path].Len() > 0) {
			paths = append(paths, path)
		}
	}
	if !slices.EqualFunc(c.Feeds, other.Feeds, func(a, b Rule) bool {
		return a.Match.String() == b.Match.String() && a.Read == b.Read && a.Publish == b.Publish
	}) {
		paths = append(paths, "feeds")
	}
	if !slices.EqualFunc(c.Feeds, other.Feeds, func(a, b Rule) bool {
		return a.Match.String() == b.Match.String() && a.Retention == b.Retention
	}) {
		paths = append(paths, "feeds.retention")
	}
	if !slices.Equal(c.Upstreams, other.Upstreams) {
		paths = append(paths, "upstreams")
	}
	return paths
}

package config

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/goccy/go-yaml"
)

// YAML returns the settings as a file that says them, which Load reads. The
// admin key is not among them.
func (c *Config) YAML() []byte {
	b, err := yaml.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("config: marshal: %v", err)) // numbers and text only
	}
	return b
}

// Changes returns the paths of the settings that differ between c and other, in
// order. For the lists of groups these are: "feeds" if who may read or publish
// differs, "feeds.retention" if what is kept differs, and "upstreams".
func (c *Config) Changes(other *Config) (paths []string) {
	theirs := make(map[string]reflect.Value)
	for s := range leaves(reflect.ValueOf(other).Elem(), "") {
		theirs[s.path] = s.Value
	}
	for s := range leaves(reflect.ValueOf(c).Elem(), "") {
		bothEmpty := s.Kind() == reflect.Slice && s.Len()+theirs[s.path].Len() == 0 // one may be nil
		if !bothEmpty && !reflect.DeepEqual(s.Interface(), theirs[s.path].Interface()) {
			paths = append(paths, s.path)
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

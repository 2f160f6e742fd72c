package config_test

import (
	"encoding"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"feedd/internal/config"
	"feedd/internal/units"
)

const shipped = "../../config.yaml"

// paths returns the path of every setting that the struct has.
func paths(t reflect.Type, path string) []string {
	var all []string
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("yaml")
		if name == "-" {
			continue
		}
		if sub := strings.TrimPrefix(path+"."+name, "."); f.Type.Kind() == reflect.Struct {
			all = append(all, paths(f.Type, sub)...)
		} else {
			all = append(all, sub)
		}
	}
	return all
}

func TestConfigYAMLSaysTheDefaults(t *testing.T) {
	got, err := config.Load(shipped, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(config.Default(), got, same); d != "" {
		t.Error(d)
	}
}

func TestConfigYAMLSaysEverySetting(t *testing.T) {
	data, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths(reflect.TypeFor[config.Config](), "") {
		var v any = tree
		for name := range strings.SplitSeq(path, ".") {
			group, _ := v.(map[string]any)
			v = group[name]
		}
		if v == nil {
			t.Errorf("%s is not in config.yaml", path)
		}
	}
	above := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && !strings.HasPrefix(above, "#") {
			t.Errorf("%q has no comment above it, but %q", line, above)
		}
		above = line
	}
	if !strings.Contains(string(data), "FEEDD_ADMIN_KEY") {
		t.Error("config.yaml does not say where the admin key comes from")
	}
}

func TestTheExampleInConfigYAMLIsTaken(t *testing.T) {
	data, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(data), "# feeds:\n")
	example, _, ok2 := strings.Cut(example, "feeds: []")
	if !ok || !ok2 {
		t.Fatal("there is no example of rules")
	}
	example = "feeds:\n" + regexp.MustCompile(`(?m)^# `).ReplaceAllString(example, "")
	c := load(t, example, nil, nil)
	if len(c.Feeds) != 3 {
		t.Errorf("%d rules", len(c.Feeds))
	}
	for i := range reflect.TypeFor[config.Rule]().NumField() {
		if name, _, _ := strings.Cut(reflect.TypeFor[config.Rule]().Field(i).Tag.Get("yaml"), ","); !strings.Contains(example, name+":") {
			t.Errorf("the example does not show %s", name)
		}
	}
}

func TestTheExampleOfUpstreamsIsTaken(t *testing.T) {
	data, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(data), "# upstreams:\n")
	example, _, ok2 := strings.Cut(example, "upstreams: []")
	if !ok || !ok2 {
		t.Fatal("there is no example of upstreams")
	}
	example = "upstreams:\n" + regexp.MustCompile(`(?m)^# `).ReplaceAllString(example, "")
	c := load(t, example, []string{"WIKI_TOKEN=t0ken"}, nil)
	want := []config.Upstream{
		{URL: "https://feeds.example.com/feeds/news?since=all", Feed: "news", Name: "https://feeds.example.com/feeds/news?since=all", IdleTimeout: units.Duration(time.Minute)},
		{URL: "https://stream.example.org/v2/stream/recentchange", Feed: "wiki.recentchange", Name: "wiki", TokenEnv: "WIKI_TOKEN", IdleTimeout: units.Duration(5 * time.Minute), Token: "t0ken"},
	}
	if d := cmp.Diff(want, c.Upstreams); d != "" {
		t.Error(d)
	}
	for i := range reflect.TypeFor[config.Upstream]().NumField() {
		if name := reflect.TypeFor[config.Upstream]().Field(i).Tag.Get("yaml"); name != "-" && !strings.Contains(example, name+":") {
			t.Errorf("the example does not show %s", name)
		}
	}
}

func TestEverySettingHasAVariableAndAFlag(t *testing.T) {
	for _, path := range paths(reflect.TypeFor[config.Config](), "") {
		if path == "feeds" || path == "upstreams" {
			continue
		}
		name := "FEEDD_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
		const bad = "\x00" // no value of any setting
		_, err := config.Load("", []string{name + "=" + bad}, nil)
		if err == nil || !strings.HasPrefix(err.Error(), name+": ") || strings.Contains(err.Error(), "unknown") {
			t.Errorf("%s: %v", name, err)
		}
		_, err = config.Load("", nil, map[string]string{path: bad})
		if err == nil || !strings.HasPrefix(err.Error(), "--"+path+": ") || strings.Contains(err.Error(), "unknown") {
			t.Errorf("--%s: %v", path, err)
		}
	}
}

// A number without bounds would be taken however it is.
func TestEveryNumberHasBoundsThatCanBeRead(t *testing.T) {
	for _, group := range []reflect.Type{reflect.TypeFor[config.Config](), reflect.TypeFor[config.Upstream]()} {
		for _, f := range reflect.VisibleFields(group) {
			checkBoundTags(t, f)
		}
	}
}

func checkBoundTags(t *testing.T, f reflect.StructField) {
	switch {
	case f.Type.Kind() == reflect.Struct:
		for _, sub := range reflect.VisibleFields(f.Type) {
			checkBoundTags(t, sub)
		}
		return
	case !f.Type.ConvertibleTo(reflect.TypeFor[int64]()):
		return
	case f.Tag.Get("least") == "":
		t.Errorf("%s says no least", f.Name)
	}
	for _, name := range []string{"least", "most"} {
		switch text := f.Tag.Get(name); v := reflect.New(f.Type).Interface().(type) {
		case *int:
			if _, err := strconv.Atoi(text); text != "" && err != nil {
				t.Errorf("%s of %s: %v", name, f.Name, err)
			}
		case encoding.TextUnmarshaler:
			if err := v.UnmarshalText([]byte(text)); text != "" && err != nil {
				t.Errorf("%s of %s: %v", name, f.Name, err)
			}
		}
	}
}

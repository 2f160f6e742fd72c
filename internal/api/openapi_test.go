package api_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"feedd/internal/api"
	"feedd/internal/auth"
	"feedd/internal/publish"
	"feedd/internal/server/servertest"
	"feedd/internal/wire"
	"feedd/public"
)

const openapiPath = "/openapi.yaml"

// openapiServer is a server with the real pages, which is asked for nothing
// that needs a store.
func openapiServer(t *testing.T) *api.Server {
	t.Helper()
	sessions, err := auth.OpenSessions("key", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := api.New(api.Options{Pages: api.Pages{Files: public.Files}, Legacy: servertest.Legacy, Access: api.Access{Sessions: sessions, Auth: auth.New("key", auth.Rules{})}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// openapiDoc is the description as YAML has it.
func openapiDoc(t *testing.T) map[string]any {
	t.Helper()
	text, err := public.Files.ReadFile(path.Base(openapiPath))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// openapiAt returns the map at a path of keys.
func openapiAt(t *testing.T, v any, keys ...string) map[string]any {
	t.Helper()
	for _, key := range keys {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	m, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("openapi.yaml has no map at %s", strings.Join(keys, " "))
	}
	return m
}

// openapiOperations returns the operations, as in "GET /feeds".
func openapiOperations(t *testing.T, doc map[string]any) map[string]map[string]any {
	t.Helper()
	list := make(map[string]map[string]any)
	for route, item := range openapiAt(t, doc, "paths") {
		for method := range openapiAt(t, item) {
			switch method {
			case "parameters", "summary", "description":
			default:
				list[strings.ToUpper(method)+" "+route] = openapiAt(t, item, method)
			}
		}
	}
	return list
}

func TestOpenAPI_HasTheRoutesAndNoOthers(t *testing.T) {
	s := openapiServer(t)
	pages := api.PageRoutes(t, public.Files)
	var want []string
	err := chi.Walk(s.Routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if route == openapiPath || !slices.Contains(pages, route) {
			want = append(want, method+" "+route)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	got := slices.Sorted(maps.Keys(openapiOperations(t, openapiDoc(t))))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("routes (-) and openapi.yaml (+):\n%s", d)
	}
}

// openapiProblems returns the status of each problem that the package's files
// declare, by type.
func openapiProblems(t *testing.T) map[string]string {
	t.Helper()
	files, err := os.ReadDir("../problem")
	if err != nil {
		t.Fatal(err)
	}
	problems := make(map[string]string)
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../problem", file.Name()), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if name, ok := lit.Type.(*ast.Ident); !ok || name.Name != "Problem" {
				return true
			}
			fields := make(map[string]string)
			for _, elt := range lit.Elts {
				if kv, ok := elt.(*ast.KeyValueExpr); ok {
					if value, ok := kv.Value.(*ast.BasicLit); ok {
						fields[kv.Key.(*ast.Ident).Name] = value.Value
					}
				}
			}
			typ, err := strconv.Unquote(fields["Type"])
			if err != nil || problems[typ] != "" {
				t.Errorf("%s: a problem with the type %s: none, or a second one", file.Name(), fields["Type"])
			}
			problems[typ] = fields["Status"]
			return true
		})
	}
	return problems
}

var openapiWord = regexp.MustCompile("`([a-z-]+)`")

// Each type stands in the enum and, under its status, in the list that people
// read. An operation names it under no other status.
func TestOpenAPI_HasTheProblemTypesAndNoOthers(t *testing.T) {
	want, doc := openapiProblems(t), openapiDoc(t)
	schema := openapiAt(t, doc, "components", "schemas", "Problem", "properties", "type")

	var enum []string
	for _, typ := range schema["enum"].([]any) {
		enum = append(enum, typ.(string))
	}
	slices.Sort(enum)
	if d := cmp.Diff(slices.Sorted(maps.Keys(want)), enum); d != "" {
		t.Errorf("problems (-) and the enum of their types (+):\n%s", d)
	}

	listed := make(map[string]string)
	_, list, _ := strings.Cut(schema["description"].(string), "- ")
	for _, row := range strings.Split(list, "\n- ") {
		status, types, _ := strings.Cut(row, ":")
		for _, m := range openapiWord.FindAllStringSubmatch(types, -1) {
			listed[m[1]] = status
		}
	}
	if d := cmp.Diff(want, listed); d != "" {
		t.Errorf("problems (-) and the list by status (+):\n%s", d)
	}

	for name, op := range openapiOperations(t, doc) {
		for status, response := range openapiAt(t, op, "responses") {
			text, _ := openapiAt(t, response)["description"].(string)
			for _, m := range openapiWord.FindAllStringSubmatch(text, -1) {
				if of, is := want[m[1]]; is && of != status {
					t.Errorf("%s: %s is a %s, not a %s", name, m[1], of, status)
				}
			}
		}
	}
}

func TestOpenAPI_HasTheContentTypesOfAPublish(t *testing.T) {
	op := openapiOperations(t, openapiDoc(t))["POST /feeds/{feed}"]
	got := slices.Sorted(maps.Keys(openapiAt(t, op, "requestBody", "content")))
	if d := cmp.Diff(publish.Types(), got); d != "" {
		t.Errorf("bodies (-) and openapi.yaml (+):\n%s", d)
	}
}

func TestOpenAPI_IsWhole(t *testing.T) {
	doc := openapiDoc(t)
	used := make(map[string]bool)
	var prose strings.Builder
	var walk func(v any, at string)
	walk = func(v any, at string) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				used[ref] = true
			}
			if text, ok := v["description"].(string); ok {
				prose.WriteString(text)
			}
			for key, value := range v {
				walk(value, at+"/"+key)
			}
		case []any:
			for i, value := range v {
				walk(value, fmt.Sprint(at, "/", i))
			}
		case nil:
			t.Errorf("%s has no value", at)
		}
	}
	walk(doc, "#")
	for kind, list := range openapiAt(t, doc, "components") {
		for name := range openapiAt(t, list) {
			ref := "#/components/" + kind + "/" + name
			// What stands in a stream can only be spoken of.
			if !used[ref] && kind != "securitySchemes" && !strings.Contains(prose.String(), ", its data a "+name+",") {
				t.Errorf("%s is not used", ref)
			}
			delete(used, ref)
		}
	}
	for ref := range used {
		t.Errorf("%s is not there", ref)
	}
	ids := make(map[any]string)
	for name, op := range openapiOperations(t, doc) {
		id := op["operationId"]
		if id == nil || ids[id] != "" {
			t.Errorf("%s has the operationId %v: none, or that of %s too", name, id, ids[id])
		}
		ids[id] = name
	}
}

// The lines of the example are what a client of feedd's own can read.
func TestOpenAPI_ExampleOfNDJSON(t *testing.T) {
	op := openapiOperations(t, openapiDoc(t))["GET /feeds/{feed}"]
	content := openapiAt(t, op, "responses", "200", "content", "application/x-ndjson")
	example, _ := content["example"].(string)
	for text := range strings.Lines(example) {
		line, err := wire.DecodeLine([]byte(text))
		if err != nil || line == (wire.Line{}) {
			t.Errorf("%s: %+v, %v", text, line, err)
		}
	}
	if n := strings.Count(example, "\n"); n < 4 {
		t.Errorf("the example has %d lines", n)
	}
}

func TestOpenAPI_IsServed(t *testing.T) {
	want, err := public.Files.ReadFile(path.Base(openapiPath))
	if err != nil {
		t.Fatal(err)
	}
	get := func(method, ifNoneMatch string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, openapiPath, nil)
		if ifNoneMatch != "" {
			r.Header.Set("If-None-Match", ifNoneMatch)
		}
		w := httptest.NewRecorder()
		openapiServer(t).Handler().ServeHTTP(w, r)
		return w
	}
	w := get("GET", "")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("status %d, content type %q", w.Code, w.Header().Get("Content-Type"))
	}
	if d := cmp.Diff(string(want), w.Body.String()); d != "" {
		t.Error(d)
	}
	if w := get("HEAD", ""); w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("HEAD: status %d and %d bytes", w.Code, w.Body.Len())
	}
	if w := get("GET", w.Header().Get("ETag")); w.Code != http.StatusNotModified {
		t.Errorf("with its ETag: status %d", w.Code)
	}
}

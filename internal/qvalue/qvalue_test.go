package qvalue_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"feedd/internal/qvalue"
)

func TestParse(t *testing.T) {
	type list = []qvalue.Element
	for _, tt := range []struct {
		values []string
		want   list
	}{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{" , ;q=1,"}, nil},
		{[]string{"gzip"}, list{{"gzip", 1}}},
		{[]string{"GZip ; Q=0.5, br"}, list{{"gzip", .5}, {"br", 1}}},
		{[]string{"text/html;level=1;q=0.7", "*/*;q=0"}, list{{"text/html", .7}, {"*/*", 0}}},
		{[]string{"a;q=2,b;q=-1,c;q=x,d;q=,e;q=NaN,f;q"}, list{{"a", 0}, {"b", 0}, {"c", 0}, {"d", 0}, {"e", 0}, {"f", 0}}},
	} {
		if d := cmp.Diff(tt.want, qvalue.Parse(tt.values)); d != "" {
			t.Errorf("%q: %s", tt.values, d)
		}
	}
}

package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
)

func TestParseIdentifier(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string // nil is refused
	}{
		{"t", []string{"t"}},
		{"a.t", []string{"a", "t"}},
		{"a.b.c.t", []string{"a", "b", "c", "t"}},
		{`a."b.c".t`, []string{"a", "b.c", "t"}},
		{`"a.b"`, []string{"a.b"}},
		{`"a".t`, []string{"a", "t"}},
		{"a b.t", []string{"a b", "t"}},
		{"", nil},
		{".t", nil},
		{"a.", nil},
		{"a..t", nil},
		{`"a`, nil},
		{`"a"b`, nil},
		{`"a""b"`, nil}, // parsed, but a quote is no name
		{`"".t`, nil},
		{`".."`, nil},
		{"a/b", nil},
		{"a.*", nil},
		{strings.Repeat("a", 256), nil},
		{strings.Repeat("a.", 65) + "t", nil},
	} {
		id, err := catalog.ParseIdentifier(c.in)
		if (err == nil) != (c.want != nil) {
			t.Errorf("%.40q: %v", c.in, err)
			continue
		}
		if err != nil {
			continue
		}
		if got := append(slices.Clone(id.Namespace), id.Name); !slices.Equal(got, c.want) {
			t.Errorf("%q is %q, want %q", c.in, got, c.want)
		}
	}
	id := catalog.Identifier{Namespace: []string{`a"b`, "c.d"}, Name: ""}
	if got, want := id.String(), `"a""b"."c.d".""`; got != want {
		t.Errorf("String is %s, want %s", got, want)
	}
}

// FuzzParseIdentifier: what is accepted is written back so that it reads the
// same, and no part of it is more than a name.
func FuzzParseIdentifier(f *testing.F) {
	for _, s := range []string{"a.t", `a."b.c".t`, `"a""b"`, "a..b", "\x00", "ü.é", `"`, "../x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := catalog.ParseIdentifier(s)
		if err != nil {
			return
		}
		again, err := catalog.ParseIdentifier(id.String())
		if err != nil || again.Name != id.Name || !slices.Equal(again.Namespace, id.Namespace) {
			t.Fatalf("%q became %q, then %q, %v", s, id, again, err)
		}
		for _, part := range append(slices.Clone(id.Namespace), id.Name) {
			if part == "" || part[0] == '.' || strings.ContainsAny(part, "/\\*?\x00\n'\"") {
				t.Fatalf("%q has the part %q", s, part)
			}
		}
	})
}

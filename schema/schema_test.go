package schema

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNewRefuses(t *testing.T) {
	deep := Int
	for range MaxDepth + 1 {
		deep = List(Field{ID: 1, Type: deep})
	}
	for name, fields := range map[string][]Field{
		"zero id":         {{ID: 1, Name: "a", Type: Int}, {Name: "b", Type: Int}},
		"negative id":     {{ID: -1, Name: "a", Type: Int}},
		"same id":         {{ID: 1, Name: "a", Type: Int}, {ID: 1, Name: "b", Type: Int}},
		"same id, nested": {{ID: 1, Name: "a", Type: List(Field{ID: 1, Type: Int})}},
		"same name":       {{ID: 1, Name: "a", Type: Int}, {ID: 2, Name: "a", Type: Int}},
		"no type":         {{ID: 1, Name: "a"}},
		"deep":            {{ID: 2, Name: "a", Type: deep}},
		"empty list":      {{ID: 1, Name: "a", Type: Type{Kind: KindList}}},
	} {
		if _, err := New(0, fields, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s := MustNew(Field{Name: "a", Type: Int}, Field{Name: "b", Type: List(Field{Type: Int})})
	if s.Fields[1].ID != 2 || s.Fields[1].Type.Element().ID != 3 {
		t.Error("fields without any id got none")
	}
}

func TestLookUps(t *testing.T) {
	s := MustNew(
		Field{ID: 1, Name: "a", Type: Struct(Field{ID: 2, Name: "b", Type: Int}, Field{ID: 3, Name: "c", Type: String})},
		Field{ID: 4, Name: "a.b", Type: Long},
		Field{ID: 5, Name: "Case", Type: Long},
		Field{ID: 6, Name: "m", Type: Map(Field{ID: 7, Type: String}, Field{ID: 8, Type: Struct(Field{ID: 9, Name: "x", Type: Int})})},
	)
	for name, id := range map[string]int{"a": 1, "a.b": 4, "a.c": 3, "Case": 5, "m.value.x": 9, "m.x": 9, "m.key": 7} {
		if f, ok := s.FieldByName(name); !ok || f.ID != id {
			t.Errorf("%s: %v", name, f)
		}
	}
	if _, ok := s.FieldByName("case"); ok {
		t.Error("look-up ignores case")
	}
	if f, err := s.FieldByNameFold("CASE"); err != nil || f.ID != 5 {
		t.Error(f, err)
	}
	if s.ParentID(9) != 8 || s.ParentID(8) != 6 || s.ParentID(6) != 0 {
		t.Error("wrong parents")
	}
	for id, want := range map[int][]int{1: {0}, 3: {0, 1}, 4: {1}, 6: {3}, 7: nil, 8: nil, 9: nil, 99: nil} {
		if got := s.StructPath(id); !slices.Equal(got, want) {
			t.Errorf("way to %d: %v, want %v", id, got, want)
		}
	}
	if _, ok := (&Schema{Fields: s.Fields}).FieldByID(9); !ok {
		t.Error("a schema not made by New finds nothing")
	}
}

func TestSelect(t *testing.T) {
	s, err := New(3, []Field{
		{ID: 1, Name: "id", Type: Long, Required: true},
		{ID: 2, Name: "status", Type: String},
		{ID: 3, Name: "s", Type: Struct(Field{ID: 4, Name: "x", Type: Int}, Field{ID: 5, Name: "y", Type: Int}, Field{ID: 6, Name: "z", Type: Int})},
		{ID: 7, Name: "m", Type: Map(Field{ID: 8, Type: String}, Field{ID: 9, Type: Struct(Field{ID: 10, Name: "p", Type: Int}, Field{ID: 11, Name: "q", Type: Int})})},
	}, []int{1})
	check(t, err)
	out, err := s.Select([]string{"s.z", "m.value.q", "id", "s.x"})
	check(t, err)
	want := "struct<3: s: optional struct<6: z: optional int, 4: x: optional int>, 7: m: optional map<string, struct<11: q: optional int>>, 1: id: required long>"
	if got := out.String(); got != want || out.ID != 3 || len(out.IdentifierFieldIDs) != 1 {
		t.Errorf("got %s\nwant %s", got, want)
	}
	out, err = s.Select([]string{"s.x", "s"})
	check(t, err)
	if len(out.Fields[0].Type.Fields) != 3 || len(out.IdentifierFieldIDs) != 0 {
		t.Error(out)
	}
	_, err = s.Select([]string{"statsu"})
	if err == nil || !strings.Contains(err.Error(), "status") {
		t.Errorf("the error lists no similar column: %v", err)
	}
}

const golden = `{"type":"struct","schema-id":1,"identifier-field-ids":[1],"fields":[` +
	`{"id":1,"name":"id","required":true,"type":"long","doc":"the \"key\""},` +
	`{"id":2,"name":"amount","required":false,"type":"decimal(9,2)","initial-default":"0.00","write-default":"1.50"},` +
	`{"id":3,"name":"big","required":false,"type":"long","write-default":9007199254740993},` +
	`{"id":4,"name":"tags","required":false,"type":{"type":"list","element-id":5,"element-required":true,"element":"string"}},` +
	`{"id":6,"name":"props","required":false,"type":{"type":"map","key-id":7,"key":"string","value-id":8,"value-required":false,"value":` +
	`{"type":"struct","fields":[{"id":9,"name":"x","required":false,"type":"fixed[16]"}]}}},` +
	`{"id":10,"name":"when","required":false,"type":"timestamptz","initial-default":"2020-01-01T00:00:00.000000+00:00"}]}`

func TestSchemaJSON(t *testing.T) {
	var s Schema
	check(t, json.Unmarshal([]byte(golden), &s))
	raw, err := json.Marshal(&s)
	check(t, err)
	if string(raw) != golden {
		t.Errorf("got  %s\nwant %s", raw, golden)
	}
	if f, _ := s.FieldByName("big"); f.WriteDefault != int64(9007199254740993) {
		t.Errorf("default of a long = %v", f.WriteDefault)
	}
	check(t, Validate(&s, 3))
	// Version 1: no schema-id; unknown members are ignored.
	check(t, json.Unmarshal([]byte(`{"type":"struct","future":[1],"fields":[{"id":1,"name":"a","required":false,"type":"int","x":{}}]}`), &s))
	if s.ID != 0 || len(s.Fields) != 1 {
		t.Error(s)
	}
	for _, bad := range []string{
		`{}`, `[]`, `{"type":"list","fields":[]}`, `{"fields":[{"id":1,"name":"a","required":true}]}`,
		`{"fields":[{"id":1,"name":"a","type":"int"}]}`, `{"fields":[{"name":"a","required":true,"type":"int"}]}`,
		`{"fields":[{"id":1,"name":"a","required":true,"type":"integer"}]}`,
		`{"fields":[{"id":1,"name":"a","required":true,"type":{"type":"list","element":"int"}}]}`,
		`{"fields":[{"id":1,"name":"a","required":true,"type":"int","write-default":"x"}]}`,
		`{"fields":[{"id":1.5,"name":"a","required":true,"type":"int"}]}`,
		`{"identifier-field-ids":[2],"fields":[{"id":1,"name":"a","required":true,"type":"int"}]}`,
		`{"fields":[{"id":1,"name":"a","required":true,"type":` + strings.Repeat(`{"type":"list","element-id":2,"element-required":true,"element":`, 80) + `"int"` + strings.Repeat("}", 80) + `}]}`,
	} {
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("accepted %s", clip(bad))
		}
	}
}

func TestTypeJSON(t *testing.T) {
	for _, text := range []string{`"int"`, `"decimal(9,2)"`, `{"type":"list","element-id":5,"element-required":true,"element":"string"}`, `{"type":"struct","fields":[]}`} {
		var typ Type
		check(t, json.Unmarshal([]byte(text), &typ))
		if raw, err := json.Marshal(typ); err != nil || string(raw) != text {
			t.Errorf("%s came back as %s, %v", text, raw, err)
		}
	}
}

func TestValidateVersions(t *testing.T) {
	for _, typ := range []Type{TimestampNs, TimestampTzNs, Unknown, Variant, Geometry(""), Geography("", "")} {
		s := MustNew(Field{ID: 1, Name: "a", Type: Struct(Field{ID: 2, Name: "b", Type: typ})})
		check(t, Validate(s, 3))
		if err := Validate(s, 2); err == nil || !strings.Contains(err.Error(), "a.b") {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestWKT(t *testing.T) {
	for _, text := range []string{
		"POINT (30 10)", "POINT Z (1 2 3)", "POINT ZM (1 2 3 4)", "POINT EMPTY", "LINESTRING (30 10, 10 30, 40 40.5)", "LINESTRING EMPTY",
		"POLYGON ((30 10, 40 40, 20 40, 30 10), (20 30, 35 35, 30 20, 20 30))", "MULTIPOINT ((10 40), (40 30))",
		"MULTILINESTRING ((10 10, 20 20), (40 40, 30 30))", "MULTIPOLYGON (((30 20, 45 40, 10 40, 30 20)), ((15 5, 40 10, 10 20, 15 5)))",
		"GEOMETRYCOLLECTION (POINT (40 10), LINESTRING (10 10, 20 20))", "GEOMETRYCOLLECTION EMPTY", "POINT M (1 2 -3)",
	} {
		b, err := ParseWKT(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := AppendWKT(nil, b); err != nil || string(got) != text {
			t.Errorf("%s came back as %s, %v", text, got, err)
		}
		for n := range b {
			if _, err := AppendWKT(nil, b[:n]); err == nil {
				t.Errorf("%s: the first %d bytes were accepted", text, n)
			}
		}
	}
	if b, err := ParseWKT(" multipoint(10 40,40 30) "); err != nil {
		t.Error(err)
	} else if got, _ := AppendWKT(nil, b); string(got) != "MULTIPOINT ((10 40), (40 30))" {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"", "POINT", "POINT (1)", "POINT (1 2", "POINT (1 2) x", "CIRCLE (1 2)", "POINT Q (1 2)", "LINESTRING (1 2,)", strings.Repeat("GEOMETRYCOLLECTION (", 100)} {
		if _, err := ParseWKT(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

package schema

import (
	"reflect"
	"strings"
	"testing"
)

func evolve(t *testing.T) *Evolution {
	t.Helper()
	s, err := New(4, []Field{
		{ID: 1, Name: "id", Type: Long, Required: true},
		{ID: 2, Name: "n", Type: Int},
		{ID: 3, Name: "s", Type: Struct(Field{ID: 4, Name: "x", Type: Int}, Field{ID: 5, Name: "y", Type: Float})},
		{ID: 6, Name: "l", Type: List(Field{ID: 7, Type: Struct(Field{ID: 8, Name: "e", Type: Date})})},
		{ID: 9, Name: "m", Type: Map(Field{ID: 10, Type: Struct(Field{ID: 11, Name: "k", Type: Int})}, Field{ID: 12, Type: Int})},
	}, []int{1})
	check(t, err)
	return NewEvolution(s, 30, 3)
}

func TestEvolution(t *testing.T) {
	e := evolve(t)
	check(t, e.Add("", Field{Name: "new", Type: Struct(Field{Name: "p", Type: Int}, Field{Name: "q", Type: List(Field{Type: Int})})}))
	check(t, e.Add("s", Field{Name: "z", Type: String, WriteDefault: "w"}))
	check(t, e.Add("l", Field{Name: "f", Type: Int}))
	check(t, e.Drop("s.y"))
	check(t, e.Rename("n", "number"))
	check(t, e.Widen("number", Long))
	check(t, e.Widen("l.e", Timestamp))
	check(t, e.Widen("m.value", Long))
	check(t, e.MoveFirst("new"))
	check(t, e.MoveAfter("id", "m"))
	check(t, e.MoveBefore("s.z", "s.x"))
	check(t, e.UpdateDoc("number", "doc"))
	check(t, e.Add("", Field{Name: "k2", Type: String, Required: true, InitialDefault: "a", WriteDefault: "b"}))
	check(t, e.SetIdentifier("id", "k2"))
	out, last, err := e.Schema()
	check(t, err)
	want := "struct<31: new: optional struct<32: p: optional int, 33: q: optional list<int>>, 2: number: optional long, " +
		"3: s: optional struct<35: z: optional string, 4: x: optional int>, " +
		"6: l: optional list<struct<8: e: optional timestamp, 36: f: optional int>>, " +
		"9: m: optional map<struct<11: k: optional int>, long>, 1: id: required long, 37: k2: required string>"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
	if last != 37 || out.ID != 4 || !reflect.DeepEqual(out.IdentifierFieldIDs, []int{1, 37}) {
		t.Error(last, out.ID, out.IdentifierFieldIDs)
	}
	if f, _ := out.FieldByName("number"); f.Doc != "doc" {
		t.Error(f)
	}
}

func TestE5EvolutionRefuses(t *testing.T) {
	for name, change := range map[string]func(*Evolution) error{
		"unknown parent":       func(e *Evolution) error { return e.Add("zz", Field{Name: "a", Type: Int}) },
		"no struct":            func(e *Evolution) error { return e.Add("n", Field{Name: "a", Type: Int}) },
		"exists":               func(e *Evolution) error { return e.Add("s", Field{Name: "x", Type: Int}) },
		"required, no default": func(e *Evolution) error { return e.Add("", Field{Name: "a", Type: Int, Required: true}) },
		"required unknown":     func(e *Evolution) error { return e.Add("", Field{Name: "a", Type: Unknown, Required: true}) },
		"bad default":          func(e *Evolution) error { return e.Add("", Field{Name: "a", Type: Int, WriteDefault: "x"}) },
		"no type":              func(e *Evolution) error { return e.Add("", Field{Name: "a"}) },
		"empty name":           func(e *Evolution) error { return e.Add("", Field{Type: Int}) },
		"drop identifier":      func(e *Evolution) error { return e.Drop("id") },
		"drop element":         func(e *Evolution) error { return e.Drop("l.element") },
		"drop unknown":         func(e *Evolution) error { return e.Drop("nn") },
		"rename to sibling":    func(e *Evolution) error { return e.Rename("n", "s") },
		"rename element":       func(e *Evolution) error { return e.Rename("l.element", "x") },
		"narrow":               func(e *Evolution) error { return e.Widen("id", Int) },
		"primitive to struct":  func(e *Evolution) error { return e.Widen("n", Struct(Field{ID: 1, Name: "a", Type: Int})) },
		"struct to primitive":  func(e *Evolution) error { return e.Widen("s", Int) },
		"map key":              func(e *Evolution) error { return e.Widen("m.key.k", Long) },
		"map key member":       func(e *Evolution) error { return e.Add("m.key", Field{Name: "z", Type: Int}) },
		"optional identifier":  func(e *Evolution) error { return e.MakeOptional("id") },
		"require":              func(e *Evolution) error { return e.RequireColumn("n") },
		"move out of struct":   func(e *Evolution) error { return e.MoveAfter("s.x", "id") },
		"move to itself":       func(e *Evolution) error { return e.MoveAfter("n", "n") },
		"float identifier":     func(e *Evolution) error { return e.SetIdentifier("s.y") },
		"optional as key":      func(e *Evolution) error { return e.SetIdentifier("n") },
		"default of wrong type": func(e *Evolution) error {
			return e.SetDefault("n", "x")
		},
	} {
		e := evolve(t)
		before, _, err := e.Schema()
		check(t, err)
		if err := change(e); err == nil {
			t.Errorf("%s: allowed", name)
		}
		after, last, err := e.Schema()
		check(t, err)
		if !before.Equal(after) || last != 30 {
			t.Errorf("%s: a refused change changed the schema", name)
		}
	}
}

func TestEvolutionVersions(t *testing.T) {
	s := MustNew(Field{ID: 1, Name: "d", Type: Date}, Field{ID: 2, Name: "i", Type: Int})
	e := NewEvolution(s, 2, 2)
	for name, err := range map[string]error{
		"promotion": e.Widen("d", Timestamp), "default": e.SetDefault("i", 1), "type": e.Add("", Field{Name: "v", Type: Variant}),
		"required": e.Add("", Field{Name: "r", Type: Int, Required: true, InitialDefault: 1, WriteDefault: 1}),
	} {
		if err == nil {
			t.Errorf("%s of version 3 allowed in version 2", name)
		}
	}
	e.AllowIncompatible()
	check(t, e.RequireColumn("i"))
	check(t, e.MakeOptional("i"))
	e = NewEvolution(s, 2, 3)
	check(t, e.SetDefault("i", 5))
	check(t, e.Widen("i", Long))
	out, _, err := e.Schema()
	check(t, err)
	if f, _ := out.FieldByName("i"); f.WriteDefault != int64(5) || f.InitialDefault != nil {
		t.Errorf("defaults %#v, %#v", f.WriteDefault, f.InitialDefault)
	}
	if s.Fields[1].Type.Kind != KindInt || s.Fields[1].WriteDefault != nil {
		t.Error("the schema it started from has changed")
	}
}

func TestE11NameMapping(t *testing.T) {
	text := `[{"field-id":1,"names":["id","record_id"]},{"field-id":2,"names":["data.x"]},` +
		`{"names":["none"]},{"field-id":3,"names":[]},` +
		`{"field-id":4,"names":["location"],"fields":[{"field-id":5,"names":["latitude","lat"]}]},` +
		`{"field-id":7,"names":["tags"],"fields":[{"field-id":8,"names":["element"],"fields":[{"field-id":9,"names":["a"]}]}]}]`
	m, err := ParseNameMapping([]byte(text))
	check(t, err)
	for path, want := range map[string]int{
		"id": 1, "record_id": 1, "data.x": 2, "none": 0, "location/lat": 5, "location/latitude": 5, "lat": 0,
		"tags/element/a": 9, "tags/a": 0, "data/x": 0, "": 0, "zz": 0,
	} {
		if id, ok := m.ID(strings.Split(path, "/")...); id != want || ok != (want != 0) {
			t.Errorf("%s = %d, %t, want %d", path, id, ok, want)
		}
	}
	raw, err := m.MarshalJSON()
	if err != nil || string(raw) != text {
		t.Errorf("came back as %s, %v", raw, err)
	}
	for _, bad := range []string{
		``, `{}`, `[{"field-id":1,"names":["a","a"]}]`, `[{"field-id":1,"names":["a"]},{"field-id":2,"names":["a"]}]`,
		`[{"field-id":1,"names":["a"]},{"field-id":1,"names":["b"]}]`, `[{"field-id":0,"names":["a"]}]`,
		strings.Repeat(`[{"names":["a"],"fields":`, 100) + `[]` + strings.Repeat(`}]`, 100),
	} {
		if _, err := ParseNameMapping([]byte(bad)); err == nil {
			t.Errorf("accepted %s", clip(bad))
		}
	}
}

func TestNameMappingUpdate(t *testing.T) {
	e := evolve(t)
	s, _, err := e.Schema()
	check(t, err)
	m := MappingFor(s)
	if id, ok := m.ID("m", "key", "k"); !ok || id != 11 {
		t.Error(id)
	}
	check(t, e.Rename("n", "num"))
	check(t, e.Add("", Field{Name: "n", Type: Int}))
	check(t, e.Rename("s.x", "xx"))
	check(t, e.Drop("s.y"))
	s, _, err = e.Schema()
	check(t, err)
	m = m.Update(s)
	for path, want := range map[string]int{"num": 2, "n": 31, "s/x": 4, "s/xx": 4, "s/y": 5, "l/element/e": 8} {
		if id, _ := m.ID(strings.Split(path, "/")...); id != want {
			t.Errorf("%s = %d, want %d", path, id, want)
		}
	}
}

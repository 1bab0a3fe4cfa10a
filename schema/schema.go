package schema

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// MaxDepth bounds how deeply types nest: a top-level column has depth 1, the
// member of a struct column depth 2. Deeper schemas are refused.
const MaxDepth = 64

// Schema is a table schema: an ordered list of fields with ids. A Schema is
// immutable once made by New; all methods may be called concurrently.
type Schema struct {
	// ID is the schema-id in table metadata.
	ID int
	// Fields are the top-level columns in order.
	Fields []Field
	// IdentifierFieldIDs is the table's key (spec: "Identifier Field IDs"),
	// empty when it has none.
	IdentifierFieldIDs []int

	index *index
}

// index finds fields of a schema, nested ones included.
type index struct {
	byID    map[int]indexed
	byName  map[string]int
	short   map[string]int // paths without "element" and "value" before a struct member
	highest int
}

type indexed struct {
	field  *Field
	path   string
	parent int // id of the enclosing field, 0 at top level
}

// New returns a schema of the given fields. Every id, also of nested fields,
// must be positive and unique, and names unique within their struct; if no
// field at any level has an id, fresh ones are assigned from 1. Identifiers
// must name required primitive columns that are neither float nor double and
// not below a list, map or optional struct (spec: "Identifier Field IDs").
// The fields are not copied and must not be changed afterwards.
func New(id int, fields []Field, identifiers []int) (*Schema, error) {
	if noIDs(fields, 0) {
		n := 0
		fields = AssignIDs(fields, func() int { n++; return n })
	}
	s := &Schema{ID: id, Fields: fields, IdentifierFieldIDs: identifiers}
	ix, err := buildIndex(fields)
	if err != nil {
		return nil, err
	}
	s.index = ix
	for _, f := range identifiers {
		if err := s.checkIdentifier(f); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// MustNew is New with schema id 0 and no identifiers. It panics on an error:
// it is meant for schemas written out in a program.
func MustNew(fields ...Field) *Schema {
	s, err := New(0, fields, nil)
	if err != nil {
		panic(err)
	}
	return s
}

func noIDs(fields []Field, depth int) bool {
	if depth > MaxDepth {
		return false
	}
	for i := range fields {
		if fields[i].ID != 0 || !noIDs(fields[i].Type.Fields, depth+1) {
			return false
		}
	}
	return true
}

func buildIndex(fields []Field) (*index, error) {
	ix := &index{byID: make(map[int]indexed, len(fields)), byName: make(map[string]int, len(fields))}
	if err := ix.addAll(fields, KindStruct, "", "", 0, 1); err != nil {
		return nil, err
	}
	// An exact top-level name wins over a path that reads the same.
	for i := range fields {
		ix.byName[fields[i].Name] = fields[i].ID
	}
	return ix, nil
}

func (ix *index) addAll(fields []Field, in Kind, prefix, short string, parent, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("field %s: nested deeper than %d", strings.TrimSuffix(prefix, "."), MaxDepth)
	}
	names := make(map[string]struct{}, len(fields))
	for i := range fields {
		f := &fields[i]
		path, shortPath := prefix+f.Name, short+f.Name
		if f.ID <= 0 {
			return fmt.Errorf("field %s: id %d is not positive", path, f.ID)
		}
		if old, ok := ix.byID[f.ID]; ok {
			return fmt.Errorf("field %s: id %d is also that of field %s", path, f.ID, old.path)
		}
		if _, ok := names[f.Name]; ok {
			return fmt.Errorf("field %s: name occurs twice", path)
		}
		names[f.Name] = struct{}{}
		if err := f.Type.check(); err != nil {
			return fmt.Errorf("field %s: %w", path, err)
		}
		ix.byID[f.ID] = indexed{field: f, path: path, parent: parent}
		ix.highest = max(ix.highest, f.ID)
		if _, taken := ix.byName[path]; !taken {
			ix.byName[path] = f.ID
		}
		if in != KindStruct && f.Name != "key" && f.Type.Kind == KindStruct {
			shortPath = strings.TrimSuffix(short, ".")
		} else if path != shortPath {
			if ix.short == nil {
				ix.short = make(map[string]int)
			}
			if _, taken := ix.short[shortPath]; !taken {
				ix.short[shortPath] = f.ID
			}
		}
		if f.Type.IsNested() {
			if err := ix.addAll(f.Type.Fields, f.Type.Kind, path+".", shortPath+".", f.ID, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// check reports whether the type itself, not its children, is well formed.
func (t Type) check() error {
	switch t.Kind {
	case KindDecimal:
		if t.Precision < 1 || t.Precision > 38 {
			return fmt.Errorf("decimal precision %d is not between 1 and 38", t.Precision)
		}
		if t.Scale > 38 || t.Scale < -38 {
			return fmt.Errorf("decimal scale %d is not between -38 and 38", t.Scale)
		}
	case KindFixed:
		if t.Length < 0 || t.Length > 1<<30 {
			return fmt.Errorf("fixed length %d is not between 0 and %d", t.Length, 1<<30)
		}
	case KindList:
		if len(t.Fields) != 1 || t.Fields[0].Name != "element" {
			return errors.New("a list has one field, named element")
		}
	case KindMap:
		if len(t.Fields) != 2 || t.Fields[0].Name != "key" || t.Fields[1].Name != "value" || !t.Fields[0].Required {
			return errors.New("a map has two fields, a required key and a value")
		}
	case KindStruct:
	default:
		if t.Kind == KindInvalid || t.Kind > KindMap {
			return errors.New("has no type")
		}
	}
	return nil
}

func (s *Schema) checkIdentifier(id int) error {
	e, ok := s.lookup().byID[id]
	if !ok {
		return fmt.Errorf("identifier field id %d is not in the schema", id)
	}
	f := e.field
	switch {
	case f.Type.IsNested() || f.Type.Kind == KindVariant || f.Type.Kind == KindUnknown:
		return fmt.Errorf("identifier field %s: type %s is not primitive", e.path, f.Type)
	case f.Type.Kind == KindFloat || f.Type.Kind == KindDouble:
		return fmt.Errorf("identifier field %s: type %s may not identify rows", e.path, f.Type)
	case !f.Required:
		return fmt.Errorf("identifier field %s: is optional", e.path)
	}
	for p := e.parent; p != 0; p = s.lookup().byID[p].parent {
		up := s.lookup().byID[p]
		if up.field.Type.Kind != KindStruct || !up.field.Required {
			return fmt.Errorf("identifier field %s: lies in %s, which is not a required struct", e.path, up.path)
		}
	}
	return nil
}

// lookup returns the index, built on the spot for a schema not made by New. In
// that case an invalid schema finds nothing.
func (s *Schema) lookup() *index {
	if s.index != nil {
		return s.index
	}
	ix, err := buildIndex(s.Fields)
	if err != nil {
		return &index{}
	}
	return ix
}

// FieldByID returns the field of that id, nested ones included.
func (s *Schema) FieldByID(id int) (*Field, bool) {
	e, ok := s.lookup().byID[id]
	return e.field, ok
}

// FieldByName returns the field of that name. Nested fields are named by their
// path with dots: "a.b" in a struct, "a.element" of a list, "a.key" and
// "a.value" of a map; "element" and "value" may be left out before the member
// of a struct. A top-level column whose name has dots wins.
func (s *Schema) FieldByName(name string) (*Field, bool) {
	ix := s.lookup()
	id, ok := ix.byName[name]
	if !ok {
		if id, ok = ix.short[name]; !ok {
			return nil, false
		}
	}
	return ix.byID[id].field, true
}

// FieldByNameFold is FieldByName ignoring case. It fails if several fields
// match and none exactly.
func (s *Schema) FieldByNameFold(name string) (*Field, error) {
	if f, ok := s.FieldByName(name); ok {
		return f, nil
	}
	ix := s.lookup()
	var found *Field
	for _, names := range []map[string]int{ix.byName, ix.short} {
		for n, id := range names {
			if !strings.EqualFold(n, name) {
				continue
			}
			if found != nil && found.ID != id {
				return nil, fmt.Errorf("column %q: both %s and %s match ignoring case", name, ix.byID[found.ID].path, n)
			}
			found = ix.byID[id].field
		}
		if found != nil {
			return found, nil
		}
	}
	return nil, s.UnknownColumn(name)
}

// Path returns the dotted name of a field as FieldByName takes it, "" if the
// schema has no such id.
func (s *Schema) Path(id int) string { return s.lookup().byID[id].path }

// ParentID returns the id of the field that encloses a nested field, 0 for a
// top-level or unknown one.
func (s *Schema) ParentID(id int) int { return s.lookup().byID[id].parent }

// StructPath returns the positions that lead from the top-level fields through
// structs to a field, nil if there is none or if it is inside a list or map.
func (s *Schema) StructPath(id int) []int { return structPath(s.Fields, id) }

func structPath(fields []Field, id int) []int {
	for i := range fields {
		if fields[i].ID == id {
			return []int{i}
		}
		if fields[i].Type.Kind == KindStruct {
			if rest := structPath(fields[i].Type.Fields, id); rest != nil {
				return append([]int{i}, rest...)
			}
		}
	}
	return nil
}

// HighestFieldID returns the highest id in use, 0 for an empty schema.
func (s *Schema) HighestFieldID() int { return s.lookup().highest }

// Struct returns the schema's fields as a struct type.
func (s *Schema) Struct() Type { return Type{Kind: KindStruct, Fields: s.Fields} }

// Equal reports whether two schemas have equal fields and identifiers. The
// schema ids are not compared, nor is the order of identifiers.
func (s *Schema) Equal(o *Schema) bool {
	if s == o {
		return true
	}
	if s == nil || o == nil || !s.Struct().Equal(o.Struct()) {
		return false
	}
	a, b := slices.Clone(s.IdentifierFieldIDs), slices.Clone(o.IdentifierFieldIDs)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// WithID returns a copy of the schema with another schema id.
func (s *Schema) WithID(id int) *Schema {
	c := *s
	c.ID = id
	return &c
}

// String returns the schema as text for people.
func (s *Schema) String() string { return s.Struct().String() }

// UnknownColumn returns an error that says that there is no column of that
// name and lists the columns with similar names.
func (s *Schema) UnknownColumn(name string) error {
	type near struct {
		name string
		d    int
	}
	var found []near
	limit := max(2, len(name)/3)
	for n := range s.lookup().byName {
		d := distance(strings.ToLower(name), strings.ToLower(n), limit)
		if i := strings.LastIndexByte(n, '.'); i >= 0 {
			d = min(d, distance(strings.ToLower(name), strings.ToLower(n[i+1:]), limit))
		}
		if d <= limit {
			found = append(found, near{n, d})
		}
	}
	sort.Slice(found, func(i, j int) bool {
		if found[i].d != found[j].d {
			return found[i].d < found[j].d
		}
		return found[i].name < found[j].name
	})
	if len(found) == 0 {
		return fmt.Errorf("no column %q", name)
	}
	names := make([]string, 0, 3)
	for _, f := range found[:min(3, len(found))] {
		names = append(names, f.name)
	}
	return fmt.Errorf("no column %q; did you mean %s?", name, strings.Join(names, ", "))
}

// distance is the edit distance of two strings in bytes, or limit+1 if more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(a) > 256 || len(b) > 256 {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Evolution collects changes to a schema and yields the changed one (spec:
// "Schema Evolution"). Every method checks its change against the state left
// by the ones before it and reports what is not allowed; after an error the
// collected state is as before that call. Columns are named as
// [Schema.FieldByName] takes them. An Evolution is for one goroutine.
type Evolution struct {
	id, last, version int
	fields            []Field
	identifiers       []int
	added             map[int]bool
	incompatible      bool
}

// NewEvolution starts from a schema and the table's last-column-id, from which
// added fields get their ids.
func NewEvolution(s *Schema, lastColumnID, formatVersion int) *Evolution {
	return &Evolution{
		id: s.ID, last: max(lastColumnID, s.HighestFieldID()), version: formatVersion,
		fields: cloneFields(s.Fields), identifiers: slices.Clone(s.IdentifierFieldIDs), added: make(map[int]bool),
	}
}

func cloneFields(fields []Field) []Field {
	out := slices.Clone(fields)
	for i := range out {
		if len(out[i].Type.Fields) > 0 {
			out[i].Type.Fields = cloneFields(out[i].Type.Fields)
		}
	}
	return out
}

// AllowIncompatible permits changes that break reading rows already written:
// [Evolution.RequireColumn] on a column that may hold nulls, and adding a
// required column without a default.
func (e *Evolution) AllowIncompatible() { e.incompatible = true }

// place is where a field sits: in siblings at i, which belong to a struct or,
// as element, key or value, to a list or map.
type place struct {
	siblings *[]Field
	i        int
	in       Kind
	underKey bool
	path     string
}

func (p place) field() *Field { return &(*p.siblings)[p.i] }

func (e *Evolution) lookup() *Schema { return &Schema{Fields: e.fields} }

// find returns the place of a column.
func (e *Evolution) find(name string) (place, error) {
	s := e.lookup()
	f, ok := s.FieldByName(name)
	if !ok {
		return place{}, s.UnknownColumn(name)
	}
	p, ok := findID(&e.fields, KindStruct, f.ID, false)
	if !ok {
		return place{}, s.UnknownColumn(name)
	}
	p.path = s.Path(f.ID)
	if p.underKey {
		return place{}, fmt.Errorf("column %s: the key of a map cannot change", p.path)
	}
	return p, nil
}

// member is find for a field of a struct.
func (e *Evolution) member(name string) (place, error) {
	p, err := e.find(name)
	if err == nil && p.in != KindStruct {
		err = fmt.Errorf("column %s: is part of a %s, not a field of a struct", p.path, p.in)
	}
	return p, err
}

func findID(fields *[]Field, in Kind, id int, underKey bool) (place, bool) {
	for i := range *fields {
		f := &(*fields)[i]
		key := underKey || in == KindMap && i == 0
		if f.ID == id {
			return place{siblings: fields, i: i, in: in, underKey: key}, true
		}
		if f.Type.IsNested() {
			if p, ok := findID(&f.Type.Fields, f.Type.Kind, id, key); ok {
				return p, true
			}
		}
	}
	return place{}, false
}

// Add appends a field to the struct named parent, or to the top level if that
// is ""; a list or map of structs stands for the struct in its element or
// value. Ids in f are ignored: the field and all below it get fresh ones. A
// required field needs both defaults. Defaults may be any value [Coerce]
// takes.
func (e *Evolution) Add(parent string, f Field) error {
	into := &e.fields
	if parent != "" {
		p, err := e.find(parent)
		if err != nil {
			return err
		}
		if into, err = structMembers(p); err != nil {
			return err
		}
	}
	path := strings.TrimPrefix(parent+"."+f.Name, ".")
	if f.Name == "" {
		return errors.New("a column needs a name")
	}
	if fieldNamed(*into, f.Name) != nil {
		return fmt.Errorf("column %s: exists already", path)
	}
	var err error
	if f.InitialDefault, err = Coerce(f.Type, f.InitialDefault); err != nil {
		return fmt.Errorf("column %s: initial-default: %w", path, err)
	}
	if f.WriteDefault, err = Coerce(f.Type, f.WriteDefault); err != nil {
		return fmt.Errorf("column %s: write-default: %w", path, err)
	}
	if f.Required && (f.InitialDefault == nil || f.WriteDefault == nil) && !e.incompatible {
		return fmt.Errorf("column %s: a required column added to a table needs an initial-default and a write-default", path)
	}
	last := e.last
	added := AssignIDs([]Field{f}, func() int { last++; return last })
	if err := e.checkAdded(path, added[0]); err != nil {
		return err
	}
	e.last = last
	e.added[added[0].ID] = true
	*into = append(*into, added[0])
	return nil
}

// checkAdded validates a new field on its own.
func (e *Evolution) checkAdded(path string, f Field) error {
	s, err := New(0, []Field{f}, nil)
	if err == nil {
		err = Validate(s, e.version)
	}
	if err != nil {
		return fmt.Errorf("column %s: %w", path, err)
	}
	return nil
}

// structMembers returns the fields of the struct that p is or holds.
func structMembers(p place) (*[]Field, error) {
	f := p.field()
	switch f.Type.Kind {
	case KindList:
		f = f.Type.Element()
	case KindMap:
		f = f.Type.Value()
	}
	if f.Type.Kind != KindStruct {
		return nil, fmt.Errorf("column %s: is a %s, not a struct", p.path, f.Type.Kind)
	}
	return &f.Type.Fields, nil
}

// Drop removes a column and all below it. Identifier columns cannot be
// dropped.
func (e *Evolution) Drop(name string) error {
	p, err := e.member(name)
	if err != nil {
		return err
	}
	dropped := &Schema{Fields: []Field{*p.field()}}
	for _, id := range e.identifiers {
		if _, ok := dropped.FieldByID(id); ok {
			return fmt.Errorf("column %s: is an identifier of the table or holds one", p.path)
		}
	}
	*p.siblings = slices.Delete(*p.siblings, p.i, p.i+1)
	return nil
}

// Rename gives a column another name within its struct. The new name is not a
// path.
func (e *Evolution) Rename(name, to string) error {
	p, err := e.member(name)
	if err != nil {
		return err
	}
	if to == "" {
		return fmt.Errorf("column %s: the new name is empty", p.path)
	}
	if old := fieldNamed(*p.siblings, to); old != nil && old != p.field() {
		return fmt.Errorf("column %s: there is already a column %s beside it", p.path, to)
	}
	p.field().Name = to
	return nil
}

// Widen changes the type of a column as [CanPromote] allows; its defaults are
// converted. Whether a partition field on the column forbids it is for the
// caller to check.
func (e *Evolution) Widen(name string, t Type) error {
	p, err := e.find(name)
	if err != nil {
		return err
	}
	f := *p.field()
	if f.Type.Equal(t) {
		return nil
	}
	if !CanPromote(f.Type, t, e.version) {
		return fmt.Errorf("column %s: type %s cannot become %s in format version %d", p.path, f.Type, t, e.version)
	}
	if f.InitialDefault, err = promoteValue(f.Type, t, f.InitialDefault); err != nil {
		return fmt.Errorf("column %s: initial-default: %w", p.path, err)
	}
	if f.WriteDefault, err = promoteValue(f.Type, t, f.WriteDefault); err != nil {
		return fmt.Errorf("column %s: write-default: %w", p.path, err)
	}
	last := e.last
	t.Fields = AssignIDs(t.Fields, func() int { last++; return last })
	if len(t.Fields) == 0 {
		t.Fields = nil
	}
	f.Type = t
	if err := e.checkAdded(p.path, f); err != nil {
		return err
	}
	e.last = last
	*p.field() = f
	return nil
}

// MakeOptional lets a column hold nulls. Identifier columns stay required, as
// do the structs around them.
func (e *Evolution) MakeOptional(name string) error {
	p, err := e.find(name)
	if err != nil {
		return err
	}
	old := p.field().Required
	p.field().Required = false
	if err := e.checkIdentifiers(e.identifiers); err != nil {
		p.field().Required = old
		return fmt.Errorf("column %s: must stay required: %w", p.path, err)
	}
	return nil
}

// RequireColumn forbids nulls in a column. That is allowed for a column added
// by this Evolution with defaults and, since rows already written may hold
// nulls, for others only after [Evolution.AllowIncompatible].
func (e *Evolution) RequireColumn(name string) error {
	p, err := e.find(name)
	if err != nil {
		return err
	}
	f := p.field()
	switch {
	case f.Required:
		return nil
	case f.Type.Kind == KindUnknown:
		return fmt.Errorf("column %s: type unknown must be optional", p.path)
	case e.incompatible, e.added[f.ID] && f.InitialDefault != nil && f.WriteDefault != nil:
		f.Required = true
		return nil
	}
	return fmt.Errorf("column %s: cannot become required: rows already written may hold nulls", p.path)
}

// UpdateDoc replaces a column's doc; "" removes it.
func (e *Evolution) UpdateDoc(name, doc string) error {
	p, err := e.member(name)
	if err == nil {
		p.field().Doc = doc
	}
	return err
}

// SetDefault sets the write-default of a column, nil removes it; v may be any
// value [Coerce] takes. The initial-default never changes.
func (e *Evolution) SetDefault(name string, v any) error {
	p, err := e.member(name)
	if err != nil {
		return err
	}
	f := *p.field()
	if f.WriteDefault, err = Coerce(f.Type, v); err != nil {
		return fmt.Errorf("column %s: write-default: %w", p.path, err)
	}
	if err := validateField(&f, e.version); err != nil {
		return fmt.Errorf("column %s: %w", p.path, err)
	}
	*p.field() = f
	return nil
}

// MoveFirst makes a column the first of its struct.
func (e *Evolution) MoveFirst(name string) error {
	p, err := e.member(name)
	if err == nil {
		move(*p.siblings, p.i, 0)
	}
	return err
}

// MoveAfter puts a column right behind another of the same struct, which may
// be named by its path or by its name alone.
func (e *Evolution) MoveAfter(name, after string) error { return e.moveTo(name, after, 1) }

// MoveBefore puts a column right before another of the same struct, which may
// be named by its path or by its name alone.
func (e *Evolution) MoveBefore(name, before string) error { return e.moveTo(name, before, 0) }

func (e *Evolution) moveTo(name, ref string, offset int) error {
	p, err := e.member(name)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(*p.siblings, func(f Field) bool { return f.Name == ref })
	if q, err := e.member(ref); err == nil && q.siblings == p.siblings {
		at = q.i
	}
	switch {
	case at < 0:
		return fmt.Errorf("column %s: %q is no field of the same struct", p.path, ref)
	case at == p.i:
		return fmt.Errorf("column %s: cannot move relative to itself", p.path)
	case at > p.i:
		at-- // it moves up when the column is taken out
	}
	move(*p.siblings, p.i, at+offset)
	return nil
}

func move(fields []Field, from, to int) {
	f := fields[from]
	if from < to {
		copy(fields[from:to], fields[from+1:to+1])
	} else {
		copy(fields[to+1:from+1], fields[to:from])
	}
	fields[to] = f
}

// SetIdentifier makes the named columns the table's identifier; no names
// remove it.
func (e *Evolution) SetIdentifier(names ...string) error {
	ids := make([]int, 0, len(names))
	for _, name := range names {
		p, err := e.find(name)
		if err != nil {
			return err
		}
		if !slices.Contains(ids, p.field().ID) {
			ids = append(ids, p.field().ID)
		}
	}
	if err := e.checkIdentifiers(ids); err != nil {
		return err
	}
	e.identifiers = ids
	return nil
}

func (e *Evolution) checkIdentifiers(ids []int) error {
	s := e.lookup()
	for _, id := range ids {
		if err := s.checkIdentifier(id); err != nil {
			return err
		}
	}
	return nil
}

// Schema returns the changed schema, with the id of the one it started from,
// and the new last-column-id. The Evolution can be used further.
func (e *Evolution) Schema() (*Schema, int, error) {
	// What was there before is not validated again: a table of another writer
	// that bends a rule can still evolve.
	s, err := New(e.id, cloneFields(e.fields), slices.Clone(e.identifiers))
	if err != nil {
		return nil, 0, fmt.Errorf("schema evolution: %w", err)
	}
	return s, e.last, nil
}

package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// NameMappingProperty is the table property that holds a name mapping.
const NameMappingProperty = "schema.name-mapping.default"

// NameMapping gives field ids to the columns of data files that have none, by
// name (spec: "Column Projection", "Name Mapping Serialization"). It is
// immutable; its methods may be called concurrently.
type NameMapping struct {
	Fields []MappedField

	root *mappingNode
}

// MappedField maps names, each exactly as in the file, to one field id. The
// element of a list is named "element", key and value of a map "key" and
// "value". A dot in a name is part of it.
type MappedField struct {
	// ID is the field id, 0 if the mapping gives none.
	ID     int
	Names  []string
	Fields []MappedField
}

type mappingNode struct {
	id       int
	children map[string]*mappingNode
}

// ParseNameMapping reads the JSON form of a name mapping.
func ParseNameMapping(data []byte) (*NameMapping, error) {
	fields, err := mappedFromJSON(data, 1)
	if err != nil {
		return nil, fmt.Errorf("name mapping: %w", err)
	}
	m, err := NewNameMapping(fields)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// NewNameMapping returns a mapping of the given fields. A name must not occur
// twice at one place, nor an id anywhere.
func NewNameMapping(fields []MappedField) (*NameMapping, error) {
	m := &NameMapping{Fields: fields, root: &mappingNode{}}
	if err := m.root.add(fields, make(map[int]bool), 1); err != nil {
		return nil, fmt.Errorf("name mapping: %w", err)
	}
	return m, nil
}

func mappedFromJSON(data []byte, depth int) ([]MappedField, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	var js []struct {
		ID     *int            `json:"field-id"`
		Names  []string        `json:"names"`
		Fields json.RawMessage `json:"fields"`
	}
	if err := json.Unmarshal(data, &js); err != nil {
		return nil, err
	}
	out := make([]MappedField, len(js))
	for i, j := range js {
		if j.ID != nil {
			if *j.ID <= 0 {
				return nil, fmt.Errorf("field id %d is not positive", *j.ID)
			}
			out[i].ID = *j.ID
		}
		out[i].Names = j.Names
		if len(j.Fields) > 0 && string(j.Fields) != "null" {
			var err error
			if out[i].Fields, err = mappedFromJSON(j.Fields, depth+1); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (n *mappingNode) add(fields []MappedField, ids map[int]bool, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	if len(fields) > 0 {
		n.children = make(map[string]*mappingNode, len(fields))
	}
	for _, f := range fields {
		if f.ID != 0 && ids[f.ID] {
			return fmt.Errorf("field id %d occurs twice", f.ID)
		}
		ids[f.ID] = true
		c := &mappingNode{id: f.ID}
		if err := c.add(f.Fields, ids, depth+1); err != nil {
			return err
		}
		for _, name := range f.Names {
			if _, ok := n.children[name]; ok {
				return fmt.Errorf("name %q occurs twice", clip(name))
			}
			n.children[name] = c
		}
	}
	return nil
}

// ID returns the field id for the column at that path of names, from the top
// level down.
func (m *NameMapping) ID(path ...string) (int, bool) {
	n := m.root
	for _, name := range path {
		if n == nil {
			return 0, false
		}
		n = n.children[name]
	}
	if n == nil || n.id == 0 {
		return 0, false
	}
	return n.id, true
}

// MarshalJSON returns the JSON form of the mapping.
func (m *NameMapping) MarshalJSON() ([]byte, error) {
	if m == nil {
		return nil, errors.New("no name mapping")
	}
	return appendMapped(nil, m.Fields), nil
}

func appendMapped(dst []byte, fields []MappedField) []byte {
	dst = append(dst, '[')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		if f.ID != 0 {
			dst = append(strconv.AppendInt(append(dst, `"field-id":`...), int64(f.ID), 10), ',')
		}
		dst = append(dst, `"names":[`...)
		for j, name := range f.Names {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONString(dst, name)
		}
		dst = append(dst, ']')
		if len(f.Fields) > 0 {
			dst = appendMapped(append(dst, `,"fields":`...), f.Fields)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// MappingFor returns the mapping of every field of a schema by its name.
func MappingFor(s *Schema) *NameMapping {
	m, err := NewNameMapping(mappedFields(s.Fields))
	if err != nil { // only a schema not made by New: it maps nothing
		return &NameMapping{}
	}
	return m
}

func mappedFields(fields []Field) []MappedField {
	out := make([]MappedField, len(fields))
	for i, f := range fields {
		out[i] = MappedField{ID: f.ID, Names: []string{f.Name}}
		if f.Type.IsNested() {
			out[i].Fields = mappedFields(f.Type.Fields)
		}
	}
	return out
}

// Update returns the mapping for a changed schema: names that a field ever had
// stay, new fields and new names are added, and a name that another field has
// now is taken from the one that had it before.
func (m *NameMapping) Update(s *Schema) *NameMapping {
	n, err := NewNameMapping(updateMapped(m.Fields, s.Fields))
	if err != nil {
		return MappingFor(s)
	}
	return n
}

func updateMapped(old []MappedField, fields []Field) []MappedField {
	now := make(map[string]int, len(fields))
	byID := make(map[int]*Field, len(fields))
	for i := range fields {
		now[fields[i].Name] = fields[i].ID
		byID[fields[i].ID] = &fields[i]
	}
	out := make([]MappedField, 0, len(fields))
	seen := make(map[int]bool, len(old))
	for _, o := range old {
		c := MappedField{ID: o.ID, Fields: o.Fields}
		for _, name := range o.Names {
			if id, taken := now[name]; !taken || id == o.ID {
				c.Names = append(c.Names, name)
			}
		}
		if f, ok := byID[o.ID]; ok && o.ID != 0 {
			seen[o.ID] = true
			if !slices.Contains(c.Names, f.Name) {
				c.Names = append(c.Names, f.Name)
			}
			if f.Type.IsNested() {
				c.Fields = updateMapped(o.Fields, f.Type.Fields)
			}
		}
		out = append(out, c)
	}
	for i := range fields {
		if !seen[fields[i].ID] {
			out = append(out, mappedFields(fields[i:i+1])...)
		}
	}
	return out
}

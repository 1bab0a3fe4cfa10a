package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// MarshalJSON returns the JSON form of a schema (spec: appendix C).
func (s *Schema) MarshalJSON() ([]byte, error) {
	dst := append(strconv.AppendInt([]byte(`{"type":"struct","schema-id":`), int64(s.ID), 10), ',')
	if len(s.IdentifierFieldIDs) > 0 {
		dst = append(dst, `"identifier-field-ids":[`...)
		for i, id := range s.IdentifierFieldIDs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(dst, int64(id), 10)
		}
		dst = append(dst, `],`...)
	}
	return appendFieldsJSON(dst, s.Fields, 0)
}

// MarshalJSON returns the JSON form of a type: a string, or an object for
// nested types (spec: appendix C).
func (t Type) MarshalJSON() ([]byte, error) { return appendTypeJSON(nil, t, 0) }

// appendFieldsJSON appends the member "fields" and closes the object.
func appendFieldsJSON(dst []byte, fields []Field, depth int) ([]byte, error) {
	dst = append(dst, `"fields":[`...)
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"id":`...), int64(f.ID), 10)
		dst = appendJSONString(append(dst, `,"name":`...), f.Name)
		dst = strconv.AppendBool(append(dst, `,"required":`...), f.Required)
		var err error
		if dst, err = appendTypeJSON(append(dst, `,"type":`...), f.Type, depth+1); err != nil {
			return nil, err
		}
		if f.Doc != "" {
			dst = appendJSONString(append(dst, `,"doc":`...), f.Doc)
		}
		if f.InitialDefault != nil {
			if dst, err = appendJSON(append(dst, `,"initial-default":`...), f.Type, f.InitialDefault, 0); err != nil {
				return nil, fmt.Errorf("field %s: initial-default: %w", f.Name, err)
			}
		}
		if f.WriteDefault != nil {
			if dst, err = appendJSON(append(dst, `,"write-default":`...), f.Type, f.WriteDefault, 0); err != nil {
				return nil, fmt.Errorf("field %s: write-default: %w", f.Name, err)
			}
		}
		dst = append(dst, '}')
	}
	return append(dst, ']', '}'), nil
}

func appendTypeJSON(dst []byte, t Type, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	child := func(name string, f *Field) error {
		dst = append(append(append(dst, ',', '"'), name...), `-id":`...)
		dst = strconv.AppendInt(dst, int64(f.ID), 10)
		if name != "key" {
			dst = append(append(append(dst, ',', '"'), name...), `-required":`...)
			dst = strconv.AppendBool(dst, f.Required)
		}
		dst = append(append(append(dst, ',', '"'), name...), `":`...)
		var err error
		dst, err = appendTypeJSON(dst, f.Type, depth+1)
		return err
	}
	switch t.Kind {
	case KindStruct:
		return appendFieldsJSON(append(dst, `{"type":"struct",`...), t.Fields, depth)
	case KindList:
		dst = append(dst, `{"type":"list"`...)
		if err := child("element", t.Element()); err != nil {
			return nil, err
		}
		return append(dst, '}'), nil
	case KindMap:
		dst = append(dst, `{"type":"map"`...)
		if err := child("key", t.Key()); err != nil {
			return nil, err
		}
		if err := child("value", t.Value()); err != nil {
			return nil, err
		}
		return append(dst, '}'), nil
	}
	return appendJSONString(dst, t.String()), nil
}

type jsonSchema struct {
	Type        string          `json:"type"`
	ID          int             `json:"schema-id"`
	Identifiers []int           `json:"identifier-field-ids"`
	Fields      json.RawMessage `json:"fields"`
}

type jsonField struct {
	ID             *int            `json:"id"`
	Name           *string         `json:"name"`
	Required       *bool           `json:"required"`
	Type           json.RawMessage `json:"type"`
	Doc            string          `json:"doc"`
	InitialDefault json.RawMessage `json:"initial-default"`
	WriteDefault   json.RawMessage `json:"write-default"`
}

type jsonNested struct {
	Type            string          `json:"type"`
	Fields          json.RawMessage `json:"fields"`
	ElementID       *int            `json:"element-id"`
	ElementRequired *bool           `json:"element-required"`
	Element         json.RawMessage `json:"element"`
	KeyID           *int            `json:"key-id"`
	Key             json.RawMessage `json:"key"`
	ValueID         *int            `json:"value-id"`
	ValueRequired   *bool           `json:"value-required"`
	Value           json.RawMessage `json:"value"`
}

// UnmarshalJSON reads the JSON form of a schema and checks it as [New] does.
// An absent schema-id, as in version 1 tables, is 0; unknown members are
// ignored.
func (s *Schema) UnmarshalJSON(b []byte) error {
	var j jsonSchema
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	if j.Type != "" && j.Type != "struct" {
		return fmt.Errorf("schema: type is %q, not struct", clip(j.Type))
	}
	fields, err := fieldsFromJSON(j.Fields, 1)
	if err != nil {
		return fmt.Errorf("schema %d: %w", j.ID, err)
	}
	n := &Schema{ID: j.ID, Fields: fields, IdentifierFieldIDs: j.Identifiers}
	if n.index, err = buildIndex(fields); err != nil {
		return fmt.Errorf("schema %d: %w", j.ID, err)
	}
	for _, id := range j.Identifiers {
		if err := n.checkIdentifier(id); err != nil {
			return fmt.Errorf("schema %d: %w", j.ID, err)
		}
	}
	*s = *n
	return nil
}

// UnmarshalJSON reads the JSON form of a type.
func (t *Type) UnmarshalJSON(b []byte) error {
	n, err := typeFromJSON(b, 0)
	if err == nil {
		*t = n
	}
	return err
}

func fieldsFromJSON(raw []byte, depth int) ([]Field, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	var js []jsonField
	if len(raw) == 0 {
		return nil, errors.New("fields are missing")
	}
	if err := json.Unmarshal(raw, &js); err != nil {
		return nil, fmt.Errorf("fields: %w", err)
	}
	fields := make([]Field, len(js))
	for i, j := range js {
		if j.ID == nil || j.Name == nil || j.Required == nil || j.Type == nil {
			return nil, fmt.Errorf("field %d of the struct lacks id, name, required or type", i)
		}
		f := Field{ID: *j.ID, Name: *j.Name, Required: *j.Required, Doc: j.Doc}
		var err error
		if f.Type, err = typeFromJSON(j.Type, depth); err != nil {
			return nil, fmt.Errorf("field %s: %w", clip(f.Name), err)
		}
		if f.InitialDefault, err = defaultFromJSON(f.Type, j.InitialDefault); err != nil {
			return nil, fmt.Errorf("field %s: initial-default: %w", clip(f.Name), err)
		}
		if f.WriteDefault, err = defaultFromJSON(f.Type, j.WriteDefault); err != nil {
			return nil, fmt.Errorf("field %s: write-default: %w", clip(f.Name), err)
		}
		fields[i] = f
	}
	return fields, nil
}

func defaultFromJSON(t Type, raw json.RawMessage) (any, error) {
	if raw == nil {
		return nil, nil
	}
	return ValueFromJSON(t, raw)
}

func typeFromJSON(raw []byte, depth int) (Type, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > 0 && raw[0] == '"' {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return Type{}, fmt.Errorf("type: %w", err)
		}
		return ParseType(s)
	}
	if depth > MaxDepth {
		return Type{}, fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	var j jsonNested
	if err := json.Unmarshal(raw, &j); err != nil {
		return Type{}, fmt.Errorf("type: %w", err)
	}
	child := func(id *int, required *bool, raw json.RawMessage) (Field, error) {
		if id == nil || required == nil || raw == nil {
			return Field{}, fmt.Errorf("a %s lacks an id, required or type of its children", j.Type)
		}
		t, err := typeFromJSON(raw, depth+1)
		return Field{ID: *id, Required: *required, Type: t}, err
	}
	switch j.Type {
	case "struct":
		fields, err := fieldsFromJSON(j.Fields, depth+1)
		return Struct(fields...), err
	case "list":
		e, err := child(j.ElementID, j.ElementRequired, j.Element)
		return List(e), err
	case "map":
		yes := true
		k, err := child(j.KeyID, &yes, j.Key)
		if err != nil {
			return Type{}, err
		}
		v, err := child(j.ValueID, j.ValueRequired, j.Value)
		return Map(k, v), err
	}
	return Type{}, fmt.Errorf("unknown type %q", clip(j.Type))
}

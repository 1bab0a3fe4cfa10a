package schema

import (
	"bytes"
	"fmt"
	"reflect"
	"sort"
)

func coerceStruct(t Type, v any, depth int) (any, error) {
	switch x := v.(type) {
	case Row:
		return coerceRow(t, x, depth)
	case []any:
		return coerceRow(t, x, depth)
	case map[string]any:
		out := make(Row, len(t.Fields))
		used := 0
		for i := range t.Fields {
			f := &t.Fields[i]
			m, ok := x[f.Name]
			if ok {
				used++
			}
			var err error
			if out[i], err = coerceField(f, m, depth); err != nil {
				return nil, err
			}
		}
		if used < len(x) {
			for name := range x {
				if fieldNamed(t.Fields, name) == nil {
					return nil, fmt.Errorf("the struct has no field %q", clip(name))
				}
			}
		}
		return out, nil
	}
	return coerceNamed(t, v)
}

func fieldNamed(fields []Field, name string) *Field {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i]
		}
	}
	return nil
}

func coerceRow(t Type, r []any, depth int) (any, error) {
	if len(r) != len(t.Fields) {
		return nil, fmt.Errorf("%d values for %d fields", len(r), len(t.Fields))
	}
	out := make(Row, len(r))
	for i := range t.Fields {
		var err error
		if out[i], err = coerceField(&t.Fields[i], r[i], depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func coerceField(f *Field, v any, depth int) (any, error) {
	c, err := coerce(f.Type, v, depth+1)
	if err != nil {
		return nil, fmt.Errorf("field %s: %w", f.Name, err)
	}
	if c == nil && f.Required {
		return nil, fmt.Errorf("field %s: %w", f.Name, errNull)
	}
	return c, nil
}

func coerceList(t Type, e *Field, v any, depth int) (any, error) {
	r := reflect.ValueOf(v)
	if _, bad := v.(Row); bad || r.Kind() != reflect.Slice && r.Kind() != reflect.Array {
		return coerceNamed(t, v)
	}
	out := make([]any, r.Len())
	for i := range out {
		var err error
		if out[i], err = coerceField(e, r.Index(i).Interface(), depth); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return out, nil
}

func coerceMap(t Type, v any, depth int) (any, error) {
	m, ok := v.(MapValue)
	if !ok {
		r := reflect.ValueOf(v)
		if r.Kind() != reflect.Map {
			return coerceNamed(t, v)
		}
		for it := r.MapRange(); it.Next(); {
			m.Keys = append(m.Keys, it.Key().Interface())
			m.Values = append(m.Values, it.Value().Interface())
		}
	}
	if len(m.Keys) != len(m.Values) {
		return nil, fmt.Errorf("%d keys and %d values", len(m.Keys), len(m.Values))
	}
	keys, err := coerceList(t, t.Key(), m.Keys, depth)
	if err != nil {
		return nil, err
	}
	values, err := coerceList(t, t.Value(), m.Values, depth)
	if err != nil {
		return nil, err
	}
	out := MapValue{Keys: keys.([]any), Values: values.([]any)}
	if !ok { // a Go map has no order: give it one, so that a run can be repeated
		sort.Sort(&byKey{out, t.Key().Type})
	}
	return out, nil
}

type byKey struct {
	MapValue
	t Type
}

func (s *byKey) Len() int { return len(s.Keys) }
func (s *byKey) Swap(i, j int) {
	s.Keys[i], s.Keys[j] = s.Keys[j], s.Keys[i]
	s.Values[i], s.Values[j] = s.Values[j], s.Values[i]
}

func (s *byKey) Less(i, j int) bool {
	if s.t.IsNested() {
		a, _ := ValueToJSON(s.t, s.Keys[i])
		b, _ := ValueToJSON(s.t, s.Keys[j])
		return bytes.Compare(a, b) < 0
	}
	return Compare(s.t, s.Keys[i], s.Keys[j]) < 0
}

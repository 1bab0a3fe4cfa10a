package schema

import (
	"errors"
	"fmt"
	"math"
)

// CanPromote reports whether a column may change from one type to the other
// (spec: "Schema Evolution"): to an equal type, int to long, float to double,
// decimal to a greater precision; from format version 3 also unknown to any
// type and date to timestamp or timestamp_ns. A partition field on the column
// may still forbid it: that is for the caller to check.
func CanPromote(from, to Type, formatVersion int) bool {
	switch from.Kind {
	case KindInt:
		if to.Kind == KindLong {
			return true
		}
	case KindFloat:
		if to.Kind == KindDouble {
			return true
		}
	case KindDecimal:
		if to.Kind == KindDecimal && to.Scale == from.Scale && to.Precision >= from.Precision {
			return to.check() == nil
		}
	case KindDate:
		if formatVersion >= 3 && (to.Kind == KindTimestamp || to.Kind == KindTimestampNs) {
			return true
		}
	case KindUnknown:
		if formatVersion >= 3 {
			return to.Kind != KindInvalid
		}
	}
	return from.Equal(to)
}

// promoteValue converts a default along with its column; CanPromote holds.
func promoteValue(from, to Type, v any) (any, error) {
	switch x := v.(type) {
	case int32:
		switch {
		case to.Kind == KindLong:
			return int64(x), nil
		case from.Kind == KindDate:
			if d := dateAs(to, x); d != nil {
				return d, nil
			}
			return nil, fmt.Errorf("default %s is out of the range of %s", FormatValue(from, v), to)
		}
	case float32:
		if to.Kind == KindDouble {
			return float64(x), nil
		}
	}
	return v, nil
}

// Validate reports whether a table of that format version may have the schema:
// types and defaults that the version has, ids below the reserved ones, types
// and defaults that go together. The error names the column. Ids, names and
// identifiers are checked by [New].
func Validate(s *Schema, formatVersion int) error {
	if len(s.Fields) > 0 && len(s.lookup().byID) == 0 {
		_, err := New(s.ID, s.Fields, s.IdentifierFieldIDs)
		return err
	}
	return validateFields(s, s.Fields, formatVersion, 1)
}

func validateFields(s *Schema, fields []Field, formatVersion, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	for i := range fields {
		f := &fields[i]
		if err := validateField(f, formatVersion); err != nil {
			return fmt.Errorf("column %s: %w", s.Path(f.ID), err)
		}
		if err := validateFields(s, f.Type.Fields, formatVersion, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func validateField(f *Field, formatVersion int) error {
	if f.Name == "" {
		return errors.New("has an empty name")
	}
	if f.ID > MaxFieldID {
		return fmt.Errorf("id %d is reserved", f.ID)
	}
	if err := f.Type.check(); err != nil {
		return err
	}
	if f.Type.Kind == KindDecimal && (f.Type.Scale < 0 || f.Type.Scale > f.Type.Precision) {
		return fmt.Errorf("type %s: the scale is not between 0 and the precision", f.Type)
	}
	switch f.Type.Kind {
	case KindTimestampNs, KindTimestampTzNs, KindUnknown, KindVariant, KindGeometry, KindGeography:
		if formatVersion < 3 {
			return fmt.Errorf("type %s needs format version 3, the table has %d", f.Type, formatVersion)
		}
	}
	if f.Type.Kind == KindUnknown && f.Required {
		return errors.New("type unknown must be optional")
	}
	if formatVersion < 3 && (f.InitialDefault != nil || f.WriteDefault != nil) {
		return fmt.Errorf("defaults need format version 3, the table has %d", formatVersion)
	}
	if err := checkDefault(f.Type, f.InitialDefault); err != nil {
		return fmt.Errorf("initial-default: %w", err)
	}
	if err := checkDefault(f.Type, f.WriteDefault); err != nil {
		return fmt.Errorf("write-default: %w", err)
	}
	return nil
}

// checkDefault checks that v is a default that the type may have.
func checkDefault(t Type, v any) error {
	if v == nil {
		return nil
	}
	switch t.Kind {
	case KindUnknown, KindVariant, KindGeometry, KindGeography:
		return fmt.Errorf("type %s may have no default but null", t)
	case KindStruct:
		r, ok := v.(Row)
		if !ok || len(r) != len(t.Fields) {
			return mismatch(t, v)
		}
		for _, x := range r {
			if x != nil {
				return errors.New("the default of a struct must be null or {}; its members have their own")
			}
		}
		return nil
	case KindFloat:
		if f, ok := v.(float32); ok && (f != f || math.IsInf(float64(f), 0)) {
			return errors.New("NaN and infinities have no JSON form and cannot be defaults")
		}
	case KindDouble:
		if f, ok := v.(float64); ok && (f != f || math.IsInf(f, 0)) {
			return errors.New("NaN and infinities have no JSON form and cannot be defaults")
		}
	}
	raw, err := ValueToJSON(t, v)
	if err != nil {
		return err
	}
	_, err = ValueFromJSON(t, raw) // a decimal within its precision, a fixed of its length …
	return err
}

// AssignIDs returns a deep copy of fields with fresh ids drawn from next, in
// the order of the reference implementation: all fields of one struct before
// the children of the first, an element or a key and value before their own
// children.
func AssignIDs(fields []Field, next func() int) []Field {
	out := make([]Field, len(fields))
	for i := range fields {
		out[i] = fields[i]
		out[i].ID = next()
	}
	for i := range out {
		if len(out[i].Type.Fields) > 0 {
			out[i].Type.Fields = AssignIDs(out[i].Type.Fields, next)
		}
	}
	return out
}

package partition

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/frazildb/frazil/schema"
)

// firstFieldID is the first partition field id.
const firstFieldID = 1000

// IsUnpartitioned reports whether the spec has no fields other than void ones.
func (s Spec) IsUnpartitioned() bool {
	for _, f := range s.Fields {
		if f.Transform.Kind != VoidTransform {
			return false
		}
	}
	return true
}

// LastFieldID returns the highest partition field id, 999 without fields.
func (s Spec) LastFieldID() int {
	last := firstFieldID - 1
	for _, f := range s.Fields {
		last = max(last, f.FieldID)
	}
	return last
}

// Types returns the result type of every field; schema.Unknown where the source
// column is not in the schema or the transform is unknown or does not fit it.
func (s Spec) Types(sc *schema.Schema) []schema.Type {
	types := make([]schema.Type, len(s.Fields))
	for i, f := range s.Fields {
		types[i] = schema.Unknown
		if len(f.SourceIDs) != 1 {
			continue
		}
		src, ok := sc.FieldByID(f.SourceIDs[0])
		if !ok {
			continue
		}
		if t, err := f.Transform.ResultType(src.Type); err == nil {
			types[i] = t
		}
	}
	return types
}

// Equivalent reports whether two specs have the same sources, transforms and
// names in the same positions.
func (s Spec) Equivalent(o Spec) bool {
	return slices.EqualFunc(s.Fields, o.Fields, func(a, b Field) bool {
		return a.Name == b.Name && a.sameValue(b)
	})
}

func (f Field) sameValue(o Field) bool {
	return f.Transform == o.Transform && slices.Equal(f.SourceIDs, o.SourceIDs)
}

// Key returns a comparable key of the tuple: equal keys mean equal values, nulls
// and the bits of floats included (all NaNs are one value, -0 is not 0).
// Integers of either width and floats of either width share a key, so that a
// type promotion does not change it. Missing values count as null.
func (s Spec) Key(t Tuple) string {
	b := make([]byte, 0, 16*len(s.Fields))
	for i := range s.Fields {
		var v any
		if i < len(t) {
			v = t[i]
		}
		b = appendKey(b, v)
	}
	return string(b)
}

func appendKey(b []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(b, 0)
	case bool:
		if x {
			return append(b, 1, 1)
		}
		return append(b, 1, 0)
	case int32:
		return binary.BigEndian.AppendUint64(append(b, 2), uint64(x))
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 2), uint64(x))
	case float32:
		return binary.BigEndian.AppendUint64(append(b, 3), floatBits(float64(x)))
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 3), floatBits(x))
	case schema.Unscaled:
		b = binary.BigEndian.AppendUint64(append(b, 4), uint64(x.HighBits()))
		return binary.BigEndian.AppendUint64(b, x.LowBits())
	case string:
		return append(binary.AppendUvarint(append(b, 5), uint64(len(x))), x...)
	case []byte:
		return append(binary.AppendUvarint(append(b, 6), uint64(len(x))), x...)
	case [16]byte:
		return append(append(b, 7), x[:]...)
	default:
		// No other type can be partitioned by; keep such values apart all the same.
		text := fmt.Sprintf("%T %v", v, v)
		return append(binary.AppendUvarint(append(b, 8), uint64(len(text))), text...)
	}
}

// floatBits is Float.floatToIntBits: NaN has one representation.
func floatBits(f float64) uint64 {
	if f != f {
		return 0x7ff8000000000000
	}
	return math.Float64bits(f)
}

// Bind resolves columns and names of fields and assigns partition field ids,
// reusing those of equivalent fields in existing specs. It returns the spec,
// whose ID is that of an equivalent existing spec or the next free one, and the
// new last partition id (0 and below 999 stand for 999, a table without
// partition fields so far).
//
// A field without a name gets the reference's: the column for identity, else the
// column with _bucket, _trunc, _year, _month, _day, _hour or _null.
func Bind(fields []Field, s *schema.Schema, existing []Spec, lastPartitionID int) (Spec, int, error) {
	last := max(lastPartitionID, firstFieldID-1)
	nextID := 0
	for _, e := range existing {
		nextID = max(nextID, e.ID+1)
		last = max(last, e.LastFieldID())
	}
	spec := Spec{ID: nextID, Fields: make([]Field, 0, len(fields))}
	for _, f := range fields {
		bound, err := bindField(f, s)
		if err != nil {
			return Spec{}, 0, err
		}
		if err := checkField(bound, spec.Fields, s); err != nil {
			return Spec{}, 0, err
		}
		spec.Fields = append(spec.Fields, bound)
	}
	for _, e := range existing {
		if e.Equivalent(spec) {
			return e, last, nil
		}
	}
	for i := range spec.Fields {
		f := &spec.Fields[i]
		if f.FieldID = reusedID(*f, existing, spec.Fields[:i]); f.FieldID == 0 {
			last++
			f.FieldID = last
		}
	}
	return spec, last, nil
}

func bindField(f Field, s *schema.Schema) (Field, error) {
	id, path, src, err := resolveSource(f.Column, f.SourceIDs, s)
	if err != nil {
		return Field{}, fmt.Errorf("partition field %s: %w", f.describe(), err)
	}
	if _, err := f.Transform.ResultType(src); err != nil {
		return Field{}, fmt.Errorf("partition field on column %s: %w", path, err)
	}
	name := f.Name
	if name == "" {
		name = path + f.Transform.suffix()
	}
	return Field{SourceIDs: []int{id}, Name: name, Transform: f.Transform}, nil
}

// resolveSource finds the one source column of a partition or sort field.
func resolveSource(column string, ids []int, s *schema.Schema) (int, string, schema.Type, error) {
	var src *schema.Field
	var ok bool
	switch {
	case column != "":
		if src, ok = s.FieldByName(column); !ok {
			return 0, "", schema.Type{}, fmt.Errorf("no column %q in the schema", column)
		}
	case len(ids) == 1:
		if src, ok = s.FieldByID(ids[0]); !ok {
			return 0, "", schema.Type{}, fmt.Errorf("no column with field id %d in the schema", ids[0])
		}
	default:
		return 0, "", schema.Type{}, fmt.Errorf("needs one source column, has %d", len(ids))
	}
	if s.StructPath(src.ID) == nil {
		return 0, "", schema.Type{}, fmt.Errorf("column %q is inside a list or map", s.Path(src.ID))
	}
	return src.ID, s.Path(src.ID), src.Type, nil
}

func (f Field) describe() string {
	if f.Name != "" {
		return f.Name
	}
	return f.Transform.String() + "(" + f.Column + ")"
}

func (t Transform) suffix() string {
	switch t.Kind {
	case BucketTransform:
		return "_bucket"
	case TruncateTransform:
		return "_trunc"
	case YearTransform:
		return "_year"
	case MonthTransform:
		return "_month"
	case DayTransform:
		return "_day"
	case HourTransform:
		return "_hour"
	case VoidTransform:
		return "_null"
	default:
		return ""
	}
}

// checkField applies the reference's rules for a new field: names are unique and
// do not shadow another column, and no two fields say the same.
func checkField(f Field, before []Field, s *schema.Schema) error {
	if col, ok := s.FieldByName(f.Name); ok {
		if f.Transform.Kind != IdentityTransform || col.ID != f.SourceIDs[0] {
			return fmt.Errorf("partition field %s: the name is that of a column", f.Name)
		}
	}
	for _, b := range before {
		if b.Name == f.Name {
			return fmt.Errorf("partition field %s: the name is used twice", f.Name)
		}
		if !slices.Equal(b.SourceIDs, f.SourceIDs) || f.Transform.Kind == VoidTransform {
			continue
		}
		if b.Transform == f.Transform || b.Transform.isTime() && f.Transform.isTime() {
			return fmt.Errorf("partition field %s: redundant with %s", f.Name, b.Name)
		}
	}
	return nil
}

// reusedID returns the id an equivalent field has in an existing spec, the one
// with the same name first; 0 if there is none or this spec has used it.
func reusedID(f Field, existing []Spec, used []Field) int {
	found := 0
	for _, e := range existing {
		for _, g := range e.Fields {
			taken := slices.ContainsFunc(used, func(u Field) bool { return u.FieldID == g.FieldID })
			if taken || g.FieldID == 0 || !f.sameValue(g) {
				continue
			}
			if g.Name == f.Name {
				return g.FieldID
			}
			if found == 0 {
				found = g.FieldID
			}
		}
	}
	return found
}

package scan

import (
	"encoding"
	"fmt"
	"reflect"
	"time"

	"github.com/frazildb/frazil/schema"
)

// assigner puts a value of package schema into a field; only types with a method
// Scan are given nil.
type assigner func(to reflect.Value, v any) error

var (
	textType    = reflect.TypeFor[encoding.TextUnmarshaler]()
	rowType     = reflect.TypeFor[schema.Row]()
	mapType     = reflect.TypeFor[schema.MapValue]()
	variantType = reflect.TypeFor[schema.VariantValue]()
	decimalType = reflect.TypeFor[schema.Unscaled]()
)

// custom reports whether a type fills itself.
func custom(g reflect.Type) bool {
	if g == timeType || g == decimalType || g.Kind() == reflect.Pointer {
		return false
	}
	p := reflect.PointerTo(g)
	return p.Implements(scannerType) || p.Implements(textType)
}

// assignerOf returns how a field of a Go type takes values of a column type; an
// error if it does not.
func assignerOf(t schema.Type, g reflect.Type) (assigner, error) {
	if g.Kind() == reflect.Interface && g.NumMethod() == 0 {
		return setValue, nil
	}
	if g.Kind() == reflect.Pointer {
		return pointerAssigner(t, g)
	}
	if custom(g) && !t.IsNested() && t.Kind != schema.KindVariant {
		if reflect.PointerTo(g).Implements(scannerType) {
			return scanAssigner(t), nil
		}
		return textAssigner(t), nil
	}
	var a assigner
	switch t.Kind {
	case schema.KindStruct, schema.KindList, schema.KindMap:
		return nestedAssigner(t, g)
	case schema.KindVariant:
		if g == variantType {
			a = setValue
		}
	case schema.KindDecimal:
		a = decimalAssigner(t, g)
	case schema.KindDate, schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs, schema.KindTimestampTzNs, schema.KindTime:
		a = timeAssigner(t, g)
	default:
		a = plainAssigner(t, g)
	}
	if a == nil && g.Kind() == reflect.String && t.Kind != schema.KindVariant && t.Kind != schema.KindUnknown {
		a = func(to reflect.Value, v any) error { to.SetString(schema.FormatValue(t, v)); return nil }
	}
	if a == nil {
		return nil, fmt.Errorf("no conversion from %s to %s", t, g)
	}
	return a, nil
}

func setValue(to reflect.Value, v any) error { to.Set(reflect.ValueOf(v)); return nil }

func pointerAssigner(t schema.Type, g reflect.Type) (assigner, error) {
	elem, err := assignerOf(t, g.Elem())
	if err != nil {
		return nil, err
	}
	return func(to reflect.Value, v any) error {
		to.Set(reflect.New(g.Elem()))
		return elem(to.Elem(), v)
	}, nil
}

// scanAssigner gives a value to the method Scan as database drivers do.
func scanAssigner(t schema.Type) assigner {
	return func(to reflect.Value, v any) error {
		return to.Addr().Interface().(scanner).Scan(driverValue(t, v))
	}
}

// driverValue is a value as database drivers have it: int64, float64, bool,
// []byte, string or time.Time.
func driverValue(t schema.Type, v any) any {
	switch x := v.(type) {
	case int32:
		if t.Kind == schema.KindDate {
			return instant(t, int64(x))
		}
		return int64(x)
	case int64:
		if t.Kind == schema.KindLong {
			return x
		}
		if t.Kind == schema.KindTime {
			return schema.FormatValue(t, v)
		}
		return instant(t, x)
	case float32:
		return float64(x)
	case schema.Unscaled, [16]byte:
		return schema.FormatValue(t, v)
	}
	return v
}

// instant returns a date or timestamp as a time in UTC.
func instant(t schema.Type, v int64) time.Time {
	switch t.Kind {
	case schema.KindDate:
		return time.Unix(v*86_400, 0).UTC()
	case schema.KindTimestampNs, schema.KindTimestampTzNs:
		return time.Unix(0, v).UTC()
	}
	return time.UnixMicro(v).UTC()
}

func textAssigner(t schema.Type) assigner {
	return func(to reflect.Value, v any) error {
		return to.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(schema.FormatValue(t, v)))
	}
}

func decimalAssigner(t schema.Type, g reflect.Type) assigner {
	switch {
	case g == decimalType:
		return setValue
	case t.Scale == 0 && isInteger(g):
		return func(to reflect.Value, v any) error {
			n := v.(schema.Unscaled).BigInt()
			if n.IsInt64() && to.CanInt() && !to.OverflowInt(n.Int64()) {
				to.SetInt(n.Int64())
				return nil
			}
			if n.IsUint64() && to.CanUint() && !to.OverflowUint(n.Uint64()) {
				to.SetUint(n.Uint64())
				return nil
			}
			return fmt.Errorf("%s is out of the range of %s", n, g)
		}
	}
	return nil
}

func timeAssigner(t schema.Type, g reflect.Type) assigner {
	whole := func(v any) int64 {
		if d, ok := v.(int32); ok {
			return int64(d)
		}
		return v.(int64)
	}
	switch {
	case g == timeType && t.Kind != schema.KindTime:
		return func(to reflect.Value, v any) error {
			to.Set(reflect.ValueOf(instant(t, whole(v))))
			return nil
		}
	case g == reflect.TypeFor[time.Duration]():
		if t.Kind != schema.KindTime {
			return nil
		}
		return func(to reflect.Value, v any) error {
			to.SetInt(v.(int64) * int64(time.Microsecond))
			return nil
		}
	case g.Kind() == reflect.Int64, g.Kind() == reflect.Int32 && t.Kind == schema.KindDate:
		return func(to reflect.Value, v any) error { to.SetInt(whole(v)); return nil }
	}
	return nil
}

func isInteger(g reflect.Type) bool { return g.Kind() >= reflect.Int && g.Kind() <= reflect.Uint64 }

// plainAssigner is for booleans, numbers, text and bytes.
func plainAssigner(t schema.Type, g reflect.Type) assigner {
	kind, bytes := g.Kind(), g.Kind() == reflect.Slice && g.Elem().Kind() == reflect.Uint8
	switch t.Kind {
	case schema.KindBoolean:
		if kind == reflect.Bool {
			return func(to reflect.Value, v any) error { to.SetBool(v.(bool)); return nil }
		}
	case schema.KindInt, schema.KindLong:
		if isInteger(g) {
			return setInteger
		}
	case schema.KindFloat, schema.KindDouble:
		if kind == reflect.Float64 || kind == reflect.Float32 && t.Kind == schema.KindFloat {
			return func(to reflect.Value, v any) error { to.SetFloat(reflect.ValueOf(v).Float()); return nil }
		}
	case schema.KindString:
		if bytes {
			return func(to reflect.Value, v any) error { to.SetBytes([]byte(v.(string))); return nil }
		}
	case schema.KindUUID, schema.KindFixed, schema.KindBinary, schema.KindGeometry, schema.KindGeography:
		return bytesAssigner(t, g, bytes)
	}
	return nil
}

func setInteger(to reflect.Value, v any) error {
	n := reflect.ValueOf(v).Int()
	if to.CanInt() && !to.OverflowInt(n) {
		to.SetInt(n)
		return nil
	}
	if to.CanUint() && n >= 0 && !to.OverflowUint(uint64(n)) {
		to.SetUint(uint64(n))
		return nil
	}
	return fmt.Errorf("%d is out of the range of %s", n, to.Type())
}

func bytesAssigner(t schema.Type, g reflect.Type, bytes bool) assigner {
	raw := func(v any) []byte {
		if u, ok := v.([16]byte); ok {
			return u[:]
		}
		return v.([]byte)
	}
	length := t.Length
	if t.Kind == schema.KindUUID {
		length = 16
	}
	switch {
	case bytes:
		return func(to reflect.Value, v any) error { to.SetBytes(raw(v)); return nil }
	case g.Kind() == reflect.Array && g.Elem().Kind() == reflect.Uint8 && g.Len() == length && length > 0:
		return func(to reflect.Value, v any) error {
			if n := reflect.Copy(to, reflect.ValueOf(raw(v))); n != length {
				return fmt.Errorf("%d bytes, not %d", n, length)
			}
			return nil
		}
	}
	return nil
}

// nestedAssigner is for structs, lists and maps that are not filled by columns.
func nestedAssigner(t schema.Type, g reflect.Type) (assigner, error) {
	switch {
	case t.Kind == schema.KindStruct && g == rowType, t.Kind == schema.KindMap && g == mapType:
		return setValue, nil
	case t.Kind == schema.KindStruct && g.Kind() == reflect.Struct:
		return structAssigner(t, g)
	case t.Kind == schema.KindList && g.Kind() == reflect.Slice:
		return listAssigner(t, g)
	case t.Kind == schema.KindMap && g.Kind() == reflect.Map:
		return mapAssigner(t, g)
	}
	return nil, fmt.Errorf("no conversion from %s to %s", t, g)
}

// orNull is an assigner that leaves null to types with a method for it, else
// leaves the field as it is, or refuses where that would not mean null.
func orNull(a assigner, g reflect.Type) assigner {
	refused, scans := nullError(g), reflect.PointerTo(g).Implements(scannerType)
	return func(to reflect.Value, v any) error {
		if v == nil && !scans {
			return refused
		}
		return a(to, v)
	}
}

func structAssigner(t schema.Type, g reflect.Type) (assigner, error) {
	s, err := schema.New(0, t.Fields, nil)
	if err != nil {
		return nil, err
	}
	fields, err := structFields(g)
	if err != nil {
		return nil, err
	}
	type member struct {
		at     int
		index  []int
		assign assigner
		name   string
	}
	var members []member
	for i := range fields {
		f := &fields[i]
		c, err := f.find(s)
		if err != nil {
			return nil, err
		}
		if c == nil && f.optional {
			continue
		}
		if c == nil {
			return nil, f.missing(s)
		}
		a, err := assignerOf(c.Type, f.field.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		at := 0
		for at < len(t.Fields)-1 && t.Fields[at].ID != c.ID {
			at++
		}
		members = append(members, member{at, f.field.Index, orNull(a, f.field.Type), c.Name})
	}
	return func(to reflect.Value, v any) error {
		row := v.(schema.Row)
		for _, m := range members {
			if err := m.assign(to.FieldByIndex(m.index), row[m.at]); err != nil {
				return fmt.Errorf("column %q: %w", m.name, err)
			}
		}
		return nil
	}, nil
}

func listAssigner(t schema.Type, g reflect.Type) (assigner, error) {
	elem, err := assignerOf(t.Element().Type, g.Elem())
	if err != nil {
		return nil, fmt.Errorf("element: %w", err)
	}
	elem = orNull(elem, g.Elem())
	return func(to reflect.Value, v any) error {
		list := v.([]any)
		out := reflect.MakeSlice(g, len(list), len(list))
		for i, x := range list {
			if err := elem(out.Index(i), x); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		to.Set(out)
		return nil
	}, nil
}

func mapAssigner(t schema.Type, g reflect.Type) (assigner, error) {
	key, err := assignerOf(t.Key().Type, g.Key())
	if err != nil {
		return nil, fmt.Errorf("map key: %w", err)
	}
	value, err := assignerOf(t.Value().Type, g.Elem())
	if err != nil {
		return nil, fmt.Errorf("map value: %w", err)
	}
	key, value = orNull(key, g.Key()), orNull(value, g.Elem())
	return func(to reflect.Value, v any) error {
		m := v.(schema.MapValue)
		out := reflect.MakeMapWithSize(g, len(m.Keys))
		for i := range m.Keys {
			k, e := reflect.New(g.Key()).Elem(), reflect.New(g.Elem()).Elem()
			if err := key(k, m.Keys[i]); err != nil {
				return fmt.Errorf("map key %d: %w", i, err)
			}
			if err := value(e, m.Values[i]); err != nil {
				return fmt.Errorf("map value %d: %w", i, err)
			}
			if !k.Comparable() {
				return fmt.Errorf("map key %d cannot be compared", i)
			}
			out.SetMapIndex(k, e)
		}
		to.Set(out)
		return nil
	}, nil
}

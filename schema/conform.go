package schema

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

func errConform(a arrow.Array, t Type, i int) error {
	return fmt.Errorf("row %d: value %s of Arrow type %s does not fit type %s", i, clip(a.ValueStr(i)), a.DataType(), t)
}

// conformSimple copies the values of the foreign types that occur most into a
// builder that has room, without a conversion through any. It reports false,
// with the builder as it was, for all others.
func conformSimple(b array.Builder, a arrow.Array) bool {
	switch b := b.(type) {
	case *array.StringBuilder:
		if at := textAt(a); at != nil {
			for i := range a.Len() {
				if s, ok := at(i); ok {
					b.Append(s)
				} else {
					b.AppendNull()
				}
			}
			return true
		}
	case *array.BinaryBuilder:
		if at := textAt(a); at != nil {
			for i := range a.Len() {
				if s, ok := at(i); ok {
					b.AppendString(s)
				} else {
					b.AppendNull()
				}
			}
			return true
		}
	case *array.Int32Builder:
		switch a := a.(type) {
		case *array.Int8:
			return widen(b, a, a.Int8Values())
		case *array.Int16:
			return widen(b, a, a.Int16Values())
		case *array.Uint8:
			return widen(b, a, a.Uint8Values())
		case *array.Uint16:
			return widen(b, a, a.Uint16Values())
		}
	case *array.Int64Builder:
		switch a := a.(type) {
		case *array.Int32:
			return widen(b, a, a.Int32Values())
		case *array.Uint32:
			return widen(b, a, a.Uint32Values())
		}
	case *array.Float64Builder:
		if a, ok := a.(*array.Float32); ok {
			return widen(b, a, a.Float32Values())
		}
	}
	return false
}

type number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~float32 | ~float64
}

// widen appends values that all fit the builder's type.
func widen[To, From number](b interface {
	UnsafeAppend(To)
	UnsafeAppendBoolToBitmap(bool)
}, a arrow.Array, values []From,
) bool {
	for i, v := range values {
		if a.IsNull(i) {
			b.UnsafeAppendBoolToBitmap(false)
		} else {
			b.UnsafeAppend(To(v))
		}
	}
	return true
}

// textAt returns how to read an array of strings or bytes, nil if it is none;
// ok is false for a null. The strings are views of the array.
func textAt(a arrow.Array) func(i int) (s string, ok bool) {
	switch a := a.(type) {
	case *array.String:
		return func(i int) (string, bool) { return a.Value(i), a.IsValid(i) }
	case *array.LargeString:
		return func(i int) (string, bool) { return a.Value(i), a.IsValid(i) }
	case *array.StringView:
		return func(i int) (string, bool) { return a.Value(i), a.IsValid(i) }
	case *array.Binary:
		return func(i int) (string, bool) { return a.ValueString(i), a.IsValid(i) }
	case *array.LargeBinary:
		return func(i int) (string, bool) { return a.ValueString(i), a.IsValid(i) }
	case *array.BinaryView:
		return func(i int) (string, bool) { return a.ValueString(i), a.IsValid(i) }
	case *array.Dictionary:
		if at := textAt(a.Dictionary()); at != nil {
			return func(i int) (string, bool) {
				if a.IsNull(i) {
					return "", false
				}
				return at(a.GetValueIndex(i))
			}
		}
	}
	return nil
}

package schema

import (
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/frazildb/frazil/internal/arrowsel"
)

// ValueAt returns element i of an array as a value of type t as described at
// [Row], nil for a null. The array may have any type that [FromArrow] maps to
// t or that t was promoted from (an int32 array under long). Strings and byte
// slices are copies: they stay valid after the array is released. A value that
// does not fit t is nil.
func ValueAt(a arrow.Array, t Type, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.Int32:
		return intAs(t, int64(a.Value(i)))
	case *array.Int64:
		return intAs(t, a.Value(i))
	case *array.Float32:
		if t.Kind == KindDouble {
			return float64(a.Value(i))
		}
		return a.Value(i)
	case *array.Float64:
		return a.Value(i)
	case *array.String:
		return bytesAs(t, []byte(a.Value(i)))
	case *array.Binary:
		return bytesAs(t, a.Value(i))
	case *array.FixedSizeBinary:
		return bytesAs(t, a.Value(i))
	case *array.Date32:
		return dateAs(t, int32(a.Value(i)))
	case *array.Time64:
		return timeAs(int64(a.Value(i)), a.DataType().(*arrow.Time64Type).Unit)
	case *array.Timestamp:
		return timestampAs(t, int64(a.Value(i)), a.DataType().(*arrow.TimestampType).Unit)
	case *array.Decimal128:
		return rescaled(t, a.Value(i), a.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Struct:
		return structAt(a, t, i)
	case *array.Map:
		return mapAt(a, t, i)
	case array.ListLike:
		return listAt(a, t, i)
	}
	return foreignAt(a, t, i)
}

// foreignAt reads the array types that only other writers make.
func foreignAt(a arrow.Array, t Type, i int) any {
	switch a := a.(type) {
	case *array.Dictionary:
		return ValueAt(a.Dictionary(), t, a.GetValueIndex(i))
	case *array.RunEndEncoded:
		return ValueAt(a.Values(), t, a.GetPhysicalIndex(i))
	case array.ExtensionArray:
		return ValueAt(a.Storage(), t, i)
	case *array.Int8:
		return intAs(t, int64(a.Value(i)))
	case *array.Int16:
		return intAs(t, int64(a.Value(i)))
	case *array.Uint8:
		return intAs(t, int64(a.Value(i)))
	case *array.Uint16:
		return intAs(t, int64(a.Value(i)))
	case *array.Uint32:
		return intAs(t, int64(a.Value(i)))
	case *array.Uint64:
		return rescaled(t, decimal128.FromU64(a.Value(i)), 0)
	case *array.Float16:
		if t.Kind == KindDouble {
			return float64(a.Value(i).Float32())
		}
		return a.Value(i).Float32()
	case *array.LargeString:
		return bytesAs(t, []byte(a.Value(i)))
	case *array.StringView:
		return bytesAs(t, []byte(a.Value(i)))
	case *array.LargeBinary:
		return bytesAs(t, a.Value(i))
	case *array.BinaryView:
		return bytesAs(t, a.Value(i))
	case *array.Date64:
		days, _ := floorDiv(int64(a.Value(i)), 86_400_000)
		return dateAs(t, int32(days))
	case *array.Time32:
		return timeAs(int64(a.Value(i)), a.DataType().(*arrow.Time32Type).Unit)
	case *array.Decimal32:
		return rescaled(t, decimal128.FromI64(int64(a.Value(i))), a.DataType().(*arrow.Decimal32Type).Scale)
	case *array.Decimal64:
		return rescaled(t, decimal128.FromI64(int64(a.Value(i))), a.DataType().(*arrow.Decimal64Type).Scale)
	case *array.Decimal256:
		n := a.Value(i).BigInt()
		if n.BitLen() > 127 {
			return nil
		}
		return rescaled(t, decimal128.FromBigInt(n), a.DataType().(*arrow.Decimal256Type).Scale)
	}
	return nil
}

func intAs(t Type, n int64) any {
	switch t.Kind {
	case KindInt, KindDate:
		if int64(int32(n)) != n {
			return nil
		}
		return int32(n)
	case KindDecimal:
		return rescaled(t, decimal128.FromI64(n), 0)
	}
	return n
}

func bytesAs(t Type, b []byte) any {
	switch t.Kind {
	case KindString:
		return string(b)
	case KindUUID:
		if len(b) != 16 {
			return nil
		}
		return [16]byte(b)
	}
	return append([]byte{}, b...)
}

func dateAs(t Type, days int32) any {
	switch t.Kind {
	case KindTimestamp:
		return int64(days) * microsPerDay
	case KindTimestampNs:
		return dateNanos(days)
	}
	return days
}

// dateNanos returns a date in nanoseconds, nil if it is out of their range.
func dateNanos(days int32) any {
	n := int64(days) * nanosPerDay
	if n/nanosPerDay != int64(days) {
		return nil
	}
	return n
}

func timeAs(v int64, unit arrow.TimeUnit) any {
	switch unit {
	case arrow.Second:
		return v * microsPerSec
	case arrow.Millisecond:
		return v * 1000
	case arrow.Nanosecond:
		q, _ := floorDiv(v, 1000)
		return q
	}
	return v
}

func timestampAs(t Type, v int64, unit arrow.TimeUnit) any {
	per := [...]int64{arrow.Second: 1, arrow.Millisecond: 1000, arrow.Microsecond: microsPerSec, arrow.Nanosecond: nanosPerSec}[unit]
	want := int64(microsPerSec)
	if t.Kind == KindTimestampNs || t.Kind == KindTimestampTzNs {
		want = nanosPerSec
	}
	if per > want {
		q, _ := floorDiv(v, per/want)
		return q
	}
	factor := want / per
	n := v * factor
	if n/factor != v {
		return nil
	}
	return n
}

func rescaled(t Type, v Unscaled, scale int32) any {
	if t.Kind != KindDecimal || int(scale) == t.Scale {
		return v
	}
	n := v.BigInt()
	d := int64(t.Scale) - int64(scale)
	if d < 0 || d > 76 {
		return nil
	}
	n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(d), nil))
	if n.BitLen() > 127 {
		return nil
	}
	return decimal128.FromBigInt(n)
}

func structAt(a *array.Struct, t Type, i int) any {
	if t.Kind == KindVariant {
		if a.NumField() < 2 {
			return nil
		}
		md, ok1 := ValueAt(a.Field(0), Binary, i).([]byte)
		v, ok2 := ValueAt(a.Field(1), Binary, i).([]byte)
		if !ok1 || !ok2 {
			return nil
		}
		return VariantValue{Metadata: md, Value: v}
	}
	r := make(Row, len(t.Fields))
	for j := range r {
		if j < a.NumField() {
			r[j] = ValueAt(a.Field(j), t.Fields[j].Type, i)
		}
	}
	return r
}

func listAt(a array.ListLike, t Type, i int) any {
	if t.Kind != KindList {
		return nil
	}
	start, end := a.ValueOffsets(i)
	values, et := a.ListValues(), t.Element().Type
	out := make([]any, 0, end-start)
	for j := start; j < end; j++ {
		out = append(out, ValueAt(values, et, int(j)))
	}
	return out
}

func mapAt(a *array.Map, t Type, i int) any {
	if t.Kind != KindMap {
		return nil
	}
	start, end := a.ValueOffsets(i)
	m := MapValue{Keys: make([]any, 0, end-start), Values: make([]any, 0, end-start)}
	kt, vt := t.Key().Type, t.Value().Type
	for j := start; j < end; j++ {
		m.Keys = append(m.Keys, ValueAt(a.Keys(), kt, int(j)))
		m.Values = append(m.Values, ValueAt(a.Items(), vt, int(j)))
	}
	return m
}

// Conform returns the array with the Arrow type of t: itself, retained, if it
// has that type, else a converted copy (see [ValueAt]). Nested types are
// compared without names and metadata. The caller releases the result. A
// value that does not fit t is an error.
func Conform(a arrow.Array, t Type, mem memory.Allocator) (arrow.Array, error) {
	want := ArrowType(t)
	if arrowsel.SameLayout(a.DataType(), want) {
		a.Retain()
		return a, nil
	}
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	b := array.NewBuilder(mem, want)
	defer b.Release()
	b.Reserve(a.Len())
	if conformSimple(b, a) {
		return b.NewArray(), nil
	}
	for i := range a.Len() {
		v := ValueAt(a, t, i)
		if v == nil && a.IsValid(i) && t.Kind != KindUnknown {
			return nil, errConform(a, t, i)
		}
		if err := AppendValue(b, t, v); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

package scan

import (
	"fmt"
	"reflect"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/schema"
)

// fast fills rows of an array without nulls but for those in dead; false means
// that it does not know arrays of this type.
type fast func(d dest, a arrow.Array, lo, n int, dead []bool) (bool, *badRow)

// fastFiller returns how to fill whole columns, nil where no such way is known.
func fastFiller(t schema.Type, g reflect.Type) fast {
	switch t.Kind {
	case schema.KindInt:
		return integers(g, func(a arrow.Array) ([]int32, bool) {
			if x, ok := a.(*array.Int32); ok {
				return x.Int32Values(), true
			}
			return nil, false
		})
	case schema.KindLong:
		return integers(g, func(a arrow.Array) ([]int64, bool) {
			if x, ok := a.(*array.Int64); ok {
				return x.Int64Values(), true
			}
			return nil, false
		})
	case schema.KindDouble:
		if g.Kind() == reflect.Float64 {
			return plain(func(a arrow.Array) ([]float64, bool) {
				if x, ok := a.(*array.Float64); ok {
					return x.Float64Values(), true
				}
				return nil, false
			})
		}
	case schema.KindFloat:
		if g.Kind() == reflect.Float32 {
			return plain(func(a arrow.Array) ([]float32, bool) {
				if x, ok := a.(*array.Float32); ok {
					return x.Float32Values(), true
				}
				return nil, false
			})
		}
	case schema.KindBoolean:
		if g.Kind() == reflect.Bool {
			return booleans
		}
	case schema.KindString:
		if g.Kind() == reflect.String {
			return strs
		}
	case schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs, schema.KindTimestampTzNs:
		if g == timeType {
			return times
		}
	}
	return nil
}

// plain copies values of the very type.
func plain[V any](values func(arrow.Array) ([]V, bool)) fast {
	return func(d dest, a arrow.Array, lo, n int, dead []bool) (bool, *badRow) {
		vals, ok := values(a)
		if !ok {
			return false, nil
		}
		for i, v := range vals[lo : lo+n] {
			if dead == nil || !dead[i] {
				*(*V)(d.at(i)) = v
			}
		}
		return true, nil
	}
}

type integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func integers[S int32 | int64](g reflect.Type, values func(arrow.Array) ([]S, bool)) fast {
	switch g.Kind() {
	case reflect.Int:
		return narrow[int](values)
	case reflect.Int8:
		return narrow[int8](values)
	case reflect.Int16:
		return narrow[int16](values)
	case reflect.Int32:
		return narrow[int32](values)
	case reflect.Int64:
		return narrow[int64](values)
	case reflect.Uint:
		return narrow[uint](values)
	case reflect.Uint8:
		return narrow[uint8](values)
	case reflect.Uint16:
		return narrow[uint16](values)
	case reflect.Uint32:
		return narrow[uint32](values)
	case reflect.Uint64:
		return narrow[uint64](values)
	}
	return nil
}

// narrow converts integers to another integer type, in which they must fit.
func narrow[D integer, S int32 | int64](values func(arrow.Array) ([]S, bool)) fast {
	return func(d dest, a arrow.Array, lo, n int, dead []bool) (bool, *badRow) {
		vals, ok := values(a)
		if !ok {
			return false, nil
		}
		for i, v := range vals[lo : lo+n] {
			if dead != nil && dead[i] {
				continue
			}
			x := D(v)
			if S(x) != v || (x < 0) != (v < 0) {
				return true, &badRow{i, fmt.Errorf("%d is out of the range of %T", v, x)}
			}
			*(*D)(d.at(i)) = x
		}
		return true, nil
	}
}

func booleans(d dest, a arrow.Array, lo, n int, dead []bool) (bool, *badRow) {
	x, ok := a.(*array.Boolean)
	if !ok {
		return false, nil
	}
	for i := range n {
		if dead == nil || !dead[i] {
			*(*bool)(d.at(i)) = x.Value(lo + i)
		}
	}
	return true, nil
}

// strs copies the text of all rows at once.
func strs(d dest, a arrow.Array, lo, n int, dead []bool) (bool, *badRow) {
	x, ok := a.(*array.String)
	if !ok {
		return false, nil
	}
	if n == 0 {
		return true, nil
	}
	first := x.ValueOffset(lo)
	text := string(x.ValueBytes()[first-x.ValueOffset(0) : x.ValueOffset(lo+n-1)+x.ValueLen(lo+n-1)-x.ValueOffset(0)])
	for i := range n {
		if dead == nil || !dead[i] {
			from := x.ValueOffset(lo+i) - first
			*(*string)(d.at(i)) = text[from : from+x.ValueLen(lo+i)]
		}
	}
	return true, nil
}

func times(d dest, a arrow.Array, lo, n int, dead []bool) (bool, *badRow) {
	x, ok := a.(*array.Timestamp)
	if !ok {
		return false, nil
	}
	unit := x.DataType().(*arrow.TimestampType).Unit
	for i := range n {
		if dead != nil && dead[i] {
			continue
		}
		v := int64(x.Value(lo + i))
		var at time.Time
		switch unit {
		case arrow.Microsecond:
			at = time.UnixMicro(v)
		case arrow.Nanosecond:
			at = time.Unix(0, v)
		default:
			return false, nil
		}
		*(*time.Time)(d.at(i)) = at.UTC()
	}
	return true, nil
}

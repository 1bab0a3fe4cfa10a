package partition

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/schema"
)

// number dispatches once a column on the array's type.
func (f *fieldRouter) number(col arrow.Array, dst []int32) error {
	f.codes = f.codes[:0]
	switch a := col.(type) {
	case *array.Int32:
		return f.numberInts(col, widen(f.codes, a.Int32Values()), dst)
	case *array.Date32:
		return f.numberInts(col, widen(f.codes, a.Date32Values()), dst)
	case *array.Int64:
		return f.numberInts(col, widen(f.codes, a.Int64Values()), dst)
	case *array.Time64:
		return f.numberInts(col, widen(f.codes, a.Time64Values()), dst)
	case *array.Timestamp:
		return f.numberInts(col, widen(f.codes, a.TimestampValues()), dst)
	case *array.String:
		return f.numberBytes(col, dst, func(i int) []byte { return stringBytes(a, i) }, func(b []byte) any { return string(b) })
	case *array.Binary:
		return f.numberBytes(col, dst, a.Value, cloneBytes)
	case *array.FixedSizeBinary:
		if f.src.Kind == schema.KindUUID {
			return f.numberBytes(col, dst, a.Value, func(b []byte) any { return [16]byte(b) })
		}
		return f.numberBytes(col, dst, a.Value, cloneBytes)
	case *array.Decimal128:
		return f.numberDecimals(a, dst)
	case *array.Null:
		for i := range dst {
			dst[i] = f.nullOrdinal()
		}
		return nil
	}
	return f.numberOther(col, dst)
}

// numberOther handles the types that only identity can partition by.
func (f *fieldRouter) numberOther(col arrow.Array, dst []int32) error {
	if f.transform.Kind == IdentityTransform {
		switch a := col.(type) {
		case *array.Boolean:
			for i := range a.Len() {
				code := int64(0)
				if a.Value(i) {
					code = 1
				}
				f.codes = append(f.codes, code)
			}
			f.numberCodes(col, dst, func(c int64) any { return c == 1 })
			return nil
		case *array.Float32:
			for _, v := range a.Float32Values() {
				bits := math.Float32bits(v)
				if v != v {
					bits = 0x7fc00000
				}
				f.codes = append(f.codes, int64(bits))
			}
			f.numberCodes(col, dst, func(c int64) any { return math.Float32frombits(uint32(c)) })
			return nil
		case *array.Float64:
			for _, v := range a.Float64Values() {
				f.codes = append(f.codes, int64(floatBits(v)))
			}
			f.numberCodes(col, dst, func(c int64) any { return math.Float64frombits(uint64(c)) })
			return nil
		}
	}
	return fmt.Errorf("cannot apply %s to an Arrow column of %s", f.transform, col.DataType())
}

func widen[T ~int32 | ~int64](dst []int64, src []T) []int64 {
	for _, v := range src {
		dst = append(dst, int64(v))
	}
	return dst
}

func cloneBytes(b []byte) any { return append([]byte{}, b...) }

// stringBytes views a string value without copying it.
func stringBytes(a *array.String, i int) []byte {
	return a.ValueBytes()[a.ValueOffset(i)-a.ValueOffset(0):][:a.ValueLen(i)]
}

// numberInts transforms integers in place and numbers the results.
func (f *fieldRouter) numberInts(col arrow.Array, codes []int64, dst []int32) error {
	f.codes = codes
	narrow := func(c int64) any { return int32(c) }
	value := narrow
	if k := f.src.Kind; k != schema.KindInt && k != schema.KindDate {
		value = func(c int64) any { return c }
	}
	switch f.transform.Kind {
	case IdentityTransform:
	case BucketTransform:
		bucketCodes(codes, f.transform.Param, isNano(f.src.Kind))
		value = narrow
	case TruncateTransform:
		w := int64(f.transform.Param)
		for i, v := range codes {
			codes[i] = truncateInt(v, w)
		}
		if f.src.Kind == schema.KindInt {
			for i, v := range codes {
				codes[i] = int64(int32(v))
			}
		}
	case YearTransform, MonthTransform, DayTransform, HourTransform:
		timeCodes(codes, f.transform, f.src.Kind)
		value = narrow
	default:
		return fmt.Errorf("cannot apply %s to an Arrow column of %s", f.transform, col.DataType())
	}
	f.numberCodes(col, dst, value)
	return nil
}

func bucketCodes(codes []int64, n int, nanos bool) {
	if nanos {
		for i, v := range codes {
			codes[i] = floorDiv(v, 1000)
		}
	}
	for i, v := range codes {
		codes[i] = int64(bucketOf(hashLong(v), n))
	}
}

func timeCodes(codes []int64, t Transform, k schema.Kind) {
	perDay := int64(1)
	if k != schema.KindDate {
		perDay = unitsPerHour(k)
		if t.Kind != HourTransform {
			perDay *= hoursPerDay
		}
	}
	if perDay != 1 {
		for i, v := range codes {
			codes[i] = floorDiv(v, perDay)
		}
	}
	if t.Kind == YearTransform || t.Kind == MonthTransform {
		// Neighbouring rows mostly share a day.
		last, lastCode := int64(math.MinInt64), int64(0)
		for i, v := range codes {
			if v != last {
				last, lastCode = v, t.ofDays(v)
			}
			codes[i] = lastCode
		}
	}
}

func (f *fieldRouter) numberBytes(col arrow.Array, dst []int32, at func(int) []byte, value func([]byte) any) error {
	switch f.transform.Kind {
	case IdentityTransform:
		f.numberTexts(col, dst, at, value)
		return nil
	case BucketTransform:
		for i := range dst {
			f.codes = append(f.codes, int64(bucketOf(hashBytes(at(i)), f.transform.Param)))
		}
		f.numberCodes(col, dst, func(c int64) any { return int32(c) })
		return nil
	case TruncateTransform:
		w := f.transform.Param
		cut := func(i int) []byte {
			b := at(i)
			return b[:min(len(b), w)]
		}
		if f.src.Kind == schema.KindString {
			cut = func(i int) []byte {
				b := at(i)
				return b[:runePrefix(b, w)]
			}
		}
		f.numberTexts(col, dst, cut, value)
		return nil
	}
	return fmt.Errorf("cannot apply %s to an Arrow column of %s", f.transform, col.DataType())
}

func (f *fieldRouter) numberDecimals(a *array.Decimal128, dst []int32) error {
	var buf [16]byte
	at := func(i int) []byte { return minimalDecimal(a.Value(i), &buf) }
	switch f.transform.Kind {
	case BucketTransform:
		return f.numberBytes(a, dst, at, nil)
	case TruncateTransform:
		at = func(i int) []byte { return minimalDecimal(truncateDecimal(a.Value(i), f.transform.Param), &buf) }
	case IdentityTransform:
	default:
		return fmt.Errorf("cannot apply %s to an Arrow column of %s", f.transform, a.DataType())
	}
	// numberTexts looks at the value before; two buffers in turn keep it.
	var keep [2][16]byte
	turn := 0
	copied := func(i int) []byte {
		turn ^= 1
		return keep[turn][:copy(keep[turn][:], at(i))]
	}
	f.numberTexts(a, dst, copied, func(b []byte) any { return decimalOf(b) })
	return nil
}

// decimalOf reads minimal big-endian two's complement.
func decimalOf(b []byte) schema.Unscaled {
	var hi int64
	var lo uint64
	if len(b) > 0 && b[0]&0x80 != 0 {
		hi, lo = -1, ^uint64(0)
	}
	for _, c := range b {
		hi = hi<<8 | int64(lo>>56)
		lo = lo<<8 | uint64(c)
	}
	return decimal128.New(hi, lo)
}

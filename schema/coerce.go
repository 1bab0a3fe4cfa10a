package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// Coerce turns a Go value into a value of the type as described at [Row], nil
// into nil. It takes
//
//   - integers of any size, and floats and decimals without a fraction, for
//     integer types; any of them for decimals; all numbers for floats
//     (integers that a float cannot hold exactly are an error, decimals and
//     doubles are rounded);
//   - time.Time for date, time and timestamps (the clock of its own zone for
//     types without a zone, the instant for zoned ones), time.Duration for
//     time; fractions below the type's unit are cut off;
//   - strings for every primitive type, read by [ParseLiteral], and
//     json.Number for the numeric ones;
//   - [16]byte, 16 bytes, or text for uuid; arrays and slices of bytes for
//     binary and fixed;
//   - Row, []any and map[string]any (keyed by field name) for structs, slices
//     for lists, MapValue and Go maps for maps.
//
// A value that does not fit is an error.
func Coerce(t Type, v any) (any, error) {
	c, err := coerce(t, v, 0)
	if err != nil {
		return nil, fmt.Errorf("type %s: %w", t, err)
	}
	return c, nil
}

func coerce(t Type, v any, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	if v == nil {
		return nil, nil
	}
	if !t.IsNested() && hasRowType(t, v) {
		if b, ok := v.([]byte); ok && t.Kind == KindFixed && len(b) != t.Length {
			return nil, fmt.Errorf("%d bytes do not fit", len(b))
		}
		if d, ok := v.(Unscaled); ok && !fitsPrecision(d, t.Precision) {
			return nil, fmt.Errorf("more than %d digits", t.Precision)
		}
		return v, nil
	}
	if isNil(v) {
		return nil, nil
	}
	switch x := v.(type) {
	case json.Number:
		if t.Kind >= KindInt && t.Kind <= KindDecimal {
			return coerceNumberText(t, string(x))
		}
		return nil, fmt.Errorf("cannot take a number")
	case string:
		if !t.IsNested() {
			return parseLiteral(t, x)
		}
	case time.Time:
		return coerceTime(t, x)
	case time.Duration:
		if t.Kind == KindTime {
			return x.Microseconds(), nil
		}
	}
	switch t.Kind {
	case KindInt, KindLong, KindFloat, KindDouble, KindDecimal:
		return coerceNumber(t, v)
	case KindDate, KindTime, KindTimestamp, KindTimestampTz, KindTimestampNs, KindTimestampTzNs:
		return coerceUnits(t, v)
	case KindUUID, KindFixed, KindBinary, KindGeometry, KindGeography:
		return coerceBytes(t, v)
	case KindStruct:
		return coerceStruct(t, v, depth)
	case KindList:
		return coerceList(t, t.Element(), v, depth)
	case KindMap:
		return coerceMap(t, v, depth)
	}
	return coerceNamed(t, v)
}

// isNil reports whether v is nil or a nil pointer. Nil slices and maps are
// empty values.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

var errKind = errors.New("no such conversion")

// coerceNamed takes pointers and named types (type Status string).
func coerceNamed(t Type, v any) (any, error) {
	switch r := reflect.ValueOf(v); {
	case r.Kind() == reflect.Pointer:
		return coerce(t, r.Elem().Interface(), 1)
	case r.Kind() == reflect.String && !t.IsNested():
		return parseLiteral(t, r.String())
	case r.Kind() == reflect.Bool && t.Kind == KindBoolean:
		return r.Bool(), nil
	}
	return nil, fmt.Errorf("value of Go type %T: %w", v, errKind)
}

func coerceNumber(t Type, v any) (any, error) {
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return integerAs(t, big.NewInt(r.Int()))
	case r.CanUint():
		return integerAs(t, new(big.Int).SetUint64(r.Uint()))
	case r.CanFloat():
		bits := 64
		if r.Kind() == reflect.Float32 {
			bits = 32
		}
		return floatAs(t, r.Float(), bits)
	}
	switch x := v.(type) {
	case Unscaled:
		// Only a decimal's own type gives it a scale; it is read as an integer.
		return integerAs(t, x.BigInt())
	case *big.Int:
		return integerAs(t, x)
	case *big.Rat:
		if x.IsInt() {
			return integerAs(t, x.Num())
		}
		if n, exact := x.FloatPrec(); exact && t.Kind == KindDecimal {
			return coerceNumberText(t, x.FloatString(n))
		}
		f, _ := x.Float64()
		return floatAs(t, f, 64)
	}
	return coerceNamed(t, v)
}

func coerceNumberText(t Type, s string) (any, error) {
	switch t.Kind {
	case KindInt, KindLong:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return integerAs(t, big.NewInt(n))
		}
		d, err := parseDecimal(s, 38, 0) // 1e3, 2.0
		if err != nil {
			return nil, fmt.Errorf("%s: %w", clip(s), err)
		}
		return integerAs(t, d.BigInt())
	}
	return parseLiteral(t, s)
}

func integerAs(t Type, n *big.Int) (any, error) {
	switch t.Kind {
	case KindInt:
		if n.IsInt64() && n.Int64() == int64(int32(n.Int64())) {
			return int32(n.Int64()), nil
		}
	case KindLong:
		if n.IsInt64() {
			return n.Int64(), nil
		}
	case KindFloat:
		if f, acc := new(big.Float).SetInt(n).Float32(); acc == big.Exact {
			return f, nil
		}
	case KindDouble:
		if f, acc := new(big.Float).SetInt(n).Float64(); acc == big.Exact {
			return f, nil
		}
	case KindDecimal:
		if n.BitLen() <= 127 {
			if d, err := parseDecimal(n.String(), t.Precision, t.Scale); err == nil {
				return d, nil
			}
		}
	}
	return nil, fmt.Errorf("%s is out of range", clip(n.String()))
}

func floatAs(t Type, f float64, bits int) (any, error) {
	switch t.Kind {
	case KindDouble:
		return f, nil
	case KindFloat:
		g := float32(f)
		if math.IsInf(float64(g), 0) && !math.IsInf(f, 0) {
			return nil, fmt.Errorf("%g is out of range", f)
		}
		return g, nil
	case KindDecimal:
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("%g is no decimal", f)
		}
		return parseDecimal(strconv.FormatFloat(f, 'e', -1, bits), t.Precision, t.Scale)
	}
	if f != math.Trunc(f) || math.Abs(f) > 1<<63 { // also NaN
		return nil, fmt.Errorf("%g is no integer in range", f)
	}
	n, _ := big.NewFloat(f).Int(nil)
	return integerAs(t, n)
}

// coerceUnits takes integers as a count of the type's unit.
func coerceUnits(t Type, v any) (any, error) {
	r := reflect.ValueOf(v)
	if !r.CanInt() && !r.CanUint() {
		return coerceNamed(t, v)
	}
	as := Long
	if t.Kind == KindDate {
		as = Int
	}
	return coerceNumber(as, v)
}

func coerceTime(t Type, x time.Time) (any, error) {
	switch t.Kind {
	case KindString:
		return x.Format(time.RFC3339Nano), nil
	case KindTime:
		h, m, s := x.Clock()
		return int64(h*3600+m*60+s)*microsPerSec + int64(x.Nanosecond()/1000), nil
	case KindDate:
		days := daysFromCivil(int64(x.Year()), int(x.Month()), x.Day())
		if int64(int32(days)) != days {
			return nil, strconv.ErrRange
		}
		return int32(days), nil
	}
	seconds := x.Unix()
	if t.Kind == KindTimestamp || t.Kind == KindTimestampNs {
		h, m, s := x.Clock()
		seconds = daysFromCivil(int64(x.Year()), int(x.Month()), x.Day())*secondsPerDay + int64(h*3600+m*60+s)
	}
	switch t.Kind {
	case KindTimestamp, KindTimestampTz:
		return secondsAs(seconds, int64(x.Nanosecond()/1000), microsPerSec)
	case KindTimestampNs, KindTimestampTzNs:
		return secondsAs(seconds, int64(x.Nanosecond()), nanosPerSec)
	}
	return nil, fmt.Errorf("cannot take a time: %w", errKind)
}

// secondsAs returns seconds×per + frac, checked for overflow.
func secondsAs(seconds, frac, per int64) (any, error) {
	if seconds > math.MaxInt64/per || seconds < math.MinInt64/per-1 {
		return nil, strconv.ErrRange
	}
	if seconds < 0 { // the least value has a fraction: go up one second, and down from there
		v, d := (seconds+1)*per, frac-per
		if v < math.MinInt64-d {
			return nil, strconv.ErrRange
		}
		return v + d, nil
	}
	v := seconds * per
	if v > math.MaxInt64-frac {
		return nil, strconv.ErrRange
	}
	return v + frac, nil
}

func coerceBytes(t Type, v any) (any, error) {
	r := reflect.ValueOf(v)
	if (r.Kind() != reflect.Slice && r.Kind() != reflect.Array) || r.Type().Elem().Kind() != reflect.Uint8 {
		return coerceNamed(t, v)
	}
	b := make([]byte, r.Len())
	reflect.Copy(reflect.ValueOf(b), r)
	switch {
	case t.Kind == KindUUID && len(b) == 16:
		return [16]byte(b), nil
	case t.Kind == KindUUID || t.Kind == KindFixed && len(b) != t.Length:
		return nil, fmt.Errorf("%d bytes do not fit", len(b))
	}
	return b, nil
}

// fitsPrecision reports whether a decimal has at most that many digits.
func fitsPrecision(d Unscaled, precision int) bool {
	if precision >= 38 {
		precision = 38
	}
	return precision >= 1 && d.Abs().LessEqual(decimal128.GetMaxValue(int32(precision))) && d.Abs().Sign() >= 0
}

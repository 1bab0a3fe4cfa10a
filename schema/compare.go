package schema

import (
	"bytes"
	"cmp"
	"math"
	"strings"
)

// IsNaN reports whether a value as described at [Row] is a float or double that
// is no number.
func IsNaN(v any) bool {
	switch x := v.(type) {
	case float32:
		return x != x
	case float64:
		return x != x
	}
	return false
}

// Compare orders two values of a primitive type, neither of them nil, as
// described at [Row]: -1, 0 or 1. Floats have the total order of the spec,
// -NaN < -Inf < … < -0 < +0 < … < +Inf < NaN; strings, binary values and uuids
// compare by unsigned bytes. It panics on values of another Go type; values of
// nested types and variants are all equal.
func Compare(t Type, a, b any) int {
	switch t.Kind {
	case KindBoolean:
		return cmp.Compare(boolInt(a.(bool)), boolInt(b.(bool)))
	case KindInt, KindDate:
		return cmp.Compare(a.(int32), b.(int32))
	case KindLong, KindTime, KindTimestamp, KindTimestampTz, KindTimestampNs, KindTimestampTzNs:
		return cmp.Compare(a.(int64), b.(int64))
	case KindFloat:
		return cmp.Compare(FloatKey32(a.(float32)), FloatKey32(b.(float32)))
	case KindDouble:
		return cmp.Compare(FloatKey64(a.(float64)), FloatKey64(b.(float64)))
	case KindDecimal:
		return a.(Unscaled).Cmp(b.(Unscaled))
	case KindString:
		return strings.Compare(a.(string), b.(string))
	case KindUUID:
		x, y := a.([16]byte), b.([16]byte)
		return bytes.Compare(x[:], y[:])
	case KindFixed, KindBinary, KindGeometry, KindGeography:
		return bytes.Compare(a.([]byte), b.([]byte))
	}
	return 0
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// FloatKey32 maps a float to an integer with the same order as the spec's total
// order of floats; every positive NaN becomes the highest, every negative one
// the lowest.
func FloatKey32(f float32) int32 {
	b := math.Float32bits(f)
	if f != f {
		b = b&(1<<31) | 0x7fffffff
	}
	return int32(b) ^ int32(uint32(int32(b)>>31)>>1)
}

// FloatKey64 is FloatKey32 for doubles.
func FloatKey64(f float64) int64 {
	b := math.Float64bits(f)
	if f != f {
		b = b&(1<<63) | 0x7fffffffffffffff
	}
	return int64(b) ^ int64(uint64(int64(b)>>63)>>1)
}

package partition

import (
	"math"
	"math/bits"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/schema"
)

const (
	microsPerHour = 3600 * 1000 * 1000
	hoursPerDay   = 24
)

// Apply transforms one value (as at schema.Row); nil gives nil. The value must
// be of the source type and ResultType must accept that type; an unknown
// transform and a value of another Go type give nil.
func (t Transform) Apply(src schema.Type, v any) any {
	if v == nil {
		return nil
	}
	switch t.Kind {
	case IdentityTransform:
		return v
	case BucketTransform:
		if h, ok := Hash(src, v); ok && t.Param > 0 && t.Param <= math.MaxInt32 {
			return bucketOf(h, t.Param)
		}
	case TruncateTransform:
		return truncateValue(v, t.Param)
	case YearTransform, MonthTransform, DayTransform, HourTransform:
		switch x := v.(type) {
		case int32:
			if t.Kind != HourTransform {
				return int32(t.ofDays(int64(x)))
			}
		case int64:
			return int32(t.ofHours(floorDiv(x, unitsPerHour(src.Kind))))
		}
	}
	return nil
}

// Hash returns the spec's 32-bit hash of a non-null value (spec: "Appendix B"),
// false when values of the type are not hashed.
func Hash(src schema.Type, v any) (uint32, bool) {
	switch x := v.(type) {
	case int32:
		return hashLong(int64(x)), true
	case int64:
		if isNano(src.Kind) {
			x = floorDiv(x, 1000)
		}
		return hashLong(x), true
	case schema.Unscaled:
		var buf [16]byte
		return hashBytes(minimalDecimal(x, &buf)), true
	case string:
		return hashBytes([]byte(x)), true
	case [16]byte:
		return hashBytes(x[:]), true
	case []byte:
		return hashBytes(x), true
	}
	return 0, false
}

func truncateValue(v any, w int) any {
	if w <= 0 {
		return nil
	}
	switch x := v.(type) {
	case int32:
		return int32(truncateInt(int64(x), int64(w)))
	case int64:
		return truncateInt(x, int64(w))
	case schema.Unscaled:
		return truncateDecimal(x, w)
	case string:
		return x[:runePrefix(x, w)]
	case []byte:
		return x[:min(len(x), w):min(len(x), w)]
	}
	return nil
}

// truncateInt floors v to a multiple of w; like the reference it wraps below the
// smallest integer.
func truncateInt(v, w int64) int64 { return v - ((v%w)+w)%w }

func truncateDecimal(v schema.Unscaled, w int) schema.Unscaled {
	width := decimal128.FromI64(int64(w))
	_, rem := v.Div(width)
	if rem.Sign() < 0 {
		rem = rem.Add(width)
	}
	return v.Sub(rem)
}

// runePrefix returns the length in bytes of the first n code points of s.
func runePrefix[T string | []byte](s T, n int) int {
	if len(s) <= n {
		return len(s)
	}
	i := 0
	for ; n > 0 && i < len(s); n-- {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		_, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		i += size
	}
	return i
}

// minimalDecimal returns the shortest big-endian two's complement of v in buf.
func minimalDecimal(v schema.Unscaled, buf *[16]byte) []byte {
	hi, lo := uint64(v.HighBits()), v.LowBits()
	for i := range 8 {
		buf[7-i] = byte(hi >> (8 * i))
		buf[15-i] = byte(lo >> (8 * i))
	}
	// The sign bit and the bits equal to it lead; keep one of them.
	sign := hi >> 63
	if sign == 1 {
		hi, lo = ^hi, ^lo
	}
	lead := bits.LeadingZeros64(hi)
	if hi == 0 {
		lead = 64 + bits.LeadingZeros64(lo)
	}
	return buf[16-(128-lead)/8-1:]
}

func unitsPerHour(k schema.Kind) int64 {
	if isNano(k) {
		return microsPerHour * 1000
	}
	return microsPerHour
}

// ofHours turns hours since the epoch into the ordinal of a time transform.
func (t Transform) ofHours(h int64) int64 {
	if t.Kind == HourTransform {
		return h
	}
	return t.ofDays(floorDiv(h, hoursPerDay))
}

func (t Transform) ofDays(d int64) int64 {
	if t.Kind == DayTransform {
		return d
	}
	y, m, _ := civil(d)
	if t.Kind == YearTransform {
		return y - 1970
	}
	return (y-1970)*12 + int64(m) - 1
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// civil turns days since 1970-01-01 into a date of the proleptic Gregorian
// calendar, for any int64 that stands for a 32-bit day or a 64-bit timestamp.
func civil(days int64) (year int64, month, day int) {
	// Count from 0000-03-01 so that leap days end a year; 146097 days are 400 years.
	z := days + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy - (153*mp+2)/5 + 1)
	month = int(mp) + 3
	year = yoe + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

var errNaN = errors.New("NaN is no bound")

// EncodeBound returns the binary single-value serialization of a value as
// described at [Row] (spec: appendix D), in which manifests hold bounds:
// little-endian numbers, big-endian uuid, decimals in the fewest bytes, raw
// strings and bytes. The bytes of a geo type are taken as an encoded bound
// (x, y, and optionally z, m as little-endian doubles) as they are. NaN, nil,
// nested types, variant and unknown have no such form.
func EncodeBound(t Type, v any) ([]byte, error) {
	switch t.Kind {
	case KindBoolean:
		if b, ok := v.(bool); ok {
			if b {
				return []byte{1}, nil
			}
			return []byte{0}, nil
		}
	case KindInt, KindDate:
		if n, ok := v.(int32); ok {
			return binary.LittleEndian.AppendUint32(nil, uint32(n)), nil
		}
	case KindLong, KindTime, KindTimestamp, KindTimestampTz, KindTimestampNs, KindTimestampTzNs:
		if n, ok := v.(int64); ok {
			return binary.LittleEndian.AppendUint64(nil, uint64(n)), nil
		}
	case KindFloat:
		if f, ok := v.(float32); ok {
			if f != f {
				return nil, fmt.Errorf("type %s: %w", t, errNaN)
			}
			return binary.LittleEndian.AppendUint32(nil, math.Float32bits(f)), nil
		}
	case KindDouble:
		if f, ok := v.(float64); ok {
			if f != f {
				return nil, fmt.Errorf("type %s: %w", t, errNaN)
			}
			return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)), nil
		}
	case KindDecimal:
		if d, ok := v.(Unscaled); ok {
			return EncodeUnscaled(d), nil
		}
	case KindString:
		if s, ok := v.(string); ok {
			return []byte(s), nil
		}
	case KindUUID:
		if u, ok := v.([16]byte); ok {
			return append([]byte(nil), u[:]...), nil
		}
	case KindFixed, KindBinary, KindGeometry, KindGeography:
		if b, ok := v.([]byte); ok {
			return append([]byte{}, b...), nil
		}
	default:
		return nil, fmt.Errorf("type %s has no binary single-value form", t)
	}
	return nil, mismatch(t, v)
}

// EncodeUnscaled returns an unscaled decimal as two's complement, big endian,
// in the fewest bytes.
func EncodeUnscaled(d Unscaled) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(d.HighBits()))
	binary.BigEndian.PutUint64(b[8:], d.LowBits())
	i := 0
	for i < 15 && (b[i] == 0 && b[i+1] < 0x80 || b[i] == 0xff && b[i+1] >= 0x80) {
		i++
	}
	return append([]byte(nil), b[i:]...)
}

// DecodeUnscaled reads two's complement, big endian, of any length whose value
// fits 128 bits.
func DecodeUnscaled(b []byte) (Unscaled, error) {
	if len(b) == 0 {
		return Unscaled{}, errors.New("a decimal needs at least one byte")
	}
	pad := byte(0)
	if b[0] >= 0x80 {
		pad = 0xff
	}
	for len(b) > 16 {
		if b[0] != pad || (b[1] >= 0x80) != (pad == 0xff) {
			return Unscaled{}, errors.New("a decimal beyond 128 bits")
		}
		b = b[1:]
	}
	var full [16]byte
	for i := range full[:16-len(b)] {
		full[i] = pad
	}
	copy(full[16-len(b):], b)
	return decimal128.New(int64(binary.BigEndian.Uint64(full[:8])), binary.BigEndian.Uint64(full[8:])), nil
}

// DecodeBound reads a binary single-value serialization (spec: appendix D) and
// returns the value as described at [Row]. Bounds written before a column was
// promoted are read in their old type and converted: 4 bytes under long are an
// int, under double a float, under timestamp and timestamp_ns a date. The
// bytes of a bound of a geo type are returned as they are. A fixed may be
// shorter than its type, since bounds may be truncated. NaN, and any other
// length, is an error: the caller knows nothing about the values then.
func DecodeBound(t Type, b []byte) (any, error) {
	switch t.Kind {
	case KindBoolean:
		if len(b) == 1 {
			return b[0] != 0, nil
		}
	case KindInt, KindDate:
		if len(b) == 4 {
			return int32(binary.LittleEndian.Uint32(b)), nil
		}
	case KindLong:
		switch len(b) {
		case 4:
			return int64(int32(binary.LittleEndian.Uint32(b))), nil
		case 8:
			return int64(binary.LittleEndian.Uint64(b)), nil
		}
	case KindTime, KindTimestampTz, KindTimestampTzNs:
		if len(b) == 8 {
			return int64(binary.LittleEndian.Uint64(b)), nil
		}
	case KindTimestamp, KindTimestampNs:
		return decodeTimestampBound(t, b)
	case KindFloat, KindDouble:
		return decodeFloatBound(t, b)
	case KindDecimal:
		d, err := DecodeUnscaled(b)
		if err != nil {
			return nil, fmt.Errorf("bound of type %s: %w", t, err)
		}
		return d, nil
	case KindString:
		return string(b), nil
	case KindUUID:
		if len(b) == 16 {
			return [16]byte(b), nil
		}
	case KindFixed:
		if len(b) <= t.Length {
			return append([]byte{}, b...), nil
		}
	case KindBinary, KindGeometry, KindGeography:
		return append([]byte{}, b...), nil
	}
	return nil, fmt.Errorf("bound of type %s: cannot have %d bytes", t, len(b))
}

func decodeTimestampBound(t Type, b []byte) (any, error) {
	switch len(b) {
	case 8:
		return int64(binary.LittleEndian.Uint64(b)), nil
	case 4:
		if v := dateAs(t, int32(binary.LittleEndian.Uint32(b))); v != nil {
			return v, nil
		}
		return nil, fmt.Errorf("bound of type %s: date out of range", t)
	}
	return nil, fmt.Errorf("bound of type %s: cannot have %d bytes", t, len(b))
}

func decodeFloatBound(t Type, b []byte) (any, error) {
	var f float64
	switch {
	case len(b) == 4:
		f = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case len(b) == 8 && t.Kind == KindDouble:
		f = math.Float64frombits(binary.LittleEndian.Uint64(b))
	default:
		return nil, fmt.Errorf("bound of type %s: cannot have %d bytes", t, len(b))
	}
	if f != f {
		return nil, fmt.Errorf("bound of type %s: %w", t, errNaN)
	}
	if t.Kind == KindFloat {
		return float32(f), nil
	}
	return f, nil
}

// TruncateLower shortens a lower bound to n units: code points of a string,
// bytes of a binary or fixed. Other values, shorter ones, and all if n < 1,
// are returned unchanged.
func TruncateLower(t Type, v any, n int) any {
	switch x := v.(type) {
	case string:
		if cut := runePrefix(x, n); t.Kind == KindString && cut < len(x) {
			return x[:cut]
		}
	case []byte:
		if (t.Kind == KindBinary || t.Kind == KindFixed) && n > 0 && len(x) > n {
			return x[:n:n]
		}
	}
	return v
}

// TruncateUpper shortens an upper bound to n units as [TruncateLower] does and
// raises its last unit that can be raised, so that the result is not below any
// value it bounds; the units after that one are dropped. If none can be
// raised, there is no such bound and ok is false.
func TruncateUpper(t Type, v any, n int) (bound any, ok bool) {
	switch x := v.(type) {
	case string:
		if cut := runePrefix(x, n); t.Kind == KindString && cut < len(x) {
			return raiseString(x[:cut])
		}
	case []byte:
		if (t.Kind == KindBinary || t.Kind == KindFixed) && n > 0 && len(x) > n {
			for i := n - 1; i >= 0; i-- {
				if x[i] != 0xff {
					out := append([]byte{}, x[:i+1]...)
					out[i]++
					return out, true
				}
			}
			return nil, false
		}
	}
	return v, true
}

// runePrefix returns the length in bytes of the first n code points.
func runePrefix(s string, n int) int {
	if n < 1 || len(s) <= n {
		return len(s)
	}
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func raiseString(s string) (any, bool) {
	for len(s) > 0 {
		r, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
		if r == utf8.RuneError && size == 1 {
			continue // no code point: it cannot be raised to one
		}
		switch r {
		case utf8.MaxRune:
			continue
		case 0xd7ff: // the next code points are surrogates, which UTF-8 lacks
			r = 0xe000
		default:
			r++
		}
		return s + string(r), true
	}
	return nil, false
}

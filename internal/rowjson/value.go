package rowjson

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/schema"
)

// value appends element i of an array. The array has the Arrow type of the
// node's type or one that can be converted to it.
func (e *Encoder) value(dst []byte, n *node, a arrow.Array, i int) []byte {
	if a.IsNull(i) {
		return append(dst, "null"...)
	}
	k := n.typ.Kind
	switch a := a.(type) {
	case *array.Int64:
		if k == schema.KindLong {
			return strconv.AppendInt(dst, a.Value(i), 10)
		}
	case *array.Int32:
		if k == schema.KindInt || k == schema.KindLong {
			return strconv.AppendInt(dst, int64(a.Value(i)), 10)
		}
	case *array.String:
		if k == schema.KindString {
			return appendString(dst, view(a.Value(i)), e.form)
		}
	case *array.Boolean:
		if k == schema.KindBoolean {
			return strconv.AppendBool(dst, a.Value(i))
		}
	case *array.Float64:
		if k == schema.KindDouble {
			return e.double(dst, a.Value(i))
		}
	case *array.Float32:
		if k == schema.KindFloat {
			return e.float(dst, a.Value(i))
		}
	case *array.Decimal128:
		if t := a.DataType().(*arrow.Decimal128Type); k == schema.KindDecimal && int(t.Scale) == n.typ.Scale {
			return append(schema.AppendDecimal(append(dst, '"'), a.Value(i), n.typ.Scale), '"')
		}
	case *array.Date32:
		if k == schema.KindDate {
			return append(e.date(append(dst, '"'), int32(a.Value(i))), '"')
		}
	case *array.Timestamp:
		if out, ok := e.timestamp(dst, k, a, i); ok {
			return out
		}
	case *array.Time64:
		if k == schema.KindTime && a.DataType().(*arrow.Time64Type).Unit == arrow.Microsecond {
			return append(schema.AppendTime(append(dst, '"'), int64(a.Value(i))), '"')
		}
	case *array.Dictionary:
		return e.value(dst, n, a.Dictionary(), a.GetValueIndex(i))
	default:
		if out, ok := e.otherValue(dst, n, a, i); ok {
			return out
		}
	}
	return e.converted(dst, n, a, i)
}

func (e *Encoder) otherValue(dst []byte, n *node, a arrow.Array, i int) ([]byte, bool) {
	k := n.typ.Kind
	switch a := a.(type) {
	case *array.FixedSizeBinary:
		switch b := a.Value(i); {
		case k == schema.KindUUID && len(b) == 16:
			return append(schema.AppendUUID(append(dst, '"'), b), '"'), true
		case k == schema.KindFixed:
			return append(schema.AppendHex(append(dst, '"'), b), '"'), true
		}
	case *array.Binary:
		switch k {
		case schema.KindBinary, schema.KindFixed:
			return append(schema.AppendHex(append(dst, '"'), a.Value(i)), '"'), true
		case schema.KindGeometry, schema.KindGeography:
			return e.geo(dst, a.Value(i)), true
		}
	case *array.Struct:
		switch k {
		case schema.KindVariant:
			return e.variantAt(dst, n, a, i), true
		case schema.KindStruct:
			return e.structValue(dst, n, a, i), true
		}
	case *array.Map:
		if k == schema.KindMap {
			return e.mapValue(dst, n, a, i), true
		}
	case array.ListLike:
		if k == schema.KindList {
			return e.listValue(dst, n, a, i), true
		}
	case array.ExtensionArray:
		return e.value(dst, n, a.Storage(), i), true
	}
	return dst, false
}

var errNoFit = errors.New("the Arrow type does not fit the schema's")

// converted renders a value of an array of another type by way of one of the
// right type.
func (e *Encoder) converted(dst []byte, n *node, a arrow.Array, i int) []byte {
	if n.typ.Kind == schema.KindUnknown || a.DataType().ID() == arrow.NULL {
		return append(dst, "null"...)
	}
	one := array.NewSlice(a, int64(i), int64(i)+1)
	defer one.Release()
	c, err := schema.Conform(one, n.typ, nil)
	if err != nil {
		e.fail(n, err)
		return append(dst, "null"...)
	}
	defer c.Release()
	if arrow.TypeEqual(c.DataType(), a.DataType()) {
		e.fail(n, fmt.Errorf("type %s: Arrow type %s: %w", n.typ, a.DataType(), errNoFit))
		return append(dst, "null"...)
	}
	return e.value(dst, n, c, 0)
}

// view returns the bytes of a string without copying; they are only read.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

const hexDigits = "0123456789abcdef"

func appendHexUint(dst []byte, v uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>uint(shift)&15])
	}
	return dst
}

func (e *Encoder) float(dst []byte, f float32) []byte {
	if e.form != Canonical {
		return schema.AppendFloatJSON(dst, float64(f), 32)
	}
	bits := math.Float32bits(f)
	if f != f {
		bits = 0x7fc00000
	}
	return append(appendHexUint(append(dst, `"f32:`...), uint64(bits), 8), '"')
}

func (e *Encoder) double(dst []byte, f float64) []byte {
	if e.form != Canonical {
		return schema.AppendFloatJSON(dst, f, 64)
	}
	bits := math.Float64bits(f)
	if f != f {
		bits = 0x7ff8000000000000
	}
	return append(appendHexUint(append(dst, `"f64:`...), bits, 16), '"')
}

func (e *Encoder) date(dst []byte, days int32) []byte {
	start := len(dst)
	return e.year(schema.AppendDate(dst, days), start)
}

// year rewrites the year that starts there for the form for comparison, which
// has no plus sign before a long year and counts a minus sign as one of the
// four digits.
func (e *Encoder) year(dst []byte, start int) []byte {
	if e.form != Judge {
		return dst
	}
	cut := -1
	switch {
	case dst[start] == '+':
		cut = start
	case dst[start] == '-' && dst[start+1] == '0':
		cut = start + 1
	}
	if cut >= 0 {
		copy(dst[cut:], dst[cut+1:])
		dst = dst[:len(dst)-1]
	}
	return dst
}

func (e *Encoder) timestamp(dst []byte, k schema.Kind, a *array.Timestamp, i int) ([]byte, bool) {
	unit := a.DataType().(*arrow.TimestampType).Unit
	dst = append(dst, '"')
	start := len(dst)
	switch k {
	case schema.KindTimestamp, schema.KindTimestampTz:
		if unit != arrow.Microsecond {
			return nil, false
		}
		dst = schema.AppendTimestamp(dst, int64(a.Value(i)))
	case schema.KindTimestampNs, schema.KindTimestampTzNs:
		if unit != arrow.Nanosecond {
			return nil, false
		}
		dst = schema.AppendTimestampNanos(dst, int64(a.Value(i)))
	default:
		return nil, false
	}
	dst = e.year(dst, start)
	if k == schema.KindTimestampTz || k == schema.KindTimestampTzNs {
		dst = e.zone(dst)
	}
	return append(dst, '"'), true
}

func (e *Encoder) zone(dst []byte) []byte {
	if e.form == Canonical {
		return append(dst, 'Z')
	}
	return append(dst, "+00:00"...)
}

// geo appends well-known text, or hex in the canonical form and if the bytes
// are no well-known binary.
func (e *Encoder) geo(dst, wkb []byte) []byte {
	dst = append(dst, '"')
	if e.form == Lines || e.form == CSV {
		if out, err := schema.AppendWKT(dst, wkb); err == nil {
			return append(out, '"')
		}
	}
	return append(schema.AppendHex(dst, wkb), '"')
}

// appendString appends a JSON string. The canonical form escapes quote,
// backslash and characters below U+0020, the latter always as \u00xx; the
// others use the short escapes, and the form for comparison escapes U+2028 and
// U+2029 too. Bytes that are not UTF-8 become U+FFFD.
func appendString(dst, s []byte, form Form) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		// Eight bytes at once while nothing needs a closer look.
		if i+8 <= len(s) {
			w := binary.LittleEndian.Uint64(s[i:])
			if plain(w) {
				i += 8
				continue
			}
		}
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				dst = append(append(dst, s[start:i]...), "\ufffd"...)
				start = i + 1
			case form == Judge && (r == '\u2028' || r == '\u2029'):
				dst = append(append(dst, s[start:i]...), '\\', 'u', '2', '0', '2', hexDigits[r&15])
				start = i + n
			}
			i += n
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			dst = appendEscape(append(dst, s[start:i]...), c, form)
			start = i + 1
		}
		i++
	}
	return append(append(dst, s[start:]...), '"')
}

// plain reports whether eight bytes are all ASCII from U+0020 and neither quote
// nor backslash.
func plain(w uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote := w ^ '"'*ones
	slash := w ^ '\\'*ones
	return (w|(w-' '*ones)|(quote-ones)|(slash-ones))&highs == 0
}

func appendEscape(dst []byte, c byte, form Form) []byte {
	if c == '"' || c == '\\' {
		return append(dst, '\\', c)
	}
	if form != Canonical {
		switch c {
		case '\n':
			return append(dst, '\\', 'n')
		case '\r':
			return append(dst, '\\', 'r')
		case '\t':
			return append(dst, '\\', 't')
		case '\b':
			return append(dst, '\\', 'b')
		case '\f':
			return append(dst, '\\', 'f')
		}
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

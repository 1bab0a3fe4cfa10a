package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/schema"
)

var errRange = errors.New("value out of the range of its type")

// leafConv turns the values of a column's physical type into Arrow's of the
// type wanted.
type leafConv struct {
	// width is the bytes of a value wanted, 0 for variable length. Booleans are
	// a byte each until the array is built.
	width int
	// fixed converts values of fixed physical width; nil when they are the
	// same bytes.
	fixed func(dst, src []byte) error
	// bytes converts byte arrays to fixed-width values.
	bytes func(dst, data []byte, offs []int32) error
}

const microsPerDay = 86_400_000_000

// convert finds how a column is read as a type: as itself, or by the promotions
// of the spec from the type it was written with (facts E3).
func convert(n *node, t schema.Type) (leafConv, error) {
	var c leafConv
	ok := false
	switch t.Kind {
	case schema.KindBoolean:
		c.width, ok = 1, n.typ == format.Boolean
	case schema.KindInt, schema.KindDate, schema.KindLong:
		c, ok = convertInt(n, t)
	case schema.KindFloat, schema.KindDouble:
		c, ok = convertFloat(n, t)
	case schema.KindDecimal:
		return convertDecimal(n, t)
	case schema.KindTime:
		c, ok = convertTime(n)
	case schema.KindTimestamp, schema.KindTimestampTz:
		c, ok = convertTimestamp(n, t, 1_000)
	case schema.KindTimestampNs, schema.KindTimestampTzNs:
		c, ok = convertTimestamp(n, t, 1)
	case schema.KindString, schema.KindBinary, schema.KindGeometry, schema.KindGeography:
		ok = n.typ == format.ByteArray || n.typ == format.FixedLenByteArray
	case schema.KindUUID:
		c, ok = convertBytes(n, 16)
	case schema.KindFixed:
		c, ok = convertBytes(n, t.Length)
	}
	if !ok {
		return c, mismatch(n, t)
	}
	return c, nil
}

func mismatch(n *node, t schema.Type) error {
	if n.leaf < 0 {
		return fmt.Errorf("column %s: a group cannot be read as %v", n.path(), t)
	}
	return fmt.Errorf("column %s: %v %s cannot be read as %v", n.path(), n.typ, n.logical, t)
}

// String describes an annotation in messages.
func (l logicalType) String() string {
	switch l.kind {
	case annotNone:
		return "(no annotation)"
	case annotDecimal:
		return fmt.Sprintf("(decimal %d,%d)", l.precision, l.scale)
	case annotInt:
		return fmt.Sprintf("(int %d, unsigned %v)", l.bits, l.unsigned)
	default:
		return fmt.Sprintf("(annotation %d, unit %d)", l.kind, l.unit)
	}
}

func each[S, D any](f func(S) D) func(dst, src []byte) error {
	return func(dst, src []byte) error {
		s := viewAs[S](src)
		d := viewAs[D](dst)[:len(s)]
		for i, v := range s {
			d[i] = f(v)
		}
		return nil
	}
}

// eachChecked is each for conversions that may overflow.
func eachChecked[S, D any](f func(S) (D, bool)) func(dst, src []byte) error {
	return func(dst, src []byte) error {
		s := viewAs[S](src)
		d := viewAs[D](dst)[:len(s)]
		ok := true
		for i, v := range s {
			var o bool
			d[i], o = f(v)
			ok = ok && o
		}
		if !ok {
			return errRange
		}
		return nil
	}
}

func convertInt(n *node, t schema.Type) (leafConv, bool) {
	l := n.logical
	plain := l.kind == annotNone || l.kind == annotInt
	unsigned := l.kind == annotInt && l.unsigned
	switch {
	case t.Kind == schema.KindDate:
		return leafConv{width: 4}, n.typ == format.Int32 && (plain || l.kind == annotDate)
	case !plain:
		return leafConv{}, false
	case t.Kind == schema.KindInt && n.typ == format.Int32:
		c := leafConv{width: 4}
		if unsigned && l.bits == 32 {
			c.fixed = eachChecked(func(v int32) (int32, bool) { return v, v >= 0 })
		}
		return c, true
	case t.Kind == schema.KindLong && n.typ == format.Int32 && unsigned:
		return leafConv{width: 8, fixed: each(func(v uint32) int64 { return int64(v) })}, true
	case t.Kind == schema.KindLong && n.typ == format.Int32:
		return leafConv{width: 8, fixed: each(func(v int32) int64 { return int64(v) })}, true
	case t.Kind == schema.KindLong && n.typ == format.Int64:
		c := leafConv{width: 8}
		if unsigned {
			c.fixed = eachChecked(func(v int64) (int64, bool) { return v, v >= 0 })
		}
		return c, true
	}
	return leafConv{}, false
}

func convertFloat(n *node, t schema.Type) (leafConv, bool) {
	double := t.Kind == schema.KindDouble
	half := n.typ == format.FixedLenByteArray && n.length == 2 && n.logical.kind == annotFloat16
	switch {
	case n.typ == format.Float && !double:
		return leafConv{width: 4}, true
	case n.typ == format.Double && double:
		return leafConv{width: 8}, true
	case n.typ == format.Float:
		return leafConv{width: 8, fixed: each(func(v float32) float64 { return float64(v) })}, true
	case half && double:
		return leafConv{width: 8, fixed: each(func(v uint16) float64 { return float64(float16.FromBits(v).Float32()) })}, true
	case half:
		return leafConv{width: 4, fixed: each(func(v uint16) float32 { return float16.FromBits(v).Float32() })}, true
	}
	return leafConv{}, false
}

func convertTime(n *node) (leafConv, bool) {
	l := n.logical
	switch {
	case n.typ == format.Int32 && l.kind == annotTime && l.unit == annMillis:
		return leafConv{width: 8, fixed: each(func(v int32) int64 { return int64(v) * 1000 })}, true
	case n.typ != format.Int64 || l.kind != annotNone && l.kind != annotTime:
		return leafConv{}, false
	case l.unit == annNanos:
		return leafConv{width: 8, fixed: each(func(v int64) int64 { return floorDiv(v, 1000) })}, true
	}
	return leafConv{width: 8}, true
}

// convertTimestamp reads into a unit of perNanos nanoseconds.
func convertTimestamp(n *node, t schema.Type, nanos int64) (leafConv, bool) {
	l := n.logical
	c := leafConv{width: 8}
	if n.typ == format.Int96 {
		c.fixed = int96To(nanos)
		return c, true
	}
	if n.typ == format.Int32 && l.kind == annotDate {
		// Only the kinds without a zone are promotions of date.
		c.fixed = scale[int32](microsPerDay / nanos * 1000)
		return c, t.Kind == schema.KindTimestamp || t.Kind == schema.KindTimestampNs
	}
	if n.typ != format.Int64 || l.kind != annotNone && l.kind != annotTimestamp {
		return c, false
	}
	from := nanos
	switch l.unit {
	case annMillis:
		from = 1_000_000
	case annMicros:
		from = 1_000
	case annNanos:
		from = 1
	}
	switch {
	case from > nanos:
		c.fixed = scale[int64](from / nanos)
	case from < nanos:
		d := nanos / from
		c.fixed = each(func(v int64) int64 { return floorDiv(v, d) })
	}
	return c, true
}

// scale multiplies, refusing what does not fit.
func scale[S int32 | int64](by int64) func(dst, src []byte) error {
	limit := math.MaxInt64 / by
	return eachChecked(func(v S) (int64, bool) {
		w := int64(v)
		return w * by, w <= limit && w >= -limit
	})
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// int96To reads the legacy timestamps of Impala and Spark: nanoseconds of the
// day, then the Julian day.
func int96To(nanos int64) func(dst, src []byte) error {
	const julianEpoch = 2_440_588
	perDay := 86_400_000_000_000 / nanos
	limit := math.MaxInt64/perDay - 1
	return func(dst, src []byte) error {
		d := viewAs[int64](dst)
		for i := 0; len(src) >= 12; i++ {
			days := int64(binary.LittleEndian.Uint32(src[8:])) - julianEpoch
			if days > limit || days < -limit {
				return errRange
			}
			d[i] = days*perDay + floorDiv(int64(binary.LittleEndian.Uint64(src)), nanos)
			src = src[12:]
		}
		return nil
	}
}

func convertBytes(n *node, width int) (leafConv, bool) {
	switch n.typ {
	case format.FixedLenByteArray:
		return leafConv{width: width}, int(n.length) == width
	case format.ByteArray:
		return leafConv{width: width, bytes: func(dst, data []byte, offs []int32) error {
			for i := range len(offs) - 1 {
				v := data[offs[i]:offs[i+1]]
				if len(v) != width {
					return fmt.Errorf("value of %d bytes, want %d", len(v), width)
				}
				copy(dst[i*width:], v)
			}
			return nil
		}}, true
	}
	return leafConv{}, false
}

// convertDecimal reads any representation of a decimal of the same scale.
func convertDecimal(n *node, t schema.Type) (leafConv, error) {
	c := leafConv{width: 16}
	l := n.logical
	from := 0
	unsigned := false
	switch l.kind {
	case annotDecimal:
		from = l.scale
	case annotInt, annotNone:
		unsigned = l.unsigned
	default:
		return c, mismatch(n, t)
	}
	if from != t.Scale {
		return c, mismatch(n, t)
	}
	switch n.typ {
	case format.Int32:
		if unsigned {
			c.fixed = each(func(v uint32) [2]uint64 { return [2]uint64{uint64(v), 0} })
			break
		}
		c.fixed = each(func(v int32) [2]uint64 { return [2]uint64{uint64(int64(v)), uint64(int64(v) >> 63)} })
	case format.Int64:
		if unsigned {
			c.fixed = each(func(v uint64) [2]uint64 { return [2]uint64{v, 0} })
			break
		}
		c.fixed = each(func(v int64) [2]uint64 { return [2]uint64{uint64(v), uint64(v >> 63)} })
	case format.FixedLenByteArray:
		if l.kind != annotDecimal {
			return c, mismatch(n, t)
		}
		c.fixed = bigEndianFixed(int(n.length))
	case format.ByteArray:
		if l.kind != annotDecimal {
			return c, mismatch(n, t)
		}
		c.bytes = func(dst, data []byte, offs []int32) error {
			d := viewAs[[2]uint64](dst)
			for i := range len(offs) - 1 {
				var ok bool
				if d[i], ok = bigEndian(data[offs[i]:offs[i+1]]); !ok {
					return errRange
				}
			}
			return nil
		}
	default:
		return c, mismatch(n, t)
	}
	return c, nil
}

func bigEndianFixed(w int) func(dst, src []byte) error {
	return func(dst, src []byte) error {
		d := viewAs[[2]uint64](dst)
		for i := range len(src) / w {
			var ok bool
			if d[i], ok = bigEndian(src[i*w : (i+1)*w]); !ok {
				return errRange
			}
		}
		return nil
	}
}

// bigEndian reads a two's complement number of up to 16 significant bytes; no
// bytes are zero.
func bigEndian(b []byte) (v [2]uint64, ok bool) {
	if len(b) == 0 {
		return v, true
	}
	sign := uint64(int64(int8(b[0])) >> 63)
	for len(b) > 16 {
		if b[0] != byte(sign) {
			return v, false
		}
		b = b[1:]
		if len(b) == 16 && uint64(int64(int8(b[0]))>>63) != sign {
			return v, false
		}
	}
	if len(b) == 16 {
		return [2]uint64{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b)}, true
	}
	lo, hi := sign, sign
	for _, x := range b {
		hi = hi<<8 | lo>>56
		lo = lo<<8 | uint64(x)
	}
	return [2]uint64{lo, hi}, true
}

// levelBits is the bit width of levels up to max.
func levelBits(max int) int { return bits.Len(uint(max)) }

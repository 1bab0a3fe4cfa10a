package deletes

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"

	"github.com/frazildb/frazil/schema"
)

// Hash writes one digest a row into dst, growing it as needed, and returns it
// with as many elements as the columns have rows. cols are the key columns in
// the order of NewHasher; null is a value of its own. It panics when a column's
// type is not, and cannot be promoted to, that of its field.
func (h *Hasher) Hash(cols []arrow.Array, dst []Digest) []Digest {
	if len(cols) != len(h.fields) {
		panic(fmt.Sprintf("deletes: %d key columns where %d are expected", len(cols), len(h.fields)))
	}
	n := cols[0].Len()
	if cap(dst) < n {
		dst = make([]Digest, n)
	}
	dst = dst[:n]
	for i := range dst {
		dst[i] = h.start
	}
	for i, c := range cols {
		if c.Len() != n {
			panic(fmt.Sprintf("deletes: column %q has %d rows, not %d", h.fields[i].Name, c.Len(), n))
		}
		h.column(i, c, dst)
	}
	return dst
}

// column folds one column into the digests.
func (h *Hasher) column(i int, c arrow.Array, dst []Digest) {
	if d, ok := c.(*array.Dictionary); ok {
		h.dictionary(i, d, dst)
		return
	}
	ok := false
	switch h.kinds[i] {
	case keyInt:
		ok = h.ints(h.fields[i].Type, c, dst)
	case keyFloat:
		ok = floats(c, dst)
	case keyDecimal:
		ok = decimals(c, dst)
	case keyBytes:
		ok = h.bytes(c, dst)
	case rowText:
		ok = h.texts(h.fields[i], c, dst)
	}
	if !ok && c.DataType().ID() == arrow.NULL {
		for r := range dst {
			dst[r].add(nullA, nullB)
		}
		ok = true
	}
	if !ok {
		panic(fmt.Sprintf("deletes: key column %q: array of %s for %s", h.fields[i].Name, c.DataType(), h.fields[i].Type))
	}
}

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64
}

// intLoop folds in integers times scale, which widens a date to a timestamp.
func intLoop[T integer](c arrow.Array, vals []T, scale int64, dst []Digest) {
	vals = vals[:len(dst)]
	if c.NullN() == 0 {
		for r := range dst {
			dst[r].addInt(uint64(int64(vals[r]) * scale))
		}
		return
	}
	for r := range dst {
		if c.IsNull(r) {
			dst[r].add(nullA, nullB)
		} else {
			dst[r].addInt(uint64(int64(vals[r]) * scale))
		}
	}
}

func (h *Hasher) ints(t schema.Type, c arrow.Array, dst []Digest) bool {
	switch c := c.(type) {
	case *array.Int64:
		intLoop(c, c.Int64Values(), 1, dst)
	case *array.Int32:
		intLoop(c, c.Int32Values(), 1, dst)
	case *array.Int16:
		intLoop(c, c.Int16Values(), 1, dst)
	case *array.Int8:
		intLoop(c, c.Int8Values(), 1, dst)
	case *array.Date32:
		intLoop(c, c.Date32Values(), perDay(t), dst)
	case *array.Time64:
		intLoop(c, c.Time64Values(), 1, dst)
	case *array.Timestamp:
		scale := int64(1)
		ns := t.Kind == schema.KindTimestampNs || t.Kind == schema.KindTimestampTzNs
		switch c.DataType().(*arrow.TimestampType).Unit {
		case arrow.Microsecond:
			if ns {
				scale = 1000
			}
		case arrow.Nanosecond:
			if !ns {
				return false
			}
		default:
			return false
		}
		intLoop(c, c.TimestampValues(), scale, dst)
	case *array.Boolean:
		for r := range dst {
			switch {
			case c.IsNull(r):
				dst[r].add(nullA, nullB)
			case c.Value(r):
				dst[r].addInt(1)
			default:
				dst[r].addInt(0)
			}
		}
	default:
		return false
	}
	return true
}

// perDay returns what a date is multiplied with to have type t.
func perDay(t schema.Type) int64 {
	switch t.Kind {
	case schema.KindTimestamp, schema.KindTimestampTz:
		return 86_400_000_000
	case schema.KindTimestampNs, schema.KindTimestampTzNs:
		return 86_400_000_000_000
	}
	return 1
}

func floats(c arrow.Array, dst []Digest) bool {
	var at func(int) float64
	switch c := c.(type) {
	case *array.Float64:
		at = c.Value
	case *array.Float32:
		at = func(r int) float64 { return float64(c.Value(r)) }
	default:
		return false
	}
	for r := range dst {
		if c.IsNull(r) {
			dst[r].add(nullA, nullB)
		} else {
			dst[r].addInt(floatBits(at(r)))
		}
	}
	return true
}

func decimals(c arrow.Array, dst []Digest) bool {
	signed := func(v int64) (uint64, uint64) { return uint64(v), uint64(v >> 63) }
	var at func(int) (uint64, uint64)
	switch c := c.(type) {
	case *array.Decimal128:
		vals := c.Values()
		at = func(r int) (uint64, uint64) { return vals[r].LowBits(), uint64(vals[r].HighBits()) }
	case *array.Decimal64:
		at = func(r int) (uint64, uint64) { return signed(int64(c.Value(r))) }
	case *array.Decimal32:
		at = func(r int) (uint64, uint64) { return signed(int64(c.Value(r))) }
	default:
		return false
	}
	for r := range dst {
		if c.IsNull(r) {
			dst[r].add(nullA, nullB)
		} else {
			dst[r].add(at(r))
		}
	}
	return true
}

// bytes folds in strings and binaries.
func (h *Hasher) bytes(c arrow.Array, dst []Digest) bool {
	switch c := c.(type) {
	case *array.String:
		h.spans(c, c.ValueOffsets(), c.ValueBytes(), dst)
	case *array.Binary:
		h.spans(c, c.ValueOffsets(), c.ValueBytes(), dst)
	case *array.FixedSizeBinary:
		for r := range dst {
			if c.IsNull(r) {
				dst[r].add(nullA, nullB)
				continue
			}
			u := xxh3.Hash128Seed(c.Value(r), h.seed)
			dst[r].add(u.Lo, u.Hi)
		}
	case *array.LargeString:
		for r := range dst {
			h.addString(c.IsNull(r), c.Value, r, &dst[r])
		}
	case *array.StringView:
		for r := range dst {
			h.addString(c.IsNull(r), c.Value, r, &dst[r])
		}
	default:
		return false
	}
	return true
}

func (h *Hasher) addString(null bool, at func(int) string, r int, d *Digest) {
	if null {
		d.add(nullA, nullB)
		return
	}
	u := xxh3.HashString128Seed(at(r), h.seed)
	d.add(u.Lo, u.Hi)
}

// spans folds in the values between consecutive offsets; data starts at the
// first of them.
func (h *Hasher) spans(c arrow.Array, offsets []int32, data []byte, dst []Digest) {
	if len(dst) == 0 {
		return
	}
	base := offsets[0]
	nulls := c.NullN() > 0
	for r := range dst {
		if nulls && c.IsNull(r) {
			dst[r].add(nullA, nullB)
			continue
		}
		u := xxh3.Hash128Seed(data[offsets[r]-base:offsets[r+1]-base], h.seed)
		dst[r].add(u.Lo, u.Hi)
	}
}

// dictionary hashes each distinct value once. A value's digest from a zero start
// cannot be undone, so the 128 bits themselves are kept.
func (h *Hasher) dictionary(i int, d *array.Dictionary, dst []Digest) {
	values := d.Dictionary()
	pairs := make([][2]uint64, values.Len())
	for k := range pairs {
		a, b, ok := h.value(h.kinds[i], schema.ValueAt(values, h.fields[i].Type, k))
		if !ok {
			panic(fmt.Sprintf("deletes: key column %q: dictionary of %s for %s", h.fields[i].Name, values.DataType(), h.fields[i].Type))
		}
		pairs[k] = [2]uint64{a, b}
	}
	for r := range dst {
		if d.IsNull(r) {
			dst[r].add(nullA, nullB)
			continue
		}
		p := pairs[d.GetValueIndex(r)]
		dst[r].add(p[0], p[1])
	}
}

package compaction

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// keyer makes byte strings whose order is that of rows (spec: "Sorting").
type keyer struct {
	fields []sortColumn
	curve  []curveColumn
	tmp    []byte
}

type sortColumn struct {
	partition.SortField
	index int
	typ   schema.Type
}

// curveColumn is a column of a z-order: its values are spread evenly between the
// bounds of the files, so that columns of any range count alike.
type curveColumn struct {
	index  int
	typ    schema.Type
	skip   int // bytes that all values begin with
	lo, hi uint64
}

// newKeyer makes the keyer of a lane.
func newKeyer(c *clustering, s *schema.Schema, l *Lane) (*keyer, error) {
	k := &keyer{}
	for _, f := range c.order.Fields {
		i, err := topLevel(s, f.SourceIDs[0])
		if err != nil {
			return nil, err
		}
		k.fields = append(k.fields, sortColumn{f, i, s.Fields[i].Type})
	}
	for _, id := range c.curve {
		i, err := topLevel(s, id)
		if err != nil {
			return nil, err
		}
		col := curveColumn{index: i, typ: s.Fields[i].Type, hi: math.MaxUint64}
		if err := col.bound(l, id); err != nil {
			return nil, err
		}
		k.curve = append(k.curve, col)
	}
	return k, nil
}

// bound finds the range of a column over the files of a lane, as far as known.
func (c *curveColumn) bound(l *Lane, id int) error {
	var lo, hi any
	for i := range l.Files {
		f := l.Files[i].Data.File
		a, okA := decodeBound(f.Lower, id, c.typ)
		b, okB := decodeBound(f.Upper, id, c.typ)
		if !okA || !okB {
			if n, ok := f.NullCounts.Get(id); ok && n == f.RecordCount {
				continue
			}
			return nil
		}
		if lo == nil || schema.Compare(c.typ, a, lo) < 0 {
			lo = a
		}
		if hi == nil || schema.Compare(c.typ, b, hi) > 0 {
			hi = b
		}
	}
	if lo == nil {
		return nil
	}
	a, err := appendValue(nil, lo, false)
	if err != nil {
		return err
	}
	b, err := appendValue(nil, hi, false)
	if err != nil {
		return err
	}
	for c.skip < min(len(a), len(b)) && a[c.skip] == b[c.skip] {
		c.skip++
	}
	c.lo, c.hi = prefix8(a[c.skip:]), prefix8(b[c.skip:])
	return nil
}

func decodeBound(b manifest.Bounds, id int, t schema.Type) (any, bool) {
	raw, ok := b.Get(id)
	if !ok {
		return nil, false
	}
	v, err := schema.DecodeBound(t, raw)
	return v, err == nil && v != nil
}

// prefix8 returns the first eight bytes as a number of the same order.
func prefix8(b []byte) uint64 {
	var p [8]byte
	copy(p[:], b)
	return binary.BigEndian.Uint64(p[:])
}

// append appends the key of a row.
func (k *keyer) append(dst []byte, b arrow.RecordBatch, row int) ([]byte, error) {
	for i := range k.fields {
		f := &k.fields[i]
		a := b.Column(f.index)
		v := valueAt(a, f.typ, row)
		if f.Transform.Kind != partition.IdentityTransform {
			v = f.Transform.Apply(f.typ, v)
		}
		if v == nil {
			dst = append(dst, nullByte(f.NullsFirst))
			continue
		}
		dst = append(dst, 1)
		from := len(dst)
		var err error
		if dst, err = appendValue(dst, v, true); err != nil {
			return dst, err
		}
		if f.Descending {
			for j := from; j < len(dst); j++ {
				dst[j] = ^dst[j]
			}
		}
	}
	if len(k.curve) > 0 {
		return k.appendCurve(dst, b, row)
	}
	return dst, nil
}

func nullByte(first bool) byte {
	if first {
		return 0
	}
	return 2
}

// appendCurve interleaves the bits of the columns' ranks, most significant first.
func (k *keyer) appendCurve(dst []byte, b arrow.RecordBatch, row int) ([]byte, error) {
	var ranks [64]uint32
	if len(k.curve) > len(ranks) {
		return dst, fmt.Errorf("%w: a z-order of more than %d columns", ErrRefused, len(ranks))
	}
	for i := range k.curve {
		c := &k.curve[i]
		v := valueAt(b.Column(c.index), c.typ, row)
		if v == nil {
			continue
		}
		var err error
		if k.tmp, err = appendValue(k.tmp[:0], v, false); err != nil {
			return dst, err
		}
		ranks[i] = c.rank(k.tmp)
	}
	var acc byte
	n := 0
	for bit := 31; bit >= 0; bit-- {
		for i := range k.curve {
			acc = acc<<1 | byte(ranks[i]>>bit&1)
			if n++; n%8 == 0 {
				dst = append(dst, acc)
			}
		}
	}
	return dst, nil
}

// rank places a value between the bounds.
func (c *curveColumn) rank(enc []byte) uint32 {
	v := prefix8(enc[min(c.skip, len(enc)):])
	switch {
	case v <= c.lo || c.hi <= c.lo:
		return 0
	case v >= c.hi:
		return math.MaxUint32
	}
	hi, lo := bits.Mul64(v-c.lo, math.MaxUint32)
	q, _ := bits.Div64(hi, lo, c.hi-c.lo)
	return uint32(q)
}

// valueAt is schema.ValueAt, at once for the commonest arrays.
func valueAt(a arrow.Array, t schema.Type, row int) any {
	if a.IsNull(row) {
		return nil
	}
	switch x := a.(type) {
	case *array.Int64:
		return x.Value(row)
	case *array.Int32:
		return x.Value(row)
	}
	return schema.ValueAt(a, t, row)
}

// appendValue appends a value so that byte strings compare as the values do.
// With ends byte strings end so that what follows counts after all of them.
func appendValue(dst []byte, v any, ends bool) ([]byte, error) {
	be := binary.BigEndian
	switch x := v.(type) {
	case bool:
		if x {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case int32:
		return be.AppendUint32(dst, uint32(x)^1<<31), nil
	case int64:
		return be.AppendUint64(dst, uint64(x)^1<<63), nil
	case float32:
		u := math.Float32bits(x)
		if u>>31 != 0 {
			return be.AppendUint32(dst, ^u), nil
		}
		return be.AppendUint32(dst, u|1<<31), nil
	case float64:
		u := math.Float64bits(x)
		if u>>63 != 0 {
			return be.AppendUint64(dst, ^u), nil
		}
		return be.AppendUint64(dst, u|1<<63), nil
	case decimal128.Num:
		dst = be.AppendUint64(dst, uint64(x.HighBits())^1<<63)
		return be.AppendUint64(dst, x.LowBits()), nil
	case [16]byte:
		return append(dst, x[:]...), nil
	case string:
		if strings.IndexByte(x, 0) < 0 {
			dst = append(dst, x...)
			if ends {
				dst = append(dst, 0, 1)
			}
			return dst, nil
		}
		return appendBytes(dst, []byte(x), ends), nil
	case []byte:
		return appendBytes(dst, x, ends), nil
	}
	return dst, fmt.Errorf("%w: values of %T have no order", ErrRefused, v)
}

// appendBytes writes 0 as 0 255 and an end as 0 1.
func appendBytes(dst, v []byte, ends bool) []byte {
	if !ends {
		return append(dst, v...)
	}
	for {
		i := bytes.IndexByte(v, 0)
		if i < 0 {
			return append(append(dst, v...), 0, 1)
		}
		dst = append(append(dst, v[:i]...), 0, 0xff)
		v = v[i+1:]
	}
}

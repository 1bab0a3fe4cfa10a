package cdc

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/schema"
)

// ColumnBuilder collects the values of one column, in the layout that Arrow has,
// so that a batch is made without copying. Unlike Arrow's own builders it can drop
// its last values again, which makes a row that fails half-way harmless, and it is
// one concrete type, so that appending costs no interface call.
//
// The method that appends must fit the column's type: AppendInt32 int and date;
// AppendInt64 long, time and the timestamps; AppendBytes string, binary, fixed and
// uuid (these two of exactly the type's length). A struct's children get one value
// each and then AppendValid; a list's or map's children get any number, then
// AppendValid.
type ColumnBuilder struct {
	typ   schema.Type
	n     int
	nulls int
	valid []byte

	i32   []int32
	i64   []int64
	f32   []float32
	f64   []float64
	dec   []decimal128.Num
	bits  []byte
	offs  []int32
	data  []byte
	kids  []*ColumnBuilder
	width int
}

// NewColumnBuilder returns an empty builder for values of type t.
func NewColumnBuilder(t schema.Type) *ColumnBuilder {
	c := &ColumnBuilder{typ: t}
	switch t.Kind {
	case schema.KindString, schema.KindBinary, schema.KindGeometry, schema.KindGeography:
		c.offs = append(c.offs, 0)
	case schema.KindUUID:
		c.width = 16
	case schema.KindFixed:
		c.width = t.Length
	case schema.KindList, schema.KindMap:
		c.offs = append(c.offs, 0)
		fallthrough
	case schema.KindStruct:
		for _, f := range t.Fields {
			c.kids = append(c.kids, NewColumnBuilder(f.Type))
		}
	}
	return c
}

// Type returns the type of the values.
func (c *ColumnBuilder) Type() schema.Type { return c.typ }

// Len returns the number of values.
func (c *ColumnBuilder) Len() int { return c.n }

// Child returns the builder of field i of a struct, of a list's element (0), or
// of a map's key (0) and value (1).
func (c *ColumnBuilder) Child(i int) *ColumnBuilder { return c.kids[i] }

// IsNull reports whether value i is null.
func (c *ColumnBuilder) IsNull(i int) bool { return c.valid[i>>3]>>(i&7)&1 == 0 }

// pushValid records that the value just appended is there.
func (c *ColumnBuilder) pushValid() {
	if c.n&7 == 0 {
		c.valid = append(c.valid, 1)
	} else {
		c.valid[c.n>>3] |= 1 << (c.n & 7)
	}
	c.n++
}

// AppendNull appends a null.
func (c *ColumnBuilder) AppendNull() {
	switch c.typ.Kind {
	case schema.KindInt, schema.KindDate:
		c.i32 = append(c.i32, 0)
	case schema.KindLong, schema.KindTime, schema.KindTimestamp, schema.KindTimestampTz,
		schema.KindTimestampNs, schema.KindTimestampTzNs:
		c.i64 = append(c.i64, 0)
	case schema.KindFloat:
		c.f32 = append(c.f32, 0)
	case schema.KindDouble:
		c.f64 = append(c.f64, 0)
	case schema.KindDecimal:
		c.dec = append(c.dec, decimal128.Num{})
	case schema.KindBoolean:
		c.pushBit(false)
	case schema.KindUUID, schema.KindFixed:
		for range c.width {
			c.data = append(c.data, 0)
		}
	case schema.KindStruct:
		for _, k := range c.kids {
			k.AppendNull()
		}
	case schema.KindList, schema.KindMap:
		c.offs = append(c.offs, int32(c.kids[0].n))
	default:
		c.offs = append(c.offs, int32(len(c.data)))
	}
	if c.n&7 == 0 {
		c.valid = append(c.valid, 0)
	}
	c.n++
	c.nulls++
}

func (c *ColumnBuilder) pushBit(v bool) {
	if c.n&7 == 0 {
		c.bits = append(c.bits, 0)
	}
	if v {
		c.bits[c.n>>3] |= 1 << (c.n & 7)
	}
}

// AppendBool appends a boolean.
func (c *ColumnBuilder) AppendBool(v bool) {
	c.pushBit(v)
	c.pushValid()
}

// AppendInt32 appends an int or a date in days.
func (c *ColumnBuilder) AppendInt32(v int32) {
	c.i32 = append(c.i32, v)
	c.pushValid()
}

// AppendInt64 appends a long, a time or a timestamp in its unit.
func (c *ColumnBuilder) AppendInt64(v int64) {
	c.i64 = append(c.i64, v)
	c.pushValid()
}

// AppendFloat32 appends a float.
func (c *ColumnBuilder) AppendFloat32(v float32) {
	c.f32 = append(c.f32, v)
	c.pushValid()
}

// AppendFloat64 appends a double.
func (c *ColumnBuilder) AppendFloat64(v float64) {
	c.f64 = append(c.f64, v)
	c.pushValid()
}

// AppendDecimal appends the unscaled value of a decimal.
func (c *ColumnBuilder) AppendDecimal(v schema.Unscaled) {
	c.dec = append(c.dec, v)
	c.pushValid()
}

// AppendBytes appends a string, binary, fixed or uuid.
func (c *ColumnBuilder) AppendBytes(v []byte) {
	c.data = append(c.data, v...)
	c.EndBytes()
}

// Data returns the bytes of all values so far, to append the next value to; the
// result must be handed to SetData, and EndBytes then completes the value.
func (c *ColumnBuilder) Data() []byte { return c.data }

// SetData takes the bytes of Data with the next value appended.
func (c *ColumnBuilder) SetData(b []byte) { c.data = b }

// EndBytes completes a value that was appended through Data and SetData.
func (c *ColumnBuilder) EndBytes() {
	if c.offs != nil {
		c.offs = append(c.offs, int32(len(c.data)))
	}
	c.pushValid()
}

// AppendValid completes a struct, list or map whose children were appended.
func (c *ColumnBuilder) AppendValid() {
	if c.offs != nil {
		c.offs = append(c.offs, int32(c.kids[0].n))
	}
	c.pushValid()
}

// Truncate drops the values from n on, also what was appended of a value that was
// never completed.
func (c *ColumnBuilder) Truncate(n int) {
	for i := n; i < c.n; i++ {
		if c.IsNull(i) {
			c.nulls--
		}
	}
	c.n = n
	c.valid = cutBits(c.valid, n)
	switch c.typ.Kind {
	case schema.KindInt, schema.KindDate:
		c.i32 = c.i32[:n]
	case schema.KindLong, schema.KindTime, schema.KindTimestamp, schema.KindTimestampTz,
		schema.KindTimestampNs, schema.KindTimestampTzNs:
		c.i64 = c.i64[:n]
	case schema.KindFloat:
		c.f32 = c.f32[:n]
	case schema.KindDouble:
		c.f64 = c.f64[:n]
	case schema.KindDecimal:
		c.dec = c.dec[:n]
	case schema.KindBoolean:
		c.bits = cutBits(c.bits, n)
	case schema.KindUUID, schema.KindFixed:
		c.data = c.data[:n*c.width]
	case schema.KindStruct:
		for _, k := range c.kids {
			k.Truncate(n)
		}
	case schema.KindList, schema.KindMap:
		c.offs = c.offs[:n+1]
		for _, k := range c.kids {
			k.Truncate(int(c.offs[n]))
		}
	default:
		c.offs = c.offs[:n+1]
		c.data = c.data[:c.offs[n]]
	}
}

// cutBits keeps the first n bits and clears the rest of the last byte, because
// bits are set by or.
func cutBits(b []byte, n int) []byte {
	b = b[:(n+7)/8]
	if n&7 != 0 {
		b[n>>3] &= 1<<(n&7) - 1
	}
	return b
}

// Value returns value i as described at [schema.Row].
func (c *ColumnBuilder) Value(i int) any {
	if c.IsNull(i) {
		return nil
	}
	switch c.typ.Kind {
	case schema.KindInt, schema.KindDate:
		return c.i32[i]
	case schema.KindLong, schema.KindTime, schema.KindTimestamp, schema.KindTimestampTz,
		schema.KindTimestampNs, schema.KindTimestampTzNs:
		return c.i64[i]
	case schema.KindFloat:
		return c.f32[i]
	case schema.KindDouble:
		return c.f64[i]
	case schema.KindDecimal:
		return c.dec[i]
	case schema.KindBoolean:
		return c.bits[i>>3]>>(i&7)&1 != 0
	case schema.KindString:
		return string(c.data[c.offs[i]:c.offs[i+1]])
	case schema.KindUUID:
		return [16]byte(c.data[i*16 : i*16+16])
	case schema.KindFixed:
		return append([]byte(nil), c.data[i*c.width:(i+1)*c.width]...)
	case schema.KindStruct:
		row := make(schema.Row, len(c.kids))
		for k := range c.kids {
			row[k] = c.kids[k].Value(i)
		}
		return row
	case schema.KindList:
		return values(c.kids[0], c.offs[i], c.offs[i+1])
	case schema.KindMap:
		return schema.MapValue{
			Keys:   values(c.kids[0], c.offs[i], c.offs[i+1]),
			Values: values(c.kids[1], c.offs[i], c.offs[i+1]),
		}
	default:
		return append([]byte{}, c.data[c.offs[i]:c.offs[i+1]]...)
	}
}

func values(c *ColumnBuilder, from, to int32) []any {
	out := make([]any, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, c.Value(int(i)))
	}
	return out
}

// AppendValue appends a value as described at [schema.Row]; it serves defaults
// and tests, not the path of rows.
func (c *ColumnBuilder) AppendValue(v any) error {
	switch v := v.(type) {
	case nil:
		c.AppendNull()
	case bool:
		c.AppendBool(v)
	case int32:
		c.AppendInt32(v)
	case int64:
		c.AppendInt64(v)
	case float32:
		c.AppendFloat32(v)
	case float64:
		c.AppendFloat64(v)
	case decimal128.Num:
		c.AppendDecimal(v)
	case string:
		c.AppendBytes([]byte(v))
	case []byte:
		c.AppendBytes(v)
	case [16]byte:
		c.AppendBytes(v[:])
	case schema.Row:
		for i, x := range v {
			if err := c.kids[i].AppendValue(x); err != nil {
				return err
			}
		}
		c.AppendValid()
	case []any:
		return c.appendItems(v, nil)
	case schema.MapValue:
		return c.appendItems(v.Keys, v.Values)
	default:
		return fmt.Errorf("a value of Go type %T does not fit %s", v, c.typ)
	}
	return nil
}

func (c *ColumnBuilder) appendItems(first, second []any) error {
	for i := range first {
		if err := c.kids[0].AppendValue(first[i]); err != nil {
			return err
		}
		if second != nil {
			if err := c.kids[1].AppendValue(second[i]); err != nil {
				return err
			}
		}
	}
	c.AppendValid()
	return nil
}

// size returns about the memory of the values.
func (c *ColumnBuilder) size() int64 {
	n := int64(len(c.i32)*4 + len(c.i64)*8 + len(c.f32)*4 + len(c.f64)*8 + len(c.dec)*16 +
		len(c.bits) + len(c.offs)*4 + len(c.data) + len(c.valid))
	for _, k := range c.kids {
		n += k.size()
	}
	return n
}

// fresh returns an empty builder of the same type, with room for as much as this
// one holds.
func (c *ColumnBuilder) fresh() *ColumnBuilder {
	f := &ColumnBuilder{typ: c.typ, width: c.width}
	f.valid = make([]byte, 0, len(c.valid))
	f.i32 = roomFor(c.i32)
	f.i64 = roomFor(c.i64)
	f.f32 = roomFor(c.f32)
	f.f64 = roomFor(c.f64)
	f.dec = roomFor(c.dec)
	f.bits = roomFor(c.bits)
	f.data = roomFor(c.data)
	if c.offs != nil {
		f.offs = append(make([]int32, 0, len(c.offs)), 0)
	}
	for _, k := range c.kids {
		f.kids = append(f.kids, k.fresh())
	}
	return f
}

func roomFor[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return make([]T, 0, len(s)+len(s)/16)
}

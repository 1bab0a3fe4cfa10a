package upsert

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/schema"
)

// Order compares changes of one key by the values of order columns, so that an
// older change loses to a newer one whenever it arrives. It turns the values of
// a row into bytes that compare as the row does: column by column, null before
// every value, floats in the total order of the spec. It is immutable.
type Order struct {
	fields []schema.Field
}

// NewOrder returns the order of rows by columns of the given fields. Columns
// without a useful order (boolean, uuid, nested ones, …) are refused.
func NewOrder(fields []schema.Field) (*Order, error) {
	for _, f := range fields {
		switch f.Type.Kind {
		case schema.KindInt, schema.KindLong, schema.KindDate, schema.KindTime, schema.KindTimestamp, schema.KindTimestampTz,
			schema.KindTimestampNs, schema.KindTimestampTzNs, schema.KindDecimal, schema.KindString, schema.KindFloat, schema.KindDouble:
		default:
			return nil, fmt.Errorf("order column %q is %s: changes can be ordered by numbers, dates, times and strings", f.Name, f.Type)
		}
	}
	return &Order{fields: fields}, nil
}

// Name tells orders apart whose bytes do not compare: it changes with the type
// of a column, except for the promotions that leave the bytes as they are.
func (o *Order) Name() string {
	var b []byte
	for _, f := range o.fields {
		name := f.Type.String()
		switch f.Type.Kind {
		case schema.KindInt, schema.KindLong:
			name = "long"
		case schema.KindFloat, schema.KindDouble:
			name = "double"
		case schema.KindDecimal:
			name = fmt.Sprintf("decimal scale %d", f.Type.Scale)
		}
		b = fmt.Appendf(b, "%d %s;", f.ID, name)
	}
	return string(b)
}

// Append appends the order value of a row of the order columns to dst.
func (o *Order) Append(dst []byte, cols []arrow.Array, row int) []byte {
	for i, f := range o.fields {
		if cols[i].IsNull(row) {
			dst = append(dst, 0)
			continue
		}
		dst = append(dst, 1)
		switch c := cols[i].(type) { // without boxing the value
		case *array.Int64:
			dst = appendInt(dst, c.Value(row))
		case *array.Timestamp:
			dst = appendInt(dst, int64(c.Value(row)))
		default:
			dst = appendOrdered(dst, f.Type.Kind, schema.ValueAt(c, f.Type, row))
		}
	}
	return dst
}

const signBit = 1 << 63

func appendInt(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(v)^signBit)
}

func appendOrdered(dst []byte, kind schema.Kind, v any) []byte {
	switch v := v.(type) {
	case int32:
		return appendInt(dst, int64(v))
	case int64:
		return appendInt(dst, v)
	case float32:
		return appendInt(dst, schema.FloatKey64(float64(v)))
	case float64:
		return appendInt(dst, schema.FloatKey64(v))
	case schema.Unscaled:
		return binary.BigEndian.AppendUint64(appendInt(dst, v.HighBits()), v.LowBits())
	case string:
		for i := range len(v) { // zero bytes are marked, so that a prefix comes first
			if dst = append(dst, v[i]); v[i] == 0 {
				dst = append(dst, 0xff)
			}
		}
		return append(dst, 0, 0)
	}
	panic(fmt.Sprintf("upsert: order value of kind %v is a %T", kind, v)) // NewOrder admits no other
}

// Orders remembers the order value of the newest change of each key.
type Orders struct {
	at    KeyTable // digest → place in bytes, as Buffered
	bytes []byte   // length u32, value
}

// Get returns the order value of a key, nil for none. It is valid until the
// next Set.
func (o *Orders) Get(d deletes.Digest) []byte {
	at := o.at.Get(d)
	if at.IsZero() {
		return nil
	}
	return o.value(at.Ordinal())
}

func (o *Orders) value(at int) []byte {
	n := int(binary.LittleEndian.Uint32(o.bytes[at:]))
	return o.bytes[at+4 : at+4+n : at+4+n]
}

// Advance notes a change of a key and reports whether it is at least as new as
// the newest before; of equal changes the later one counts.
func (o *Orders) Advance(d deletes.Digest, value []byte) bool {
	at := o.at.Get(d)
	if !at.IsZero() {
		old := o.value(at.Ordinal())
		if bytes.Compare(value, old) < 0 {
			return false
		}
		if len(value) == len(old) {
			copy(old, value)
			return true
		}
	}
	o.at.Swap(d, Buffered(len(o.bytes)))
	o.bytes = binary.LittleEndian.AppendUint32(o.bytes, uint32(len(value)))
	o.bytes = append(o.bytes, value...)
	return true
}

// MemoryBytes returns the memory held.
func (o *Orders) MemoryBytes() int64 { return o.at.MemoryBytes() + int64(cap(o.bytes)) }

// Reset forgets all keys and keeps the memory for reuse.
func (o *Orders) Reset() {
	o.at.Reset()
	o.bytes = o.bytes[:0]
}

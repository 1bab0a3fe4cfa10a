package cdc

import (
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/schema"
)

// arrowType returns the Arrow type of a column; the same mapping as the schema
// package's, for types without field ids.
func arrowType(t schema.Type) arrow.DataType {
	switch t.Kind {
	case schema.KindBoolean:
		return arrow.FixedWidthTypes.Boolean
	case schema.KindInt:
		return arrow.PrimitiveTypes.Int32
	case schema.KindLong:
		return arrow.PrimitiveTypes.Int64
	case schema.KindFloat:
		return arrow.PrimitiveTypes.Float32
	case schema.KindDouble:
		return arrow.PrimitiveTypes.Float64
	case schema.KindDecimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
	case schema.KindDate:
		return arrow.FixedWidthTypes.Date32
	case schema.KindTime:
		return arrow.FixedWidthTypes.Time64us
	case schema.KindTimestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case schema.KindTimestampTz:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case schema.KindTimestampNs:
		return &arrow.TimestampType{Unit: arrow.Nanosecond}
	case schema.KindTimestampTzNs:
		return &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
	case schema.KindString:
		return arrow.BinaryTypes.String
	case schema.KindUUID:
		return &arrow.FixedSizeBinaryType{ByteWidth: 16}
	case schema.KindFixed:
		return &arrow.FixedSizeBinaryType{ByteWidth: t.Length}
	case schema.KindStruct:
		return arrow.StructOf(arrowFields(t.Fields)...)
	case schema.KindList:
		return arrow.ListOfField(arrowFields(t.Fields)[0])
	case schema.KindMap:
		return arrow.MapOf(arrowType(t.Fields[0].Type), arrowType(t.Fields[1].Type))
	default:
		return arrow.BinaryTypes.Binary
	}
}

func arrowFields(fields []schema.Field) []arrow.Field {
	out := make([]arrow.Field, len(fields))
	for i, f := range fields {
		out[i] = arrow.Field{Name: f.Name, Type: arrowType(f.Type), Nullable: !f.Required}
	}
	return out
}

// buffer views a slice as an Arrow buffer, without a copy.
func buffer[T any](s []T) *memory.Buffer {
	if len(s) == 0 {
		return memory.NewBufferBytes(nil)
	}
	var zero T
	return memory.NewBufferBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero))))
}

// arrowData returns the collected values as Arrow data, which takes the builder's
// memory.
func (c *ColumnBuilder) arrowData(dt arrow.DataType) arrow.ArrayData {
	var valid *memory.Buffer
	if c.nulls > 0 {
		valid = buffer(c.valid)
	}
	buffers := []*memory.Buffer{valid}
	var kids []arrow.ArrayData
	switch c.typ.Kind {
	case schema.KindInt, schema.KindDate:
		buffers = append(buffers, buffer(c.i32))
	case schema.KindLong, schema.KindTime, schema.KindTimestamp, schema.KindTimestampTz,
		schema.KindTimestampNs, schema.KindTimestampTzNs:
		buffers = append(buffers, buffer(c.i64))
	case schema.KindFloat:
		buffers = append(buffers, buffer(c.f32))
	case schema.KindDouble:
		buffers = append(buffers, buffer(c.f64))
	case schema.KindDecimal:
		buffers = append(buffers, buffer(c.dec))
	case schema.KindBoolean:
		buffers = append(buffers, buffer(c.bits))
	case schema.KindUUID, schema.KindFixed:
		buffers = append(buffers, buffer(c.data))
	case schema.KindStruct:
		for i, f := range dt.(*arrow.StructType).Fields() {
			kids = append(kids, c.kids[i].arrowData(f.Type))
		}
	case schema.KindList:
		buffers = append(buffers, buffer(c.offs))
		kids = append(kids, c.kids[0].arrowData(dt.(*arrow.ListType).Elem()))
	case schema.KindMap:
		buffers = append(buffers, buffer(c.offs))
		entry := dt.(*arrow.MapType).Elem().(*arrow.StructType)
		pairs := []arrow.ArrayData{
			c.kids[0].arrowData(entry.Field(0).Type),
			c.kids[1].arrowData(entry.Field(1).Type),
		}
		kids = append(kids, array.NewData(entry, c.kids[0].n, []*memory.Buffer{nil}, pairs, 0, 0))
	default:
		buffers = append(buffers, buffer(c.offs), buffer(c.data))
	}
	return array.NewData(dt, c.n, buffers, kids, c.nulls, 0)
}

package schema

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
)

const (
	// arrowFieldID is the key of the field id in an Arrow field's metadata, the
	// one that Parquet readers use.
	arrowFieldID = "PARQUET:field_id"
	// arrowTypeKey holds the type string of types that Arrow alone does not tell
	// apart: uuid from fixed[16], geo types from binary, variant from a struct.
	arrowTypeKey = "iceberg.type"
	// arrowDocKey holds a field's doc.
	arrowDocKey = "doc"
)

// ArrowSchema returns the Arrow schema of a table schema: see [ArrowType] for
// the types. Every field carries its id in its metadata as "PARQUET:field_id".
func ArrowSchema(s *Schema) *arrow.Schema {
	fields := make([]arrow.Field, len(s.Fields))
	for i, f := range s.Fields {
		fields[i] = ArrowField(f)
	}
	return arrow.NewSchema(fields, nil)
}

// ArrowField returns the Arrow field of a table field. Defaults are not kept.
func ArrowField(f Field) arrow.Field {
	var keys, values []string
	if f.ID != 0 {
		keys, values = append(keys, arrowFieldID), append(values, strconv.Itoa(f.ID))
	}
	switch f.Type.Kind {
	case KindUUID, KindGeometry, KindGeography, KindVariant:
		keys, values = append(keys, arrowTypeKey), append(values, f.Type.String())
	}
	if f.Doc != "" {
		keys, values = append(keys, arrowDocKey), append(values, f.Doc)
	}
	return arrow.Field{Name: f.Name, Type: ArrowType(f.Type), Nullable: !f.Required, Metadata: arrow.NewMetadata(keys, values)}
}

var (
	arrowTime        = &arrow.Time64Type{Unit: arrow.Microsecond}
	arrowTimestamp   = &arrow.TimestampType{Unit: arrow.Microsecond}
	arrowTimestampTz = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	arrowNanos       = &arrow.TimestampType{Unit: arrow.Nanosecond}
	arrowNanosTz     = &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
	arrowUUID        = &arrow.FixedSizeBinaryType{ByteWidth: 16}
	arrowVariant     = arrow.StructOf(
		arrow.Field{Name: "metadata", Type: arrow.BinaryTypes.Binary},
		arrow.Field{Name: "value", Type: arrow.BinaryTypes.Binary})
)

// ArrowType returns the Arrow type of a type: string String; binary, geometry
// and geography Binary; fixed and uuid FixedSizeBinary; decimal Decimal128;
// date Date32; time Time64 in microseconds; timestamps Timestamp in
// microseconds or nanoseconds, zoned ones with zone UTC; unknown Null; variant
// a struct of binaries metadata and value; list List, map Map, struct Struct
// with field ids in the children's metadata.
func ArrowType(t Type) arrow.DataType {
	switch t.Kind {
	case KindBoolean:
		return arrow.FixedWidthTypes.Boolean
	case KindInt:
		return arrow.PrimitiveTypes.Int32
	case KindLong:
		return arrow.PrimitiveTypes.Int64
	case KindFloat:
		return arrow.PrimitiveTypes.Float32
	case KindDouble:
		return arrow.PrimitiveTypes.Float64
	case KindDecimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
	case KindDate:
		return arrow.FixedWidthTypes.Date32
	case KindTime:
		return arrowTime
	case KindTimestamp:
		return arrowTimestamp
	case KindTimestampTz:
		return arrowTimestampTz
	case KindTimestampNs:
		return arrowNanos
	case KindTimestampTzNs:
		return arrowNanosTz
	case KindString:
		return arrow.BinaryTypes.String
	case KindUUID:
		return arrowUUID
	case KindFixed:
		return &arrow.FixedSizeBinaryType{ByteWidth: t.Length}
	case KindBinary, KindGeometry, KindGeography:
		return arrow.BinaryTypes.Binary
	case KindVariant:
		return arrowVariant
	case KindStruct:
		fields := make([]arrow.Field, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = ArrowField(f)
		}
		return arrow.StructOf(fields...)
	case KindList:
		return arrow.ListOfField(ArrowField(*t.Element()))
	case KindMap:
		return arrow.MapOfFields(ArrowField(*t.Key()), ArrowField(*t.Value()))
	}
	return arrow.Null
}

// FromArrow returns the table schema for an Arrow schema. Field ids come from
// the metadata "PARQUET:field_id" if every field has one (the two binaries of
// a variant excepted), else fresh ones are assigned from 1. Arrow types beyond
// those of [ArrowType] map to the type that holds all their values:
// dictionaries to the type of their values, large and view types to the plain
// ones, int8, int16, uint8, uint16 to int, uint32 to long, uint64 to
// decimal(20,0), decimal32 and decimal64 to decimal, float16 to float, date64
// to date, timestamps in seconds and milliseconds to microseconds, times
// likewise (nanosecond times are cut to microseconds by [ValueAt]).
func FromArrow(a *arrow.Schema) (*Schema, error) {
	c := fromArrow{withIDs: true}
	fields, err := c.fields(a.Fields(), 1)
	if err != nil {
		return nil, fmt.Errorf("arrow schema: %w", err)
	}
	if !c.withIDs {
		n := 0
		fields = AssignIDs(fields, func() int { n++; return n })
	}
	s, err := New(0, fields, nil)
	if err != nil {
		return nil, fmt.Errorf("arrow schema: %w", err)
	}
	return s, nil
}

type fromArrow struct{ withIDs bool }

func (c *fromArrow) fields(in []arrow.Field, depth int) ([]Field, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	out := make([]Field, len(in))
	for i, a := range in {
		f, err := c.field(a, depth)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", a.Name, err)
		}
		out[i] = f
	}
	return out, nil
}

func (c *fromArrow) field(a arrow.Field, depth int) (Field, error) {
	f := Field{Name: a.Name, Required: !a.Nullable}
	if text, ok := a.Metadata.GetValue(arrowFieldID); ok {
		id, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return f, fmt.Errorf("metadata %s: %w", arrowFieldID, err)
		}
		f.ID = int(id)
	}
	if f.ID <= 0 {
		c.withIDs = false
	}
	f.Doc, _ = a.Metadata.GetValue(arrowDocKey)
	hint, _ := a.Metadata.GetValue(arrowTypeKey)
	var err error
	if f.Type, err = c.dataType(a.Type, hint, depth); err != nil {
		return f, err
	}
	if f.Type.Kind == KindUnknown {
		f.Required = false
	}
	return f, nil
}

var errArrowType = errors.New("no table type holds the Arrow type")

func (c *fromArrow) dataType(a arrow.DataType, hint string, depth int) (Type, error) {
	if hint != "" {
		if t, err := ParseType(hint); err == nil && arrow.TypeEqual(ArrowType(t), a) {
			return t, nil
		}
	}
	switch a := a.(type) {
	case *arrow.Decimal32Type, *arrow.Decimal64Type, *arrow.Decimal128Type, *arrow.Decimal256Type:
		d := a.(arrow.DecimalType)
		t := Decimal(int(d.GetPrecision()), int(d.GetScale()))
		return t, t.check()
	case *arrow.FixedSizeBinaryType:
		return Fixed(a.ByteWidth), nil
	case *arrow.TimestampType:
		return timestampOf(a.Unit == arrow.Nanosecond, a.TimeZone != ""), nil
	case *arrow.DictionaryType:
		return c.dataType(a.ValueType, hint, depth)
	case *arrow.RunEndEncodedType:
		return c.dataType(a.Encoded(), hint, depth)
	case arrow.ExtensionType:
		return c.extension(a, hint, depth)
	case *arrow.StructType:
		if isVariantStorage(a) {
			return Variant, nil
		}
		fields, err := c.fields(a.Fields(), depth+1)
		return Struct(fields...), err
	case *arrow.MapType:
		if depth >= MaxDepth {
			return Type{}, fmt.Errorf("nested deeper than %d", MaxDepth)
		}
		key, err := c.field(a.KeyField(), depth+1)
		if err != nil {
			return Type{}, fmt.Errorf("key: %w", err)
		}
		value, err := c.field(a.ItemField(), depth+1)
		if err != nil {
			return Type{}, fmt.Errorf("value: %w", err)
		}
		return Map(key, value), nil
	case arrow.ListLikeType:
		if depth >= MaxDepth {
			return Type{}, fmt.Errorf("nested deeper than %d", MaxDepth)
		}
		element, err := c.field(a.ElemField(), depth+1)
		if err != nil {
			return Type{}, fmt.Errorf("element: %w", err)
		}
		return List(element), nil
	}
	if t, ok := plainArrow[a.ID()]; ok {
		return t, nil
	}
	return Type{}, fmt.Errorf("%w %s", errArrowType, a)
}

var plainArrow = map[arrow.Type]Type{
	arrow.NULL: Unknown, arrow.BOOL: Boolean,
	arrow.INT8: Int, arrow.INT16: Int, arrow.INT32: Int, arrow.INT64: Long,
	arrow.UINT8: Int, arrow.UINT16: Int, arrow.UINT32: Long, arrow.UINT64: Decimal(20, 0),
	arrow.FLOAT16: Float, arrow.FLOAT32: Float, arrow.FLOAT64: Double,
	arrow.STRING: String, arrow.LARGE_STRING: String, arrow.STRING_VIEW: String,
	arrow.BINARY: Binary, arrow.LARGE_BINARY: Binary, arrow.BINARY_VIEW: Binary,
	arrow.DATE32: Date, arrow.DATE64: Date, arrow.TIME32: Time, arrow.TIME64: Time,
}

func timestampOf(nanos, zoned bool) Type {
	switch {
	case nanos && zoned:
		return TimestampTzNs
	case nanos:
		return TimestampNs
	case zoned:
		return TimestampTz
	}
	return Timestamp
}

func (c *fromArrow) extension(a arrow.ExtensionType, hint string, depth int) (Type, error) {
	switch a.ExtensionName() {
	case "arrow.uuid":
		return UUID, nil
	case "geoarrow.wkb":
		return Geometry(""), nil
	case "arrow.parquet.variant", "parquet.variant":
		return Variant, nil
	}
	return c.dataType(a.StorageType(), hint, depth)
}

// isVariantStorage reports whether a struct is the storage of a variant: the
// two binaries metadata and value, without field ids.
func isVariantStorage(a *arrow.StructType) bool {
	if a.NumFields() != 2 {
		return false
	}
	for i, name := range []string{"metadata", "value"} {
		f := a.Field(i)
		if f.Name != name || f.HasMetadata() && f.Metadata.FindKey(arrowFieldID) >= 0 {
			return false
		}
		switch f.Type.ID() {
		case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW:
		default:
			return false
		}
	}
	return true
}

package schema

// Kind names an Iceberg type without its parameters (spec: "Schemas and Data
// Types").
type Kind uint8

// The kinds of Iceberg types. The zero Kind is not a type.
const (
	KindInvalid Kind = iota
	KindBoolean
	KindInt
	KindLong
	KindFloat
	KindDouble
	KindDecimal
	KindDate
	KindTime
	KindTimestamp
	KindTimestampTz
	KindTimestampNs
	KindTimestampTzNs
	KindString
	KindUUID
	KindFixed
	KindBinary
	KindUnknown
	KindVariant
	KindGeometry
	KindGeography
	KindStruct
	KindList
	KindMap
)

// Type is an Iceberg type: a kind and its parameters. It is a value, never
// changed after it was made; the zero Type is invalid.
type Type struct {
	Kind Kind
	// Precision and Scale of a decimal; 1 ≤ Precision ≤ 38.
	Precision, Scale int
	// Length of a fixed, in bytes.
	Length int
	// CRS of a geometry or geography ("" is OGC:CRS84) and Algorithm of a
	// geography ("" is spherical).
	CRS, Algorithm string
	// Fields holds the children of a nested type: the fields of a struct in
	// order; the one element of a list; key and value of a map.
	Fields []Field
}

// The types without parameters.
var (
	Boolean       = Type{Kind: KindBoolean}
	Int           = Type{Kind: KindInt}
	Long          = Type{Kind: KindLong}
	Float         = Type{Kind: KindFloat}
	Double        = Type{Kind: KindDouble}
	Date          = Type{Kind: KindDate}
	Time          = Type{Kind: KindTime}
	Timestamp     = Type{Kind: KindTimestamp}
	TimestampTz   = Type{Kind: KindTimestampTz}
	TimestampNs   = Type{Kind: KindTimestampNs}
	TimestampTzNs = Type{Kind: KindTimestampTzNs}
	String        = Type{Kind: KindString}
	UUID          = Type{Kind: KindUUID}
	Binary        = Type{Kind: KindBinary}
	Unknown       = Type{Kind: KindUnknown}
	Variant       = Type{Kind: KindVariant}
)

// Decimal returns decimal(precision, scale).
func Decimal(precision, scale int) Type {
	return Type{Kind: KindDecimal, Precision: precision, Scale: scale}
}

// Fixed returns fixed[length].
func Fixed(length int) Type { return Type{Kind: KindFixed, Length: length} }

// Struct returns a struct of the given fields.
func Struct(fields ...Field) Type { return Type{Kind: KindStruct, Fields: fields} }

// List returns a list; the element's Name is set to "element".
func List(element Field) Type {
	element.Name = "element"
	return Type{Kind: KindList, Fields: []Field{element}}
}

// Map returns a map; the names of key and value are set to "key" and "value",
// and the key becomes required.
func Map(key, value Field) Type {
	key.Name, key.Required = "key", true
	value.Name = "value"
	return Type{Kind: KindMap, Fields: []Field{key, value}}
}

// Element returns the element field of a list.
func (t Type) Element() *Field { return &t.Fields[0] }

// Key returns the key field of a map.
func (t Type) Key() *Field { return &t.Fields[0] }

// Value returns the value field of a map.
func (t Type) Value() *Field { return &t.Fields[1] }

// IsNested reports whether t is a struct, list or map.
func (t Type) IsNested() bool { return t.Kind >= KindStruct }

// Field is a column or a member of a nested type.
type Field struct {
	// ID is unique in the table for ever (spec: "Schema Evolution"). Zero means
	// not yet assigned, which only table creation and evolution accept.
	ID       int
	Name     string
	Type     Type
	Required bool
	Doc      string
	// InitialDefault is the value of rows written before the field existed,
	// WriteDefault the value of rows written without one; nil is null. Both hold
	// a value as described at Row. (Format version 3.)
	InitialDefault, WriteDefault any
}

// Row is one row or struct value: a value per field, in schema order. A value
// is nil for null, else:
//
//	boolean              bool
//	int, date            int32 (date: days since 1970-01-01)
//	long                 int64
//	time                 int64, microseconds since midnight
//	timestamp(tz)        int64, microseconds since the epoch
//	timestamp(tz)_ns     int64, nanoseconds since the epoch
//	float, double        float32, float64
//	decimal              Unscaled; the scale is the type's
//	string               string
//	uuid                 [16]byte
//	fixed, binary        []byte
//	geometry, geography  []byte, well-known binary
//	variant              VariantValue
//	struct               Row
//	list                 []any
//	map                  MapValue
type Row []any

// MapValue is a map's entries in their stored order.
type MapValue struct{ Keys, Values []any }

// VariantValue is a variant in its binary encoding.
type VariantValue struct{ Metadata, Value []byte }

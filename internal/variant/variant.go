// Package variant reads the binary encoding of variant values (Parquet's
// "Variant Binary Encoding", used by Iceberg's type variant).
//
// Metadata is a dictionary of object keys:
//
//	byte    version (4 bits, 1), sorted (1), unused (1), offset size - 1 (2 bits, high)
//	uint    number of keys n, of offset size
//	n+1     offsets of the keys' first bytes, and of the end
//	bytes   the keys
//
// A value starts with a byte: basic type (2 bits, low) and header (6 bits):
//
//	0 primitive  header: the type; then the value, little endian
//	1 string     header: length; then the bytes
//	2 object     header: offset size - 1 (2), id size - 1 (2), large (1);
//	             number of fields n (uint8, uint32 if large), n key ids,
//	             n+1 offsets into the values, the values
//	3 array      header: offset size - 1 (2), large (1); n, n+1 offsets, values
//
// Everything is checked against the bytes that are there; nothing is copied.
package variant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// MaxDepth bounds the nesting of objects and arrays that [Walk] accepts.
const MaxDepth = 128

// ErrMalformed is wrapped by errors about values that break the encoding.
var ErrMalformed = errors.New("malformed variant")

// Kind is the physical type of a value.
type Kind uint8

// The kinds; up to UUID they are the encoding's numbers of primitive types.
const (
	Null Kind = iota
	True
	False
	Int8
	Int16
	Int32
	Int64
	Double
	Decimal4
	Decimal8
	Decimal16
	Date
	Timestamp    // microseconds, UTC
	TimestampNtz // microseconds, without zone
	Float
	Binary
	String
	Time
	TimestampNanos
	TimestampNtzNanos
	UUID
	Object
	Array
)

var kindNames = [...]string{
	"null", "boolean", "boolean", "int8", "int16", "int32", "int64", "double", "decimal4", "decimal8", "decimal16", "date",
	"timestamptz", "timestampntz", "float", "binary", "string", "time", "timestamptz_nanos", "timestampntz_nanos", "uuid", "object", "array",
}

// String returns the name of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// size is the width of the primitive types of fixed width, after the header.
var size = [...]int{
	Int8: 1, Int16: 2, Int32: 4, Int64: 8, Double: 8, Decimal4: 5, Decimal8: 9, Decimal16: 17, Date: 4, Timestamp: 8, TimestampNtz: 8,
	Float: 4, Time: 8, TimestampNanos: 8, TimestampNtzNanos: 8, UUID: 16,
}

func bad(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// littleEndian reads an unsigned integer of 1 to 4 bytes; len(b) ≥ n.
func littleEndian(b []byte, n int) int {
	v := 0
	for i := n - 1; i >= 0; i-- {
		v = v<<8 | int(b[i])
	}
	return v
}

// Metadata is the dictionary of keys of a value.
type Metadata struct {
	offsets, keys []byte
	width, n      int
}

// ParseMetadata reads the dictionary at the start of b. It may be followed by
// other bytes.
func ParseMetadata(b []byte) (Metadata, error) {
	m, _, err := splitMetadata(b)
	return m, err
}

func splitMetadata(b []byte) (Metadata, []byte, error) {
	if len(b) == 0 || b[0]&0x0f != 1 {
		return Metadata{}, nil, bad("no metadata of version 1")
	}
	w := int(b[0]>>6) + 1
	b = b[1:]
	if len(b) < w {
		return Metadata{}, nil, bad("metadata ends early")
	}
	n := littleEndian(b, w)
	b = b[w:]
	if n >= len(b)/w {
		return Metadata{}, nil, bad("metadata has more keys than bytes")
	}
	m := Metadata{offsets: b[:(n+1)*w], width: w, n: n}
	b = b[(n+1)*w:]
	end := littleEndian(m.offsets[n*w:], w)
	if end > len(b) {
		return Metadata{}, nil, bad("the keys end early")
	}
	m.keys = b[:end]
	return m, b[end:], nil
}

// Len returns the number of keys.
func (m Metadata) Len() int { return m.n }

// Key returns the i-th key, a part of the metadata's bytes.
func (m Metadata) Key(i int) ([]byte, error) {
	if i < 0 || i >= m.n {
		return nil, bad("key id beyond the dictionary")
	}
	from, to := littleEndian(m.offsets[i*m.width:], m.width), littleEndian(m.offsets[(i+1)*m.width:], m.width)
	if from > to || to > len(m.keys) {
		return nil, bad("key offsets")
	}
	return m.keys[from:to], nil
}

// Value is one value: a view of the bytes it was made from.
type Value struct {
	meta *Metadata
	kind Kind
	// data is what follows the header byte: of a primitive type exactly its
	// bytes, of a string its text; of an object or array the values.
	data         []byte
	ids, offsets []byte
	idWidth      int
	width        int
	n            int
}

// Parse reads a value with its metadata.
func Parse(metadata, value []byte) (Value, error) {
	m, err := ParseMetadata(metadata)
	if err != nil {
		return Value{}, err
	}
	return m.Value(value)
}

// Value reads the value at the start of b with this dictionary.
func (m *Metadata) Value(b []byte) (Value, error) {
	if len(b) == 0 {
		return Value{}, bad("an empty value")
	}
	header, rest := int(b[0]>>2), b[1:]
	switch b[0] & 3 {
	case 0:
		return m.primitive(Kind(header), rest)
	case 1:
		if header > len(rest) {
			return Value{}, bad("a string ends early")
		}
		return Value{kind: String, data: rest[:header]}, nil
	case 2:
		return m.container(Object, rest, header&3+1, header>>2&3+1, header&16 != 0)
	}
	return m.container(Array, rest, header&3+1, 0, header&4 != 0)
}

func (m *Metadata) primitive(k Kind, b []byte) (Value, error) {
	v := Value{kind: k, data: b}
	switch {
	case k > UUID:
		return Value{}, bad("unknown primitive type")
	case k <= False:
		v.data = nil
		return v, nil
	case k == Binary || k == String:
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return Value{}, bad("a string or binary ends early")
		}
		v.data = b[4 : 4+binary.LittleEndian.Uint32(b)]
		return v, nil
	case len(b) < size[k]:
		return Value{}, bad("a primitive value ends early")
	}
	v.data = b[:size[k]]
	if k >= Decimal4 && k <= Decimal16 && v.data[0] > 38 {
		return Value{}, bad("the scale of a decimal")
	}
	return v, nil
}

func (m *Metadata) container(k Kind, b []byte, width, idWidth int, large bool) (Value, error) {
	v := Value{meta: m, kind: k, width: width, idWidth: idWidth}
	count := 1
	if large {
		count = 4
	}
	if len(b) < count {
		return Value{}, bad("an object or array ends early")
	}
	v.n = littleEndian(b, count)
	b = b[count:]
	if uint64(v.n)*uint64(width+idWidth)+uint64(width) > uint64(len(b)) {
		return Value{}, bad("an object or array has more members than bytes")
	}
	v.ids, b = b[:v.n*idWidth], b[v.n*idWidth:]
	v.offsets, b = b[:(v.n+1)*width], b[(v.n+1)*width:]
	end := littleEndian(v.offsets[v.n*width:], width)
	if end > len(b) {
		return Value{}, bad("an object or array ends early")
	}
	v.data = b[:end]
	return v, nil
}

// Kind returns the physical type.
func (v Value) Kind() Kind { return v.kind }

// Len returns the number of fields of an object or elements of an array.
func (v Value) Len() int { return v.n }

// At returns the i-th field's or element's value.
func (v Value) At(i int) (Value, error) {
	from := littleEndian(v.offsets[i*v.width:], v.width)
	if from >= len(v.data) {
		return Value{}, bad("the offset of a member")
	}
	return v.meta.Value(v.data[from:])
}

// Key returns the key of the i-th field of an object.
func (v Value) Key(i int) ([]byte, error) {
	return v.meta.Key(littleEndian(v.ids[i*v.idWidth:], v.idWidth))
}

// Bool returns the value of a boolean.
func (v Value) Bool() bool { return v.kind == True }

// Bytes returns the bytes of a string, binary (not copied) or uuid.
func (v Value) Bytes() []byte { return v.data }

// Int returns an integer, date (days), time (microseconds) or timestamp (in
// the kind's unit).
func (v Value) Int() int64 {
	switch len(v.data) {
	case 1:
		return int64(int8(v.data[0]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(v.data)))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(v.data)))
	case 8:
		return int64(binary.LittleEndian.Uint64(v.data))
	}
	return 0
}

// Float returns the value of a float or double.
func (v Value) Float() float64 {
	switch v.kind {
	case Float:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.data)))
	case Double:
		return math.Float64frombits(binary.LittleEndian.Uint64(v.data))
	}
	return 0
}

// Decimal returns the unscaled value of a decimal and its scale.
func (v Value) Decimal() (unscaled decimal128.Num, scale int) {
	switch v.kind {
	case Decimal4:
		unscaled = decimal128.FromI64(int64(int32(binary.LittleEndian.Uint32(v.data[1:]))))
	case Decimal8:
		unscaled = decimal128.FromI64(int64(binary.LittleEndian.Uint64(v.data[1:])))
	case Decimal16:
		unscaled = decimal128.New(int64(binary.LittleEndian.Uint64(v.data[9:])), binary.LittleEndian.Uint64(v.data[1:]))
	default:
		return unscaled, 0
	}
	return unscaled, int(v.data[0])
}

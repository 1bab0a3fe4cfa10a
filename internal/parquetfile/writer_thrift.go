package parquetfile

import "encoding/binary"

// Types of the Thrift compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftI8     = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftBinary = 8
	thriftList   = 9
	thriftStruct = 12
)

// thriftWriter appends structs in the Thrift compact protocol. Headers are
// written by hand because parquet-go's format structs know neither
// is_min_value_exact nor is_max_value_exact, and because a page header is
// written for every page.
type thriftWriter struct {
	b     []byte
	last  int16   // id of the last field of the struct being written
	stack []int16 // last of the structs around it
}

func (t *thriftWriter) field(id int16, typ byte) {
	if d := id - t.last; d > 0 && d <= 15 {
		t.b = append(t.b, byte(d)<<4|typ)
	} else {
		t.b = append(t.b, typ)
		t.b = binary.AppendVarint(t.b, int64(id))
	}
	t.last = id
}

func (t *thriftWriter) i32(id int16, v int32) {
	t.field(id, thriftI32)
	t.b = binary.AppendVarint(t.b, int64(v))
}

func (t *thriftWriter) i64(id int16, v int64) {
	t.field(id, thriftI64)
	t.b = binary.AppendVarint(t.b, v)
}

func (t *thriftWriter) i16(id, v int16) {
	t.field(id, thriftI16)
	t.b = binary.AppendVarint(t.b, int64(v))
}

func (t *thriftWriter) i8(id int16, v int8) {
	t.field(id, thriftI8)
	t.b = append(t.b, byte(v))
}

func (t *thriftWriter) bool(id int16, v bool) {
	if v {
		t.field(id, thriftTrue)
	} else {
		t.field(id, thriftFalse)
	}
}

func (t *thriftWriter) bytes(id int16, v []byte) {
	t.field(id, thriftBinary)
	t.elemBytes(v)
}

func (t *thriftWriter) string(id int16, v string) {
	t.field(id, thriftBinary)
	t.elemString(v)
}

// list starts a list of n elements of a type; the elements follow by the elem
// methods, or between elemBegin and end.
func (t *thriftWriter) list(id int16, typ byte, n int) {
	t.field(id, thriftList)
	if n < 15 {
		t.b = append(t.b, byte(n)<<4|typ)
		return
	}
	t.b = append(t.b, 0xF0|typ)
	t.b = binary.AppendUvarint(t.b, uint64(n))
}

func (t *thriftWriter) elemBytes(v []byte) {
	t.b = binary.AppendUvarint(t.b, uint64(len(v)))
	t.b = append(t.b, v...)
}

func (t *thriftWriter) elemString(v string) {
	t.b = binary.AppendUvarint(t.b, uint64(len(v)))
	t.b = append(t.b, v...)
}

func (t *thriftWriter) elemInt(v int64) { t.b = binary.AppendVarint(t.b, v) }

func (t *thriftWriter) elemBool(v bool) {
	if v {
		t.b = append(t.b, thriftTrue)
	} else {
		t.b = append(t.b, thriftFalse)
	}
}

// begin opens a struct field; end closes it.
func (t *thriftWriter) begin(id int16) {
	t.field(id, thriftStruct)
	t.elemBegin()
}

// elemBegin opens a struct that is an element of a list, or the outermost one.
func (t *thriftWriter) elemBegin() {
	t.stack = append(t.stack, t.last)
	t.last = 0
}

func (t *thriftWriter) end() {
	t.b = append(t.b, 0)
	t.last = t.stack[len(t.stack)-1]
	t.stack = t.stack[:len(t.stack)-1]
}

// empty writes a field that is a struct without fields, as union members are.
func (t *thriftWriter) empty(id int16) {
	t.begin(id)
	t.end()
}

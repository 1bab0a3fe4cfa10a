package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Thrift compact protocol, just what Parquet needs of it. It is written here
// rather than taken from parquet-go because footers come from strangers: every
// length is checked against the bytes that remain before anything is allocated,
// nesting is bounded, and an absent field can be told from a zero one.

// Types of the compact protocol.
const (
	wireStop   = 0
	wireTrue   = 1
	wireFalse  = 2
	wireI8     = 3
	wireI16    = 4
	wireI32    = 5
	wireI64    = 6
	wireDouble = 7
	wireBinary = 8
	wireList   = 9
	wireSet    = 10
	wireMap    = 11
	wireStruct = 12
	wireUUID   = 13
)

// maxThriftDepth bounds nested structs and lists in skipped fields.
const maxThriftDepth = 64

var errThrift = errors.New("malformed thrift")

// thriftReader reads compact-protocol values from b. The first error sticks in
// err, after which every read returns zero and every loop ends.
type thriftReader struct {
	b   []byte
	pos int
	err error
}

func (r *thriftReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w at byte %d: %s", errThrift, r.pos, fmt.Sprintf(format, args...))
		r.pos = len(r.b)
	}
}

func (r *thriftReader) byte() byte {
	if r.pos >= len(r.b) {
		r.fail("unexpected end")
		return 0
	}
	c := r.b[r.pos]
	r.pos++
	return c
}

func (r *thriftReader) uvarint() uint64 {
	if r.pos < len(r.b) && r.b[r.pos] < 0x80 {
		r.pos++
		return uint64(r.b[r.pos-1])
	}
	v, n := binary.Uvarint(r.b[r.pos:])
	if n <= 0 {
		r.fail("bad varint")
		return 0
	}
	r.pos += n
	return v
}

func (r *thriftReader) i64() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *thriftReader) i32() int32 {
	v := r.i64()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.fail("%d is no int32", v)
		return 0
	}
	return int32(v)
}

// bytes returns a length-prefixed string, aliasing the input.
func (r *thriftReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)-r.pos) {
		r.fail("string of %d bytes, %d remain", n, len(r.b)-r.pos)
		return nil
	}
	s := r.b[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return s
}

func (r *thriftReader) skipBytes(n int) {
	if n > len(r.b)-r.pos {
		r.fail("unexpected end")
		return
	}
	r.pos += n
}

// field reads the next field header of a struct whose previous field id was
// last. Its type is wireStop at the end of the struct and after an error.
func (r *thriftReader) field(last int16) (id int16, typ byte) {
	c := r.byte()
	typ = c & 0x0f
	if typ == wireStop || r.err != nil {
		return 0, wireStop
	}
	if d := int16(c >> 4); d != 0 {
		id = last + d
	} else {
		v := r.i64()
		if v < math.MinInt16 || v > math.MaxInt16 {
			r.fail("field id %d", v)
			return 0, wireStop
		}
		id = int16(v)
	}
	if typ > wireUUID {
		r.fail("type %d", typ)
		return 0, wireStop
	}
	return id, typ
}

// list reads a list header. Each element takes at least one byte, so the size is
// at most what remains.
func (r *thriftReader) list() (size int, typ byte) {
	c := r.byte()
	n := uint64(c >> 4)
	if n == 15 {
		n = r.uvarint()
	}
	if n > uint64(len(r.b)-r.pos) {
		r.fail("list of %d elements, %d bytes remain", n, len(r.b)-r.pos)
		return 0, 0
	}
	return int(n), c & 0x0f
}

// structList reads a list of structs, calling elem for each.
func (r *thriftReader) structList(elem func()) {
	n, typ := r.list()
	if n > 0 && typ != wireStruct {
		r.fail("list of type %d, not of structs", typ)
	}
	for i := 0; i < n && r.err == nil; i++ {
		elem()
	}
}

// skip passes over a value.
func (r *thriftReader) skip(typ byte) { r.skipDepth(typ, 0, false) }

func (r *thriftReader) skipDepth(typ byte, depth int, element bool) {
	if depth > maxThriftDepth {
		r.fail("nested deeper than %d", maxThriftDepth)
		return
	}
	switch typ {
	case wireTrue, wireFalse:
		if element { // a boolean field is in its header, an element is a byte
			r.byte()
		}
	case wireI8:
		r.byte()
	case wireI16, wireI32, wireI64:
		r.uvarint()
	case wireDouble:
		r.skipBytes(8)
	case wireUUID:
		r.skipBytes(16)
	case wireBinary:
		r.bytes()
	case wireList, wireSet:
		n, t := r.list()
		for i := 0; i < n && r.err == nil; i++ {
			r.skipDepth(t, depth+1, true)
		}
	case wireMap:
		n := r.uvarint()
		if n == 0 {
			return
		}
		if n > uint64(len(r.b)-r.pos) {
			r.fail("map of %d entries", n)
			return
		}
		kv := r.byte()
		for i := uint64(0); i < n && r.err == nil; i++ {
			r.skipDepth(kv>>4, depth+1, true)
			r.skipDepth(kv&0x0f, depth+1, true)
		}
	case wireStruct:
		var id int16
		for {
			var t byte
			if id, t = r.field(id); t == wireStop {
				return
			}
			r.skipDepth(t, depth+1, false)
		}
	default:
		r.fail("type %d", typ)
	}
}

// boolField reports the value of a boolean field; ok is false (and the value
// skipped) when it is of another type.
func (r *thriftReader) boolField(typ byte) (v, ok bool) {
	switch typ {
	case wireTrue:
		return true, true
	case wireFalse:
		return false, true
	}
	r.skip(typ)
	return false, false
}

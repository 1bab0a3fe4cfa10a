package parquetfile

import (
	"encoding/binary"
	"math"

	"github.com/parquet-go/parquet-go/format"
)

// bloomHeader encodes the header of an uncompressed split-block filter hashed
// by xxHash.
func bloomHeader(n int) []byte {
	var t thriftWriter
	t.elemBegin()
	t.i32(1, int32(n))
	for id := int16(2); id <= 4; id++ {
		t.begin(id)
		t.empty(1)
		t.end()
	}
	t.end()
	return t.b
}

// appendOffsetIndex encodes the offset index of pages that begin at base.
func appendOffsetIndex(dst []byte, pages []pageRecord, base int64) []byte {
	t := thriftWriter{b: dst}
	t.elemBegin()
	t.list(1, thriftStruct, len(pages))
	for i := range pages {
		p := &pages[i]
		t.elemBegin()
		t.i64(1, base+p.offset)
		t.i32(2, p.size)
		t.i64(3, p.firstRow)
		t.end()
	}
	t.end()
	return t.b
}

// appendColumnIndex encodes the column index, or nothing if a page with values
// has no bounds.
func appendColumnIndex(dst []byte, c *column) []byte {
	for i := range c.pages {
		p := &c.pages[i]
		if !p.empty && p.bounds.min == nil {
			return dst
		}
		p.bounds.min, _ = c.shortLower(p.bounds.min)
		p.bounds.max, _ = c.shortUpper(p.bounds.max)
	}
	t := thriftWriter{b: dst}
	t.elemBegin()
	t.list(1, thriftTrue, len(c.pages))
	for i := range c.pages {
		t.elemBool(c.pages[i].empty)
	}
	order := boundaryOrder(c.pages, c.compareBounds)
	t.list(2, thriftBinary, len(c.pages))
	for i := range c.pages {
		t.elemBytes(c.pages[i].bounds.min)
	}
	t.list(3, thriftBinary, len(c.pages))
	for i := range c.pages {
		t.elemBytes(c.pages[i].bounds.max)
	}
	t.i32(4, int32(order))
	t.list(5, thriftI64, len(c.pages))
	for i := range c.pages {
		t.elemInt(c.pages[i].nulls)
	}
	t.end()
	return t.b
}

// compareBounds compares two bounds in PLAIN encoding in the column's order.
func (c *column) compareBounds(a, b []byte) int {
	switch c.phys {
	case format.Int32:
		return compareOf(int32(binary.LittleEndian.Uint32(a)), int32(binary.LittleEndian.Uint32(b)))
	case format.Int64:
		return compareOf(int64(binary.LittleEndian.Uint64(a)), int64(binary.LittleEndian.Uint64(b)))
	case format.Float:
		return compareOf(math.Float32frombits(binary.LittleEndian.Uint32(a)), math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case format.Double:
		return compareOf(math.Float64frombits(binary.LittleEndian.Uint64(a)), math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return c.compareBytes(a, b)
}

func compareOf[T number](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

package parquetfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/format"
)

const (
	bloomBlock = 32
	// bloomWhole is the size up to which a filter is read and kept whole; of a
	// larger one only the block a value falls into is read.
	bloomWhole = 64 << 10
	// A filter up to bloomKept is kept whole once it was asked bloomProbes times.
	bloomKept   = 4 << 20
	bloomProbes = 8
	// bloomHeader is enough for the header of a filter.
	bloomHeaderBytes = 64
)

type bloomKey struct{ group, leaf int }

// bloomFilter is where the bits of a filter are.
type bloomFilter struct {
	off    int64
	size   int
	probes atomic.Int32
	all    atomic.Pointer[[]byte] // the bits, nil until they are kept
}

// MightContain reports whether a row group may hold a value, going by the
// statistics of the column chunk and its bloom filter. value is of the table's
// type (see schema.Row); nil asks for nulls. It is true where the file does not
// tell: absent columns, statistics and filters, types not comparable here.
func (f *File) MightContain(ctx context.Context, rowGroup, fieldID int, value any) (might bool, err error) {
	defer f.guard(&err)
	if rowGroup < 0 || rowGroup >= len(f.meta.groups) {
		return false, fmt.Errorf("%s: no row group %d", f.o.URI(), rowGroup)
	}
	n := f.leafByID(fieldID)
	if n == nil {
		return true, nil
	}
	c := &f.meta.groups[rowGroup].chunks[n.leaf]
	if !c.hasMeta || c.encrypted || c.otherFile {
		return true, nil
	}
	if value == nil {
		return c.stats.nulls != 0, nil
	}
	if n.maxRep == 0 && c.stats.nulls == c.values {
		return false, nil
	}
	p, fits, ok := plainOf(n, value)
	if !ok {
		return true, nil
	}
	if !fits {
		return false, nil
	}
	if !c.stats.mayHold(n, p) {
		return false, nil
	}
	if c.bloomOffset <= 0 {
		return true, nil
	}
	might, err = f.probe(ctx, bloomKey{rowGroup, n.leaf}, c, xxhash.Sum64(p))
	if err != nil {
		return false, fmt.Errorf("%s: bloom filter of column %s, row group %d: %w", f.o.URI(), n.path(), rowGroup, err)
	}
	return might, nil
}

// leafByID returns the column of a field id, nil when there is none or it is no
// plain column.
func (f *File) leafByID(id int) *node {
	if !f.hasIDs {
		if id < 1 || id > len(f.root.children) {
			return nil
		}
		if n := f.root.children[id-1]; n.leaf >= 0 {
			return n
		}
		return nil
	}
	for _, n := range f.leaves {
		if n.hasID && int(n.id) == id {
			return n
		}
	}
	return nil
}

// plainOf encodes a value as PLAIN data of the column's physical type has it,
// without a length. fits is false when no value of that type equals it, ok when
// this cannot be told.
func plainOf(n *node, value any) (p []byte, fits, ok bool) {
	l := n.logical
	number := l.kind == annotNone || l.kind == annotInt
	switch v := value.(type) {
	case int32:
		return plainInt(n, int64(v), number || l.kind == annotDate)
	case int64:
		micros := (l.kind == annotTime || l.kind == annotTimestamp) && l.unit == annMicros
		return plainInt(n, v, number || micros)
	case float32:
		return plainFloat(n, float64(v))
	case float64:
		return plainFloat(n, v)
	case decimal128.Num:
		return plainDecimal(n, v)
	case string:
		return []byte(v), true, n.typ == format.ByteArray && l.kind != annotDecimal
	case []byte:
		switch n.typ {
		case format.ByteArray:
			return v, true, l.kind != annotDecimal
		case format.FixedLenByteArray:
			return v, len(v) == int(n.length), l.kind != annotDecimal
		}
	case [16]byte:
		return v[:], n.length == 16, n.typ == format.FixedLenByteArray
	}
	return nil, false, false
}

func plainInt(n *node, v int64, comparable bool) (p []byte, fits, ok bool) {
	unsigned := n.logical.kind == annotInt && n.logical.unsigned
	switch {
	case !comparable || unsigned && n.logical.bits != 32 && n.logical.bits != 64:
		return nil, false, false
	case n.typ == format.Int32 && unsigned:
		return binary.LittleEndian.AppendUint32(nil, uint32(v)), v >= 0 && v <= math.MaxUint32, true
	case n.typ == format.Int32:
		return binary.LittleEndian.AppendUint32(nil, uint32(v)), v == int64(int32(v)), true
	case n.typ == format.Int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(v)), v >= 0 || !unsigned, true
	}
	return nil, false, false
}

// plainFloat leaves out zero and NaN, which have several encodings.
func plainFloat(n *node, v float64) (p []byte, fits, ok bool) {
	if v == 0 || v != v {
		return nil, false, false
	}
	switch n.typ {
	case format.Float:
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v))), float64(float32(v)) == v, true
	case format.Double:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)), true, true
	}
	return nil, false, false
}

func plainDecimal(n *node, v decimal128.Num) (p []byte, fits, ok bool) {
	if n.logical.kind != annotDecimal {
		return nil, false, false
	}
	lo, hi := int64(v.LowBits()), v.HighBits()
	small := hi == lo>>63
	switch n.typ {
	case format.Int32:
		return binary.LittleEndian.AppendUint32(nil, uint32(lo)), small && lo == int64(int32(lo)), true
	case format.Int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(lo)), small, true
	case format.FixedLenByteArray:
		w := int(n.length)
		b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(hi)), uint64(lo))
		if w >= 16 {
			return append(bytes.Repeat([]byte{byte(hi >> 63)}, w-16), b...), true, true
		}
		back, _ := bigEndian(b[16-w:])
		return b[16-w:], back == [2]uint64{uint64(lo), uint64(hi)}, true
	}
	return nil, false, false
}

// mayHold reports whether a value is within the bounds of a chunk.
func (s *chunkStats) mayHold(n *node, p []byte) bool {
	lo, hi := s.bounds(n)
	if lo != nil && comparePlain(n, p, lo) < 0 {
		return false
	}
	return hi == nil || comparePlain(n, p, hi) <= 0
}

// bounds returns the bounds that can be trusted, nil where there are none. The
// deprecated pair is in signed order, which suits signed numbers only.
func (s *chunkStats) bounds(n *node) (lo, hi []byte) {
	lo, hi = s.min, s.max
	signed := n.typ == format.Int32 || n.typ == format.Int64
	signed = signed && !(n.logical.kind == annotInt && n.logical.unsigned) || n.typ == format.Float || n.typ == format.Double
	if signed {
		if lo == nil {
			lo = s.minOld
		}
		if hi == nil {
			hi = s.maxOld
		}
	}
	ok := func(b []byte) bool {
		if b == nil || n.typ == format.Int96 {
			return false
		}
		if w := n.width(); w > 0 && len(b) != w && n.typ != format.FixedLenByteArray {
			return false
		}
		switch n.typ {
		case format.Float:
			f := math.Float32frombits(binary.LittleEndian.Uint32(b))
			return f == f
		case format.Double:
			f := math.Float64frombits(binary.LittleEndian.Uint64(b))
			return f == f
		case format.FixedLenByteArray:
			return n.logical.kind != annotFloat16 && (n.logical.kind != annotDecimal || len(b) == int(n.length))
		case format.ByteArray:
			return n.logical.kind != annotDecimal || len(b) <= 16
		}
		return true
	}
	if !ok(lo) {
		lo = nil
	}
	if !ok(hi) {
		hi = nil
	}
	return lo, hi
}

// comparePlain compares values of a column's physical type.
func comparePlain(n *node, a, b []byte) int {
	unsigned := n.logical.kind == annotInt && n.logical.unsigned
	le := binary.LittleEndian
	switch n.typ {
	case format.Boolean:
		return int(a[0]) - int(b[0])
	case format.Int32:
		if unsigned {
			return compareOrdered(le.Uint32(a), le.Uint32(b))
		}
		return compareOrdered(int32(le.Uint32(a)), int32(le.Uint32(b)))
	case format.Int64:
		if unsigned {
			return compareOrdered(le.Uint64(a), le.Uint64(b))
		}
		return compareOrdered(int64(le.Uint64(a)), int64(le.Uint64(b)))
	case format.Float:
		return compareOrdered(math.Float32frombits(le.Uint32(a)), math.Float32frombits(le.Uint32(b)))
	case format.Double:
		return compareOrdered(math.Float64frombits(le.Uint64(a)), math.Float64frombits(le.Uint64(b)))
	}
	if n.logical.kind == annotDecimal {
		x, _ := bigEndian(a)
		y, _ := bigEndian(b)
		if c := compareOrdered(int64(x[1]), int64(y[1])); c != 0 {
			return c
		}
		return compareOrdered(x[0], y[0])
	}
	return bytes.Compare(a, b)
}

func compareOrdered[T int32 | int64 | uint32 | uint64 | float32 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// probe looks a hash up in a chunk's filter.
func (f *File) probe(ctx context.Context, key bloomKey, c *chunkMeta, hash uint64) (bool, error) {
	b, err := f.filter(ctx, key, c)
	if err != nil || b.size == 0 {
		return err == nil, err
	}
	whole, err := f.wholeFilter(ctx, b, c)
	if err != nil {
		return false, err
	}
	if whole != nil {
		return bloom.MakeSplitBlockFilter(whole).Check(hash), nil
	}
	var block [bloomBlock]byte
	i := int64(hash >> 32 * uint64(b.size/bloomBlock) >> 32)
	if err := readFull(ctx, f.o, block[:], b.off+i*bloomBlock); err != nil {
		return false, err
	}
	return bloom.MakeSplitBlockFilter(block[:]).Check(hash), nil
}

// wholeFilter returns all of a filter, nil while it is read block by block: a
// large one has to be asked some times before it is worth keeping, and be of a
// length that the footer gives, for MemoryBytes counts by that.
func (f *File) wholeFilter(ctx context.Context, b *bloomFilter, c *chunkMeta) ([]byte, error) {
	if all := b.all.Load(); all != nil {
		return *all, nil
	}
	if c.bloomLength > bloomKept || b.size > int(c.bloomLength) || b.probes.Add(1) < bloomProbes {
		return nil, nil
	}
	all := make([]byte, b.size)
	if err := readFull(ctx, f.o, all, b.off); err != nil {
		return nil, err
	}
	b.all.Store(&all)
	return all, nil
}

// filter finds the filter of a chunk; its size is 0 when it is of a kind not
// known here.
func (f *File) filter(ctx context.Context, key bloomKey, c *chunkMeta) (*bloomFilter, error) {
	f.shared.blooms.Lock()
	b := f.shared.blooms.filters[key]
	f.shared.blooms.Unlock()
	if b != nil {
		return b, nil
	}
	if c.bloomOffset > f.size-8 {
		return nil, fmt.Errorf("%w: at %d of %d bytes", ErrCorrupt, c.bloomOffset, f.size)
	}
	n := int64(bloomHeaderBytes)
	if c.bloomLength > 0 && c.bloomLength <= bloomWhole {
		n = int64(c.bloomLength)
	}
	head := make([]byte, min(n, f.size-c.bloomOffset))
	if err := readFull(ctx, f.o, head, c.bloomOffset); err != nil {
		return nil, err
	}
	size, used, known, err := decodeBloomHeader(head)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	b = &bloomFilter{off: c.bloomOffset + int64(used)}
	if known {
		if size <= 0 || size%bloomBlock != 0 || int64(size) > f.size-b.off {
			return nil, fmt.Errorf("%w: filter of %d bytes", ErrCorrupt, size)
		}
		b.size = size
		if size <= bloomWhole {
			whole := make([]byte, size)
			if k := copy(whole, head[used:]); k < size {
				if err := readFull(ctx, f.o, whole[k:], b.off+int64(k)); err != nil {
					return nil, err
				}
			}
			b.all.Store(&whole)
		}
	}
	f.shared.blooms.Lock()
	defer f.shared.blooms.Unlock()
	if f.shared.blooms.filters == nil {
		f.shared.blooms.filters = map[bloomKey]*bloomFilter{}
	}
	f.shared.blooms.filters[key] = b
	return b, nil
}

// decodeBloomHeader reads a BloomFilterHeader; known is whether algorithm, hash
// and compression are the ones defined so far.
func decodeBloomHeader(b []byte) (size, used int, known bool, err error) {
	r := &thriftReader{b: b}
	kinds := 0
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			break
		}
		switch {
		case id == 1 && t == wireI32:
			size = int(r.i32())
		case id >= 2 && id <= 4 && t == wireStruct:
			if r.unionMember() == 1 {
				kinds++
			}
		default:
			r.skip(t)
		}
	}
	return size, r.pos, kinds == 3, r.err
}

// unionMember reads a union of empty structs and returns which it is.
func (r *thriftReader) unionMember() (member int16) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return member
		}
		member = id
		r.skip(t)
	}
}

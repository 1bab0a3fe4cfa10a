package parquetfile

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/format"
)

// fixedArrays encodes uuid, fixed and wide decimal columns, always PLAIN.
type fixedArrays struct {
	common
	width   int
	decimal bool
	uuid    bool
	page    []byte
	nums    []decimal128.Num

	pageRange, chunkRange, fileRange bytesRange
}

func (e *fixedArrays) add(src *source, sel *selection) error {
	at := len(e.page)
	var err error
	if e.decimal {
		err = e.addDecimals(src, sel)
	} else {
		e.addBytes(src, sel)
	}
	if err != nil {
		return err
	}
	vals := e.page[at:]
	e.n += len(vals) / e.width
	e.stats(vals)
	if e.bloom {
		for v := vals; len(v) > 0; v = v[e.width:] {
			e.hashes.add(xxhash.Sum64(v[:e.width]))
		}
	}
	return nil
}

func (e *fixedArrays) addBytes(src *source, sel *selection) {
	d, w := src.data, e.width
	if d.Len() == 0 {
		return
	}
	b := d.Buffers()[1].Bytes()[d.Offset()*w:]
	if sel.runs != nil {
		for _, r := range sel.runs {
			e.page = append(e.page, b[r.lo*w:r.hi*w]...)
		}
		return
	}
	if sel.valid == nil {
		e.page = append(e.page, b[sel.lo*w:sel.hi*w]...)
		return
	}
	for i := sel.lo; i < sel.hi; i += 64 {
		n := min(64, sel.hi-i)
		bits := loadBits(sel.valid, sel.off+i, n)
		for k := i; k < i+n; k++ {
			if bits&1 != 0 {
				e.page = append(e.page, b[k*w:(k+1)*w]...)
			}
			bits >>= 1
		}
	}
}

func (e *fixedArrays) addDecimals(src *source, sel *selection) error {
	var nums []decimal128.Num
	nums, e.nums = gather(e.nums, leafValues[decimal128.Num](src.data), sel)
	precision := src.data.DataType().(*arrow.Decimal128Type).Precision
	for _, x := range nums {
		if !x.FitsInPrecision(precision) {
			return fmt.Errorf("%w: %s has more than %d digits", errDecimalRange, x.ToString(0), precision)
		}
	}
	var b [16]byte
	for _, x := range nums {
		binary.BigEndian.PutUint64(b[:], uint64(x.HighBits()))
		binary.BigEndian.PutUint64(b[8:], x.LowBits())
		e.page = append(e.page, b[16-e.width:]...)
	}
	return nil
}

// stats widens the page's range by values that lie one after another.
func (e *fixedArrays) stats(v []byte) {
	w := e.width
	if len(v) == 0 {
		return
	}
	compare := bytes.Compare
	if e.decimal {
		compare = compareSigned
	}
	lo, hi := v[:w], v[:w]
	for v = v[w:]; len(v) > 0; v = v[w:] {
		x := v[:w]
		if compare(x, lo) < 0 {
			lo = x
		} else if compare(x, hi) > 0 {
			hi = x
		}
	}
	e.pageRange.mergeBy(lo, hi, compare)
}

// mergeBy widens the range by a least and a greatest value, in another order
// than bytes.Compare.
func (r *bytesRange) mergeBy(lo, hi []byte, compare func(a, b []byte) int) {
	if !r.has {
		r.min, r.max, r.has = append(r.min[:0], lo...), append(r.max[:0], hi...), true
		return
	}
	if compare(lo, r.min) < 0 {
		r.min = append(r.min[:0], lo...)
	}
	if compare(hi, r.max) > 0 {
		r.max = append(r.max[:0], hi...)
	}
}

// compareSigned compares big-endian two's complement numbers of equal width.
func compareSigned(a, b []byte) int {
	if len(a) > 0 && len(b) > 0 {
		if x, y := int8(a[0]), int8(b[0]); x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return bytes.Compare(a, b)
}

func (e *fixedArrays) room(limit int) int { return limit - len(e.page) }

func (e *fixedArrays) pending() int { return len(e.page) }

func (e *fixedArrays) endPage(dst []byte) ([]byte, format.Encoding) {
	dst = append(dst, e.page...)
	e.page = e.page[:0]
	return dst, format.Plain
}

// boundsOf returns the bounds of a range. Those of uuids are left out when
// comparing their halves as signed numbers, as Iceberg Java does, gives another
// order: it would miss rows by them.
func (e *fixedArrays) boundsOf(r *bytesRange) pageBounds {
	if e.uuid && r.has && ((r.min[0]^r.max[0])|(r.min[8]^r.max[8]))&0x80 != 0 {
		return pageBounds{}
	}
	return r.bounds()
}

func (e *fixedArrays) roll(from, to *bytesRange) pageBounds {
	b := e.boundsOf(from)
	if from.has {
		to.mergeBy(from.min, from.max, e.compare())
	}
	from.reset()
	return b
}

func (e *fixedArrays) compare() func(a, b []byte) int {
	if e.decimal {
		return compareSigned
	}
	return bytes.Compare
}

func (e *fixedArrays) takePageBounds() pageBounds { return e.roll(&e.pageRange, &e.chunkRange) }

func (e *fixedArrays) endChunk() chunkValues {
	return chunkValues{bounds: e.roll(&e.chunkRange, &e.fileRange)}
}

func (e *fixedArrays) fileBounds() pageBounds { return e.boundsOf(&e.fileRange) }

func (e *fixedArrays) cover(b pageBounds) { e.fileRange.mergeBy(b.min, b.max, e.compare()) }

// booleans encodes boolean columns, PLAIN: one bit a value.
type booleans struct {
	common
	bits []byte
	// What the page, chunk and file have of each value.
	page, chunk, file boolRange
}

// boolRange says which of the two values occur.
type boolRange struct{ no, yes bool }

func (r boolRange) bounds() pageBounds {
	if !r.no && !r.yes {
		return pageBounds{}
	}
	b := pageBounds{min: []byte{1}, max: []byte{0}}
	if r.no {
		b.min[0] = 0
	}
	if r.yes {
		b.max[0] = 1
	}
	return b
}

func (r *boolRange) merge(o boolRange) { r.no, r.yes = r.no || o.no, r.yes || o.yes }

func (e *booleans) add(src *source, sel *selection) error {
	d := src.data
	if d.Len() == 0 {
		return nil
	}
	b := d.Buffers()[1].Bytes()
	if sel.runs != nil {
		for _, r := range sel.runs {
			for i := r.lo; i < r.hi; i += 64 {
				n := min(64, r.hi-i)
				e.push(loadBits(b, d.Offset()+i, n), n)
			}
		}
		return nil
	}
	for i := sel.lo; i < sel.hi; i += 64 {
		n := min(64, sel.hi-i)
		w := loadBits(b, d.Offset()+i, n)
		if sel.valid != nil {
			w, n = squeeze(w, loadBits(sel.valid, sel.off+i, n))
		}
		e.push(w, n)
	}
	return nil
}

// squeeze moves the bits of w at the set bits of mask together and returns
// them and their number.
func squeeze(w, mask uint64) (uint64, int) {
	var out uint64
	n := 0
	for ; mask != 0; mask &= mask - 1 {
		low := mask & -mask
		if w&low != 0 {
			out |= 1 << n
		}
		n++
	}
	return out, n
}

// push appends n ≤ 64 bits, the rest of w being zero.
func (e *booleans) push(w uint64, n int) {
	if n == 0 {
		return
	}
	ones := w != 0
	zeros := w != ^uint64(0)>>(64-n)
	e.page.merge(boolRange{no: zeros, yes: ones})
	for n > 0 {
		if e.n&7 == 0 {
			e.bits = append(e.bits, 0)
		}
		k := min(8-e.n&7, n)
		e.bits[len(e.bits)-1] |= byte(w << (e.n & 7))
		w >>= k
		n -= k
		e.n += k
	}
}

func (e *booleans) room(limit int) int { return limit - len(e.bits) }

func (e *booleans) pending() int { return len(e.bits) }

func (e *booleans) endPage(dst []byte) ([]byte, format.Encoding) {
	dst = append(dst, e.bits...)
	e.bits = e.bits[:0]
	return dst, format.Plain
}

func (e *booleans) takePageBounds() pageBounds {
	b := e.page.bounds()
	e.chunk.merge(e.page)
	e.page = boolRange{}
	return b
}

func (e *booleans) endChunk() chunkValues {
	c := chunkValues{bounds: e.chunk.bounds()}
	e.file.merge(e.chunk)
	e.chunk = boolRange{}
	return c
}

func (e *booleans) fileBounds() pageBounds { return e.file.bounds() }

func (e *booleans) cover(b pageBounds) {
	e.file.merge(boolRange{no: b.min[0] == 0, yes: b.max[0] != 0})
}

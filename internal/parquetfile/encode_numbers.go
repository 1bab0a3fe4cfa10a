package parquetfile

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/format"
)

func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func le64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// dictSample is how many values of a chunk decide whether a dictionary is
// worth trying.
const dictSample = 4096

// numbers encodes int32, int64, float and double columns. T is the type the
// values compare by, U the unsigned type of the same width that holds their
// bits.
type numbers[T number, U uint32 | uint64] struct {
	common
	width int
	page  []U // of the page being filled, while it is PLAIN
	dict  *numberDict[U]
	done  *numberDict[U] // given up, but pages refer to it
	free  *numberDict[U]
	seen  []bool // by dictionary index: met in this page

	buf      []U // scratch for gathering
	decimals []decimal128.Num

	pageRange, chunkRange, fileRange numberRange[T]
	chunkNaNs                        bool
}

func (e *numbers[T, U]) add(src *source, sel *selection) error {
	vals, err := e.gather(src, sel)
	if err != nil {
		return err
	}
	e.addDense(vals)
	return nil
}

func (e *numbers[T, U]) addDense(vals []U) {
	e.n += len(vals)
	if e.dict != nil {
		vals = e.addDict(vals)
	}
	if len(vals) > 0 {
		e.page = append(e.page, vals...)
		e.plainStats(vals)
	}
}

// plainStats accounts for values that are in no dictionary.
func (e *numbers[T, U]) plainStats(vals []U) {
	e.pageNaNs += e.pageRange.add(castSlice[T](vals))
	if e.bloom {
		e.hash(vals)
	}
}

func (e *numbers[T, U]) hash(vals []U) {
	for len(vals) > 0 {
		h := e.hashes.room(len(vals))
		if e.width == 8 {
			xxhash.MultiSum64Uint64(h, castSlice[uint64](vals[:len(h)]))
		} else {
			xxhash.MultiSum64Uint32(h, castSlice[uint32](vals[:len(h)]))
		}
		vals = vals[len(h):]
	}
}

// addDict adds values to the dictionary until it is found to be of no use, and
// returns those left over, for PLAIN.
func (e *numbers[T, U]) addDict(vals []U) []U {
	for len(vals) > 0 {
		n := min(len(vals), dictSample)
		done := e.dict.add(vals[:n], e.dictLimit/e.width)
		vals = vals[done:]
		if done < n || e.sampleFails(len(e.dict.idx), len(e.dict.vals)) {
			e.abandon()
			return vals
		}
	}
	return nil
}

// abandon turns the page PLAIN, and all later pages of the chunk.
func (e *numbers[T, U]) abandon() {
	d := e.dict
	e.page = e.page[:0]
	for _, i := range d.idx {
		e.page = append(e.page, d.vals[i])
	}
	if e.bloom && e.dictPages > 0 {
		e.hash(d.vals)
	}
	e.dropDict()
	if len(e.page) > 0 {
		e.plainStats(e.page)
	}
}

// dropDict stops using the dictionary; one that pages refer to is kept for the
// chunk's dictionary page.
func (e *numbers[T, U]) dropDict() {
	d := e.dict
	e.dict = nil
	d.idx = d.idx[:0]
	if e.dictPages > 0 {
		e.done = d
		// Entries of the abandoned page only take room, but harm nothing.
		return
	}
	d.reset()
	e.free = d
}

func (e *numbers[T, U]) room(limit int) int { return limit - e.n*e.width }

func (e *numbers[T, U]) pending() int {
	n := len(e.page) * e.width
	if d := e.dict; d != nil {
		n = len(d.idx)*bitWidth(len(d.vals))/8 + len(d.vals)*e.width
	}
	if d := e.done; d != nil {
		n += len(d.vals) * e.width
	}
	return n
}

func (e *numbers[T, U]) endPage(dst []byte) ([]byte, format.Encoding) {
	enc := format.Plain
	if e.dict != nil && len(e.dict.idx) > 0 && e.pageFails(len(e.dict.idx), len(e.dict.vals), len(e.dict.vals)*e.width, len(e.dict.idx)*e.width) {
		e.abandon()
	}
	if d := e.dict; d != nil && len(d.idx) > 0 {
		enc = format.RLEDictionary
		dst = appendIndexes(dst, d.idx, len(d.vals))
		e.dictStats()
		d.idx = d.idx[:0]
		e.dictPages++
	} else {
		dst = append(dst, rawBytes(e.page)...)
		e.page = e.page[:0]
	}
	return dst, enc
}

// dictStats takes the page's statistics from the dictionary entries it uses.
func (e *numbers[T, U]) dictStats() {
	d := e.dict
	e.seen = markSeen(e.seen, d.idx, len(d.vals))
	for i, s := range e.seen {
		if s {
			v := castSlice[T](d.vals[i : i+1])
			if e.pageRange.add(v) > 0 {
				for _, x := range d.idx {
					if int(x) == i {
						e.pageNaNs++
					}
				}
			}
		}
	}
}

// takePageBounds gives a page with NaN none: readers to whom NaN is above every
// number would miss it by a bound that leaves it out.
func (e *numbers[T, U]) takePageBounds() pageBounds {
	var b pageBounds
	if e.pageNaNs > 0 {
		e.chunkNaNs = true
	} else {
		b.min, b.max = e.pageRange.bounds()
	}
	if e.pageRange.has {
		e.chunkRange.merge(e.pageRange.min, e.pageRange.max)
	}
	e.pageRange.reset()
	return b
}

func (e *numbers[T, U]) endChunk() chunkValues {
	var c chunkValues
	d := e.done
	if d == nil && e.dictPages > 0 {
		d = e.dict
		if e.bloom {
			e.hash(d.vals)
		}
	}
	if d != nil {
		c.dict, c.dictLen = rawBytes(d.vals), len(d.vals)
	}
	if !e.chunkNaNs {
		c.bounds.min, c.bounds.max = e.chunkRange.bounds()
	}
	e.chunkNaNs = false
	if e.chunkRange.has {
		e.fileRange.merge(e.chunkRange.min, e.chunkRange.max)
	}
	e.chunkRange.reset()
	return c
}

// startChunk gets ready for the next row group; what endChunk returned is no
// longer valid.
func (e *numbers[T, U]) startChunk() {
	for _, d := range []*numberDict[U]{e.done, e.dict} {
		if d != nil {
			d.reset()
			e.free = d
		}
	}
	e.done = nil
	if e.free == nil {
		e.free = newNumberDict[U]()
	}
	e.dict, e.free = e.free, nil
	e.common.startChunk()
}

func (e *numbers[T, U]) fileBounds() pageBounds {
	var b pageBounds
	b.min, b.max = e.fileRange.bounds()
	return b
}

func (e *numbers[T, U]) cover(b pageBounds) {
	// Bounds out of a footer need not be aligned.
	e.fileRange.merge(castBytes[T](bytes.Clone(b.min))[0], castBytes[T](bytes.Clone(b.max))[0])
}

// numberDict numbers distinct values in the order they are met: an open
// addressing table of indexes into vals.
type numberDict[U uint32 | uint64] struct {
	vals  []U
	idx   []uint32 // of the page being filled
	table []uint32 // index + 1, 0 for empty; its length is a power of two
	shift uint
}

func newNumberDict[U uint32 | uint64]() *numberDict[U] {
	d := &numberDict[U]{}
	d.resize(256)
	return d
}

func (d *numberDict[U]) resize(n int) {
	d.table = make([]uint32, n)
	d.shift = uint(64 - bits.Len(uint(n-1)))
	for i, v := range d.vals {
		h := d.slot(v)
		for d.table[h] != 0 {
			h = (h + 1) & (len(d.table) - 1)
		}
		d.table[h] = uint32(i) + 1
	}
}

func (d *numberDict[U]) slot(v U) int {
	return int(uint64(v) * 0x9E3779B97F4A7C15 >> d.shift)
}

func (d *numberDict[U]) reset() {
	d.vals, d.idx = d.vals[:0], d.idx[:0]
	if len(d.table) > 1<<14 {
		d.resize(256)
	} else {
		clear(d.table)
	}
}

// add appends the indexes of vals and returns how many it added before the
// dictionary would have had more than limit entries.
func (d *numberDict[U]) add(vals []U, limit int) int {
	mask := len(d.table) - 1
	for k, v := range vals {
		h := d.slot(v)
		for {
			i := d.table[h&mask]
			if i != 0 && d.vals[i-1] == v {
				d.idx = append(d.idx, i-1)
				break
			}
			if i == 0 {
				if len(d.vals) >= limit {
					return k
				}
				d.vals = append(d.vals, v)
				d.table[h&mask] = uint32(len(d.vals))
				d.idx = append(d.idx, uint32(len(d.vals)-1))
				if len(d.vals)*2 > len(d.table) {
					d.resize(len(d.table) * 4)
					mask = len(d.table) - 1
				}
				break
			}
			h++
		}
	}
	return len(vals)
}

// appendIndexes appends dictionary indexes as a data page holds them: a byte
// of bit width, then hybrid runs.
func appendIndexes(dst []byte, idx []uint32, entries int) []byte {
	w := bitWidth(max(entries-1, 0))
	if w == 0 {
		w = 1 // some readers refuse width 0
	}
	dst = append(dst, byte(w))
	return appendHybrid(dst, idx, w)
}

// markSeen returns a bool per dictionary entry: whether idx has it.
func markSeen(seen []bool, idx []uint32, entries int) []bool {
	if cap(seen) < entries {
		seen = make([]bool, entries+entries/2)
	}
	seen = seen[:entries]
	clear(seen)
	for _, i := range idx {
		seen[i] = true
	}
	return seen
}

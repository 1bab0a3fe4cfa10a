package parquetfile

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"

	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/format"
)

// byteArrays encodes string and binary columns.
type byteArrays struct {
	common
	ordered bool
	page    []byte // PLAIN: each value after its length
	dict    *byteDict
	done    *byteDict // given up, but pages refer to it
	free    *byteDict
	seen    []bool
	spans   []span
	spanBuf []span

	pageRange, chunkRange, fileRange bytesRange
}

// span is where a value lies in its array's data.
type span struct{ lo, hi int32 }

func (e *byteArrays) add(src *source, sel *selection) error {
	data := e.collect(src, sel)
	spans := e.spans
	e.n += len(spans)
	if e.dict != nil {
		spans = e.addDict(spans, data)
	}
	if len(spans) > 0 {
		e.page = appendPlain(e.page, spans, data)
		e.plainStats(spans, data)
	}
	return nil
}

// collect finds the selected values: e.spans of the returned data.
func (e *byteArrays) collect(src *source, sel *selection) []byte {
	d := src.data
	var data []byte
	if b := d.Buffers()[2]; b != nil {
		data = b.Bytes()
	}
	if d.Len() == 0 {
		e.spans = e.spanBuf[:0]
		return data
	}
	offsets := castBytes[int32](d.Buffers()[1].Bytes())[d.Offset():]
	one := [1]run{{sel.lo, sel.hi}}
	runs := sel.runs
	if runs == nil {
		runs = one[:]
	}
	out := e.spanBuf[:0]
	for _, r := range runs {
		at := len(out)
		n := r.hi - r.lo
		if cap(out) < at+n {
			out = append(make([]span, 0, at+n+at/2), out...)
		}
		out = out[:at+n]
		o := offsets[r.lo : r.hi+1]
		lo := o[0]
		for i, hi := range o[1:] {
			out[at+i] = span{lo, hi}
			lo = hi
		}
	}
	e.spanBuf = out
	if sel.runs == nil && sel.valid != nil && sel.n < len(out) {
		out = compact(out, sel)
	}
	e.spans = out
	return data
}

// compact moves the selected spans of out to its front.
func compact(out []span, sel *selection) []span {
	k, at := 0, sel.off+sel.lo
	for i := 0; i < len(out); i += 64 {
		n := min(64, len(out)-i)
		w := loadBits(sel.valid, at+i, n)
		for j := i; j < i+n; j++ {
			out[k] = out[j]
			k += int(w & 1)
			w >>= 1
		}
	}
	return out[:k]
}

// appendPlain appends values in PLAIN encoding.
func appendPlain(dst []byte, spans []span, data []byte) []byte {
	total := 0
	for _, s := range spans {
		total += 4 + int(s.hi-s.lo)
	}
	at := len(dst)
	if cap(dst) < at+total+32 {
		dst = append(make([]byte, 0, at+total+at/2+32), dst...)
	}
	out := dst[:at+total+32]
	for _, s := range spans {
		n := int(s.hi - s.lo)
		binary.LittleEndian.PutUint32(out[at:], uint32(n))
		at += 4
		if n <= 32 && int(s.lo)+32 <= len(data) {
			// Whole words instead of a call; what is too much is overwritten.
			*(*[32]byte)(out[at:]) = *(*[32]byte)(data[s.lo:])
		} else {
			copy(out[at:], data[s.lo:s.hi])
		}
		at += n
	}
	return out[:at]
}

func (e *byteArrays) plainStats(spans []span, data []byte) {
	if e.ordered {
		e.pageRange.addSpans(spans, data)
	}
	if e.bloom {
		for _, s := range spans {
			e.hashes = append(e.hashes, xxhash.Sum64(data[s.lo:s.hi]))
		}
	}
}

func (e *byteArrays) addDict(spans []span, data []byte) []span {
	for len(spans) > 0 {
		n := min(len(spans), dictSample)
		done := e.dict.add(spans[:n], data, e.dictLimit)
		spans = spans[done:]
		if done < n || e.sampleFails(len(e.dict.idx), len(e.dict.ends)) {
			e.abandon()
			return spans
		}
	}
	return nil
}

// abandon turns the page PLAIN, and all later pages of the chunk.
func (e *byteArrays) abandon() {
	d := e.dict
	e.page = e.page[:0]
	// The caller's remaining spans live in spanBuf, so make a new list.
	spans := make([]span, len(d.idx))
	for k, i := range d.idx {
		spans[k] = d.span(i)
	}
	e.page = appendPlain(e.page, spans, d.plain)
	e.plainStats(spans, d.plain)
	e.dict = nil
	if e.dictPages > 0 {
		if e.bloom {
			e.hashDict(d)
		}
		e.done = d
		d.idx = d.idx[:0]
		return
	}
	d.reset()
	e.free = d
}

func (e *byteArrays) hashDict(d *byteDict) {
	for i := range d.ends {
		s := d.span(uint32(i))
		e.hashes = append(e.hashes, xxhash.Sum64(d.plain[s.lo:s.hi]))
	}
}

// room lets a page of dictionary indexes stand for more bytes than a PLAIN
// one, but not for any number: it may turn PLAIN yet.
func (e *byteArrays) room(limit int) int {
	if e.dict != nil {
		return 4*limit - e.dict.raw
	}
	return limit - len(e.page)
}

func (e *byteArrays) pending() int {
	if e.dict != nil {
		return len(e.dict.idx) * bitWidth(len(e.dict.ends)) / 8
	}
	return len(e.page)
}

func (e *byteArrays) endPage(dst []byte) ([]byte, format.Encoding) {
	if d := e.dict; d != nil && len(d.idx) > 0 && e.pageFails(len(d.idx), len(d.ends), len(d.plain), d.raw) {
		e.abandon()
	}
	d := e.dict
	if d == nil || len(d.idx) == 0 {
		dst = append(dst, e.page...)
		e.page = e.page[:0]
		return dst, format.Plain
	}
	dst = appendIndexes(dst, d.idx, len(d.ends))
	if e.ordered {
		e.seen = markSeen(e.seen, d.idx, len(d.ends))
		for i, s := range e.seen {
			if s {
				sp := d.span(uint32(i))
				e.pageRange.add(d.plain[sp.lo:sp.hi])
			}
		}
	}
	d.idx, d.raw = d.idx[:0], 0
	e.dictPages++
	return dst, format.RLEDictionary
}

func (e *byteArrays) takePageBounds() pageBounds {
	b := e.pageRange.bounds()
	e.chunkRange.merge(&e.pageRange)
	e.pageRange.reset()
	return b
}

func (e *byteArrays) endChunk() chunkValues {
	var c chunkValues
	d := e.done
	if d == nil && e.dictPages > 0 {
		d = e.dict
		if e.bloom {
			e.hashDict(d)
		}
	}
	if d != nil {
		c.dict, c.dictLen = d.plain, len(d.ends)
	}
	c.bounds = e.chunkRange.bounds()
	e.fileRange.merge(&e.chunkRange)
	e.chunkRange.reset()
	return c
}

func (e *byteArrays) startChunk() {
	for _, d := range []*byteDict{e.done, e.dict} {
		if d != nil {
			d.reset()
			e.free = d
		}
	}
	e.done = nil
	if e.free == nil {
		e.free = newByteDict()
	}
	e.dict, e.free = e.free, nil
	e.common.startChunk()
}

func (e *byteArrays) fileBounds() pageBounds { return e.fileRange.bounds() }

// byteDict numbers distinct values in the order they are met. plain holds them
// as the dictionary page does.
type byteDict struct {
	plain  []byte
	ends   []uint32 // of each entry in plain
	hashes []uint32 // of each entry
	idx    []uint32 // of the page being filled
	raw    int      // PLAIN bytes of the page being filled
	table  []uint32 // index + 1, 0 for empty
	seed   maphash.Seed
}

func newByteDict() *byteDict {
	return &byteDict{table: make([]uint32, 256), seed: maphash.MakeSeed()}
}

func (d *byteDict) reset() {
	d.plain, d.ends, d.hashes, d.idx, d.raw = d.plain[:0], d.ends[:0], d.hashes[:0], d.idx[:0], 0
	if len(d.table) > 1<<14 {
		d.table = make([]uint32, 256)
	} else {
		clear(d.table)
	}
}

// span returns where entry i lies in plain.
func (d *byteDict) span(i uint32) span {
	lo := uint32(4)
	if i > 0 {
		lo += d.ends[i-1]
	}
	return span{int32(lo), int32(d.ends[i])}
}

// hash mixes a value; values of up to 8 bytes, the usual codes and flags, need
// no call.
func (d *byteDict) hash(v []byte) uint32 {
	var x uint64
	switch n := len(v); {
	case n > 16:
		return uint32(maphash.Bytes(d.seed, v))
	case n >= 8:
		x = binary.LittleEndian.Uint64(v)
		y := binary.LittleEndian.Uint64(v[n-8:])
		x ^= bits.RotateLeft64(y*0xC2B2AE3D27D4EB4F, 31)
	case n >= 4:
		x = uint64(binary.LittleEndian.Uint32(v)) | uint64(binary.LittleEndian.Uint32(v[n-4:]))<<32
	default:
		for _, b := range v {
			x = x<<8 | uint64(b)
		}
	}
	x = (x ^ uint64(len(v))<<56) * 0x9E3779B97F4A7C15
	return uint32(x>>32) ^ uint32(x>>17)
}

// add appends the indexes of values and returns how many it added before the
// dictionary would have had more than limit bytes.
func (d *byteDict) add(spans []span, data []byte, limit int) int {
	mask := uint32(len(d.table) - 1)
	for k, s := range spans {
		v := data[s.lo:s.hi]
		x := d.hash(v)
		h := x & mask
		for {
			i := d.table[h]
			if i == 0 {
				if len(d.plain)+4+len(v) > limit {
					return k
				}
				d.insert(v, x, h)
				mask = uint32(len(d.table) - 1)
				d.idx = append(d.idx, uint32(len(d.ends)-1))
				break
			}
			if e := d.span(i - 1); d.hashes[i-1] == x && bytes.Equal(d.plain[e.lo:e.hi], v) {
				d.idx = append(d.idx, i-1)
				break
			}
			h = (h + 1) & mask
		}
		d.raw += 4 + len(v)
	}
	return len(spans)
}

func (d *byteDict) insert(v []byte, x, h uint32) {
	d.plain = binary.LittleEndian.AppendUint32(d.plain, uint32(len(v)))
	d.plain = append(d.plain, v...)
	d.ends = append(d.ends, uint32(len(d.plain)))
	d.hashes = append(d.hashes, x)
	d.table[h] = uint32(len(d.ends))
	if len(d.ends)*2 <= len(d.table) {
		return
	}
	d.table = make([]uint32, len(d.table)*4)
	mask := uint32(len(d.table) - 1)
	for i, x := range d.hashes {
		h := x & mask
		for d.table[h] != 0 {
			h = (h + 1) & mask
		}
		d.table[h] = uint32(i) + 1
	}
}

package parquetfile

import (
	"encoding/binary"

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
			e.hashes.add(xxhash.Sum64(data[s.lo:s.hi]))
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
		e.hashes.add(xxhash.Sum64(d.plain[s.lo:s.hi]))
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
	n := len(e.page)
	if d := e.dict; d != nil {
		n = len(d.idx)*bitWidth(len(d.ends))/8 + len(d.plain)
	}
	if d := e.done; d != nil {
		n += len(d.plain)
	}
	return n
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

func (e *byteArrays) cover(b pageBounds) {
	e.fileRange.add(b.min)
	e.fileRange.add(b.max)
}

package parquetfile

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go/format"
)

// indexEnd returns the row after those of page i.
func (l *leafReader) indexEnd(i int) int64 {
	if i+1 < len(l.index) {
		return l.index[i+1].firstRow
	}
	return l.rows
}

// jump goes to the page of a row by the offset index.
func (l *leafReader) jump(row int64) {
	i := sort.Search(len(l.index), func(i int) bool { return l.index[i].firstRow > row }) - 1
	if i < 0 {
		return
	}
	p := l.index[i]
	if l.pageNo > i && p.firstRow < l.pageEnd { // sequential already
		return
	}
	if pos := p.offset - l.src.off; pos > l.src.pos {
		if l.dict.n < 0 && l.pageNo == 0 {
			l.dict.n = -2 // to be loaded from the start of the chunk
		}
		l.src.pos = pos
		l.pageEnd = p.firstRow
		l.pageNo = i
	}
}

// header reads the header of the next data page, and any dictionary before it.
func (l *leafReader) header(ctx context.Context) (pageHeader, error) {
	if h, ok := l.keptHeader(); ok {
		return h, nil
	}
	for {
		h, err := l.anyHeader(ctx)
		if err != nil {
			return h, err
		}
		switch h.typ {
		case format.DictionaryPage:
			if l.dict.n >= 0 {
				return h, fmt.Errorf("second dictionary")
			}
			if err := l.loadDict(ctx, h); err != nil {
				return h, err
			}
		case format.DataPage, format.DataPageV2:
			l.pageNo++
			if l.index == nil {
				if l.seen += int64(h.values); l.seen > l.meta.values {
					return h, fmt.Errorf("pages of more values than the column chunk's %d", l.meta.values)
				}
			}
			return h, nil
		default:
			l.src.pos += int64(h.compressed)
		}
	}
}

// anyHeader reads a page header.
func (l *leafReader) anyHeader(ctx context.Context) (pageHeader, error) {
	if l.src.remaining() <= 0 {
		return pageHeader{}, fmt.Errorf("column chunk ends before row %d of %d", l.pageEnd, l.rows)
	}
	want := 256
	if l.index != nil && l.pageNo < len(l.index) {
		want = max(want, int(l.index[l.pageNo].size)) // the whole page in one read
	}
	for {
		b, err := l.src.peek(ctx, want)
		if err != nil {
			return pageHeader{}, err
		}
		h, more, err := decodePageHeader(b, l.maxPage)
		if err != nil && more && int64(len(b)) < l.src.remaining() {
			want = max(want, len(b)) * 4
			continue
		}
		if err != nil {
			return h, err
		}
		l.src.pos += int64(h.size)
		if int64(h.compressed) > l.src.remaining() {
			return h, fmt.Errorf("page of %d bytes, %d remain of the column chunk", h.compressed, l.src.remaining())
		}
		return h, nil
	}
}

// loadDictAtStart loads the dictionary after a jump past it, once a page needs it.
func (l *leafReader) loadDictAtStart(ctx context.Context) error {
	l.dict.n = -1
	if l.keptDict() {
		return nil
	}
	size := l.index[0].offset - l.src.off
	if size <= 0 {
		return nil
	}
	pos, no := l.src.pos, l.pageNo
	l.src.pos = 0
	if _, err := l.src.peek(ctx, int(size)); err != nil {
		return err
	}
	h, err := l.anyHeader(ctx)
	if err == nil && h.typ == format.DictionaryPage {
		err = l.loadDict(ctx, h)
		l.keepDict()
	}
	l.src.pos, l.pageNo = pos, no
	return err
}

// body reads and checks the bytes of a page.
func (l *leafReader) body(ctx context.Context, h pageHeader) ([]byte, error) {
	b, err := l.src.next(ctx, h.compressed)
	if err != nil {
		return nil, err
	}
	if h.hasCRC && crc32.ChecksumIEEE(b) != h.crc {
		return nil, errors.New("page checksum differs")
	}
	return b, nil
}

// unpack decompresses into the page buffer, unless there is nothing to do.
func (l *leafReader) unpack(b []byte, size int) ([]byte, error) {
	if l.meta.codec == format.Uncompressed {
		if len(b) != size {
			return nil, fmt.Errorf("page of %d bytes says %d", len(b), size)
		}
		return b, nil
	}
	if cap(l.page) < size+padding {
		putBytes(l.page)
		l.page = getBytes(size)
	}
	dst := l.page[:size]
	if size == 0 {
		return dst, nil
	}
	return dst, decompress(l.meta.codec, dst, b)
}

func (l *leafReader) loadDict(ctx context.Context, h pageHeader) error {
	b, err := l.body(ctx, h)
	if err != nil {
		return err
	}
	if l.skip {
		l.dict.n = h.values
		return nil
	}
	if h.encoding != format.Plain && h.encoding != plainDictionary {
		return fmt.Errorf("dictionary of encoding %v", h.encoding)
	}
	if b, err = l.unpack(b, h.uncompressed); err != nil {
		return err
	}
	if w := max(l.node.width(), 1); l.node.typ == format.Boolean || h.values > len(b)/w ||
		l.node.width() == 0 && h.values > len(b)/4 {
		return fmt.Errorf("dictionary of %d values in %d bytes", h.values, len(b))
	}
	// The values go the way of any others, into an output of their own.
	var p pageValues
	if err := p.set(l.node, format.Plain, b, h.values, l.maxPage); err != nil {
		return err
	}
	t := leafReader{node: l.node, conv: l.conv, mem: memory.DefaultAllocator, vals: p, perValue: 1, likely: h.uncompressed}
	t.startBatch(h.values)
	if err := t.values(h.values, nil, true); err != nil {
		return err
	}
	l.dict = dictionary{n: h.values}
	if l.conv.width > 0 {
		l.dict.fixed = t.fixed.b[:t.fixed.n]
		return nil
	}
	l.dict.vars = varDict{data: t.vars.data.b[:t.vars.data.n], offs: t.vars.offs}
	for i, o := range t.vars.offs[1:] {
		l.dict.vars.widest = max(l.dict.vars.widest, o-t.vars.offs[i])
	}
	return nil
}

// load reads a data page up to where its levels and values begin.
func (l *leafReader) load(ctx context.Context, h pageHeader) error {
	if l.dict.n == -2 && dictEncoded(h.encoding) {
		if err := l.loadDictAtStart(ctx); err != nil {
			return err
		}
	}
	l.rest = h.values
	if k := l.kept; k != nil {
		l.kept = nil
		l.src.pos += int64(h.compressed)
		return l.open(h, k.body)
	}
	b, err := l.body(ctx, h)
	if err != nil {
		return err
	}
	if h.typ == format.DataPageV2 {
		n := l.node
		reps, defs := b[:h.repBytes], b[h.repBytes:h.repBytes+h.defBytes]
		if err := l.reps.v2(reps, n.maxRep); err != nil {
			return err
		}
		if err := l.defs.v2(defs, n.maxDef); err != nil {
			return err
		}
		b = b[h.repBytes+h.defBytes:]
		size := h.uncompressed - h.repBytes - h.defBytes
		if h.isCompressed && !l.skip {
			// Levels were read in place, but the window may go away; values are
			// decompressed into the page buffer.
			if b, err = l.unpack(b, size); err != nil {
				return err
			}
		}
	} else {
		keep := l.pages != nil && l.index != nil && l.meta.codec != format.Uncompressed
		if keep {
			putBytes(l.page)
			l.page = make([]byte, h.uncompressed+padding)
		}
		if b, err = l.unpack(b, h.uncompressed); err != nil {
			return err
		}
		if keep {
			l.keep(h, b)
			l.page = nil // it is the cache's now
		}
		return l.open(h, b)
	}
	return l.begun(h, b)
}

// open reads the levels of a page of version 1.
func (l *leafReader) open(h pageHeader, b []byte) (err error) {
	n := l.node
	if b, err = l.reps.v1(b, n.maxRep, h.values, h.repEncoding); err != nil {
		return err
	}
	if b, err = l.defs.v1(b, n.maxDef, h.values, h.defEncoding); err != nil {
		return err
	}
	return l.begun(h, b)
}

// begun sets up the values of a page.
func (l *leafReader) begun(h pageHeader, b []byte) error {
	if l.skip {
		l.vals.kind = valuesNone
		return nil
	}
	return l.vals.set(l.node, h.encoding, b, h.values, l.maxPage)
}

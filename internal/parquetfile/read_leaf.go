package parquetfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go/format"
)

// leafReader reads one column of a row group after the other and collects the
// levels and values of a batch.
type leafReader struct {
	node    *node
	conv    leafConv
	skip    bool // only the levels are wanted
	levels  bool // definition levels of every slot are wanted
	mem     memory.Allocator
	maxPage int64

	// The column chunk.
	meta     *chunkMeta
	src      chunkSource
	rows     int64          // of the row group
	index    []pageLocation // nil: none
	pageNo   int            // pages seen, for messages
	seen     int64          // values of the pages seen
	dict     dictionary
	row      int64 // the next row Next asks for
	perValue int   // estimated bytes of a byte array

	// The current page: rows [pageRow, pageEnd) are left of it. pageEnd is -1
	// when unknown (nested columns in version 1 pages).
	pageRow, pageEnd int64
	page             []byte // decompressed, with padding
	rest             int    // level entries left
	reps, defs       levelStream
	vals             pageValues
	nest             nestedState

	// The batch.
	fixed   growBuf // values of fixed width
	vars    varOut  // byte arrays
	n       int     // values
	slots   int     // level entries
	outDefs []uint8 // of all slots; while noNulls stands nothing is kept
	outReps []uint8
	noNulls bool

	// Scratch.
	sel, pick []int32
	listed    int // how far rowSelection.list is consumed
	idx       []uint32
	lv        []uint8
	raw       []byte
	tmpVars   varOut
}

// dictionary holds a chunk's dictionary, converted to the type wanted.
type dictionary struct {
	n     int
	fixed []byte
	vars  varDict
}

// begin starts a column chunk.
func (l *leafReader) begin(meta *chunkMeta, rows int64) {
	l.meta, l.rows = meta, rows
	l.index, l.pageNo, l.seen, l.row = nil, 0, 0, 0
	l.pageRow, l.pageEnd, l.rest = 0, 0, 0
	l.dict.n = -1
	l.nest = nestedState{row: -1}
	l.perValue = 16
	if meta.values > 0 {
		if meta.unencoded > 0 {
			l.perValue = int(min(meta.unencoded/meta.values+1, 1<<16))
		} else {
			l.perValue = int(min(max(0, meta.uncompressed)/meta.values+1, 1<<16))
		}
	}
}

// startBatch empties the output.
func (l *leafReader) startBatch(rows int) {
	l.n, l.slots, l.noNulls = 0, 0, l.node.maxRep == 0
	l.outDefs, l.outReps = l.outDefs[:0], l.outReps[:0]
	l.fixed.n, l.vars.data.n = 0, 0
	if l.skip {
		return
	}
	if l.conv.width > 0 {
		l.fixed.reserve(l.mem, rows*l.conv.width)
		return
	}
	l.vars.offs = append(l.vars.offs[:0], 0)
	l.vars.data.reserve(l.mem, min(rows*l.perValue, 64<<20))
}

// read adds rows row to row+n, those of them selected.
func (l *leafReader) read(ctx context.Context, n int, sel *rowSelection) error {
	l.listed = 0
	base := l.row
	for i := 0; i < n; {
		if sel != nil {
			s := sel.bits.NextSet(i)
			if s < 0 || s >= n {
				break
			}
			i = s
		}
		l.row = base + int64(i)
		if err := l.seek(ctx, l.row); err != nil {
			return err
		}
		if l.node.maxRep > 0 {
			// A nested column reads to the end of the span, or of what the page
			// index allows to skip.
			k, err := l.nested(ctx, n-i, sel, i)
			if err != nil {
				return l.wrap(err)
			}
			i += k
			continue
		}
		k := int(min(int64(n-i), l.pageEnd-l.pageRow))
		if err := l.flat(k, sel, i); err != nil {
			return l.wrap(err)
		}
		i += k
	}
	l.row = base + int64(n)
	return nil
}

// wrap names the column and the page.
func (l *leafReader) wrap(err error) error {
	switch {
	case errors.Is(err, ErrTruncated), errors.Is(err, ErrUnsupported), errors.Is(err, ErrCorrupt),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("column %s, page %d: %w", l.node.path(), l.pageNo-1, err)
	}
	var io *readError
	if errors.As(err, &io) || errors.Is(err, errTooMuch) {
		return fmt.Errorf("column %s, page %d: %w", l.node.path(), l.pageNo-1, err)
	}
	return fmt.Errorf("%w: column %s, page %d: %w", ErrCorrupt, l.node.path(), l.pageNo-1, err)
}

// seek moves to a row at or after the current one, loading its page.
func (l *leafReader) seek(ctx context.Context, row int64) error {
	if l.node.maxRep > 0 {
		return l.seekNested(ctx, row)
	}
	for row >= l.pageEnd {
		if l.index != nil {
			l.jump(row)
		}
		h, err := l.header(ctx)
		if err != nil {
			return l.wrap(err)
		}
		rows := int64(h.values)
		if l.pageEnd+rows > l.rows {
			return l.wrap(fmt.Errorf("pages of more rows than the row group's %d", l.rows))
		}
		l.pageRow, l.pageEnd = l.pageEnd, l.pageEnd+rows
		if l.index != nil && l.pageEnd != l.indexEnd(l.pageNo-1) {
			return l.wrap(errors.New("page has not the rows its offset index says"))
		}
		if row >= l.pageEnd { // not wanted
			l.src.pos += int64(h.compressed)
			l.rest = 0
			continue
		}
		if err := l.load(ctx, h); err != nil {
			return l.wrap(err)
		}
	}
	if d := int(row - l.pageRow); d > 0 {
		if err := l.skipRows(d); err != nil {
			return l.wrap(err)
		}
	}
	return nil
}

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
	if l.dict.n == -2 {
		if err := l.loadDictAtStart(ctx); err != nil {
			return pageHeader{}, err
		}
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

// loadDictAtStart loads the dictionary after a jump past it.
func (l *leafReader) loadDictAtStart(ctx context.Context) error {
	l.dict.n = -1
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
	if h.encoding != format.Plain && h.encoding != format.PlainDictionary {
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
	t := leafReader{node: l.node, conv: l.conv, mem: memory.DefaultAllocator, vals: p, perValue: 1}
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
	b, err := l.body(ctx, h)
	if err != nil {
		return err
	}
	l.rest = h.values
	n := l.node
	if h.typ == format.DataPageV2 {
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
		if b, err = l.unpack(b, h.uncompressed); err != nil {
			return err
		}
		if b, err = l.reps.v1(b, n.maxRep, h.values, h.repEncoding); err != nil {
			return err
		}
		if b, err = l.defs.v1(b, n.maxDef, h.values, h.defEncoding); err != nil {
			return err
		}
	}
	if l.skip {
		l.vals.kind = valuesNone
		return nil
	}
	return l.vals.set(n, h.encoding, b, h.values, l.maxPage)
}

// levelStream reads the levels of a page.
type levelStream struct {
	max int // 0: all levels are 0
	h   hybrid
	raw []uint8 // levels already decoded, of the deprecated encoding
}

func (s *levelStream) v2(b []byte, max int) (err error) {
	s.max, s.raw = max, nil
	if max > 0 {
		s.h, err = newHybrid(b, levelBits(max))
	}
	return err
}

func (s *levelStream) v1(b []byte, max, values int, enc format.Encoding) (rest []byte, err error) {
	s.max, s.raw = max, nil
	if max == 0 {
		return b, nil
	}
	if enc == format.BitPacked {
		width := levelBits(max)
		if values > len(b)*8/width {
			return nil, errLevelsEnd
		}
		s.raw = make([]uint8, values)
		n, err := bitPackedLevels(s.raw, b, width)
		return b[n:], err
	}
	if enc != format.RLE {
		return nil, fmt.Errorf("levels of encoding %v", enc)
	}
	if len(b) < 4 {
		return nil, errLevelsEnd
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, errLevelsEnd
	}
	s.h, err = newHybrid(b[4:4+n], levelBits(max))
	return b[4+n:], err
}

// repeats takes the next k levels if they are known to be the same.
func (s *levelStream) repeats(k int) (v int, ok bool, err error) {
	if s.max == 0 {
		return 0, true, nil
	}
	if s.raw != nil {
		return 0, false, nil
	}
	u, ok, err := s.h.repeats(k)
	if ok && int(u) > s.max {
		err = fmt.Errorf("level %d of at most %d", u, s.max)
	}
	return int(u), ok, err
}

// take fills dst.
func (s *levelStream) take(dst []uint8) error {
	if s.max == 0 {
		clear(dst)
		return nil
	}
	if s.raw != nil {
		if len(s.raw) < len(dst) {
			return errLevelsEnd
		}
		copy(dst, s.raw)
		s.raw = s.raw[len(dst):]
	} else if err := s.h.levels(dst); err != nil {
		return err
	}
	if s.max&(s.max+1) != 0 { // the width has room for more than max
		for _, v := range dst {
			if int(v) > s.max {
				return fmt.Errorf("level %d of at most %d", v, s.max)
			}
		}
	}
	return nil
}

// skipRows passes over d rows of the page of a flat column.
func (l *leafReader) skipRows(d int) error {
	l.pageRow += int64(d)
	l.rest -= d
	for d > 0 {
		k := min(d, 1<<16)
		d -= k
		there, err := l.present(k)
		if err != nil {
			return err
		}
		if err := l.vals.skip(there); err != nil {
			return err
		}
	}
	return nil
}

// present takes k definition levels and counts those of values.
func (l *leafReader) present(k int) (int, error) {
	v, ok, err := l.defs.repeats(k)
	if err != nil {
		return 0, err
	}
	if ok {
		if v == l.node.maxDef {
			return k, nil
		}
		return 0, nil
	}
	l.lv = resized(l.lv, k)
	if err := l.defs.take(l.lv); err != nil {
		return 0, err
	}
	return bytes.Count(l.lv, []byte{uint8(l.node.maxDef)}), nil
}

// flat adds k rows of the page, those selected by bits from at on.
func (l *leafReader) flat(k int, sel *rowSelection, at int) error {
	all := sel == nil
	if !all {
		l.selected(sel, at, at+k)
		all = len(l.sel) == k
	}
	l.pageRow += int64(k)
	l.rest -= k
	rows := k
	if !all {
		rows = len(l.sel)
	}
	top := uint8(l.node.maxDef)
	v, same, err := l.defs.repeats(k)
	if err != nil {
		return err
	}
	if same {
		l.addDefs(uint8(v), rows)
		if uint8(v) != top {
			return nil
		}
		return l.values(k, l.sel, all)
	}
	l.lv = resized(l.lv, k)
	if err := l.defs.take(l.lv); err != nil {
		return err
	}
	there := bytes.Count(l.lv, []byte{top})
	if there == k {
		l.addDefs(top, rows)
		return l.values(k, l.sel, all)
	}
	l.keepDefs()
	if all {
		l.outDefs = append(l.outDefs, l.lv...)
		l.slots += k
		return l.values(there, nil, true)
	}
	l.pick = l.pick[:0]
	ordinal, row := int32(0), 0
	for _, s := range l.sel {
		ordinal += int32(bytes.Count(l.lv[row:s], []byte{top}))
		row = int(s)
		d := l.lv[s]
		l.outDefs = append(l.outDefs, d)
		if d == top {
			l.pick = append(l.pick, ordinal)
		}
	}
	l.slots += rows
	return l.values(there, l.pick, false)
}

// addDefs adds n slots of one level.
func (l *leafReader) addDefs(v uint8, n int) {
	if int(v) != l.node.maxDef || l.levels && l.node.maxDef > 0 {
		l.keepDefs()
	}
	if !l.noNulls {
		have := len(l.outDefs)
		l.outDefs = append(l.outDefs, make([]uint8, n)...)
		fill(l.outDefs[have:], v)
	}
	l.slots += n
}

// keepDefs begins to record definition levels.
func (l *leafReader) keepDefs() {
	if l.noNulls {
		l.noNulls = false
		l.outDefs = resized(l.outDefs, l.slots)
		fill(l.outDefs, uint8(l.node.maxDef))
	}
}

// selected sets l.sel to the selected rows of lo to hi, counted from lo. Spans
// come in ascending order, and rows between them are not selected.
func (l *leafReader) selected(sel *rowSelection, lo, hi int) {
	list := sel.list[l.listed:]
	n := sort.Search(min(len(list), hi-lo), func(i int) bool { return int(list[i]) >= hi })
	l.listed += n
	l.sel = resized(l.sel, n)
	for i, p := range list[:n] {
		l.sel[i] = p - int32(lo)
	}
}

// values decodes the next n values of the page and adds them, or those at
// pick.
func (l *leafReader) values(n int, pick []int32, all bool) error {
	if l.skip {
		return nil
	}
	if !all && len(pick) == 0 {
		return l.vals.skip(n)
	}
	if n == 0 {
		return nil
	}
	add := n
	if !all {
		add = len(pick)
	}
	l.n += add
	switch l.vals.kind {
	case valuesDict:
		return l.fromDict(n, pick, all)
	case valuesBits:
		l.raw = resized(l.raw, n)
		if err := l.vals.h.levels(l.raw); err != nil {
			return err
		}
		return l.addFixed(l.raw, 1, pick, all)
	case valuesFixed:
		b, err := l.vals.fixed(n)
		if err != nil {
			return err
		}
		return l.addFixed(b, l.vals.width, pick, all)
	}
	if l.conv.width == 0 {
		return l.addBytes(n, pick, all)
	}
	// Byte arrays wanted as fixed-width values.
	keep := l.vars
	l.vars = l.tmpVars
	l.vars.offs = append(l.vars.offs[:0], 0)
	l.vars.data.n = 0
	err := l.addBytes(n, pick, all)
	l.tmpVars, l.vars = l.vars, keep
	if err != nil {
		return err
	}
	size := add * l.conv.width
	l.fixed.reserve(l.mem, size)
	dst := l.fixed.b[l.fixed.n : l.fixed.n+size]
	l.fixed.n += size
	return l.conv.bytes(dst, l.tmpVars.data.b, l.tmpVars.offs)
}

func (l *leafReader) addBytes(n int, pick []int32, all bool) error {
	switch l.vals.kind {
	case valuesPlain:
		return l.vals.plain(l, n, pick, all)
	case valuesOffsets:
		return l.vals.slices(l, n, pick, all)
	}
	return errValuesEnd
}

// addFixed adds values of w bytes of the physical type.
func (l *leafReader) addFixed(src []byte, w int, pick []int32, all bool) error {
	n := len(src) / w
	if !all {
		n = len(pick)
	}
	if l.conv.width == 0 { // fixed read as binary
		return l.addFixedAsBytes(src, w, pick, all)
	}
	size := n * l.conv.width
	l.fixed.reserve(l.mem, size)
	dst := l.fixed.b[l.fixed.n : l.fixed.n+size]
	l.fixed.n += size
	switch {
	case l.conv.fixed == nil && all:
		copy(dst, src)
		return nil
	case l.conv.fixed == nil:
		take(dst, src, w, pick)
		return nil
	case all:
		return l.conv.fixed(dst, src)
	}
	if cap(l.raw) < n*w || w == 1 {
		l.raw = make([]byte, n*w)
	}
	take(l.raw[:n*w], src, w, pick)
	return l.conv.fixed(dst, l.raw[:n*w])
}

func (l *leafReader) addFixedAsBytes(src []byte, w int, pick []int32, all bool) error {
	n := len(src) / w
	if !all {
		n = len(pick)
	}
	if int64(l.vars.data.n)+int64(n)*int64(w) > 1<<31-1 {
		return errTooMuch
	}
	l.vars.data.reserve(l.mem, n*w)
	dst := l.vars.data.b[l.vars.data.n : l.vars.data.n+n*w]
	if all {
		copy(dst, src)
	} else {
		take(dst, src, w, pick)
	}
	for i := range l.moreOffsets(n) {
		l.vars.offs[len(l.vars.offs)-n+i] = int32(l.vars.data.n + (i+1)*w)
	}
	l.vars.data.n += n * w
	return nil
}

func (l *leafReader) fromDict(n int, pick []int32, all bool) error {
	if l.dict.n < 0 {
		return errors.New("no dictionary")
	}
	l.idx = resized(l.idx, n)
	if err := l.vals.h.indexes(l.idx, uint32(l.dict.n)); err != nil {
		return err
	}
	idx := l.idx
	if !all {
		for i, p := range pick { // ascending, so what is read is not yet overwritten
			idx[i] = idx[p]
		}
		idx = idx[:len(pick)]
	}
	if l.conv.width == 0 {
		return l.dict.vars.append(l, idx)
	}
	size := len(idx) * l.conv.width
	l.fixed.reserve(l.mem, size)
	lookup(l.fixed.b[l.fixed.n:l.fixed.n+size], l.dict.fixed, l.conv.width, idx)
	l.fixed.n += size
	return nil
}

func (l *leafReader) close() {
	l.src.close()
	putBytes(l.page)
	l.page = nil
	l.fixed.drop(l.mem)
	l.vars.data.drop(l.mem)
	l.tmpVars.data.drop(l.mem)
}

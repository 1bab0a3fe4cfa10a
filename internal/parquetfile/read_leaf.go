package parquetfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/apache/arrow-go/v18/arrow/memory"
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
	pages   *PageCache // may be nil
	want    string     // the type wanted, for the name of a kept dictionary

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
	likely   int   // most to reserve on the footer's word alone

	// The current page: rows [pageRow, pageEnd) are left of it. pageEnd is -1
	// when unknown (nested columns in version 1 pages).
	pageRow, pageEnd int64
	page             []byte // decompressed, with padding
	kept             *keptPage
	rest             int // level entries left
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
	l.likely = int(min(64*meta.compressed+64<<10, 64<<20))
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
		l.fixed.reserve(l.mem, min(rows*l.conv.width, l.likely))
		return
	}
	l.vars.offs = append(l.vars.offs[:0], 0)
	l.vars.data.reserve(l.mem, min(rows*l.perValue, l.likely))
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

func (l *leafReader) close() {
	l.src.close()
	putBytes(l.page)
	l.page = nil
	l.fixed.drop(l.mem)
	l.vars.data.drop(l.mem)
	l.tmpVars.data.drop(l.mem)
}

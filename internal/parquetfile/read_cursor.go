package parquetfile

import (
	"context"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

const (
	defaultBatchRows = 65_536
	// batchBytes is what a batch should about stay within; rows are fewer where
	// they are that large.
	batchBytes = 128 << 20
	// sparseWindow is read at a time where single pages are wanted and no
	// offset index says where they are.
	sparseWindow = 64 << 10
)

// Cursor reads batches of a File, one goroutine at a time.
type Cursor struct {
	f       *File
	schema  *arrow.Schema
	cols    []*fileColumn
	leaves  []*leafReader
	mem     memory.Allocator
	asm     assembler
	groups  []int
	sparse  bool
	most    int     // rows of a batch
	first   []int64 // row of each row group of the file
	at      int     // in groups
	row     int64   // of the row group, the next to read
	batch   int     // rows of a batch in this row group
	begun   bool    // this row group's columns are set up
	indexed bool    // and its offset indexes are loaded
	wanted  []RowRange
	until   int64 // of the row group: the end of the range row is in
	err     error
	list    []int32 // scratch of next
}

// Read starts a Cursor.
func (f *File) Read(ctx context.Context, opts *ReadOptions) (c *Cursor, err error) {
	defer f.guard(&err)
	if opts == nil {
		opts = &ReadOptions{}
	}
	c = &Cursor{f: f, sparse: opts.Sparse, most: opts.BatchRows, mem: opts.Allocator, groups: opts.RowGroups, wanted: opts.Rows}
	if c.most <= 0 {
		c.most = defaultBatchRows
	}
	if c.mem == nil {
		c.mem = new(recycler)
	}
	c.asm.mem = c.mem
	row := int64(0)
	for i := range f.meta.groups {
		c.first = append(c.first, row)
		row += f.meta.groups[i].rows
		if opts.RowGroups == nil {
			c.groups = append(c.groups, i)
		}
	}
	for _, g := range c.groups {
		if g < 0 || g >= len(c.first) {
			return nil, fmt.Errorf("%s: no row group %d of %d", f.o.URI(), g, len(c.first))
		}
	}
	fields := make([]arrow.Field, len(opts.Fields))
	types := make([]arrow.DataType, len(opts.Fields))
	for i, fl := range opts.Fields {
		fields[i] = schema.ArrowField(fl)
		types[i] = fields[i].Type
	}
	if err := checkRanges(opts.Rows, f.meta.rows); err != nil {
		return nil, fmt.Errorf("%s: %w", f.o.URI(), err)
	}
	c.schema = arrow.NewSchema(fields, nil)
	r := newResolver(f, opts, c.mem)
	if c.cols, err = r.fields(f.root, opts.Fields, types, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", f.o.URI(), err)
	}
	c.leaves = r.leaves
	c.size()
	return c, nil
}

// size moves to the next row wanted, past row groups without any, and sets the
// rows of a batch.
func (c *Cursor) size() {
	for c.at < len(c.groups) {
		i := c.groups[c.at]
		base, rows := c.first[i], c.f.meta.groups[i].rows
		from, to := rangeAt(c.wanted, base+c.row, base+rows)
		if c.row, c.until = from-base, to-base; c.row < rows {
			break
		}
		c.at++
		c.row, c.begun, c.indexed = 0, false, false
	}
	if c.at == len(c.groups) {
		return
	}
	g := &c.f.meta.groups[c.groups[c.at]]
	perRow := int64(1)
	for _, l := range c.leaves {
		m := &g.chunks[l.node.leaf]
		perRow += max(m.uncompressed, m.unencoded, m.values*int64(l.conv.width)) / g.rows
	}
	c.batch = int(max(1, min(int64(c.most), batchBytes/max(perRow, 1))))
}

// Peek reports the file position of the next row and how many rows the next
// batch will span (never across row groups or ranges); n == 0 at the end.
func (c *Cursor) Peek() (pos int64, n int) {
	if c.at == len(c.groups) {
		return c.f.meta.rows, 0
	}
	g := c.groups[c.at]
	return c.first[g] + c.row, int(min(int64(c.batch), c.until-c.row))
}

// Next reads that span. With sel nil, all its rows; else only rows whose bit is
// set (sel.Len() == n), skipping pages without any. The batch's columns are
// Fields, its rows the selected ones in order. io.EOF at the end. The caller
// releases the batch. After an error every call fails.
func (c *Cursor) Next(ctx context.Context, sel *bitmap.Bitmap) (arrow.RecordBatch, error) {
	if c.err != nil {
		return nil, c.err
	}
	_, n := c.Peek()
	if n == 0 {
		return nil, io.EOF
	}
	rows := n
	if sel != nil {
		if sel.Len() != n {
			return nil, fmt.Errorf("%s: selection of %d rows for a batch of %d", c.f.o.URI(), sel.Len(), n)
		}
		if rows = sel.Count(); rows == n {
			sel = nil
		}
	}
	b, err := c.next(ctx, n, rows, sel)
	if err != nil {
		c.err = fmt.Errorf("%s: row group %d: %w", c.f.o.URI(), c.groups[c.at], err)
		return nil, c.err
	}
	c.row += int64(n)
	c.size()
	return b, nil
}

func (c *Cursor) next(ctx context.Context, n, rows int, mask *bitmap.Bitmap) (b arrow.RecordBatch, err error) {
	defer c.f.guard(&err)
	var sel *rowSelection
	if mask != nil {
		c.list = positions(mask, resized(c.list, rows))
		sel = &rowSelection{mask, c.list}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.begin(ctx, mask != nil || c.wanted != nil); err != nil {
		return nil, err
	}
	for _, l := range c.leaves {
		l.startBatch(rows)
		l.row = c.row // rows between ranges are passed over
		if err := l.read(ctx, n, sel); err != nil {
			return nil, err
		}
	}
	arrays := make([]arrow.Array, len(c.cols))
	defer func() {
		for _, a := range arrays {
			if a != nil {
				a.Release()
			}
		}
	}()
	for i, col := range c.cols {
		if arrays[i], err = c.asm.build(col, rows); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(c.schema, arrays, int64(rows)), nil
}

// rowSelection is the rows wanted of a batch, as bits and as ascending positions.
type rowSelection struct {
	bits *bitmap.Bitmap
	list []int32
}

// positions fills dst, which is of the right length, with the positions of one
// bits.
func positions(b *bitmap.Bitmap, dst []int32) []int32 {
	n := 0
	for i, w := range b.Words() {
		base := int32(i << 6)
		if w == ^uint64(0) {
			for k := range dst[n : n+64] {
				dst[n+k] = base + int32(k)
			}
			n += 64
			continue
		}
		for ; w != 0; w &= w - 1 {
			dst[n] = base + int32(bits.TrailingZeros64(w))
			n++
		}
	}
	return dst
}

// begin sets up the columns of a row group, and loads offset indexes where they
// help.
func (c *Cursor) begin(ctx context.Context, selecting bool) error {
	g := &c.f.meta.groups[c.groups[c.at]]
	if !c.begun {
		for _, l := range c.leaves {
			m := &g.chunks[l.node.leaf]
			if err := m.readable(); err != nil {
				return fmt.Errorf("column %s: %w", l.node.path(), err)
			}
			l.begin(m, g.rows)
		}
		c.ranges(g)
		c.begun = true
	}
	if c.indexed || !selecting && !c.sparse || c.row > 0 && !c.sparse {
		return nil
	}
	c.indexed = true
	var want []*leafReader
	for _, l := range c.leaves {
		if c.sparse || l.node.maxRep > 0 {
			want = append(want, l)
		}
	}
	return c.loadIndexes(ctx, want)
}

// ranges shares reads between neighbouring small column chunks.
func (c *Cursor) ranges(g *rowGroupMeta) {
	leaves := slices.Clone(c.leaves)
	slices.SortStableFunc(leaves, func(a, b *leafReader) int {
		return int(min(1, max(-1, a.meta.start()-b.meta.start())))
	})
	window := c.f.readAhead
	for i := 0; i < len(leaves); {
		l := leaves[i]
		off, end := l.meta.start(), l.meta.start()+l.meta.compressed
		k := i + 1
		for ; k < len(leaves) && !c.sparse; k++ {
			m := leaves[k].meta
			if m.start() > end+sparseWindow || m.start()+m.compressed-off > int64(window) {
				break
			}
			end = max(end, m.start()+m.compressed)
		}
		var shared *sharedRange
		if k-i > 1 {
			shared = &sharedRange{off: off, size: end - off}
		}
		for ; i < k; i++ {
			m := leaves[i].meta
			w := window
			if c.sparse {
				w = sparseWindow
			}
			leaves[i].src.reset(m.start(), m.compressed, w, shared)
		}
	}
}

// loadIndexes takes the offset indexes of columns, reading those not at hand at
// once if they are side by side.
func (c *Cursor) loadIndexes(ctx context.Context, leaves []*leafReader) error {
	f := c.f
	from, to := int64(-1), int64(0)
	for _, l := range leaves {
		m := l.meta
		if !f.hasOffsets(m) || f.keptOffsets(c.key(l)) != nil {
			continue
		}
		if from < 0 || m.indexOffset < from {
			from = m.indexOffset
		}
		to = max(to, m.indexOffset+int64(m.indexLength))
	}
	var all []byte
	if from >= 0 && to-from <= 1<<20 {
		var err error
		if all, err = f.at(ctx, from, int(to-from)); err != nil {
			return err
		}
	}
	for _, l := range leaves {
		m := l.meta
		if all != nil && f.hasOffsets(m) && f.keptOffsets(c.key(l)) == nil {
			f.keepOffsets(c.key(l), all[m.indexOffset-from:][:m.indexLength], m, l.rows)
		}
		pages, err := f.offsets(ctx, c.key(l), m, l.rows)
		if err != nil {
			return err
		}
		if l.index = pages; pages != nil && c.sparse {
			l.src.window = 0
		}
	}
	return nil
}

// key names the chunk a column is at.
func (c *Cursor) key(l *leafReader) bloomKey { return bloomKey{c.groups[c.at], l.node.leaf} }

// Close releases the cursor's buffers. Batches stay valid.
func (c *Cursor) Close() {
	for _, l := range c.leaves {
		l.close()
	}
	for _, col := range c.cols {
		col.drop()
	}
	c.leaves, c.cols = nil, nil
	c.err = fmt.Errorf("%s: cursor is closed", c.f.o.URI())
}

func (c *fileColumn) drop() {
	if c.cached != nil {
		c.cached.Release()
		c.cached = nil
	}
	for _, k := range c.children {
		k.drop()
	}
}

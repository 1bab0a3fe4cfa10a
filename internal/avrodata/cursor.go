package avrodata

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

const (
	defaultBatchRows = 65_536
	// maxEmptyRows bounds the rows of a block whose rows take no bytes.
	maxEmptyRows = 1 << 20
)

// ReadOptions choose what a Cursor reads.
type ReadOptions struct {
	// Fields are the columns wanted, in order, resolved against the file by field
	// id; types may be wider than the file's (promotion). A field absent from
	// the file takes Constants[id], else its InitialDefault, else null; a
	// required one with none of them is an error. Nested fields likewise.
	Fields    []schema.Field
	Constants map[int]any
	// NameMapping gives ids to the fields of a file that has none; nil numbers
	// its top-level fields from 1 in file order (facts E11).
	NameMapping *schema.NameMapping
	// Blocks are the indexes of the blocks to read, nil all, in file order.
	Blocks []int
	// BatchRows is the most rows of a batch; default 65,536.
	BatchRows int
	Allocator memory.Allocator
}

// Cursor reads batches of a File, one goroutine at a time. A batch never spans
// two blocks, so that it takes no more memory than a block does.
type Cursor struct {
	f      *File
	schema *arrow.Schema
	cols   []array.Builder
	root   *record
	most   int64
	src    source
	box    *avrofile.Reader
	dec    decoder
	blocks []Block // yet to read
	row    int64   // of the block, the next to read
	err    error
}

// Read starts a Cursor.
func (f *File) Read(_ context.Context, opts *ReadOptions) (c *Cursor, err error) {
	defer guard(&err)
	if opts == nil {
		opts = &ReadOptions{}
	}
	c = &Cursor{f: f, most: int64(opts.BatchRows), src: source{f: f}, blocks: f.blocks}
	if opts.Blocks != nil {
		c.blocks = make([]Block, len(opts.Blocks))
		for i, b := range opts.Blocks {
			if b < 0 || b >= len(f.blocks) {
				return nil, fmt.Errorf("%s: no block %d of %d", f.o.URI(), b, len(f.blocks))
			}
			c.blocks[i] = f.blocks[b]
		}
	}
	if c.most <= 0 {
		c.most = defaultBatchRows
	}
	mem := opts.Allocator
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	fields := make([]arrow.Field, len(opts.Fields))
	for i, fl := range opts.Fields {
		fields[i] = schema.ArrowField(fl)
		c.cols = append(c.cols, array.NewBuilder(mem, fields[i].Type))
	}
	c.schema = arrow.NewSchema(fields, nil)
	r := resolver{f: f, opts: opts}
	if c.root, err = r.record(f.root, nil, opts.Fields, func(i int) array.Builder { return c.cols[i] }); err != nil {
		c.release()
		return nil, fmt.Errorf("%s: %w", f.o.URI(), err)
	}
	if c.box, err = f.container(); err != nil {
		c.release()
		return nil, fmt.Errorf("%s: %w", f.o.URI(), err)
	}
	return c, nil
}

// Peek reports the file position of the next row and how many rows the next
// batch will span; n == 0 at the end.
func (c *Cursor) Peek() (pos int64, n int) {
	if len(c.blocks) == 0 {
		return c.f.rows, 0
	}
	b := &c.blocks[0]
	return b.FirstRow + c.row, int(min(c.most, b.Rows-c.row))
}

// Next reads that span. With sel nil, all its rows; else only rows whose bit is
// set (sel.Len() == n). The batch's columns are Fields, its rows the selected
// ones in order. io.EOF at the end. The caller releases the batch. After an
// error every call fails.
func (c *Cursor) Next(ctx context.Context, sel *bitmap.Bitmap) (arrow.RecordBatch, error) {
	if c.err != nil {
		return nil, c.err
	}
	pos, n := c.Peek()
	if n == 0 {
		return nil, io.EOF
	}
	if sel != nil && sel.Len() != n {
		return nil, fmt.Errorf("%s: selection of %d rows for a batch of %d", c.f.o.URI(), sel.Len(), n)
	}
	b, err := c.next(ctx, n, sel)
	if err != nil {
		c.err = fmt.Errorf("%s: rows from %d: %w", c.f.o.URI(), pos, err)
		return nil, c.err
	}
	return b, nil
}

func (c *Cursor) next(ctx context.Context, n int, sel *bitmap.Bitmap) (b arrow.RecordBatch, err error) {
	defer guard(&err)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	blk := &c.blocks[0]
	if c.row == 0 {
		if err := c.load(ctx, blk); err != nil {
			return nil, err
		}
	}
	rows := n
	if sel != nil {
		rows = sel.Count()
	}
	for _, b := range c.cols {
		if b.Type().ID() != arrow.FIXED_SIZE_BINARY { // which may be wide
			b.Reserve(rows)
		}
	}
	c.dec.nulls = 0
	for i := range n {
		if sel == nil || sel.Get(i) {
			err = c.dec.record(c.root)
		} else {
			err = c.dec.skip(c.f.root)
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", blk.FirstRow+c.row+int64(i), err)
		}
	}
	if c.row += int64(n); c.row == blk.Rows {
		if left := len(c.dec.b) - c.dec.off; left > 0 {
			return nil, fmt.Errorf("%w: %d bytes after the last row of a block", ErrCorrupt, left)
		}
		c.blocks, c.row = c.blocks[1:], 0
	}
	arrays := make([]arrow.Array, len(c.cols))
	for i, b := range c.cols {
		arrays[i] = b.NewArray()
		defer arrays[i].Release()
	}
	return array.NewRecordBatch(c.schema, arrays, int64(rows)), nil
}

// load decompresses a block.
func (c *Cursor) load(ctx context.Context, b *Block) error {
	raw, err := c.src.at(ctx, b.Offset, b.Size)
	if err != nil {
		return err
	}
	data, err := c.box.Decompress(raw)
	if err != nil {
		return fmt.Errorf("%w: block at byte %d: %w", ErrCorrupt, b.Offset, err)
	}
	most := int64(len(data))
	if c.f.root.empty {
		most = maxEmptyRows
	}
	if b.Rows > most {
		return fmt.Errorf("%w: block at byte %d has %d rows in %d bytes", ErrCorrupt, b.Offset, b.Rows, len(data))
	}
	c.dec.reset(data)
	return nil
}

// Close releases the cursor's buffers. Batches stay valid.
func (c *Cursor) Close() {
	c.release()
	if c.box != nil {
		c.box.Close()
		c.box = nil
	}
	c.err = fmt.Errorf("%s: cursor is closed", c.f.o.URI())
}

func (c *Cursor) release() {
	for _, b := range c.cols {
		b.Release()
	}
	c.cols, c.root = nil, nil
}

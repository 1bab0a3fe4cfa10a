package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/internal/datafile"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
)

// sparseSelection is how few of the rows, one in that many, make reading the
// other columns page by page worth while.
const sparseSelection = 64

// batchBytes is about how much memory a batch may take.
const batchBytes = 32 << 20

// read reads one file, or part of it, and hands every batch to emit, which takes
// it over.
func (x *exec) read(ctx context.Context, ft *FileTask, emit func(arrow.RecordBatch) error) error {
	if err := x.readWith(ctx, &fileReader{x: x, v: x.v, ft: ft}, emit); err != nil {
		return err
	}
	if x.once {
		x.cache.done(ft)
	}
	return nil
}

func (x *exec) readWith(ctx context.Context, r *fileReader, emit func(arrow.RecordBatch) error) error {
	err := r.run(ctx, emit)
	if err == nil || errors.Is(err, errStopped) || ctx.Err() != nil {
		return err
	}
	if r.inFile {
		err = fileError("data", r.ft.Data.File.Path, err)
	}
	return err
}

// rowDeletes are the deletes of one file, ready to apply.
type rowDeletes struct {
	positions *deletes.Positions // nil for none
	tables    []tableUse
}

// tableUse is a loaded table.
type tableUse struct {
	*equality
	table *deletes.EqualityTable
}

// load reads the deletes that apply to a file.
func (x *exec) load(ctx context.Context, ft *FileTask) (d rowDeletes, err error) {
	if d.positions, err = x.cache.rowPositions(ctx, ft.Data.File, ft.DV, ft.Positions); err != nil {
		return d, err
	}
	return d, x.cache.applyEquality(ctx, ft, &d)
}

// fileReader reads one file. Two cursors go through it in step: the first reads
// the columns that decide which rows are wanted, the second the other columns of
// those rows.
type fileReader struct {
	x  *exec
	v  *view
	ft *FileTask

	file   datafile.File
	groups []parquetfile.RowGroup
	// rows are the ranges of the groups' rows that may be wanted, all of them
	// unless partly.
	rows   []parquetfile.RowRange
	partly bool
	dead   rowDeletes
	// only, when not nil, keeps just the rows that these deletes hit.
	only    *rowDeletes
	lay     layout
	spans   spans
	first   datafile.Cursor
	second  datafile.Cursor
	skipped []int // rows of spans the second cursor has yet to pass over
	inFile  bool  // an error is the data file's
	consts  constants
}

func (r *fileReader) run(ctx context.Context, emit func(arrow.RecordBatch) error) error {
	var err error
	if r.dead, err = r.x.load(ctx, r.ft); err != nil {
		return err
	}
	r.inFile = true
	if err := r.open(ctx); err != nil {
		return err
	}
	defer r.close()
	for {
		pos, n := r.peek()
		if n == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := r.next(ctx, pos, n)
		if err != nil {
			return err
		}
		if b == nil {
			continue
		}
		r.inFile = false
		if err := emit(b); err != nil {
			return err
		}
		r.inFile = true
	}
}

// openFile opens a data file as its manifest entry describes it.
// With keep what it says of its pages goes into the cache.
func openFile(ctx context.Context, v *view, df *manifest.DataFile, keep bool) (datafile.File, error) {
	if err := datafile.Check(df); err != nil {
		return nil, err
	}
	var meta *parquetfile.FileMeta
	if kept, ok := v.src.Cache.Value("file", df.Path); ok {
		meta = kept.(*parquetfile.FileMeta)
	}
	o, err := openObject(ctx, v, df.Path, meta)
	if err != nil {
		return nil, err
	}
	short := o.Size() < df.FileSize
	f, err := datafile.Reopen(ctx, o, df, meta)
	switch {
	case err != nil && short && ctx.Err() == nil:
		return nil, fmt.Errorf("%d bytes where the manifest says %d: %w: %w", o.Size(), df.FileSize, ErrMissingFile, err)
	case err != nil:
		return nil, err
	case f.NumRows() < df.RecordCount:
		// Sizes in manifests are wrong now and then; rows must not go missing.
		f.Close()
		return nil, fmt.Errorf("%d rows where the manifest says %d: %w", f.NumRows(), df.RecordCount, ErrMissingFile)
	}
	if m := f.Meta(); keep && m != nil && m != meta {
		v.src.Cache.Keep("file", df.Path, m, m.MemoryBytes())
	}
	return f, nil
}

func (r *fileReader) open(ctx context.Context) (err error) {
	df := r.ft.Data.File
	if r.file, err = openFile(ctx, r.v, df, r.x.keep); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	for _, g := range r.file.RowGroups() {
		if !r.ft.covers(g.Offset) || g.Rows == 0 {
			continue
		}
		keep, err := r.keepGroup(ctx, g.Index)
		if err != nil {
			return err
		}
		if !keep {
			continue
		}
		if err := r.addGroup(ctx, g); err != nil {
			return err
		}
	}
	if r.lay, err = newLayout(r); err != nil {
		return err
	}
	r.spans = spans{groups: r.groups, rows: r.batchRows()}
	if len(r.lay.second) > 0 && len(r.groups) > 0 {
		// Both cursors have to cut the file at the same rows.
		all := slices.Concat(r.lay.first, r.lay.second)
		if r.spans.rows, err = r.file.BatchRows(ctx, r.readOptions(all, r.groups, r.rows, false)); err != nil {
			return err
		}
	}
	if len(r.lay.first) > 0 && len(r.groups) > 0 {
		r.first, err = r.cursor(ctx, r.lay.first, r.groups, r.rows, r.sparse())
	}
	return err
}

// addGroup adds a row group to those read, or the rows of it that its page index
// does not rule out.
func (r *fileReader) addGroup(ctx context.Context, g parquetfile.RowGroup) error {
	whole := parquetfile.RowRange{First: g.FirstRow, Rows: g.Rows}
	ranges, known := []parquetfile.RowRange(nil), false
	if len(r.v.pruned) > 0 && r.v.canProbe(r.file) {
		var err error
		ranges, known, err = r.file.KeepRows(ctx, g.Index, r.v.pruned, func(m *parquetfile.PageMetrics) bool {
			return r.v.filter.MightMatch(m)
		})
		if err != nil {
			return err
		}
	}
	switch {
	case known && len(ranges) == 0:
		return nil
	case known && ranges[0] != whole:
		r.partly = true
	case !known:
		ranges = []parquetfile.RowRange{whole}
	}
	r.groups, r.rows = append(r.groups, g), append(r.rows, ranges...)
	return nil
}

// sparse reports whether so few rows are left that pages are best read one by
// one.
func (r *fileReader) sparse() bool {
	if r.x.sparse || !r.partly {
		return r.x.sparse
	}
	left, all := int64(0), int64(0)
	for _, g := range r.groups {
		all += g.Rows
	}
	for _, x := range r.rows {
		left += x.Rows
	}
	return left < all/4
}

func (r *fileReader) keepGroup(ctx context.Context, group int) (bool, error) {
	keep, err := r.v.keepGroup(ctx, r.file, group)
	if keep && err == nil && r.x.keepGroup != nil {
		return r.x.keepGroup(ctx, r.file, group)
	}
	return keep, err
}

// batchRows returns how many rows a batch of this file gets: fewer when they are
// wide, going by its compressed size.
func (r *fileReader) batchRows() int {
	df := r.ft.Data.File
	n := int64(r.v.opts.BatchRows)
	if df.RecordCount > 0 {
		if row := 4 * df.FileSize / df.RecordCount; row > 0 {
			n = min(n, max(1024, batchBytes/row))
		}
	}
	return int(n)
}

func (r *fileReader) cursor(ctx context.Context, cols []column, groups []parquetfile.RowGroup, rows []parquetfile.RowRange, sparse bool) (datafile.Cursor, error) {
	return r.file.Read(ctx, r.readOptions(cols, groups, rows, sparse))
}

func (r *fileReader) readOptions(cols []column, groups []parquetfile.RowGroup, rows []parquetfile.RowRange, sparse bool) *parquetfile.ReadOptions {
	o := &parquetfile.ReadOptions{
		Fields:      fieldsOf(cols),
		Constants:   r.lay.constants,
		NameMapping: r.v.mapping,
		RowGroups:   make([]int, len(groups)),
		BatchRows:   r.spans.rows,
		Sparse:      sparse,
		Allocator:   r.x.pages,
	}
	if sparse && r.x.keep {
		o.Pages = pageCache(r.v.src.Cache, r.ft.Data.File.Path)
	}
	for i, g := range groups {
		o.RowGroups[i] = g.Index
	}
	if r.partly {
		o.Rows = rows
	}
	return o
}

func (r *fileReader) close() {
	if r.first != nil {
		r.first.Close()
	}
	if r.second != nil {
		r.second.Close()
	}
	r.consts.release()
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// peek returns the next span of rows: that of the first cursor if there is one.
func (r *fileReader) peek() (pos int64, n int) {
	if r.first != nil {
		return r.first.Peek()
	}
	return r.spans.peek()
}

// next reads the span of n rows at pos; nil when none of them is wanted.
func (r *fileReader) next(ctx context.Context, pos int64, n int) (arrow.RecordBatch, error) {
	defer r.spans.advance()
	sel, a, err := r.selectRows(ctx, pos, n)
	if a != nil {
		defer a.release()
	}
	if err != nil {
		return nil, err
	}
	rows := n
	if sel != nil {
		rows = sel.Count()
	}
	if rows == 0 {
		if r.second == nil {
			r.skipped = append(r.skipped, n)
			return nil, nil
		}
		return nil, r.pass(ctx, n)
	}
	var b arrow.RecordBatch
	if len(r.lay.second) > 0 {
		if b, err = r.readSecond(ctx, pos, n, sel, rows); err != nil {
			return nil, err
		}
		defer b.Release()
	}
	return r.assemble(pos, sel, rows, a, b)
}

// pass moves the second cursor over a span.
func (r *fileReader) pass(ctx context.Context, n int) error {
	b, err := r.second.Next(ctx, bitmap.New(n))
	if err != nil {
		return err
	}
	b.Release()
	return nil
}

// readSecond reads the columns that the first cursor did not. The cursor is made
// when the first row is wanted, since how many are says how to read.
func (r *fileReader) readSecond(ctx context.Context, pos int64, n int, sel *bitmap.Bitmap, rows int) (arrow.RecordBatch, error) {
	if r.second == nil {
		i := 0
		for i < len(r.groups) && r.groups[i].FirstRow+r.groups[i].Rows <= pos {
			i++
		}
		if i == len(r.groups) {
			return nil, fmt.Errorf("no row group has row %d: %w", pos, parquetfile.ErrCorrupt)
		}
		k := 0 // ranges passed over
		for k < len(r.rows) && r.rows[k].First+r.rows[k].Rows <= pos {
			k++
		}
		var err error
		if r.second, err = r.cursor(ctx, r.lay.second, r.groups[i:], r.rows[k:], r.sparse() || rows < n/sparseSelection); err != nil {
			return nil, err
		}
		for p := int64(-1); ; {
			q, m := r.second.Peek()
			if q == pos {
				break
			}
			if q > pos || q <= p || m == 0 {
				return nil, fmt.Errorf("columns are out of step at row %d: %w", pos, parquetfile.ErrCorrupt)
			}
			if err := r.pass(ctx, m); err != nil {
				return nil, err
			}
			p = q
		}
		r.skipped = nil
	}
	if p, m := r.second.Peek(); p != pos || m != n {
		return nil, fmt.Errorf("columns are out of step at row %d: %w", pos, parquetfile.ErrCorrupt)
	}
	b, err := r.second.Next(ctx, sel)
	if err != nil {
		return nil, err
	}
	if b.NumRows() != int64(rows) {
		b.Release()
		return nil, fmt.Errorf("%d rows at row %d where %d are selected: %w", b.NumRows(), pos, rows, parquetfile.ErrCorrupt)
	}
	return b, nil
}

// columns are the arrays of the first cursor's columns, one a selected row.
type columns struct{ arrays []arrow.Array }

func (c *columns) release() {
	for _, a := range c.arrays {
		if a != nil {
			a.Release()
		}
	}
}

func newColumns(b arrow.RecordBatch) *columns {
	c := &columns{arrays: make([]arrow.Array, b.NumCols())}
	for i := range c.arrays {
		c.arrays[i] = b.Column(i)
		c.arrays[i].Retain()
	}
	return c
}

// spans cuts row groups into batches, for a file of which no column is read.
type spans struct {
	groups []parquetfile.RowGroup
	rows   int
	done   int64 // rows of the first group
}

func (s *spans) peek() (pos int64, n int) {
	if len(s.groups) == 0 {
		return 0, 0
	}
	g := s.groups[0]
	return g.FirstRow + s.done, int(min(int64(s.rows), g.Rows-s.done))
}

func (s *spans) advance() {
	_, n := s.peek()
	if n == 0 {
		return
	}
	if s.done += int64(n); s.done == s.groups[0].Rows {
		s.groups, s.done = s.groups[1:], 0
	}
}

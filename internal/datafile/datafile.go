// Package datafile opens data and delete files of any format that is read, so
// that scans and deletes need not know which it is.
package datafile

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/internal/avrodata"
	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// ErrUnsupported: the file is of a format, or has a feature, that is not read.
var ErrUnsupported = errors.New("file not supported")

// Check returns an ErrUnsupported for a file of which the manifest entry says
// that it cannot be read.
func Check(f *manifest.DataFile) error {
	switch {
	case len(f.KeyMetadata) > 0:
		return fmt.Errorf("is encrypted: %w", ErrUnsupported)
	case f.Format == manifest.FormatORC:
		return fmt.Errorf("is an orc file; rewrite it as Parquet with the engine that wrote it "+
			"(table property write.format.default=parquet, then rewrite_data_files with rewrite-all): %w", ErrUnsupported)
	case f.Format != manifest.FormatParquet && f.Format != manifest.FormatAvro:
		return fmt.Errorf("format %s: %w", f.Format, ErrUnsupported)
	}
	return nil
}

// File is an open file: a parquetfile.File, or what acts like one. Its methods
// may be called concurrently.
type File interface {
	// NumRows returns the number of rows of the file.
	NumRows() int64
	// HasFieldIDs reports whether any column of the file has a field id.
	HasFieldIDs() bool
	// RowGroups describes the row groups in file order.
	RowGroups() []parquetfile.RowGroup
	// MightContain reports whether a row group may hold a value.
	MightContain(ctx context.Context, rowGroup, fieldID int, value any) (bool, error)
	// KeepRows returns the rows of a row group for which keep is true, going by
	// page indexes; false when the format has none.
	KeepRows(ctx context.Context, rowGroup int, fields []schema.Field, keep func(*parquetfile.PageMetrics) bool) ([]parquetfile.RowRange, bool, error)
	// Meta returns what may be kept to open the file again, nil for nothing.
	Meta() *parquetfile.FileMeta
	// BatchRows returns how many rows a batch may have so that Cursors of any of
	// opts.Fields, with that for BatchRows, cut the file at the same rows.
	BatchRows(ctx context.Context, opts *parquetfile.ReadOptions) (int, error)
	// Read starts a Cursor.
	Read(ctx context.Context, opts *parquetfile.ReadOptions) (Cursor, error)
	Close() error
}

// Cursor reads batches of a File, one goroutine at a time: see
// [parquetfile.Cursor].
type Cursor interface {
	Peek() (pos int64, n int)
	Next(ctx context.Context, sel *bitmap.Bitmap) (arrow.RecordBatch, error)
	Close()
}

// Open opens a file as its manifest entry describes it. The File owns o from then
// on, also when Open fails. Errors about files that are cut off wrap
// io.ErrUnexpectedEOF, those about features that are not read ErrUnsupported.
func Open(ctx context.Context, o objstore.Object, df *manifest.DataFile) (File, error) {
	return Reopen(ctx, o, df, nil)
}

// Reopen is Open with what was kept of the same file (File.Meta), or nil.
func Reopen(ctx context.Context, o objstore.Object, df *manifest.DataFile, meta *parquetfile.FileMeta) (File, error) {
	if err := Check(df); err != nil {
		_ = o.Close()
		return nil, err
	}
	if df.Format == manifest.FormatAvro {
		f, err := avrodata.Open(ctx, o)
		if err != nil {
			return nil, mark(err)
		}
		return avroFile{f}, nil
	}
	f, err := parquetfile.Open(ctx, o, &parquetfile.OpenOptions{Meta: meta})
	if err != nil {
		return nil, mark(err)
	}
	return parquetFile{f}, nil
}

// mark adds the errors of this package to those of a format.
func mark(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, avrodata.ErrTruncated), errors.Is(err, parquetfile.ErrTruncated):
		return fmt.Errorf("%w: %w", err, io.ErrUnexpectedEOF)
	case errors.Is(err, avrodata.ErrUnsupported), errors.Is(err, parquetfile.ErrUnsupported):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return err
}

type parquetFile struct{ *parquetfile.File }

func (f parquetFile) BatchRows(ctx context.Context, opts *parquetfile.ReadOptions) (int, error) {
	n, err := f.File.BatchRows(ctx, opts)
	return n, mark(err)
}

func (f parquetFile) Read(ctx context.Context, opts *parquetfile.ReadOptions) (Cursor, error) {
	c, err := f.File.Read(ctx, opts)
	if err != nil {
		return nil, mark(err)
	}
	return c, nil
}

func (f parquetFile) KeepRows(ctx context.Context, rowGroup int, fields []schema.Field, keep func(*parquetfile.PageMetrics) bool) ([]parquetfile.RowRange, bool, error) {
	ranges, err := f.File.KeepRows(ctx, rowGroup, fields, keep)
	return ranges, true, err
}

type avroFile struct{ *avrodata.File }

func (avroFile) KeepRows(context.Context, int, []schema.Field, func(*parquetfile.PageMetrics) bool) ([]parquetfile.RowRange, bool, error) {
	return nil, false, nil
}

func (avroFile) Meta() *parquetfile.FileMeta { return nil }

// RowGroups returns the blocks as row groups.
func (f avroFile) RowGroups() []parquetfile.RowGroup {
	groups := make([]parquetfile.RowGroup, len(f.Blocks()))
	for i, b := range f.Blocks() {
		groups[i] = parquetfile.RowGroup{Index: i, FirstRow: b.FirstRow, Rows: b.Rows, Offset: b.Offset, Size: int64(b.Size)}
	}
	return groups
}

// BatchRows returns what is wanted: a block bounds a batch whatever its columns.
func (avroFile) BatchRows(_ context.Context, opts *parquetfile.ReadOptions) (int, error) {
	return opts.BatchRows, nil
}

func (avroFile) MightContain(context.Context, int, int, any) (bool, error) { return true, nil }

func (f avroFile) Read(ctx context.Context, opts *parquetfile.ReadOptions) (Cursor, error) {
	if opts == nil {
		opts = &parquetfile.ReadOptions{}
	}
	c, err := f.File.Read(ctx, &avrodata.ReadOptions{
		Fields: opts.Fields, Constants: opts.Constants, NameMapping: opts.NameMapping,
		Blocks: opts.RowGroups, BatchRows: opts.BatchRows, Allocator: opts.Allocator,
	})
	if err != nil {
		return nil, mark(err)
	}
	return c, nil
}

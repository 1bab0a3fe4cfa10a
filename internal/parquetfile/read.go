package parquetfile

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// Errors of a File; they are wrapped with the file, the column and the page.
var (
	// ErrCorrupt: the file is not valid Parquet, or its pages contradict its
	// footer.
	ErrCorrupt = errors.New("corrupt parquet file")
	// ErrTruncated: the file is shorter than it says it is. It is an ErrCorrupt
	// too.
	ErrTruncated = errors.New("truncated parquet file")
	// ErrUnsupported: the file uses a feature this reader does not have.
	ErrUnsupported = errors.New("unsupported parquet feature")
)

// OpenOptions are the limits of a File; nil and zero fields mean the defaults.
type OpenOptions struct {
	// MaxFooterBytes bounds the footer; default 256 MiB.
	MaxFooterBytes int64
	// MaxPageBytes bounds one page uncompressed; default 256 MiB.
	MaxPageBytes int64
	// ReadAhead is the most bytes read at once of a column chunk; default 4 MiB.
	ReadAhead int64
}

// RowGroup describes a row group of a File.
type RowGroup struct {
	Index int
	// FirstRow is the file position of its first row, Rows how many it has.
	FirstRow, Rows int64
	// Offset is where its first page starts, Size the bytes of its column
	// chunks, compressed.
	Offset, Size int64
}

// File is an open Parquet file. Its methods may be called concurrently, and any
// number of Cursors may read it at a time.
type File struct{}

// Open reads the footer of a file. The File owns o from then on, also when Open
// fails.
func Open(ctx context.Context, o objstore.Object, opts *OpenOptions) (*File, error) {
	panic("unwritten")
}

// NumRows returns the number of rows of the file.
func (f *File) NumRows() int64 { panic("unwritten") }

// RowGroups describes the row groups in file order.
func (f *File) RowGroups() []RowGroup { panic("unwritten") }

// HasFieldIDs reports whether any column of the file has a field id.
func (f *File) HasFieldIDs() bool { panic("unwritten") }

// Metrics returns the file's column statistics as far as its footer has them,
// for a file added to a table as it is. Bounds are those of the columns of s.
func (f *File) Metrics(s *schema.Schema, mode func(fieldID int) MetricsMode) (manifest.Metrics, error) {
	panic("unwritten")
}

// MightContain reports whether a row group may hold a value, going by the
// statistics of the column chunk and its bloom filter. value is of the table's
// type (see schema.Row). Absent columns and statistics answer true.
func (f *File) MightContain(ctx context.Context, rowGroup, fieldID int, value any) (bool, error) {
	panic("unwritten")
}

// Read starts a Cursor.
func (f *File) Read(ctx context.Context, opts *ReadOptions) (*Cursor, error) { panic("unwritten") }

// Close closes the object. Cursors of the file must not be used after.
func (f *File) Close() error { panic("unwritten") }

// Cursor reads batches of a File, one goroutine at a time.
type Cursor struct{}

// Peek reports the file position of the next row and how many rows the next
// batch will span (never across row groups); n == 0 at the end.
func (c *Cursor) Peek() (pos int64, n int) { panic("unwritten") }

// Next reads that span. With sel nil, all its rows; else only rows whose bit is
// set (sel.Len() == n), skipping pages without any. The batch's columns are
// Fields, its rows the selected ones in order. io.EOF at the end. The caller
// releases the batch.
func (c *Cursor) Next(ctx context.Context, sel *bitmap.Bitmap) (arrow.RecordBatch, error) {
	panic("unwritten")
}

// Close releases the cursor's buffers. Batches stay valid.
func (c *Cursor) Close() { panic("unwritten") }

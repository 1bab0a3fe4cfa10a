// Package parquetfile writes and reads Parquet data files of Iceberg tables:
// Arrow record batches in, Arrow record batches out, columns matched by field
// id. It is the one owner of parquet-go, and uses its format, encoding and
// compress packages.
package parquetfile

import (
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// Codec is a Parquet compression codec.
type Codec int8

// Codecs a Writer can use; the zero Codec is Zstd.
const (
	Zstd Codec = iota
	Snappy
	Gzip
	Uncompressed
	LZ4Raw
	Brotli
)

// WriterOptions are how a file is written; nil and zero fields mean the
// defaults.
type WriterOptions struct {
	Codec Codec
	// Level of the codec; 0 is its default (zstd: 1, the fastest).
	Level int
	// RowGroupBytes is the target of uncompressed bytes a row group; default
	// 128 MiB. RowGroupRows bounds rows; default 1 Mi.
	RowGroupBytes int64
	RowGroupRows  int
	// PageBytes is the target of uncompressed bytes a page; default 1 MiB, or
	// 64 KiB for the columns in KeyColumns. At most 8,192 rows a page.
	PageBytes int
	// DictionaryBytes bounds a column chunk's dictionary; default 1 MiB. Past it
	// the chunk falls back to PLAIN.
	DictionaryBytes int
	// KeyColumns are field ids that get small pages and a bloom filter.
	KeyColumns []int
	// BloomFPP is the bloom filters' false positive rate; default 0.01.
	BloomFPP float64
	// Metrics says what is kept of each column for the manifest; nil is
	// truncate(16) for all.
	Metrics func(fieldID int) MetricsMode
	// Concurrency bounds the goroutines that encode columns; default GOMAXPROCS.
	Concurrency int
	// KeyValues go into the footer.
	KeyValues map[string]string
	// Allocator of buffers; default memory.DefaultAllocator.
	Allocator memory.Allocator
}

// MetricsMode says which statistics of a column the manifest keeps
// (write.metadata.metrics.*).
type MetricsMode struct {
	// Counts keeps value, null and NaN counts; Bounds also keeps bounds,
	// truncated to Truncate code points or bytes unless that is 0.
	Counts, Bounds bool
	Truncate       int
}

// Result describes a finished file; with a path, format and partition it is a
// manifest.DataFile.
type Result struct {
	RecordCount  int64
	FileSize     int64
	SplitOffsets []int64
	manifest.Metrics
}

// Writer contract:
//
//	func NewWriter(w io.Writer, s *schema.Schema, opts *WriterOptions) (*Writer, error)
//	// Write appends a batch. Columns are in schema order and of the types of
//	// schema.ArrowSchema(s); null in a required column is an error naming column
//	// and row. The batch is not kept after Write returns.
//	func (w *Writer) Write(ctx context.Context, b arrow.RecordBatch) error
//	func (w *Writer) Rows() int64          // rows written so far
//	func (w *Writer) EstimatedSize() int64 // bytes written + buffered, for rolling
//	func (w *Writer) Close() (*Result, error)
//	func (w *Writer) Abort()               // releases buffers, writes nothing more

// ReadOptions choose what a Cursor reads.
type ReadOptions struct {
	// Fields are the columns wanted, in order, resolved against the file by field
	// id; types may be wider than the file's (promotion). A field absent from
	// the file takes Constants[id], else its InitialDefault, else null; a
	// required one with none of them is an error. Nested fields likewise.
	Fields    []schema.Field
	Constants map[int]any
	// NameMapping gives ids to the columns of a file that has none; nil numbers
	// its top-level columns from 1 in file order (facts E11).
	NameMapping *schema.NameMapping
	// RowGroups are the indexes to read, nil all, in file order.
	RowGroups []int
	// Rows limits reading to these rows of the file, ascending and apart; nil is
	// all. Pages outside are not read where the file has an offset index.
	Rows []RowRange
	// BatchRows is the most rows of a batch; default 65,536.
	BatchRows int
	// Sparse says only few pages will be wanted: read pages one by one instead
	// of prefetching whole column chunks.
	Sparse bool
	// Pages, when not nil, keeps what Sparse reads of pages; it must be of this
	// file alone.
	Pages     *PageCache
	Allocator memory.Allocator
}

var (
	_ context.Context
	_ io.Writer
	_ arrow.RecordBatch
	_ objstore.Object
)

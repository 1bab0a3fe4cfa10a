package parquetfile

import (
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/schema"
)

// Writer writes one Parquet file. Its methods are called by one goroutine at a
// time; inside, columns encode in parallel.
type Writer struct{}

// NewWriter starts a file of schema s on out. Nothing is written before the
// first full row group or Close. Options are copied; nil means the defaults.
func NewWriter(out io.Writer, s *schema.Schema, opts *WriterOptions) (*Writer, error) {
	panic("unwritten")
}

// Write appends a batch. Its columns are in schema order and of the types of
// [schema.ArrowSchema]; a null in a required column is an error naming column
// and row. The batch is not kept after Write returns. After an error of the
// underlying writer the Writer is broken and only Abort is of use.
func (w *Writer) Write(ctx context.Context, b arrow.RecordBatch) error { panic("unwritten") }

// Rows returns the number of rows written so far.
func (w *Writer) Rows() int64 { panic("unwritten") }

// EstimatedSize returns the bytes written and buffered, the size the file would
// have about if it were closed now.
func (w *Writer) EstimatedSize() int64 { panic("unwritten") }

// Close writes what is buffered and the footer, and describes the file. It does
// not close the underlying writer.
func (w *Writer) Close() (*Result, error) { panic("unwritten") }

// Abort releases buffers and writes nothing more; it is a no-op after Close.
func (w *Writer) Abort() { panic("unwritten") }

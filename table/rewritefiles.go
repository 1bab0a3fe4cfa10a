package table

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// RewriteWriterOptions configure a RewriteWriter; nil and zero fields mean the
// documented default.
type RewriteWriterOptions struct {
	// TargetFileBytes ends a data file; default the table's
	// write.target-file-size-bytes, else 512 MiB.
	TargetFileBytes int64
	// MaxOpenFiles bounds the partitions written at once; default 32.
	MaxOpenFiles int
	// MaxGroupBytes bounds the uncompressed bytes of a row group, which are held in
	// memory compressed, below what the table wants; default as the table wants.
	MaxGroupBytes int64
	// Lineage makes files hold the row ids and last-updated sequence numbers of
	// their rows (spec: "Row Lineage"), for rows that have them already: the
	// batches then have these as their last two columns, nulls where the file's
	// own are to be inherited.
	Lineage bool
}

// RewriteWriter writes rows of a table to data files that no snapshot has yet.
// Use it from one goroutine; exactly one of Close and Abort ends it.
type RewriteWriter struct{ d *dataFiles }

// NewRewriteWriter returns a writer of data files as the state base wants them:
// in its current schema, default partitioning and format settings.
func (t *Table) NewRewriteWriter(base *catalog.Entry, opts *RewriteWriterOptions) (*RewriteWriter, error) {
	var o RewriteWriterOptions
	if opts != nil {
		o = *opts
	}
	wo := (*WriterOptions)(nil).withDefaults()
	wo.TargetFileBytes = o.TargetFileBytes
	if o.MaxOpenFiles > 0 {
		wo.MaxOpenFiles = o.MaxOpenFiles
	}
	n, prefix := 0, t.opts.newUUID()
	d, err := newDataFiles(base, &wo, func() string { n++; return fmt.Sprintf("%05d-%s", n, prefix) })
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.id, err)
	}
	if g := &d.opts.parquet.RowGroupBytes; o.MaxGroupBytes > 0 && (*g == 0 || *g > o.MaxGroupBytes) {
		*g = o.MaxGroupBytes
	}
	if o.Lineage {
		if d.fileSchema, err = lineageSchema(d.schema); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.id, err)
		}
	}
	// What a column holds back is not compressed yet and spoils the estimate of
	// the size: with small files pages have to be small too.
	if share := d.opts.targetBytes / int64(16*max(1, len(d.schema.Fields))); share < 1<<20 {
		d.opts.parquet.PageBytes = int(max(share, 8<<10))
	}
	return &RewriteWriter{d: d}, nil
}

// lineageSchema adds the columns of row lineage to s.
func lineageSchema(s *schema.Schema) (*schema.Schema, error) {
	fields := append([]schema.Field(nil), s.Fields...)
	for _, name := range []string{"_row_id", "_last_updated_sequence_number"} {
		f, _ := schema.MetadataColumn(name)
		f.Required = false
		fields = append(fields, f)
	}
	return schema.New(s.ID, fields, s.IdentifierFieldIDs)
}

// Schema returns the schema of the batches to write.
func (w *RewriteWriter) Schema() *schema.Schema {
	if w.d.fileSchema != nil {
		return w.d.fileSchema
	}
	return w.d.schema
}

// Write appends the rows of b to the files of their partitions. place, when not
// nil, is told for each row its file, by number, and its position in it. Files
// are numbered in the order they are begun; without partitioning rows go to them
// in order.
func (w *RewriteWriter) Write(ctx context.Context, b arrow.RecordBatch, place func(row int32, file int, pos int64)) error {
	return w.d.write(ctx, b, place)
}

// WritePartition is Write for rows that are all of the partition tuple: files
// are begun one after another, and rows go to them in order.
func (w *RewriteWriter) WritePartition(ctx context.Context, tuple partition.Tuple, b arrow.RecordBatch, place func(row int32, file int, pos int64)) error {
	if w.d.router != nil {
		w.d.tuple = tuple
	}
	return w.d.writePart(ctx, 0, b, nil, place)
}

// SpliceableBytes returns how many bytes of a row group Splice would copy as they
// are; see [parquetfile.SpliceableBytes].
func (w *RewriteWriter) SpliceableBytes(f *parquetfile.File, group int, o *parquetfile.SpliceOptions) (int64, error) {
	return parquetfile.SpliceableBytes(f, group, w.Schema(), &w.d.opts.parquet, o)
}

// Splice is WritePartition for the rows of a row group of f, a file of the same
// partition, whose column chunks are copied where they fit: see
// [parquetfile.Writer.Splice].
func (w *RewriteWriter) Splice(ctx context.Context, tuple partition.Tuple, f *parquetfile.File, group int, o *parquetfile.SpliceOptions) error {
	if w.d.router != nil {
		w.d.tuple = tuple
	}
	return w.d.append(ctx, 0, func(out *openFile) error { return out.w.Splice(ctx, f, group, o) })
}

// Pending returns the estimated size of the largest file that is not finished, 0
// if there is none.
func (w *RewriteWriter) Pending() int64 {
	if len(w.d.open) == 0 {
		return 0
	}
	return w.d.largest().w.EstimatedSize()
}

// Roll completes the files begun: rows written later go to new ones.
func (w *RewriteWriter) Roll() {
	for _, f := range w.d.open {
		w.d.finish(f)
	}
}

// Files returns how many files were begun.
func (w *RewriteWriter) Files() int { return len(w.d.files) }

// Close completes all files and returns them by number.
func (w *RewriteWriter) Close() ([]*manifest.DataFile, error) {
	files, err := w.d.close()
	if err != nil {
		return nil, err
	}
	return files, w.d.published()
}

// Abort deletes everything written, also after Close.
func (w *RewriteWriter) Abort(ctx context.Context) { w.d.abort(ctx) }

// ParquetOptions returns how state base wants its Parquet files written; delete
// files get no bloom filters and the default statistics.
func ParquetOptions(base *catalog.Entry, deletes bool) (*parquetfile.WriterOptions, error) {
	f, err := fileSettings(base.Metadata, &WriterOptions{})
	if err != nil {
		return nil, err
	}
	if deletes {
		f.parquet.KeyColumns, f.parquet.Metrics = nil, nil
	}
	return &f.parquet, nil
}

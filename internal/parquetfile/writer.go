package parquetfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/schema"
)

// Errors of a Writer; they are wrapped with the column and row concerned.
var (
	// ErrNull: a required field is null.
	ErrNull = errors.New("null in a required field")
	// ErrColumnType: a batch's columns are not those of the schema.
	ErrColumnType = errors.New("column does not fit the schema")
	// ErrWriterClosed: the Writer was closed, aborted or has failed before.
	ErrWriterClosed = errors.New("parquet writer is closed")
)

// Defaults of WriterOptions.
const (
	defaultRowGroupBytes   = 128 << 20
	defaultRowGroupRows    = 1 << 20
	defaultPageBytes       = 1 << 20
	keyPageBytes           = 64 << 10
	defaultDictionaryBytes = 1 << 20
	defaultBloomFPP        = 0.01
	defaultTruncate        = 16
)

// Writer writes one Parquet file. Its methods are called by one goroutine at a
// time; inside, columns encode in parallel. Rows are encoded as they come and
// kept compressed until their row group is full, so memory follows the
// compressed size of one row group.
type Writer struct {
	out     io.Writer
	schema  *schema.Schema
	layout  *layout
	columns []*column
	pool    blockPool
	team    team

	codec         format.CompressionCodec
	metrics       func(fieldID int) MetricsMode
	keyValues     map[string]string
	rowGroupBytes int64
	rowGroupRows  int
	fpp           float64

	checked   *arrow.Schema // of the last batch, found to fit
	groups    []groupMeta
	written   int64 // bytes
	rows      int64
	groupRows int
	err       error // sticky
	putErr    error // of the underlying writer
}

// NewWriter starts a file of schema s on out. Options are copied; nil means the
// defaults. Nothing is written before the first full row group or Close.
// Columns of unknown type take no place in the file. Key columns of types
// binary and fixed get no bloom filter.
func NewWriter(out io.Writer, s *schema.Schema, opts *WriterOptions) (*Writer, error) {
	var o WriterOptions
	if opts != nil {
		o = *opts
	}
	l, err := newLayout(s)
	if err != nil {
		return nil, fmt.Errorf("parquet schema: %w", err)
	}
	js, err := s.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("parquet schema: %w", err)
	}
	w := &Writer{
		out: out, schema: s, layout: l, metrics: o.Metrics,
		rowGroupBytes: positive(o.RowGroupBytes, defaultRowGroupBytes),
		rowGroupRows:  positive(o.RowGroupRows, defaultRowGroupRows),
		fpp:           positive(o.BloomFPP, defaultBloomFPP),
		keyValues:     map[string]string{schemaKey: string(js)},
	}
	if w.fpp >= 1 {
		return nil, fmt.Errorf("bloom filter rate %v is not below 1", w.fpp)
	}
	maps.Copy(w.keyValues, o.KeyValues)
	if w.metrics == nil {
		w.metrics = func(int) MetricsMode {
			return MetricsMode{Counts: true, Bounds: true, Truncate: defaultTruncate}
		}
	}
	concurrency := positive(o.Concurrency, runtime.GOMAXPROCS(0))
	c, err := newCompression(o.Codec, o.Level)
	if err != nil {
		return nil, err
	}
	w.codec = c.format
	w.team.init(concurrency, c)
	for _, lf := range l.leaves {
		key := slices.Contains(o.KeyColumns, lf.fieldID)
		c := &column{leaf: lf, pageBytes: o.PageBytes}
		if c.pageBytes <= 0 {
			c.pageBytes = defaultPageBytes
			if key {
				c.pageBytes = keyPageBytes
			}
		}
		c.vals = newValues(lf, positive(o.DictionaryBytes, defaultDictionaryBytes), key && bloomable(lf.typ.Kind))
		c.startChunk(&w.pool)
		w.columns = append(w.columns, c)
	}
	return w, nil
}

// bloomable reports whether key columns of a kind get a bloom filter. Binary
// and fixed ones do not because DuckDB (1.5) hashes such constants otherwise
// than the format says and would miss rows; two values say too little.
func bloomable(k schema.Kind) bool {
	switch k {
	case schema.KindBoolean, schema.KindBinary, schema.KindFixed, schema.KindGeometry, schema.KindGeography:
		return false
	}
	return true
}

func positive[T int | int64 | float64](v, byDefault T) T {
	if v > 0 {
		return v
	}
	return byDefault
}

// Write appends a batch. Its columns are in schema order and of the types of
// [schema.ArrowSchema], else the error is an [ErrColumnType]; a null in a
// required field is an [ErrNull] naming column and row. After these two the
// Writer is as before. The batch is not kept after Write returns. After any
// other error only Abort is of use.
func (w *Writer) Write(ctx context.Context, b arrow.RecordBatch) error {
	if w.err != nil {
		return w.err
	}
	if err := w.check(b); err != nil {
		return err
	}
	n := int(b.NumRows())
	if n == 0 {
		return nil
	}
	defer unbind(w.columns)
	if err := bind(w.columns, n, func(c *column) arrow.Array { return b.Column(c.column) }); err != nil {
		return err
	}
	if err := w.encode(ctx, n); err != nil {
		w.err = fmt.Errorf("%w: %w", ErrWriterClosed, err)
		return err
	}
	return nil
}

// bind binds columns to n rows of their top-level arrays; a null in a required
// field is an error.
func bind(columns []*column, n int, array func(c *column) arrow.Array) error {
	for _, c := range columns {
		c.bind(array(c))
	}
	for _, c := range columns {
		if err := c.checkRequired(n); err != nil {
			return err
		}
	}
	return nil
}

func unbind(columns []*column) {
	for _, c := range columns {
		c.unbind()
	}
}

// maxEncodeRows is how many rows are encoded at a time.
const maxEncodeRows = 1 << 16

// encodeRows appends rows lo to hi, at most maxEncodeRows, to columns.
func (w *Writer) encodeRows(columns []*column, lo, hi int) error {
	return w.team.run(len(columns), (hi-lo)*len(columns), func(i int, wk *worker) error {
		return columns[i].write(lo, hi, wk)
	})
}

// endChunks ends the chunks of columns, of so many rows.
func (w *Writer) endChunks(columns []*column, rows int) error {
	return w.team.run(len(columns), rows*len(columns), func(i int, wk *worker) error {
		return columns[i].endChunk(wk, w.fpp)
	})
}

// encode appends the n rows that the columns are bound to, ending row groups
// as they fill up.
func (w *Writer) encode(ctx context.Context, n int) error {
	rowBytes := int64(1)
	for _, c := range w.columns {
		rowBytes += int64(c.cost(0, n)) / int64(n)
	}
	for lo := 0; lo < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		fit := (w.rowGroupBytes - w.groupBytes()) / rowBytes
		k := min(n-lo, w.rowGroupRows-w.groupRows, int(max(fit, 1)), maxEncodeRows)
		if err := w.encodeRows(w.columns, lo, lo+k); err != nil {
			return err
		}
		lo += k
		w.groupRows += k
		w.rows += int64(k)
		if w.groupRows >= w.rowGroupRows || w.groupBytes() >= w.rowGroupBytes {
			if err := w.endGroup(); err != nil {
				return err
			}
		}
	}
	return nil
}

// groupBytes returns the uncompressed bytes of the row group so far.
func (w *Writer) groupBytes() (n int64) {
	for _, c := range w.columns {
		n += c.uncompressed + int64(c.vals.pending())
	}
	return n
}

// endGroup ends the chunks in parallel and writes them one after another, then
// their bloom filters.
func (w *Writer) endGroup() error {
	if err := w.endChunks(w.columns, w.groupRows); err != nil {
		return err
	}
	return w.putGroup(context.Background(), int64(w.groupRows), nil) // nothing is read
}

// putGroup writes a row group: its chunks one after another, those that s takes
// over and those that the columns hold, then their bloom filters. s may be nil.
func (w *Writer) putGroup(ctx context.Context, rows int64, s *splice) error {
	if w.written == 0 {
		if err := w.put([]byte("PAR1")); err != nil {
			return err
		}
	}
	g := groupMeta{rows: rows, offset: w.written}
	for i, c := range w.columns {
		var m chunkInfo
		var err error
		if s.takes(i) {
			m, err = s.chunk(ctx, i, c)
		} else {
			m = c.meta(w.written)
			err = w.putChunk(c)
		}
		if err != nil {
			return err
		}
		c.file.size += m.compressed
		g.uncompressed += m.uncompressed
		g.compressed += m.compressed
		g.columns = append(g.columns, m)
	}
	for i, c := range w.columns {
		at := w.written
		var err error
		if s.takes(i) {
			err = s.bloom(ctx, i)
		} else {
			err = w.put(c.bloom)
		}
		if err != nil {
			return err
		}
		if n := int32(w.written - at); n > 0 {
			g.columns[i].bloomOffset, g.columns[i].bloomLength = at, n
		}
		c.startChunk(&w.pool)
	}
	w.groups = append(w.groups, g)
	w.groupRows = 0
	return nil
}

func (w *Writer) putChunk(c *column) error {
	if err := w.put(c.dictPage); err != nil {
		return err
	}
	if err := w.put(c.chunk.first); err != nil {
		return err
	}
	for _, b := range c.chunk.more {
		if err := w.put(b); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) put(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := w.out.Write(b)
	w.written += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.putErr = fmt.Errorf("write parquet file: %w", err)
	}
	return w.putErr
}

// Rows returns the number of rows written so far.
func (w *Writer) Rows() int64 { return w.rows }

// EstimatedSize returns the bytes written and buffered: about the size the file
// would have if it were closed now.
func (w *Writer) EstimatedSize() int64 {
	n := w.written
	for _, c := range w.columns {
		n += c.buffered()
	}
	return n
}

// Close writes what is buffered and the footer, and describes the file. It does
// not close the underlying writer.
func (w *Writer) Close() (*Result, error) {
	if w.err != nil {
		return nil, w.err
	}
	if w.groupRows > 0 {
		w.err = w.endGroup()
	}
	if w.err == nil && w.written == 0 {
		w.err = w.put([]byte("PAR1"))
	}
	if w.err == nil {
		w.err = w.finish()
	}
	err := w.err
	var r *Result
	if err == nil {
		r = w.result()
	}
	w.Abort()
	return r, err
}

// Abort releases buffers and writes nothing more; it is a no-op after Close.
func (w *Writer) Abort() {
	w.err = ErrWriterClosed
	for _, c := range w.columns {
		c.chunk.release(&w.pool)
		c.vals.state().hashes.release(&w.pool)
	}
	w.columns, w.groups = nil, nil
	w.pool.release()
	w.team.release()
}

package table

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/upsert"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
)

// Writer collects the changes of one commit after another. Use it from one
// goroutine. After an error of Flush or Commit that is not ErrUnknownOutcome
// the changes of that commit are gone and the Writer can go on; after an error
// of a row or batch only that row or batch was refused.
type Writer struct {
	t      *Table
	o      WriterOptions
	prefix string // of data file names
	nfiles int
	closed bool

	// The commit in progress; begin sets it up.
	entry  *catalog.Entry
	schema *schema.Schema
	arrow  *arrow.Schema
	files  *dataFiles
	buf    *upsert.Buffer
	rows   *array.RecordBuilder // rows given one by one, not yet in buf
	ops    []upsert.Op
	mode   writeMode
	seed   uint64
	// gen counts the switches from appending to changing and back. A change
	// deletes rows of its key in appended files of an earlier generation.
	gen       int
	appended  map[int]int // file number → generation, of files written by Append
	truncated bool
	spilled   []keyRun
}

// keyRun holds the key columns of changes no longer in the buffer and the
// generation they belong to.
type keyRun struct {
	keys arrow.RecordBatch
	gen  int
}

type writeMode uint8

const (
	modeNone writeMode = iota
	modeAppend
	modeChange
)

// keySeed is the seed of key digests: fixed, for those in a Staged and in a key
// index must agree between processes.
const keySeed = 0x9e3779b97f4a7c15

// rowsPerChunk is how many single rows are gathered into a batch.
const rowsPerChunk = 8192

// NewWriter returns a Writer for the table's current schema and partitioning,
// which it follows from commit to commit.
func (t *Table) NewWriter(opts *WriterOptions) (*Writer, error) {
	w := &Writer{t: t, o: opts.withDefaults(), prefix: t.opts.newUUID()}
	if w.o.ID == "" && w.o.Epoch != 0 {
		return nil, fmt.Errorf("table %s: writer: an epoch needs a writer id", t.id)
	}
	return w, nil
}

// begin starts collecting a commit, on the table's state as this process knows
// it.
func (w *Writer) begin() error {
	if w.closed {
		return fmt.Errorf("table %s: %w", w.t.id, ErrClosed)
	}
	if w.buf != nil {
		return nil
	}
	entry := w.t.entry()
	s := entry.Metadata.CurrentSchema()
	w.seed = keySeed
	buf, err := upsert.NewBuffer(s, s.IdentifierFieldIDs, w.seed)
	if err != nil {
		return fmt.Errorf("table %s: %w", w.t.id, err)
	}
	files, err := newDataFiles(entry, &w.o, w.nextFileName)
	if err != nil {
		return fmt.Errorf("table %s: %w", w.t.id, err)
	}
	w.entry, w.schema, w.arrow = entry, s, schema.ArrowSchema(s)
	w.buf, w.files = buf, files
	w.rows = array.NewRecordBuilder(memory.DefaultAllocator, w.arrow)
	w.appended = map[int]int{}
	return nil
}

func (w *Writer) nextFileName() string {
	w.nfiles++
	return fmt.Sprintf("%05d-%s", w.nfiles, w.prefix)
}

// Schema returns the schema rows must have now.
func (w *Writer) Schema() *schema.Schema {
	if w.schema != nil {
		return w.schema
	}
	return w.t.Schema()
}

// Upsert replaces the rows with row's key by row. Without a key it adds the row.
func (w *Writer) Upsert(ctx context.Context, row schema.Row) error {
	return w.addRow(ctx, row, upsert.Upsert)
}

// Delete removes the rows with a key: row holds the key columns in the order of
// the table's key, or a whole row. In a table without a key it removes exactly
// one row equal to row.
func (w *Writer) Delete(ctx context.Context, row schema.Row) error {
	return w.addRow(ctx, row, upsert.Delete)
}

// Append adds a row without a look at its key.
func (w *Writer) Append(ctx context.Context, row schema.Row) error {
	if err := w.enter(ctx, modeAppend); err != nil {
		return err
	}
	if err := w.appendValues(row, false); err != nil {
		return err
	}
	return w.sealIfFull(ctx)
}

func (w *Writer) addRow(ctx context.Context, row schema.Row, op upsert.Op) error {
	if err := w.enter(ctx, modeChange); err != nil {
		return err
	}
	if err := w.appendValues(row, op == upsert.Delete); err != nil {
		return err
	}
	w.ops = append(w.ops, op)
	return w.sealIfFull(ctx)
}

// appendValues appends one row to the builder, or nothing at all.
func (w *Writer) appendValues(row schema.Row, isDelete bool) error {
	fields := w.schema.Fields
	key := w.schema.IdentifierFieldIDs
	keyOnly := isDelete && len(row) == len(key) && len(key) > 0 && len(key) < len(fields)
	if !keyOnly && len(row) != len(fields) {
		return fmt.Errorf("table %s: %w: %d values for %d columns", w.t.id, ErrBadRow, len(row), len(fields))
	}
	values := make([]any, len(fields))
	for i, f := range fields {
		var v any
		if keyOnly {
			if k := indexOf(key, f.ID); k >= 0 {
				v = row[k]
			}
		} else {
			v = row[i]
		}
		if v == nil {
			if f.Required && (!isDelete || indexOf(key, f.ID) >= 0) {
				return fmt.Errorf("table %s: %w: column %q is required and null", w.t.id, ErrBadRow, f.Name)
			}
			continue
		}
		var err error
		if values[i], err = schema.Coerce(f.Type, v); err != nil {
			return fmt.Errorf("table %s: %w: column %q: %w", w.t.id, ErrBadRow, f.Name, err)
		}
	}
	for i, f := range fields {
		if err := schema.AppendValue(w.rows.Field(i), f.Type, values[i]); err != nil {
			return fmt.Errorf("table %s: %w: column %q: %w", w.t.id, ErrBadRow, f.Name, err)
		}
	}
	return nil
}

func indexOf(ids []int, id int) int {
	for i, x := range ids {
		if x == id {
			return i
		}
	}
	return -1
}

// Op is what a row of an ApplyBatch does.
type Op = upsert.Op

// The operations of ApplyBatch.
const (
	OpUpsert = upsert.Upsert
	OpDelete = upsert.Delete
)

// ApplyBatch applies a batch of changes in row order: ops has one Op a row, nil
// means all are upserts. The batch has the table's columns in order, of the
// types of schema.ArrowSchema; a delete needs only the key columns (all columns
// in a table without a key). The batch may be released when ApplyBatch returns.
func (w *Writer) ApplyBatch(ctx context.Context, b arrow.RecordBatch, ops []Op) error {
	if err := w.enter(ctx, modeChange); err != nil {
		return err
	}
	if err := w.checkBatch(b, ops); err != nil {
		return err
	}
	if err := w.seal(ctx); err != nil {
		return err
	}
	w.buf.Add(b, ops)
	return w.spillIfOver(ctx)
}

// AppendBatch adds the rows of a batch without a look at their keys.
func (w *Writer) AppendBatch(ctx context.Context, b arrow.RecordBatch) error {
	if err := w.enter(ctx, modeAppend); err != nil {
		return err
	}
	if err := w.checkBatch(b, nil); err != nil {
		return err
	}
	if err := w.seal(ctx); err != nil {
		return err
	}
	return w.appendBatch(ctx, b)
}

func (w *Writer) appendBatch(ctx context.Context, b arrow.RecordBatch) error {
	before := len(w.files.files)
	if err := w.files.write(ctx, b, nil); err != nil {
		return fmt.Errorf("table %s: %w", w.t.id, err)
	}
	for n := before; n < len(w.files.files); n++ {
		w.appended[n] = w.gen
	}
	return nil
}

// checkBatch refuses a batch of other columns and nulls where none may be.
func (w *Writer) checkBatch(b arrow.RecordBatch, ops []Op) error {
	if int(b.NumCols()) != len(w.schema.Fields) {
		return fmt.Errorf("table %s: %w: batch has %d columns, the table %d", w.t.id, ErrBadRow, b.NumCols(), len(w.schema.Fields))
	}
	if ops != nil && len(ops) != int(b.NumRows()) {
		return fmt.Errorf("table %s: %w: %d operations for %d rows", w.t.id, ErrBadRow, len(ops), b.NumRows())
	}
	for i, f := range w.schema.Fields {
		c := b.Column(i)
		if !arrow.TypeEqual(c.DataType(), w.arrow.Field(i).Type) {
			return fmt.Errorf("table %s: %w: column %q is %s in the batch, %s in the table",
				w.t.id, ErrBadRow, f.Name, c.DataType(), w.arrow.Field(i).Type)
		}
		if !f.Required || c.NullN() == 0 {
			continue
		}
		isKey := indexOf(w.schema.IdentifierFieldIDs, f.ID) >= 0
		for r := range c.Len() {
			if c.IsNull(r) && (isKey || ops == nil || ops[r] != OpDelete) {
				return fmt.Errorf("table %s: %w: row %d: column %q is required and null", w.t.id, ErrBadRow, r, f.Name)
			}
		}
	}
	return nil
}

// Truncate removes every row of the table, in its place among the changes: rows
// added after it stay.
func (w *Writer) Truncate(ctx context.Context) error {
	if err := w.begin(); err != nil {
		return err
	}
	w.discardRows()
	w.files.abort(ctx)
	var err error
	if w.files, err = newDataFiles(w.entry, &w.o, w.nextFileName); err != nil {
		return err
	}
	w.buf.Reset()
	w.dropSpilled()
	clear(w.appended)
	w.mode, w.truncated = modeNone, true
	return nil
}

func (w *Writer) discardRows() {
	w.rows.NewRecordBatch().Release()
	w.ops = w.ops[:0]
}

// enter switches between appending and changing.
func (w *Writer) enter(ctx context.Context, m writeMode) error {
	if err := w.begin(); err != nil {
		return err
	}
	if w.mode == m {
		return nil
	}
	if w.mode != modeNone {
		if err := w.seal(ctx); err != nil {
			return err
		}
		if err := w.endGeneration(ctx); err != nil {
			return err
		}
	}
	w.mode = m
	return nil
}

// endGeneration writes out what is buffered and closes the open files, so that
// each file belongs to one generation and each spilled key run too.
func (w *Writer) endGeneration(ctx context.Context) error {
	if w.mode == modeChange {
		if err := w.spill(ctx); err != nil {
			return err
		}
	}
	for _, f := range w.files.open {
		w.files.finish(f)
	}
	w.gen++
	return nil
}

func (w *Writer) sealIfFull(ctx context.Context) error {
	if w.rows.Field(0).Len() < rowsPerChunk {
		return nil
	}
	return w.seal(ctx)
}

// seal turns the rows given one by one into a batch and applies it.
func (w *Writer) seal(ctx context.Context) error {
	if w.rows == nil || w.rows.Field(0).Len() == 0 {
		return nil
	}
	b := w.rows.NewRecordBatch()
	defer b.Release()
	if w.mode == modeAppend {
		return w.appendBatch(ctx, b)
	}
	var ops []Op
	for _, op := range w.ops {
		if op != OpUpsert {
			ops = append([]Op(nil), w.ops...)
			break
		}
	}
	w.ops = w.ops[:0]
	w.buf.Add(b, ops)
	return w.spillIfOver(ctx)
}

func (w *Writer) spillIfOver(ctx context.Context) error {
	if w.buf.Bytes() < w.o.MemoryBudget || w.buf.Rows() == 0 {
		return nil
	}
	return w.spill(ctx)
}

// spill writes the buffered live rows to data files of this commit. Later
// changes of their keys delete them there by position.
func (w *Writer) spill(ctx context.Context) error {
	if err := w.keepKeys(); err != nil {
		return err
	}
	places := make([]upsert.Loc, w.buf.Rows())
	for _, c := range w.buf.Chunks() {
		idx := arrowsel.Indices(c.Live, nil)
		if len(idx) == 0 {
			continue
		}
		b, err := arrowsel.FilterBatch(c.Batch, c.Live, nil)
		if err != nil {
			return fmt.Errorf("table %s: %w", w.t.id, err)
		}
		err = w.files.write(ctx, b, func(row int32, file int, pos int64) {
			places[c.First+int(idx[row])] = upsert.Written(file, pos)
		})
		b.Release()
		if err != nil {
			return fmt.Errorf("table %s: %w", w.t.id, err)
		}
	}
	w.buf.MarkWritten(func(ordinal int) (int, int64) {
		p := places[ordinal]
		return p.File(), p.Pos()
	})
	return nil
}

// keepKeys remembers the key columns of all buffered rows, live rows and
// deletes, before their chunks go: the commit needs them to find older rows.
func (w *Writer) keepKeys() error {
	if len(w.schema.IdentifierFieldIDs) == 0 {
		return nil
	}
	for _, c := range w.buf.Chunks() {
		b, err := projectKeys(c.Batch, w.buf.KeyColumns())
		if err != nil {
			return err
		}
		w.spilled = append(w.spilled, keyRun{keys: b, gen: w.gen})
	}
	return nil
}

// projectKeys returns the key columns of a batch, retained.
func projectKeys(b arrow.RecordBatch, keys []int) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(keys))
	fields := make([]arrow.Field, len(keys))
	for i, k := range keys {
		cols[i], fields[i] = b.Column(k), b.Schema().Field(k)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, b.NumRows()), nil
}

func (w *Writer) dropSpilled() {
	for _, k := range w.spilled {
		k.keys.Release()
	}
	w.spilled = nil
}

// Buffered returns the rows and bytes held in memory for the commit in
// progress.
func (w *Writer) Buffered() (rows int, bytes int64) {
	if w.buf == nil {
		return 0, 0
	}
	return w.buf.Rows() + w.rows.Field(0).Len(), w.buf.Bytes()
}

// Flush writes what was collected to data files and returns it, to be committed
// by [Table.CommitStaged]; the Writer starts a new commit. A Staged that is
// never committed leaves its files behind unless it is discarded.
func (w *Writer) Flush(ctx context.Context) (*Staged, error) {
	s, err := w.stage(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.settle(); err != nil {
		s.Discard(ctx, w.t)
		return nil, fmt.Errorf("table %s: flush: %w", w.t.id, err)
	}
	s.published = nil
	return s, nil
}

// stage is Flush without the wait for the data files to be durable.
func (w *Writer) stage(ctx context.Context) (*Staged, error) {
	if err := w.begin(); err != nil {
		return nil, err
	}
	s, err := w.flush(ctx)
	if err != nil {
		w.files.abort(ctx)
		err = fmt.Errorf("table %s: flush: %w", w.t.id, err)
	}
	w.reset()
	return s, err
}

func (w *Writer) flush(ctx context.Context) (*Staged, error) {
	if err := w.seal(ctx); err != nil {
		return nil, err
	}
	if err := w.spill(ctx); err != nil {
		return nil, err
	}
	files, err := w.files.close()
	if err != nil {
		return nil, err
	}
	s := &Staged{
		tableUUID: w.entry.Metadata.UUID, schemaID: w.schema.ID, key: w.schema.IdentifierFieldIDs,
		writer: w.o.ID, epoch: w.o.Epoch, encoding: w.o.Encoding, seed: w.seed,
		files: files, stale: maps.Clone(w.buf.Stale()), appended: maps.Clone(w.appended),
		missing: maps.Clone(w.buf.Missing()), truncate: w.truncated, published: w.files.published,
	}
	return s, w.stageKeys(s)
}

// reset forgets the commit in progress.
func (w *Writer) reset() {
	if w.buf == nil {
		return
	}
	w.discardRows()
	w.rows.Release()
	w.buf.Reset()
	w.dropSpilled()
	w.buf, w.files, w.rows, w.entry, w.schema = nil, nil, nil, nil, nil
	w.mode, w.gen, w.truncated = modeNone, 0, false
}

// Commit writes and commits what was collected as one snapshot and returns it.
// With nothing to commit it returns the current snapshot, nil in an empty
// table. See catalog.ErrUnknownOutcome for the one error after which the
// changes may be in the table.
func (w *Writer) Commit(ctx context.Context, opts *CommitOptions) (*metadata.Snapshot, error) {
	s, err := w.stage(ctx)
	if err != nil {
		return nil, err
	}
	snap, err := w.t.commitStaged(ctx, []*Staged{s}, &w.o, opts)
	if err != nil && !errors.Is(err, catalog.ErrUnknownOutcome) {
		s.Discard(ctx, w.t)
	}
	return snap, err
}

// Close discards what was not committed. It is safe to call twice.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if w.buf != nil {
		w.files.abort(context.Background())
		w.reset()
	}
	return nil
}

var _ manifest.DataFile

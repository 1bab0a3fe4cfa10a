package table

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/upsert"
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
	order  []int // field ids of the order columns
	// gen counts the switches from appending to changing and back. A change
	// deletes rows of its key in appended files of an earlier generation.
	gen       int
	appended  map[int]int // file number → generation, of files written by Append
	truncated bool
	spilled   []keyRun
	filled    filled
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

// NewWriter returns a Writer for the table's current schema and partitioning,
// which it follows from commit to commit.
func (t *Table) NewWriter(opts *WriterOptions) (*Writer, error) {
	w := &Writer{t: t, o: opts.withDefaults(), prefix: t.opts.newUUID()}
	if w.o.ID == "" && w.o.Epoch != 0 {
		return nil, fmt.Errorf("table %s: writer: an epoch needs a writer id", t.id)
	}
	if err := w.check(t.Metadata()); err != nil {
		return nil, fmt.Errorf("table %s: writer: %w", t.id, err)
	}
	return w, nil
}

// check refuses options that the table as it is does not admit.
func (w *Writer) check(m *metadata.Table) error {
	s := m.CurrentSchema()
	if err := checkReaders(w.o.Readers, w.o.Encoding, m); err != nil {
		return err
	}
	if err := w.checkOrder(s); err != nil {
		return err
	}
	ids, err := orderIDs(s, w.o.OrderBy)
	if err != nil {
		return err
	}
	fields, err := fieldsByID(s, ids)
	if err != nil {
		return fmt.Errorf("order column: %w", err)
	}
	_, err = upsert.NewOrder(fields)
	return err
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
	buf, err := w.newBuffer(s)
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

// newBuffer makes the buffer of a commit; the schema may have changed since the
// writer was made.
func (w *Writer) newBuffer(s *schema.Schema) (*upsert.Buffer, error) {
	buf, err := upsert.NewBuffer(s, s.IdentifierFieldIDs, w.seed)
	if err != nil || len(w.o.OrderBy)+len(w.o.DeletedColumn)+len(w.o.Readers) == 0 {
		return buf, err
	}
	if err := w.check(w.t.Metadata()); err != nil {
		return nil, err
	}
	if w.order, err = orderIDs(s, w.o.OrderBy); err != nil || len(w.order) == 0 {
		return buf, err
	}
	return buf, buf.OrderBy(s, w.order)
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

// Buffered returns the rows and bytes held in memory for the commit in
// progress.
func (w *Writer) Buffered() (rows int, bytes int64) {
	if w.buf == nil {
		return 0, 0
	}
	return w.buf.Rows() + w.rows.Field(0).Len(), w.buf.Bytes()
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
	w.filled = filled{}
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

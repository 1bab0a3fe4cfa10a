package table

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// Partial marks the values of a batch that its rows leave out because they did
// not change: such a row keeps what is stored.
type Partial struct {
	// Unchanged has, per column, nil or a bit for each row that leaves it out.
	Unchanged []*bitmap.Bitmap
	// OldKey is nil, or has per row -1 or the number of an earlier row of the
	// batch whose key columns name the stored row, as it was before the batch's
	// delete of it: the row's key has changed. The rows so named change nothing
	// themselves.
	OldKey []int32
}

// ApplyPartial is ApplyBatch for a table with a key and rows that leave values
// out. They are filled in from the newest state of the row: earlier in the
// batch, in the commit in progress, or in the table. A row that leaves a value
// out and has no stored row is an ErrBadRow that names its key. If another writer
// changes such a stored row before the commit, the commit fails with
// ErrRowsChanged.
func (w *Writer) ApplyPartial(ctx context.Context, b arrow.RecordBatch, ops []Op, p Partial) error {
	if err := w.enter(ctx, modeChange); err != nil {
		return err
	}
	if len(w.schema.IdentifierFieldIDs) == 0 {
		return fmt.Errorf("table %s: %w: rows that leave values out need a table with a key", w.t.id, ErrBadRow)
	}
	if err := w.seal(ctx); err != nil {
		return err
	}
	filled, keep, err := w.fill(ctx, b, ops, p)
	if err != nil {
		return fmt.Errorf("table %s: %w", w.t.id, err)
	}
	defer filled.Release()
	if len(keep) == int(b.NumRows()) {
		return w.ApplyBatch(ctx, filled, ops)
	}
	kept, err := arrowsel.TakeBatch(filled, keep, nil)
	if err != nil {
		return fmt.Errorf("table %s: %w", w.t.id, err)
	}
	defer kept.Release()
	if ops != nil {
		old := ops
		ops = make([]Op, len(keep))
		for i, k := range keep {
			ops[i] = old[k]
		}
	}
	return w.ApplyBatch(ctx, kept, ops)
}

// filler finds the stored values that a batch leaves out.
type filler struct {
	w       *Writer
	b       arrow.RecordBatch
	p       Partial
	digests []deletes.Digest
	// source has, for each row that leaves something out, the earlier row of the
	// batch that its values come from, or -1 for a stored row.
	source map[int]int
	stored map[deletes.Digest]schema.Row
}

// fill returns the batch with all values, and the rows that are changes.
func (w *Writer) fill(ctx context.Context, b arrow.RecordBatch, ops []Op, p Partial) (arrow.RecordBatch, []int32, error) {
	keys, err := projectKeys(b, w.buf.KeyColumns())
	if err != nil {
		return nil, nil, err
	}
	defer keys.Release()
	f := &filler{w: w, b: b, p: p, digests: slices.Clone(w.buf.Digests(keys.Columns())), source: map[int]int{}, stored: map[deletes.Digest]schema.Row{}}
	keep := f.trace(ops)
	if err := f.loadStored(ctx, keys); err != nil {
		return nil, nil, err
	}
	filled, err := f.build()
	return filled, keep, err
}

// partial reports whether row i leaves a value out.
func (f *filler) partial(i int) bool {
	for _, u := range f.p.Unchanged {
		if u != nil && u.Get(i) {
			return true
		}
	}
	return false
}

// keyRow is the row whose key names the stored row of row i.
func (f *filler) keyRow(i int) int {
	if f.p.OldKey != nil && f.p.OldKey[i] >= 0 {
		return int(f.p.OldKey[i])
	}
	return i
}

// trace follows each key through the batch.
func (f *filler) trace(ops []Op) []int32 {
	latest := map[deletes.Digest]int{} // key → its newest row in the batch
	before := map[deletes.Digest]int{} // key → its row before the last delete
	named := map[int]bool{}
	for _, o := range f.p.OldKey {
		named[int(o)] = true
	}
	var keep []int32
	for i, d := range f.digests {
		if named[i] {
			continue
		}
		keep = append(keep, int32(i))
		if at, ok := latest[d]; ok && f.older(i, at) {
			if f.partial(i) {
				f.source[i] = at // it will lose; what it is filled with does not matter
			}
			continue
		}
		if ops != nil && ops[i] == OpDelete {
			if at, ok := latest[d]; ok {
				before[d] = at
			}
			delete(latest, d)
			continue
		}
		if f.partial(i) {
			k := f.digests[f.keyRow(i)]
			f.source[i] = -1
			if at, ok := latest[k]; ok {
				f.source[i] = at
			} else if at, ok := before[k]; ok {
				f.source[i] = at
			}
		}
		latest[d] = i
	}
	return keep
}

// older reports whether row i is older than row j by the order of changes. A row
// that leaves an order column out is as new as the one it is filled from.
func (f *filler) older(i, j int) bool {
	o := f.w.buf.Order()
	if o == nil {
		return false
	}
	cols := make([]arrow.Array, 0, 1)
	for _, c := range f.w.buf.OrderColumns() {
		if u := f.unchanged(c); u != nil && (u.Get(i) || u.Get(j)) {
			return false
		}
		cols = append(cols, f.b.Column(c))
	}
	return bytes.Compare(o.Append(nil, cols, i), o.Append(nil, cols, j)) < 0
}

// unchanged is Partial.Unchanged of a column, which may be shorter than the
// schema.
func (f *filler) unchanged(c int) *bitmap.Bitmap {
	if c >= len(f.p.Unchanged) {
		return nil
	}
	return f.p.Unchanged[c]
}

// loadStored reads the stored rows that are needed: from the buffer, from files
// of this commit, or from the table.
func (f *filler) loadStored(ctx context.Context, keys arrow.RecordBatch) error {
	w := f.w
	want := map[deletes.Digest]schema.Row{} // to look up in the table: key values
	inFiles := map[int]map[int64]deletes.Digest{}
	for i, src := range f.source {
		if src >= 0 {
			continue
		}
		k := f.keyRow(i)
		d := f.digests[k]
		switch loc := w.buf.Peek(d); {
		case loc.IsBuffered():
			f.stored[d] = w.buf.Row(loc.Ordinal(), w.schema)
		case loc.IsWritten():
			if inFiles[loc.File()] == nil {
				inFiles[loc.File()] = map[int64]deletes.Digest{}
			}
			inFiles[loc.File()][loc.Pos()] = d
		case loc.IsZero() && !w.truncated:
			row := make(schema.Row, keys.NumCols())
			for c, col := range w.buf.KeyColumns() {
				row[c] = schema.ValueAt(keys.Column(c), w.schema.Fields[col].Type, k)
			}
			want[d] = row
		}
	}
	if err := f.readOwn(ctx, inFiles); err != nil {
		return err
	}
	return f.readTable(ctx, want)
}

// readOwn reads rows of files of this commit, which are completed for it.
func (f *filler) readOwn(ctx context.Context, inFiles map[int]map[int64]deletes.Digest) error {
	if len(inFiles) == 0 {
		return nil
	}
	w := f.w
	if err := w.files.settle(); err != nil {
		return err
	}
	sc := scan.New(scan.Source{Store: w.entry.Store, Metadata: w.entry.Metadata, Name: w.t.Name()}, &scan.Options{UseCurrentSchema: true})
	for file, rows := range inFiles {
		task, err := sc.NewTask(ownTask(w.files.files[file]))
		if err != nil {
			return err
		}
		pos := int64(0)
		for b, err := range task.Batches(ctx) {
			if err != nil {
				return err
			}
			for i := range int(b.NumRows()) {
				if d, ok := rows[pos+int64(i)]; ok {
					f.stored[d] = rowOf(b, i, w.schema)
				}
			}
			pos += b.NumRows()
		}
	}
	return nil
}

func (f *filler) readTable(ctx context.Context, want map[deletes.Digest]schema.Row) error {
	if len(want) == 0 {
		return nil
	}
	w := f.w
	var names []string
	var fields []schema.Field
	for _, c := range w.buf.KeyColumns() {
		names = append(names, w.schema.Fields[c].Name)
		fields = append(fields, w.schema.Fields[c])
	}
	keys := make([]schema.Row, 0, len(want))
	for _, k := range want {
		keys = append(keys, k)
	}
	reader, err := newFilledReader(fields, w.schema, w.seed)
	if err != nil {
		return err
	}
	sc := scan.New(scan.Source{Store: w.entry.Store, Metadata: w.entry.Metadata, Name: w.t.Name()}, &scan.Options{Ref: w.o.Branch, UseCurrentSchema: true})
	for row, err := range sc.Get(ctx, names, keys) {
		if err != nil {
			return err
		}
		d, whole := reader.digests(row)
		f.stored[d] = slices.Clone(row)
		w.noteFilled(d, whole)
	}
	return nil
}

func rowOf(b arrow.RecordBatch, i int, s *schema.Schema) schema.Row {
	row := make(schema.Row, len(s.Fields))
	for c, f := range s.Fields {
		row[c] = schema.ValueAt(b.Column(c), f.Type, i)
	}
	return row
}

// build copies the batch with the missing values in place.
func (f *filler) build() (arrow.RecordBatch, error) {
	s := f.w.schema
	cols := make([]arrow.Array, len(s.Fields))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for c, field := range s.Fields {
		if f.unchanged(c) == nil {
			f.b.Column(c).Retain()
			cols[c] = f.b.Column(c)
			continue
		}
		builder := array.NewBuilder(memory.DefaultAllocator, f.w.arrow.Field(c).Type)
		defer builder.Release()
		for i := range int(f.b.NumRows()) {
			v, err := f.value(i, c, field)
			if err != nil {
				return nil, err
			}
			if err := schema.AppendValue(builder, field.Type, v); err != nil {
				return nil, err
			}
		}
		cols[c] = builder.NewArray()
	}
	return array.NewRecordBatch(f.w.arrow, cols, f.b.NumRows()), nil
}

// value is the value of row i in column c, followed back through the batch.
func (f *filler) value(i, c int, field schema.Field) (any, error) {
	for f.p.Unchanged[c].Get(i) {
		src, ok := f.source[i]
		if !ok {
			return nil, nil // a delete, or a row that only names a key
		}
		if src < 0 {
			row, ok := f.stored[f.digests[f.keyRow(i)]]
			if !ok {
				return nil, fmt.Errorf("%w: the row with key %s leaves column %q out and there is no stored row to take it from",
					ErrBadRow, f.keyText(i), field.Name)
			}
			return row[c], nil
		}
		i = src
	}
	return schema.ValueAt(f.b.Column(c), field.Type, i), nil
}

func (f *filler) keyText(i int) string {
	text := ""
	for _, c := range f.w.buf.KeyColumns() {
		field := f.w.schema.Fields[c]
		text += fmt.Sprintf("%s=%s ", field.Name, schema.FormatValue(field.Type, schema.ValueAt(f.b.Column(c), field.Type, i)))
	}
	return text[:len(text)-1]
}

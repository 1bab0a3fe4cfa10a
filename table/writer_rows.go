package table

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/internal/upsert"
	"github.com/frazildb/frazil/schema"
)

// rowsPerChunk is how many single rows are gathered into a batch.
const rowsPerChunk = 8192

// Upsert replaces the rows with row's key by row. Without a key it adds the row.
func (w *Writer) Upsert(ctx context.Context, row schema.Row) error {
	return w.addRow(ctx, row, upsert.Upsert)
}

// Delete removes the rows with a key: row holds the key columns in the order of
// the table's key and then, with WriterOptions.OrderBy, the order columns that
// are not among them; or it is a whole row. In a table without a key it removes
// exactly one row equal to row.
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
	if w.o.DeletedColumn != "" {
		op = upsert.Upsert
	}
	w.ops = append(w.ops, op)
	return w.sealIfFull(ctx)
}

// appendValues appends one row to the builder, or nothing at all.
func (w *Writer) appendValues(row schema.Row, isDelete bool) error {
	fields := w.schema.Fields
	key := w.schema.IdentifierFieldIDs
	if isDelete {
		if spread, ok := w.deleteValues(row); ok {
			row = spread
		}
	}
	if len(row) != len(fields) {
		return fmt.Errorf("table %s: %w: %d values for %d columns", w.t.id, ErrBadRow, len(row), len(fields))
	}
	values := make([]any, len(fields))
	for i, f := range fields {
		v := row[i]
		if f.Name == w.o.DeletedColumn && (isDelete || v == nil) {
			v = isDelete
		}
		if v == nil {
			switch {
			case slices.Contains(w.buf.OrderColumns(), i) && w.mode == modeChange:
				return fmt.Errorf("table %s: %w: %w", w.t.id, ErrBadRow, noOrder(f.Name))
			case f.Required && (!isDelete || w.o.DeletedColumn != "" || indexOf(key, f.ID) >= 0):
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
	if err := w.checkOrdered(b); err != nil {
		return err
	}
	if err := w.seal(ctx); err != nil {
		return err
	}
	if w.o.DeletedColumn != "" {
		b = w.markDeleted(b, ops)
		defer b.Release()
		ops = nil
		if err := w.checkBatch(b, nil); err != nil {
			return err
		}
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
	w.filled = filled{}
	w.mode, w.truncated = modeNone, true
	return nil
}

func (w *Writer) discardRows() {
	w.rows.NewRecordBatch().Release()
	w.ops = w.ops[:0]
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

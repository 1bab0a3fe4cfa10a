package table

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/schema"
)

// Changes with an order. WriterOptions.OrderBy names columns by which of two
// changes of one key the newer wins, whichever comes first: within a commit,
// between commits, and between writers. Stored rows count as changes, too: at
// every attempt of a commit the order columns of the rows it would replace are
// read, and a change older than one of them does nothing.
//
// What is not stored cannot win. A delete leaves nothing behind, so an older
// upsert that comes in a later commit than a newer delete brings the row back;
// WriterOptions.DeletedColumn keeps deleted rows, marked, for those who cannot
// have that.

// checkOrder refuses options that cannot be followed.
func (w *Writer) checkOrder(s *schema.Schema) error {
	if w.o.DeletedColumn != "" {
		f, ok := s.FieldByName(w.o.DeletedColumn)
		switch {
		case !ok:
			return fmt.Errorf("deleted column: %w", s.UnknownColumn(w.o.DeletedColumn))
		case f.Type.Kind != schema.KindBoolean:
			return fmt.Errorf("deleted column %q is %s, not boolean", f.Name, f.Type)
		case len(s.IdentifierFieldIDs) == 0:
			return fmt.Errorf("deleted column %q: rows can be kept as deleted in a table with a key only", f.Name)
		}
	}
	if len(w.o.OrderBy) == 0 {
		return nil
	}
	if w.o.Encoding == EncodingEquality {
		return fmt.Errorf("changes ordered by %q have to be compared with stored rows, which equality deletes do not look at: delete by position", w.o.OrderBy[0])
	}
	if len(s.IdentifierFieldIDs) == 0 {
		return fmt.Errorf("changes ordered by %q need a table with a key", w.o.OrderBy[0])
	}
	return nil
}

// orderIDs returns the field ids of the order columns.
func orderIDs(s *schema.Schema, names []string) ([]int, error) {
	var ids []int
	for _, name := range names {
		f, ok := s.FieldByName(name)
		if !ok {
			return nil, fmt.Errorf("order column: %w", s.UnknownColumn(name))
		}
		if slices.Contains(ids, f.ID) {
			return nil, fmt.Errorf("order column %q is named twice", name)
		}
		ids = append(ids, f.ID)
	}
	return ids, nil
}

// fieldsByID returns the top-level columns with the given ids.
func fieldsByID(s *schema.Schema, ids []int) ([]schema.Field, error) {
	fields := make([]schema.Field, len(ids))
	for i, id := range ids {
		at := slices.IndexFunc(s.Fields, func(f schema.Field) bool { return f.ID == id })
		if at < 0 {
			return nil, fmt.Errorf("the column with id %d is no top-level column", id)
		}
		fields[i] = s.Fields[at]
	}
	return fields, nil
}

// checkOrdered refuses changes without an order value: whether they are older
// than another cannot be told.
func (w *Writer) checkOrdered(b arrow.RecordBatch) error {
	for _, at := range w.buf.OrderColumns() {
		c := b.Column(at)
		if c.NullN() == 0 {
			continue
		}
		for r := range c.Len() {
			if c.IsNull(r) {
				return fmt.Errorf("table %s: %w: row %d: %w", w.t.id, ErrBadRow, r, noOrder(w.schema.Fields[at].Name))
			}
		}
	}
	return nil
}

func noOrder(column string) error {
	return fmt.Errorf("order column %q is null: every change needs a value there, deletes too", column)
}

// deleteValues spreads the values of a delete that has key columns, or key and
// order columns, only.
func (w *Writer) deleteValues(row schema.Row) (schema.Row, bool) {
	ids := w.schema.IdentifierFieldIDs
	if len(ids) == 0 || len(row) >= len(w.schema.Fields) {
		return nil, false
	}
	at := make([]int, 0, len(row))
	for _, id := range ids {
		at = append(at, slices.IndexFunc(w.schema.Fields, func(f schema.Field) bool { return f.ID == id }))
	}
	for _, c := range w.buf.OrderColumns() {
		if !slices.Contains(at, c) {
			at = append(at, c)
		}
	}
	if len(row) != len(at) {
		return nil, false
	}
	out := make(schema.Row, len(w.schema.Fields))
	for i, c := range at {
		out[c] = row[i]
	}
	return out, true
}

// markDeleted makes the deletes of a batch rows that are marked as deleted, and
// the marks that others leave null false. The result is the caller's to release.
func (w *Writer) markDeleted(b arrow.RecordBatch, ops []Op) arrow.RecordBatch {
	cols := slices.Clone(b.Columns())
	at := slices.IndexFunc(w.schema.Fields, func(f schema.Field) bool { return f.Name == w.o.DeletedColumn })
	old := cols[at].(*array.Boolean)
	marks := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer marks.Release()
	marks.Reserve(old.Len())
	for i := range old.Len() {
		marks.Append(ops != nil && ops[i] == OpDelete || old.IsValid(i) && old.Value(i))
	}
	cols[at] = marks.NewArray()
	defer cols[at].Release()
	return array.NewRecordBatch(b.Schema(), cols, b.NumRows())
}

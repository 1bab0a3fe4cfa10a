package cdc

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/internal/bitmap"
)

// Builder collects the changes of one table, column by column, until they become
// a [Batch]. A row is one value appended to every column, then EndRow.
type Builder struct {
	shape     *Shape
	schema    *arrow.Schema
	cols      []*ColumnBuilder
	ops       []Op
	unchanged []mark
}

// mark is a value that the source did not send.
type mark struct{ row, col int32 }

// NewBuilder returns an empty builder for rows of the shape.
func NewBuilder(shape *Shape) *Builder {
	b := &Builder{shape: shape}
	fields := make([]arrow.Field, len(shape.Columns))
	for i, c := range shape.Columns {
		b.cols = append(b.cols, NewColumnBuilder(c.Type))
		fields[i] = arrow.Field{Name: c.Name, Type: arrowType(c.Type), Nullable: true}
	}
	b.schema = arrow.NewSchema(fields, nil)
	return b
}

// Shape returns the shape of the rows.
func (b *Builder) Shape() *Shape { return b.shape }

// Len returns the number of complete rows.
func (b *Builder) Len() int { return len(b.ops) }

// Column returns the builder of a column, by its position in the shape.
func (b *Builder) Column(i int) *ColumnBuilder { return b.cols[i] }

// EndRow completes a row.
func (b *Builder) EndRow(op Op) { b.ops = append(b.ops, op) }

// MarkUnchanged notes that the row being appended keeps the value it has in a
// column, where a null was appended.
func (b *Builder) MarkUnchanged(col int) {
	b.unchanged = append(b.unchanged, mark{int32(len(b.ops)), int32(col)})
}

// Truncate drops the rows from n on and whatever was appended of a row that is
// not complete.
func (b *Builder) Truncate(n int) {
	for _, c := range b.cols {
		c.Truncate(n)
	}
	b.ops = b.ops[:n]
	for len(b.unchanged) > 0 && int(b.unchanged[len(b.unchanged)-1].row) >= n {
		b.unchanged = b.unchanged[:len(b.unchanged)-1]
	}
}

// Bytes returns about the memory of the rows.
func (b *Builder) Bytes() int64 {
	n := int64(len(b.ops))
	for _, c := range b.cols {
		n += c.size()
	}
	return n
}

// Batch returns the rows and leaves the builder empty.
func (b *Builder) Batch() *Batch {
	n := len(b.ops)
	out := &Batch{Shape: b.shape, Ops: b.ops, Bytes: b.Bytes()}
	arrays := make([]arrow.Array, len(b.cols))
	for i, c := range b.cols {
		data := c.arrowData(b.schema.Field(i).Type)
		arrays[i] = array.MakeFromData(data)
		data.Release()
		b.cols[i] = c.fresh()
	}
	out.Rows = array.NewRecordBatch(b.schema, arrays, int64(n))
	for _, a := range arrays {
		a.Release()
	}
	if len(b.unchanged) > 0 {
		out.Unchanged = make([]*bitmap.Bitmap, len(b.cols))
		for _, m := range b.unchanged {
			if out.Unchanged[m.col] == nil {
				out.Unchanged[m.col] = bitmap.New(n)
			}
			out.Unchanged[m.col].Set(int(m.row))
		}
	}
	b.ops = make([]Op, 0, n)
	b.unchanged = nil
	return out
}

// adopt returns a builder of another shape that has the rows of b, which must not
// be used again: columns of the same name and type are kept, long ones become
// double where the shape says so, others are null.
func (b *Builder) adopt(shape *Shape) *Builder {
	out := NewBuilder(shape)
	out.ops = b.ops
	for i, c := range shape.Columns {
		was := b.shape.Index(c.Name)
		switch {
		case was >= 0 && sameType(b.shape.Columns[was].Type, c.Type):
			out.cols[i] = b.cols[was]
			for _, m := range b.unchanged {
				if int(m.col) == was {
					out.unchanged = append(out.unchanged, mark{m.row, int32(i)})
				}
			}
		case was >= 0:
			for r := range b.ops {
				if b.cols[was].IsNull(r) {
					out.cols[i].AppendNull()
				} else {
					out.cols[i].AppendFloat64(float64(b.cols[was].i64[r]))
				}
			}
		default:
			for range b.ops {
				out.cols[i].AppendNull()
			}
		}
	}
	slices.SortFunc(out.unchanged, func(a, b mark) int { return int(a.row - b.row) })
	return out
}

// slice returns rows [from, to) of a batch, which shares its memory and holds a
// reference of its own.
func (b *Batch) slice(from, to int) *Batch {
	out := &Batch{
		Shape: b.Shape, Ops: b.Ops[from:to], Rows: b.Rows.NewSlice(int64(from), int64(to)),
		Bytes: b.Bytes * int64(to-from) / int64(max(len(b.Ops), 1)),
	}
	for i, m := range b.Unchanged {
		if m == nil || !m.AnyInRange(from, to) {
			continue
		}
		if out.Unchanged == nil {
			out.Unchanged = make([]*bitmap.Bitmap, len(b.Unchanged))
		}
		out.Unchanged[i] = bitmap.New(to - from)
		for r := m.NextSet(from); r >= 0 && r < to; r = m.NextSet(r + 1) {
			out.Unchanged[i].Set(r - from)
		}
	}
	return out
}

package scan

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// constants are columns with one value for all rows of a file, by field id, made
// for the largest batch so far.
type constants struct{ arrays map[int]arrow.Array }

func (c *constants) release() {
	for _, a := range c.arrays {
		a.Release()
	}
	c.arrays = nil
}

// assemble builds the result of a span from the columns read; rows is how many
// are selected.
func (r *fileReader) assemble(pos int64, sel *bitmap.Bitmap, rows int, a *columns, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(r.lay.outputs))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i := range r.lay.outputs {
		o := &r.lay.outputs[i]
		var stored arrow.Array
		switch {
		case o.first >= 0:
			stored = a.arrays[o.first]
		case o.second >= 0:
			stored = b.Column(o.second)
		}
		if stored != nil && o.field.ID != schema.IDRowID && o.field.ID != schema.IDLastUpdatedSequence {
			stored.Retain()
			cols[i] = stored
			continue
		}
		var err error
		if cols[i], err = r.metadata(o, stored, pos, sel, rows); err != nil {
			return nil, fmt.Errorf("column %s: %w", o.field.Name, err)
		}
	}
	return array.NewRecordBatch(r.v.arrow, cols, int64(rows)), nil
}

// metadata makes a metadata column; stored has the file's own values, if any.
func (r *fileReader) metadata(o *output, stored arrow.Array, pos int64, sel *bitmap.Bitmap, rows int) (arrow.Array, error) {
	df := r.ft.Data.File
	switch o.field.ID {
	case schema.IDPos:
		return r.counting(nil, pos, sel, rows)
	case schema.IDRowID:
		if stored == nil {
			return r.constant(o.field, nil, rows)
		}
		return r.counting(stored, *df.FirstRowID+pos, sel, rows)
	case schema.IDLastUpdatedSequence:
		if stored == nil {
			return r.constant(o.field, nil, rows)
		}
		return r.filled(stored, r.ft.Data.SequenceNumber, rows)
	case schema.IDFilePath:
		return r.constant(o.field, df.Path, rows)
	case schema.IDSpecID:
		return r.constant(o.field, int32(df.SpecID), rows)
	case schema.IDPartition:
		return r.constant(o.field, r.partitionRow(o.field.Type), rows)
	}
	return nil, fmt.Errorf("unknown metadata column %d", o.field.ID)
}

// counting returns base plus the ordinal of each selected row, except where
// stored has a value.
func (r *fileReader) counting(stored arrow.Array, base int64, sel *bitmap.Bitmap, rows int) (arrow.Array, error) {
	ints, err := asInts(stored)
	if err != nil {
		return nil, err
	}
	bld := array.NewInt64Builder(r.v.mem)
	defer bld.Release()
	bld.Reserve(rows)
	i := -1
	for k := range rows {
		if sel == nil {
			i++
		} else {
			i = sel.NextSet(i + 1)
		}
		if ints != nil && ints.IsValid(k) {
			bld.UnsafeAppend(ints.Value(k))
		} else {
			bld.UnsafeAppend(base + int64(i))
		}
	}
	return bld.NewArray(), nil
}

// filled returns stored with v in place of null.
func (r *fileReader) filled(stored arrow.Array, v int64, rows int) (arrow.Array, error) {
	ints, err := asInts(stored)
	if err != nil {
		return nil, err
	}
	bld := array.NewInt64Builder(r.v.mem)
	defer bld.Release()
	bld.Reserve(rows)
	for k := range rows {
		if ints.IsValid(k) {
			bld.UnsafeAppend(ints.Value(k))
		} else {
			bld.UnsafeAppend(v)
		}
	}
	return bld.NewArray(), nil
}

func asInts(a arrow.Array) (*array.Int64, error) {
	if a == nil {
		return nil, nil
	}
	ints, ok := a.(*array.Int64)
	if !ok {
		return nil, fmt.Errorf("stored as %s", a.DataType())
	}
	return ints, nil
}

// constant returns rows times v.
func (r *fileReader) constant(f schema.Field, v any, rows int) (arrow.Array, error) {
	a := r.consts.arrays[f.ID]
	if a == nil || a.Len() < rows {
		n := max(rows, min(r.spans.rows, int(r.ft.Data.File.RecordCount)))
		bld := array.NewBuilder(r.v.mem, schema.ArrowType(f.Type))
		defer bld.Release()
		bld.Reserve(n)
		for range n {
			if err := schema.AppendValue(bld, f.Type, v); err != nil {
				return nil, err
			}
		}
		if a != nil {
			a.Release()
		}
		if r.consts.arrays == nil {
			r.consts.arrays = make(map[int]arrow.Array)
		}
		a = bld.NewArray()
		r.consts.arrays[f.ID] = a
	}
	return array.NewSlice(a, 0, int64(rows)), nil
}

// partitionRow returns the file's partition as a value of _partition.
func (r *fileReader) partitionRow(t schema.Type) any {
	df := r.ft.Data.File
	row := make(schema.Row, len(t.Fields))
	spec, ok := r.v.src.Metadata.Spec(df.SpecID)
	if !ok {
		return row
	}
	for i, f := range spec.Fields {
		if i >= len(df.Partition) || f.Transform.Kind == partition.VoidTransform {
			continue
		}
		for j := range t.Fields {
			if t.Fields[j].ID == f.FieldID+partitionIDBase {
				row[j] = fit(t.Fields[j].Type, df.Partition[i])
			}
		}
	}
	return row
}

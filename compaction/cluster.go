package compaction

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// clustering is the order that rows are rewritten in.
type clustering struct {
	order partition.SortOrder // without fields for a curve
	// declared says that order is one of the table's, so that files can say that
	// they are in it.
	declared bool
	curve    []int // field ids
}

// clustering returns the order that the options want, nil for none.
func (o *Options) clustering(m *metadata.Table) (*clustering, error) {
	s := m.CurrentSchema()
	switch {
	case len(o.Sort) > 0 && len(o.ZOrder) > 0:
		return nil, fmt.Errorf("%w: give a sort order or a z-order, not both", ErrRefused)
	case len(o.Sort) > 0:
		order, err := partition.BindSort(o.Sort, s, m.SortOrders)
		if err != nil {
			return nil, err
		}
		c := &clustering{order: order}
		c.declared = slices.ContainsFunc(m.SortOrders, func(have partition.SortOrder) bool { return have.ID == order.ID })
		for _, f := range order.Fields {
			if _, err := topLevel(s, f.SourceIDs[0]); err != nil {
				return nil, err
			}
		}
		return c, nil
	case len(o.ZOrder) > 0:
		c := &clustering{}
		for _, name := range o.ZOrder {
			i := slices.IndexFunc(s.Fields, func(f schema.Field) bool { return f.Name == name })
			if i < 0 {
				return nil, fmt.Errorf("%w: z-order: no column %q at the top level", ErrRefused, name)
			}
			if _, err := topLevel(s, s.Fields[i].ID); err != nil {
				return nil, err
			}
			c.curve = append(c.curve, s.Fields[i].ID)
		}
		return c, nil
	}
	return nil, nil
}

// topLevel returns the index of a column that rows can be ordered by.
func topLevel(s *schema.Schema, id int) (int, error) {
	i := slices.IndexFunc(s.Fields, func(f schema.Field) bool { return f.ID == id })
	if i < 0 {
		return 0, fmt.Errorf("%w: rows are ordered by top-level columns, not by field %d", ErrRefused, id)
	}
	switch t := s.Fields[i].Type; {
	case t.IsNested(), t.Kind == schema.KindVariant, t.Kind == schema.KindUnknown, t.Kind == schema.KindGeometry, t.Kind == schema.KindGeography:
		return 0, fmt.Errorf("%w: column %q of type %v has no order", ErrRefused, s.Fields[i].Name, t)
	}
	return i, nil
}

// has reports whether a file says that it is in the order.
func (c *clustering) has(f *manifest.DataFile) bool {
	return c.declared && f.SortOrderID != nil && *f.SortOrderID == c.order.ID
}

// fields are the ids of the columns that keys are made of.
func (c *clustering) fields() []int {
	if c == nil {
		return nil
	}
	ids := slices.Clone(c.curve)
	for _, f := range c.order.Fields {
		ids = append(ids, f.SourceIDs...)
	}
	return ids
}

// beginSort makes the sorter of a piece whose files have the schema s.
func (r *laneRun) beginSort(s *schema.Schema) error {
	keys, err := newKeyer(r.cluster, r.entry.Metadata.CurrentSchema(), r.lane)
	if err != nil {
		return err
	}
	// Sorting makes a copy of what is in memory, and writing has needs of its own.
	if r.sorter, err = newSorter(keys, s, r.o.MemoryBudget/6, r.o.SpillDir); err != nil {
		return err
	}
	r.p.moves, err = newMoves(r.o.SpillDir)
	return err
}

// endSort writes the rows in their order.
func (r *laneRun) endSort(ctx context.Context) error {
	step := int64(r.batchRows())
	r.reader, r.positions = nil, nil // with the memory that they keep for reading
	return r.sorter.drain(ctx, func(b arrow.RecordBatch) error {
		last := int(b.NumCols()) - 1
		ranks := b.Column(last).(*array.Int64).Int64Values()
		all := array.NewRecordBatch(r.arrow, b.Columns()[:last], b.NumRows())
		defer all.Release()
		for from := int64(0); from < all.NumRows(); from += step {
			part := all.NewSlice(from, min(from+step, all.NumRows()))
			err := r.place(ctx, part, ranks[from:])
			part.Release()
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *laneRun) place(ctx context.Context, b arrow.RecordBatch, ranks []int64) error {
	var failed error
	put := func(row int32, file int, pos int64) {
		if err := r.p.moves.add(ranks[row], newPlace(file, pos)); err != nil {
			failed = err
		}
	}
	var err error
	if r.lane.Route {
		err = r.w.Write(ctx, b, put)
	} else {
		err = r.w.WritePartition(ctx, r.lane.Partition, b, put)
	}
	if err == nil {
		err = failed
	}
	return err
}

// stamp makes files say that they are in a declared order.
func (r *laneRun) stamp(files []*manifest.DataFile) {
	if r.cluster == nil || !r.cluster.declared {
		return
	}
	for _, f := range files {
		id := r.cluster.order.ID
		f.SortOrderID = &id
	}
}

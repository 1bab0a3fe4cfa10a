package scan

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/internal/parquetfile"
)

// selectRows decides which rows of a span are wanted (nil: all) and returns the
// first cursor's columns of those (nil if it has none).
func (r *fileReader) selectRows(ctx context.Context, pos int64, n int) (*bitmap.Bitmap, *columns, error) {
	live := bitmap.NewSet(n)
	if r.dead.positions != nil {
		r.dead.positions.ClearIn(live, pos)
	}
	if r.only != nil {
		return r.selectHit(ctx, pos, n, live)
	}
	if r.first == nil {
		return allOr(live), nil, nil
	}
	if r.x.sparse {
		// Few rows are wanted: taking those not deleted out of a page first costs
		// more than looking at all.
		return r.selectFew(ctx, pos, n, live)
	}
	a, rows, err := r.readFirst(ctx, pos, n, allOr(live))
	if err != nil {
		return nil, a, err
	}
	keep := bitmap.NewSet(rows)
	if err := r.keepRows(a, keep, &r.dead); err != nil {
		return nil, a, err
	}
	if keep.Count() == rows {
		return allOr(live), a, nil
	}
	if err := r.compact(a, keep); err != nil {
		return nil, a, err
	}
	return deposit(live, keep), a, nil
}

// selectFew is selectRows where most rows will go.
func (r *fileReader) selectFew(ctx context.Context, pos int64, n int, live *bitmap.Bitmap) (*bitmap.Bitmap, *columns, error) {
	a, _, err := r.readFirst(ctx, pos, n, nil)
	if err != nil {
		return nil, a, err
	}
	if err := r.keepRows(a, live, &r.dead); err != nil {
		return nil, a, err
	}
	return allOr(live), a, r.compact(a, live)
}

// selectHit is selectRows for only the rows that r.only removes.
func (r *fileReader) selectHit(ctx context.Context, pos int64, n int, live *bitmap.Bitmap) (*bitmap.Bitmap, *columns, error) {
	spared := bitmap.NewSet(n)
	if r.only.positions != nil {
		r.only.positions.ClearIn(spared, pos)
	}
	if r.first == nil {
		live.AndNot(spared)
		return live, nil, nil
	}
	a, _, err := r.readFirst(ctx, pos, n, nil)
	if err != nil {
		return nil, a, err
	}
	if err := r.keepRows(a, live, &r.dead); err != nil {
		return nil, a, err
	}
	if err := r.equalityDead(a, spared, r.only.tables); err != nil {
		return nil, a, err
	}
	live.AndNot(spared)
	return live, a, r.compact(a, live)
}

// allOr returns nil for a bitmap with every bit set.
func allOr(b *bitmap.Bitmap) *bitmap.Bitmap {
	if b.Count() == b.Len() {
		return nil
	}
	return b
}

func (r *fileReader) readFirst(ctx context.Context, pos int64, n int, sel *bitmap.Bitmap) (*columns, int, error) {
	b, err := r.first.Next(ctx, sel)
	if err != nil {
		return nil, 0, err
	}
	defer b.Release()
	want := n
	if sel != nil {
		want = sel.Count()
	}
	if b.NumRows() != int64(want) || int(b.NumCols()) != len(r.lay.first) {
		return nil, 0, fmt.Errorf("%d rows at row %d where %d are selected: %w", b.NumRows(), pos, want, parquetfile.ErrCorrupt)
	}
	return newColumns(b), want, nil
}

// keepRows clears in keep, a bit a row of a, the rows that the filter or
// equality deletes remove.
func (r *fileReader) keepRows(a *columns, keep *bitmap.Bitmap, d *rowDeletes) error {
	if r.v.filter != nil && keep.Len() > 0 {
		match := bitmap.New(keep.Len())
		if err := r.filter(a, match); err != nil {
			return err
		}
		keep.And(match)
	}
	return r.equalityDead(a, keep, d.tables)
}

func (r *fileReader) filter(a *columns, match *bitmap.Bitmap) error {
	leaves := make(map[int]arrow.Array, len(r.lay.filter))
	defer func() {
		for _, l := range leaves {
			l.Release()
		}
	}()
	for i := range r.lay.filter {
		u := &r.lay.filter[i]
		l, err := u.leaf.extract(a.arrays[u.col])
		if err != nil {
			return err
		}
		leaves[u.leaf.field.ID] = l
	}
	err := r.v.filter.Eval(func(id int) arrow.Array {
		if l, ok := leaves[id]; ok {
			return l
		}
		return nil
	}, match.Len(), match)
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	return nil
}

// equalityDead clears in keep the rows that a table has a later delete of.
func (r *fileReader) equalityDead(a *columns, keep *bitmap.Bitmap, tables []tableUse) error {
	for _, t := range tables {
		at := r.lay.keys[t.equality]
		cols, err := extractAll(t.leaves, func(i int) arrow.Array { return a.arrays[at[i]] })
		if err != nil {
			return err
		}
		t.table.Dead(cols, r.ft.Data.SequenceNumber, keep)
		releaseAll(cols)
	}
	return nil
}

// compact keeps the rows of the columns that go into the result. Where no row is
// left it does nothing: there is no result, as in most spans of a look-up.
func (r *fileReader) compact(a *columns, keep *bitmap.Bitmap) error {
	if n := keep.Count(); n == 0 || n == keep.Len() {
		return nil
	}
	var idx []int32
	for i := range a.arrays {
		if !r.lay.first[i].output {
			continue
		}
		if idx == nil {
			idx = arrowsel.Indices(keep, make([]int32, 0, keep.Count()))
		}
		c, err := arrowsel.Take(a.arrays[i], idx, r.v.mem)
		if err != nil {
			return fmt.Errorf("column %q: %w", r.lay.first[i].field.Name, err)
		}
		a.arrays[i].Release()
		a.arrays[i] = c
	}
	return nil
}

// deposit returns the bits of live that are kept: bit i of keep stands for the
// i-th set bit of live.
func deposit(live, keep *bitmap.Bitmap) *bitmap.Bitmap {
	if live.Len() == keep.Len() {
		return keep
	}
	out := bitmap.New(live.Len())
	j := 0
	for i := live.NextSet(0); i >= 0; i = live.NextSet(i + 1) {
		if keep.Get(j) {
			out.Set(i)
		}
		j++
	}
	return out
}

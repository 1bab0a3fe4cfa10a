package scan

import (
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/datafile"
	"github.com/frazildb/frazil/schema"
)

// Get yields the rows whose key columns (by name; nil is the table's identifier
// fields) equal one of keys, each key in the order of columns, in no particular
// order. Null equals null. Files and row groups are ruled out by bounds and
// bloom filters, then the key columns are read, then the pages that have a row
// found.
func (s *Scan) Get(ctx context.Context, columns []string, keys []schema.Row) iter.Seq2[schema.Row, error] {
	return func(yield func(schema.Row, error) bool) {
		for b, err := range s.GetBatches(ctx, columns, keys) {
			if err != nil {
				yield(nil, err)
				return
			}
			stop := false
			rowsOf(s.view.out, one(b), func(r schema.Row, err error) bool {
				stop = !yield(r, err)
				return !stop
			})
			if stop {
				return
			}
		}
	}
}

func one(b arrow.RecordBatch) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) }
}

// GetBatches is Get by record batches of Schema.
func (s *Scan) GetBatches(ctx context.Context, columns []string, keys []schema.Row) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		if s.err != nil {
			yield(nil, s.err)
			return
		}
		g, err := s.newGetter(columns, keys)
		if err != nil {
			yield(nil, err)
			return
		}
		if len(keys) == 0 {
			return
		}
		if s.opts.Limit > 0 {
			yield = limit(s.opts.Limit, yield)
		}
		p := &planner{v: g.v}
		x, files, err := prepare(ctx, p)
		if err != nil {
			yield(nil, err)
			return
		}
		x.sparse, x.keep, x.cache.keep = true, true, true
		if len(g.ids) > 1 {
			x.keepGroup = g.keepGroup
		}
		x.anyOrder(ctx, p, files, yield)
	}
}

// getter looks up keys.
type getter struct {
	v    *view
	ids  []int
	keys []schema.Row // of the columns' types
}

func (s *Scan) newGetter(columns []string, keys []schema.Row) (*getter, error) {
	base := s.view.base
	if columns == nil {
		for _, id := range base.IdentifierFieldIDs {
			columns = append(columns, base.Path(id))
		}
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("get: the table has no identifier fields and no columns were given")
	}
	g := &getter{keys: make([]schema.Row, len(keys))}
	types := make([]schema.Type, len(columns))
	for i, name := range columns {
		f, err := findColumn(base, name, s.opts.CaseInsensitive)
		if err != nil {
			return nil, fmt.Errorf("get: %w", err)
		}
		g.ids = append(g.ids, f.ID)
		types[i] = f.Type
	}
	for i, k := range keys {
		if len(k) != len(columns) {
			return nil, fmt.Errorf("get: key %d has %d values for %d columns", i, len(k), len(columns))
		}
		g.keys[i] = make(schema.Row, len(k))
		for j, v := range k {
			c, err := schema.Coerce(types[j], v)
			if err != nil {
				return nil, fmt.Errorf("get: key %d, column %q: %w", i, columns[j], err)
			}
			g.keys[i][j] = c
		}
	}
	o := s.opts
	o.Filter = keyFilter(columns, g.keys)
	if s.opts.Filter != nil {
		o.Filter = expr.And(o.Filter, s.opts.Filter)
	}
	var err error
	if g.v, err = newView(s.src, &o); err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	return g, nil
}

// keyFilter is the condition that a row has one of the keys.
func keyFilter(columns []string, keys []schema.Row) expr.Expr {
	var alts []expr.Expr
	if len(columns) == 1 {
		var vals []any
		for _, k := range keys {
			if k[0] == nil {
				alts = append(alts, expr.IsNull(columns[0]))
			} else {
				vals = append(vals, k[0])
			}
		}
		if len(vals) > 0 {
			alts = append(alts, expr.In(columns[0], vals...))
		}
		return expr.Or(alts...)
	}
	for _, k := range keys {
		all := make([]expr.Expr, len(k))
		for i, v := range k {
			if v == nil {
				all[i] = expr.IsNull(columns[i])
			} else {
				all[i] = expr.Eq(columns[i], v)
			}
		}
		alts = append(alts, expr.And(all...))
	}
	return expr.Or(alts...)
}

// keepGroup reports whether a row group may have all columns of one of the keys.
func (g *getter) keepGroup(ctx context.Context, f datafile.File, group int) (bool, error) {
	if len(g.keys) > maxProbes || !g.v.canProbe(f) {
		return true, nil
	}
	for _, k := range g.keys {
		might := true
		for i := 0; might && i < len(k); i++ {
			if k[i] == nil {
				continue
			}
			var err error
			if might, err = f.MightContain(ctx, group, g.ids[i], k[i]); err != nil {
				return false, err
			}
		}
		if might {
			return true, nil
		}
	}
	return false, nil
}

package scan

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/schema"
)

// Count returns the number of rows. Files of which the metadata says how many
// rows match and are deleted are not opened; of the others only the columns of
// filter and delete keys are read.
func (s *Scan) Count(ctx context.Context) (int64, error) {
	if s.err != nil {
		return 0, s.err
	}
	v := *s.view
	var err error
	if v.out, err = schema.New(v.base.ID, nil, nil); err != nil {
		return 0, err
	}
	v.arrow = schema.ArrowSchema(v.out)
	x, files, err := prepare(ctx, &planner{v: &v})
	if err != nil {
		return 0, err
	}
	var total atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(v.opts.Concurrency)
	for f, ferr := range files {
		if ferr != nil || gctx.Err() != nil {
			err = ferr
			break
		}
		g.Go(func() error {
			n, err := x.count(gctx, &f)
			total.Add(n)
			return err
		})
	}
	if werr := g.Wait(); err == nil {
		err = werr
	}
	if err == nil {
		err = ctx.Err()
	}
	n := total.Load()
	if s.opts.Limit > 0 {
		n = min(n, s.opts.Limit)
	}
	return n, err
}

// count counts the live rows of a file, or part of it.
func (x *exec) count(ctx context.Context, f *FileTask) (int64, error) {
	df := f.Data.File
	exact := f.Length == 0 && len(f.Equality) == 0 && df.RecordCount >= 0 &&
		(x.v.filter == nil || x.v.filter.AllMatch(fileMetrics{df}))
	switch {
	case exact && f.DV == nil && len(f.Positions) == 0:
		return df.RecordCount, nil
	case exact && f.DV != nil:
		return df.RecordCount - f.DV.File.RecordCount, nil
	case exact:
		p, err := x.cache.rowPositions(ctx, df, nil, f.Positions)
		if err != nil || p == nil {
			return df.RecordCount, err
		}
		if last, ok := p.Max(); ok && last < uint64(df.RecordCount) {
			return df.RecordCount - int64(p.Len()), nil
		}
	}
	var n int64
	err := x.read(ctx, f, func(b arrow.RecordBatch) error {
		n += b.NumRows()
		b.Release()
		return nil
	})
	return n, err
}

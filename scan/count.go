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
	var total atomic.Int64
	err := s.countFiles(ctx, func(_ *FileTask, n int64) { total.Add(n) })
	n := total.Load()
	if s.opts.Limit > 0 {
		n = min(n, s.opts.Limit)
	}
	return n, err
}

// countFiles tells each file as planned, in order, with the rows that are known
// of it without a read, then the rows of those that have to be read, part by part,
// from several goroutines.
func (s *Scan) countFiles(ctx context.Context, each func(f *FileTask, n int64)) error {
	v := *s.view
	var err error
	if v.out, err = schema.New(v.base.ID, nil, nil); err != nil {
		return err
	}
	v.arrow = schema.ArrowSchema(v.out)
	var rest []FileTask
	for f, err := range (&planner{v: &v}).files(ctx) {
		if err != nil {
			return err
		}
		n, ok := v.rowsKnown(&f)
		if !ok {
			rest, n = append(rest, f), 0
		}
		each(&f, n)
	}
	return eachPart(ctx, &v, rest, func(ctx context.Context, x *exec, f *FileTask) error {
		n, ok, err := x.countKnown(ctx, f)
		if err == nil && !ok {
			n, err = x.countRead(ctx, f)
		}
		if err == nil {
			each(f, n)
		}
		return err
	})
}

// eachPart calls do for files, cut where their rows have to be read, in parallel.
func eachPart(ctx context.Context, v *view, files []FileTask, do func(ctx context.Context, x *exec, f *FileTask) error) error {
	var parts []FileTask
	for i := range files {
		if f := &files[i]; v.allMatch(f) { // only rows deleted by position need to be known
			parts = append(parts, *f)
		} else {
			split(f, executionSplit, func(part FileTask) { parts = append(parts, part) })
		}
	}
	x := newExec(v, parts)
	x.once = true // only files without equality deletes are counted without a read
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(v.opts.Concurrency)
	for i := range parts {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return do(gctx, x, &parts[i]) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// allMatch reports whether the metadata is sure that the filter keeps all rows
// of a whole file, and no equality delete takes any.
func (v *view) allMatch(f *FileTask) bool {
	df := f.Data.File
	return f.Length == 0 && len(f.Equality) == 0 && df.RecordCount >= 0 &&
		(v.filter == nil || v.filter.AllMatch(fileMetrics{df}))
}

// rowsKnown returns the live rows of a file if the metadata says how many.
func (v *view) rowsKnown(f *FileTask) (int64, bool) {
	switch df := f.Data.File; {
	case !v.allMatch(f):
		return 0, false
	case f.DV != nil:
		n := df.RecordCount - f.DV.File.RecordCount
		return n, f.DV.File.RecordCount >= 0 && n >= 0
	default:
		return df.RecordCount, len(f.Positions) == 0
	}
}

// countKnown is rowsKnown with a look at position deletes.
func (x *exec) countKnown(ctx context.Context, f *FileTask) (int64, bool, error) {
	if n, ok := x.v.rowsKnown(f); ok || !x.v.allMatch(f) {
		return n, ok, nil
	}
	df := f.Data.File
	p, err := x.cache.rowPositions(ctx, df, f.DV, f.Positions)
	if err != nil || p == nil {
		return df.RecordCount, err == nil, err
	}
	if last, ok := p.Max(); ok && last < uint64(df.RecordCount) {
		return df.RecordCount - int64(p.Len()), true, nil
	}
	return 0, false, nil
}

// countRead counts the live rows of a file, or part of it, by reading.
func (x *exec) countRead(ctx context.Context, f *FileTask) (int64, error) {
	var n int64
	err := x.read(ctx, f, func(b arrow.RecordBatch) error {
		n += b.NumRows()
		b.Release()
		return nil
	})
	return n, err
}

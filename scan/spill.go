package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/bitmap"
)

const (
	// maxParts bounds the passes over the data that a table that does not fit
	// takes.
	maxParts = 1 << 12
	// A part may take an eighth of the budget besides what is loaded already, and
	// at least this much.
	minPartBytes = 64 << 10
)

// spill finds the rows that a table too large for the budget removes: for one
// part of the keys after the other it reads the delete files, then the key
// columns of all data files. What is kept is a bitmap a data file, so that the
// rows are then read as if they were deleted by position.
func (t *equality) spill(ctx context.Context, c *deleteCache) (map[string]*deletes.Positions, error) {
	rows := int64(0)
	for _, e := range t.entries {
		rows += e.File.RecordCount
	}
	// Some 48 bytes a key; keys deleted again and again need fewer parts.
	parts := uint64(2)
	budget := max(c.v.opts.MemoryBudget/8, minPartBytes)
	for parts < maxParts && rows*48/int64(parts) > budget {
		parts *= 2
	}
	for {
		dead, err := t.passes(ctx, c, parts, budget)
		if err == nil || !errors.Is(err, deletes.ErrBudget) || parts >= maxParts {
			return dead, err
		}
		parts *= 2
	}
}

// passes makes one pass a part.
func (t *equality) passes(ctx context.Context, c *deleteCache, parts uint64, budget int64) (map[string]*deletes.Positions, error) {
	dead := make(map[string]*deletes.Positions, len(t.files))
	seed := rand.Uint64() | 1 // the same for all parts, which split the keys by hash
	for part := range parts {
		table, err := t.build(ctx, c, &deletes.EqualityOptions{Seed: seed, Parts: parts, Part: part, MemoryBudget: budget})
		if err != nil {
			return nil, err
		}
		err = t.pass(ctx, c, table, dead)
		table.Release()
		if err != nil {
			return nil, err
		}
	}
	return dead, nil
}

// pass adds to dead the rows of all data files that a table removes.
func (t *equality) pass(ctx context.Context, c *deleteCache, table *deletes.EqualityTable, dead map[string]*deletes.Positions) error {
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.v.opts.Concurrency)
	for path, ft := range t.files {
		g.Go(func() error {
			p := &deletes.Positions{}
			if err := t.deadRows(gctx, c.v, ft, table, p); err != nil {
				return fileError("data", path, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if old := dead[path]; old != nil {
				old.Union(p)
			} else {
				dead[path] = p
			}
			return nil
		})
	}
	return g.Wait()
}

// deadRows adds to p the rows of one file that a table removes.
func (t *equality) deadRows(ctx context.Context, v *view, ft *FileTask, table *deletes.EqualityTable, p *deletes.Positions) error {
	f, err := openFile(ctx, v, ft.Data.File, false)
	if err != nil {
		return err
	}
	defer f.Close()
	cols := make([]column, len(t.leaves))
	for i := range t.leaves {
		cols[i].field = t.leaves[i].root
	}
	r := &fileReader{x: &exec{pages: v.mem}, v: v, ft: ft, file: f, spans: spans{rows: v.opts.BatchRows}, lay: layout{constants: identityValues(v, ft)}}
	cur, err := r.cursor(ctx, cols, f.RowGroups(), nil, false)
	if err != nil {
		return err
	}
	defer cur.Close()
	for {
		pos, n := cur.Peek()
		b, err := cur.Next(ctx, nil)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		keys, err := extractAll(t.leaves, func(i int) arrow.Array { return b.Column(i) })
		if err == nil && b.NumRows() != int64(n) {
			err = fmt.Errorf("%d rows at row %d, not %d", b.NumRows(), pos, n)
		}
		if err != nil {
			b.Release()
			return err
		}
		live := bitmap.NewSet(n)
		table.Dead(keys, ft.Data.SequenceNumber, live)
		releaseAll(keys)
		b.Release()
		live.Not()
		for i := live.NextSet(0); i >= 0; i = live.NextSet(i + 1) {
			p.Add(uint64(pos) + uint64(i))
		}
	}
}

package compaction

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/scan"
)

// convertWorkers is how many files are read at a time to convert their deletes.
const convertWorkers = 4

// findDead finds the rows that each file's deletes remove. Only the columns of
// the equality deletes are read.
func (j *job) findDead(ctx context.Context, files []scan.FileTask) ([]*input, error) {
	r, err := newReader(j.entry, j.t.Name(), files, j.o.MemoryBudget, 0, []string{"_pos"})
	if err != nil {
		return nil, err
	}
	out := make([]*input, len(files))
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(convertWorkers)
	for i := range files {
		g.Go(func() error {
			in := &input{task: files[i]}
			var err error
			if in.dead, err = r.file(gctx, i, nil); err == nil {
				in.places, err = newGoneRows([]*input{in}).of(gctx, j.entry.Store, &files[i])
			}
			if err != nil {
				if gctx.Err() != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				j.skip(&fileFault{files[i].Data.File.Path, err})
				return nil
			}
			out[i] = in
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	kept := out[:0]
	for _, in := range out {
		if in != nil {
			kept = append(kept, in)
		}
	}
	return kept, nil
}

// conversion adds the deletes by position of a file to the changes, if the file
// is still what was read. Then its equality deletes are needed no more, up to
// the snapshot that was read.
func (a *attempt) conversion(ctx context.Context, in *input) error {
	more, ok, err := a.newDeletes(ctx, in)
	if err != nil || !ok {
		return err
	}
	path := in.task.Data.File.Path
	now := a.byURI[path]
	f := now.Data.File
	all := in.dead.Clone()
	if more != nil {
		all.Union(more)
	}
	a.files++
	a.resolved[path] = a.job.state.Snapshot.SequenceNumber
	if all.Len() == in.places.Len() && more == nil {
		return nil // the equality deletes remove nothing more
	}
	if f.RecordCount > 0 && int64(all.Len()) == f.RecordCount {
		a.ch.RemoveData = append(a.ch.RemoveData, f)
		a.gone[path] = true
		return nil
	}
	if now.DV != nil {
		a.removes[idOf(now.DV.File)] = now.DV.File
	}
	for _, e := range now.Positions {
		if e.File.ReferencedDataFile == f.Path {
			a.removes[idOf(e.File)] = e.File
		}
	}
	stamp := in.reads
	if more == nil {
		stamp = -1
	}
	a.target(f, all, stamp)
	return nil
}

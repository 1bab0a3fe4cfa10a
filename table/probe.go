package table

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/scan"
)

// probe is a file to be read for keys.
type probe struct {
	file    scan.FileTask
	known   bool   // the index has its keys: it is read for the order columns only
	deletes string // see deletesOf
}

// probe reads the key columns of files and notes the rows whose key is wanted.
func (r *resolver) probe(ctx context.Context, base *catalog.Entry, tasks []probe, pruner *pruner) error {
	sc := r.keyScan(base)
	hasher, err := r.newHasher()
	if err != nil {
		return err
	}
	if len(r.bag) > 0 {
		return r.probeBag(ctx, sc, hasher, tasks)
	}
	r.want()
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, task := range tasks {
		g.Go(func() error {
			path := task.file.Data.File.Path
			f, err := r.probeFile(ctx, base, sc, hasher, task, pruner)
			if err != nil {
				return fmt.Errorf("look for keys in %s: %w", path, err)
			}
			mu.Lock()
			defer mu.Unlock()
			r.keepFindings(path, task.deletes, f)
			return nil
		})
	}
	return g.Wait()
}

func (r *resolver) probeFile(ctx context.Context, base *catalog.Entry, sc *scan.Scan, h *deletes.Hasher, task probe, pruner *pruner) (*findings, error) {
	f := &findings{}
	if r.index != nil && !task.known {
		return r.learnFile(ctx, sc, h, task.file)
	}
	if !task.known {
		if absent, err := pruner.bloomSaysAbsent(ctx, base.Store, task.file.Data.File); err != nil || absent {
			return f, err
		}
	}
	return f, r.eachKeys(ctx, sc, h, task.file, func(k keyBatch) error {
		r.judge(f, k)
		return nil
	})
}

// eachKey calls f with the key digest and position of each live row of a file.
func (r *resolver) eachKey(ctx context.Context, sc *scan.Scan, h *deletes.Hasher, task scan.FileTask, f func(d deletes.Digest, pos int64)) error {
	return r.eachKeys(ctx, sc, h, task, func(k keyBatch) error {
		for i, d := range k.digests {
			f(d, k.pos[i])
		}
		return nil
	})
}

// probeBag finds exactly as many equal rows as are to be deleted, in the table
// first, then in the commit's own files.
func (r *resolver) probeBag(ctx context.Context, sc *scan.Scan, h *deletes.Hasher, tasks []probe) error {
	if err := r.settle(); err != nil {
		return err
	}
	left := make(map[deletes.Digest]int, len(r.bag))
	for d, n := range r.bag {
		left[d] = n
	}
	take := func(p **deletes.Positions) func(deletes.Digest, int64) {
		return func(d deletes.Digest, pos int64) {
			if left[d] == 0 {
				return
			}
			if left[d]--; left[d] == 0 {
				delete(left, d)
			}
			if *p == nil {
				*p = &deletes.Positions{}
			}
			(*p).Add(uint64(pos))
		}
	}
	for _, task := range tasks {
		if len(left) == 0 {
			break
		}
		var p *deletes.Positions
		if err := r.eachKey(ctx, sc, h, task.file, take(&p)); err != nil {
			return err
		}
		if p != nil {
			r.found[task.file.Data.File.Path] = p
		}
	}
	clear(r.stale) // in a table without a key only this sets it
	for n, f := range r.own {
		if len(left) == 0 {
			break
		}
		var p *deletes.Positions
		if err := r.eachKey(ctx, sc, h, ownTask(f), take(&p)); err != nil {
			return err
		}
		if p != nil {
			r.stale[n] = p
		}
	}
	r.missed = 0
	for _, n := range left {
		r.missed += n
	}
	return nil
}

func (r *resolver) newHasher() (*deletes.Hasher, error) {
	if len(r.bag) > 0 {
		return deletes.NewRowHasher(r.fields, r.seed)
	}
	return deletes.NewHasher(r.fields, r.seed)
}

// keyScan reads the columns that identify a row, and its position.
func (r *resolver) keyScan(base *catalog.Entry) *scan.Scan {
	opts := &scan.Options{UseCurrentSchema: true}
	for _, f := range slices.Concat(r.fields, r.orderFields) {
		if !slices.Contains(opts.Columns, f.Name) { // a key column may be one of the order
			opts.Columns = append(opts.Columns, f.Name)
		}
	}
	opts.Columns = append(opts.Columns, "_pos")
	return scan.New(scan.Source{Store: base.Store, Metadata: base.Metadata, Name: r.t.Name()}, opts)
}

// probeAppended deletes the rows of this commit's appended files whose key a
// later change of the commit touches. It is called once.
func (r *resolver) probeAppended(ctx context.Context, base *catalog.Entry) error {
	if len(r.gens) == 0 || len(r.keys) == 0 {
		return nil
	}
	r.want()
	if err := r.settle(); err != nil {
		return err
	}
	sc := r.keyScan(base)
	h, err := r.newHasher()
	if err != nil {
		return err
	}
	for n, gen := range r.gens {
		f := &findings{own: true, gen: gen}
		err := r.eachKeys(ctx, sc, h, ownTask(r.own[n]), func(k keyBatch) error {
			r.judge(f, k)
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for keys in %s: %w", r.own[n].Path, err)
		}
		if f.deleted != nil {
			r.kill(n, f.deleted)
		}
		r.lateOwn = append(r.lateOwn, f.late...)
	}
	return nil
}

func ownTask(f *manifest.DataFile) scan.FileTask {
	return scan.FileTask{Data: &manifest.Entry{Status: manifest.StatusAdded, File: f}}
}

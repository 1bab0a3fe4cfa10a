package compaction

import (
	"context"
	"fmt"
	"sync"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
)

// goneRows reads which rows of data files deletion vectors and position deletes
// remove. Delete files never change, so each is read once over all attempts of a
// commit: an attempt pays for the deletes that are new to it.
type goneRows struct {
	// paths are the data files asked for, by bare path.
	paths map[string]bool
	// known has what was read of each delete file, by bare path.
	known map[fileID]map[string][]rowsOf
	// used are the delete files that the attempt in progress asked for.
	used map[fileID]bool
	mu   sync.Mutex // guards known and used
}

// rowsOf are rows of one data file, named as the delete file names it.
type rowsOf struct {
	path string
	rows *deletes.Positions
}

func newGoneRows(inputs []*input) *goneRows {
	g := &goneRows{paths: map[string]bool{}, known: map[fileID]map[string][]rowsOf{}, used: map[fileID]bool{}}
	for _, in := range inputs {
		g.paths[deletes.BarePath(in.task.Data.File.Path)] = true
	}
	return g
}

// of returns the rows of one of the data files that its deletes remove.
func (g *goneRows) of(ctx context.Context, store objstore.Store, f *scan.FileTask) (*deletes.Positions, error) {
	out := &deletes.Positions{}
	if f.DV != nil { // it holds every position delete of the file
		sets, err := g.read(ctx, store, f.DV.File, f.Data.File.Path)
		if err != nil {
			return nil, fmt.Errorf("deletes of %s: %w", f.Data.File.Path, err)
		}
		for _, r := range sets[deletes.BarePath(f.Data.File.Path)] {
			out.Union(r.rows)
		}
	} else {
		for _, e := range f.Positions {
			sets, err := g.read(ctx, store, e.File, f.Data.File.Path)
			if err != nil {
				return nil, fmt.Errorf("deletes of %s: %w", f.Data.File.Path, err)
			}
			for _, r := range sets[deletes.BarePath(f.Data.File.Path)] {
				if deletes.SamePath(r.path, f.Data.File.Path) {
					out.Union(r.rows)
				}
			}
		}
	}
	out.Truncate(uint64(max(f.Data.File.RecordCount, 0))) // there are no rows past its end
	return out, nil
}

// read returns what a delete file says about the data files asked for.
func (g *goneRows) read(ctx context.Context, store objstore.Store, f *manifest.DataFile, path string) (map[string][]rowsOf, error) {
	id := idOf(f)
	g.mu.Lock()
	sets, ok := g.known[id]
	g.used[id] = true
	g.mu.Unlock()
	if ok {
		return sets, nil
	}
	sets = map[string][]rowsOf{}
	if f.IsDV() {
		p, err := deletes.ReadDV(ctx, store, f)
		if err != nil {
			return nil, err
		}
		sets[deletes.BarePath(path)] = []rowsOf{{path, p}}
	} else {
		all, err := deletes.ReadPositions(ctx, store, f, func(p string) bool { return g.paths[deletes.BarePath(p)] })
		if err != nil {
			return nil, err
		}
		for p, rows := range all {
			sets[deletes.BarePath(p)] = append(sets[deletes.BarePath(p)], rowsOf{p, rows})
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known[id] = sets
	return sets, nil
}

// keep says that an attempt would have asked for a file's deletes, had it not
// known the outcome.
func (g *goneRows) keep(f *scan.FileTask) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.DV != nil {
		g.used[idOf(f.DV.File)] = true
	}
	for _, e := range f.Positions {
		g.used[idOf(e.File)] = true
	}
}

// forget drops what the attempt just made did not ask for: delete files that
// others have replaced.
func (g *goneRows) forget() {
	for id := range g.known {
		if !g.used[id] {
			delete(g.known, id)
		}
	}
	clear(g.used)
}

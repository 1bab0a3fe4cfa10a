package snapshot

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// Unreachable are files that only removed snapshots need, each list sorted.
type Unreachable struct {
	DataFiles, DeleteFiles, Manifests, ManifestLists, Statistics []string
}

// FindUnreachable compares a table before and after snapshots were removed and
// returns the files that nothing in it refers to any more. A path that any
// remaining snapshot holds live is never listed, whichever entry names it:
// several deletion vectors share one Puffin file. Files are read through
// opts.Cache; its other members are ignored except Readers.
func FindUnreachable(ctx context.Context, store objstore.Store, before, after *metadata.Table, opts *LiveOptions) (*Unreachable, error) {
	o := opts.withDefaults()
	if o.Cache == nil {
		o.Cache = NewCache(0)
	}
	u := &Unreachable{Statistics: statisticsGone(before, after)}
	src := newSource(store, before, o.Cache)
	for id, st := range newSource(store, after, o.Cache).types {
		src.types[id] = st
	}
	remaining := make(map[int64]bool, len(after.Snapshots))
	for i := range after.Snapshots {
		remaining[after.Snapshots[i].ID] = true
	}
	// 1. Lists of removed snapshots, and manifests that only they have.
	gone := make(map[string]*manifest.File)
	removed := false
	keptLists := make(map[string]bool)
	for i := range before.Snapshots {
		s := &before.Snapshots[i]
		if remaining[s.ID] {
			continue
		}
		removed = true
		files, err := src.manifests(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			gone[f.Path] = f
		}
	}
	if !removed {
		return u, nil
	}
	stay := make(map[string]*manifest.File)
	for i := range after.Snapshots {
		s := &after.Snapshots[i]
		keptLists[s.ManifestList] = true
		files, err := src.manifests(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			stay[f.Path] = f
			delete(gone, f.Path)
		}
	}
	for i := range before.Snapshots {
		if s := &before.Snapshots[i]; !remaining[s.ID] && s.ManifestList != "" && !keptLists[s.ManifestList] {
			u.ManifestLists = append(u.ManifestLists, s.ManifestList)
		}
	}
	for path := range gone {
		u.Manifests = append(u.Manifests, path)
	}
	// 2. Files live in those, minus files live in any manifest that stays.
	if err := u.files(ctx, src, o, gone, stay); err != nil {
		return nil, err
	}
	for _, list := range []*[]string{&u.DataFiles, &u.DeleteFiles, &u.Manifests, &u.ManifestLists, &u.Statistics} {
		slices.Sort(*list)
	}
	return u, nil
}

// candidate is a file that only removed snapshots may need.
type candidate struct {
	path string
	kind manifest.Kind
}

// files fills in data and delete files.
func (u *Unreachable) files(ctx context.Context, src *source, o LiveOptions, gone, stay map[string]*manifest.File) error {
	var mu sync.Mutex
	// By hash of the path, as the keys of manifests have it: files that share a
	// hash by accident would be kept, never lost.
	candidates := make(map[uint64]candidate)
	err := eachManifest(ctx, o.Readers, gone, func(ctx context.Context, f *manifest.File) error {
		for e, err := range src.scan(ctx, f, manifest.ReadOptions{}) {
			if err != nil {
				return err
			}
			mu.Lock()
			candidates[maphash.String(src.cache.seed, e.File.Path)] = candidate{e.File.Path, f.Kind}
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(candidates) == 0 {
		return nil
	}
	err = eachManifest(ctx, o.Readers, stay, func(ctx context.Context, f *manifest.File) error {
		k, err := src.keys(ctx, f)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for h := range candidates {
			if k.hasPath(h) {
				delete(candidates, h)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range candidates {
		if c.kind == manifest.Data {
			u.DataFiles = append(u.DataFiles, c.path)
		} else {
			u.DeleteFiles = append(u.DeleteFiles, c.path)
		}
	}
	return nil
}

// eachManifest calls f for manifests that may have live files, in parallel.
func eachManifest(ctx context.Context, readers int, files map[string]*manifest.File, f func(context.Context, *manifest.File) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, m := range files {
		if !mayHaveLive(m) {
			continue
		}
		g.Go(func() error { return f(ctx, m) })
	}
	return g.Wait()
}

// statisticsGone returns the statistics files that only before refers to.
func statisticsGone(before, after *metadata.Table) []string {
	stay := make(map[string]bool)
	for _, s := range after.Statistics {
		stay[s.Path] = true
	}
	for _, s := range after.PartitionStatistics {
		stay[s.Path] = true
	}
	var out []string
	add := func(path string) {
		if !stay[path] {
			stay[path] = true
			out = append(out, path)
		}
	}
	for _, s := range before.Statistics {
		add(s.Path)
	}
	for _, s := range before.PartitionStatistics {
		add(s.Path)
	}
	slices.Sort(out)
	return out
}

package snapshot

import (
	"context"
	"fmt"

	"github.com/frazildb/frazil/internal/parallel"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// entryBytes is about what a delete entry with its statistics takes.
const entryBytes = 1000

// LoadDeleteIndex reads the delete manifests of a snapshot and indexes what lives
// in them; nil when nothing does. Of opts it looks at KeepManifest, KeepEntry,
// Readers and Cache: entries of manifests that are in the cache are not decoded
// again, and the index of a whole snapshot is kept itself.
func LoadDeleteIndex(ctx context.Context, store objstore.Store, t *metadata.Table, s *metadata.Snapshot, opts *LiveOptions) (*DeleteIndex, error) {
	o := opts.withDefaults()
	o.NoData = true
	src := newSource(store, t, o.Cache)
	wanted, err := src.wanted(ctx, s, &o)
	if err != nil || len(wanted) == 0 {
		return nil, err
	}
	whole := ""
	if o.KeepManifest == nil && o.KeepEntry == nil {
		// What entries mean depends on the types of columns, too.
		whole = fmt.Sprintf("%s#%d#%d", s.ManifestList, len(t.Schemas), len(t.Specs))
		if v, ok := o.Cache.get(cacheIndex, whole); ok {
			return v.(*DeleteIndex), nil
		}
	}
	x, err := BuildDeleteIndex(t, func(yield func(*manifest.Entry, error) bool) {
		for entries, err := range src.deleteEntries(ctx, wanted, &o) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range entries {
				if (o.KeepEntry == nil || o.KeepEntry(e)) && !yield(e, nil) {
					return
				}
			}
		}
	})
	switch {
	case err != nil:
		return nil, err
	case x.Len() == 0:
		return nil, nil
	case whole != "" && s.ManifestList != "":
		o.Cache.put(cacheIndex, whole, x, int64(x.Len())*entryBytes/2) // the entries are shared
	}
	return x, nil
}

// deleteEntries yields the live entries of delete manifests, with all statistics.
func (s *source) deleteEntries(ctx context.Context, files []*manifest.File, o *LiveOptions) func(yield func([]*manifest.Entry, error) bool) {
	read := func(ctx context.Context, f *manifest.File) ([]*manifest.Entry, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if v, ok := s.cache.get(cacheDeletes, f.Path); ok {
			return v.([]*manifest.Entry), nil
		}
		entries, err := s.entries(ctx, f, manifest.ReadOptions{Stats: manifest.StatsAll})
		if err == nil {
			s.cache.put(cacheDeletes, f.Path, entries, int64(len(entries))*entryBytes)
		}
		return entries, err
	}
	for _, f := range files {
		if _, ok := s.cache.get(cacheDeletes, f.Path); !ok {
			return parallel.Ordered(ctx, o.Readers, eachOf(files), read)
		}
	}
	return func(yield func([]*manifest.Entry, error) bool) {
		for _, f := range files {
			entries, err := read(ctx, f)
			if !yield(entries, err) || err != nil {
				return
			}
		}
	}
}

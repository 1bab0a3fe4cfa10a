package snapshot

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/frazildb/frazil/internal/parallel"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// LiveOptions control LiveFiles; nil reads data and delete files without
// statistics.
type LiveOptions struct {
	// Stats and StatsFields as in manifest.ReadOptions.
	Stats       manifest.StatsMode
	StatsFields []int
	// NoData and NoDeletes leave out manifests of that kind.
	NoData, NoDeletes bool
	// KeepManifest, when not nil, is asked for every manifest before it is read.
	KeepManifest func(f *manifest.File) bool
	// KeepEntry, when not nil, is called from several goroutines for every
	// entry, which it must not keep; only those it accepts are copied and
	// yielded.
	KeepEntry func(e *manifest.Entry) bool
	// Readers bounds parallel reads; 0 is 8.
	Readers int
	Cache   *Cache
}

func (o *LiveOptions) withDefaults() LiveOptions {
	var out LiveOptions
	if o != nil {
		out = *o
	}
	if out.Readers <= 0 {
		out.Readers = defaultReaders
	}
	return out
}

func (o *LiveOptions) wants(f *manifest.File) bool {
	switch {
	case f.Kind == manifest.Data && o.NoData, f.Kind == manifest.Deletes && o.NoDeletes:
		return false
	}
	return o.KeepManifest == nil || o.KeepManifest(f)
}

// LiveFiles yields the live entries of a snapshot, nil for an empty table, in
// the order of its manifests. Manifests are read in parallel, at most
// opts.Readers ahead of the consumer; entries stay valid. An error ends it.
func LiveFiles(ctx context.Context, store objstore.Store, t *metadata.Table, s *metadata.Snapshot, opts *LiveOptions) iter.Seq2[*manifest.Entry, error] {
	o := opts.withDefaults()
	return func(yield func(*manifest.Entry, error) bool) {
		src := newSource(store, t, o.Cache)
		wanted, err := src.wanted(ctx, s, &o)
		if err != nil {
			yield(nil, err)
			return
		}
		for entries, err := range src.readMany(ctx, wanted, o, false) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// readMany decodes manifests in parallel and yields the entries of each, in
// order. The goroutines end before it returns.
func (s *source) readMany(ctx context.Context, files []*manifest.File, o LiveOptions, deleted bool) iter.Seq2[[]*manifest.Entry, error] {
	return parallel.Ordered(ctx, o.Readers, eachOf(files), func(ctx context.Context, f *manifest.File) ([]*manifest.Entry, error) {
		return s.readOne(ctx, f, o, deleted)
	})
}

func (s *source) readOne(ctx context.Context, f *manifest.File, o LiveOptions, deleted bool) ([]*manifest.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ro := manifest.ReadOptions{Stats: o.Stats, StatsFields: o.StatsFields, KeepDeleted: deleted}
	if o.KeepEntry == nil {
		return s.entries(ctx, f, ro)
	}
	var out []*manifest.Entry
	for e, err := range s.scan(ctx, f, ro) {
		if err != nil {
			return nil, err
		}
		if o.KeepEntry(e) {
			out = append(out, e.Clone())
		}
	}
	return out, nil
}

// Manifests returns the manifests of a snapshot in list order. The slice and
// what it points to are shared and must not be changed.
func Manifests(ctx context.Context, store objstore.Store, t *metadata.Table, s *metadata.Snapshot, cache *Cache) ([]*manifest.File, error) {
	return newSource(store, t, cache).manifests(ctx, s)
}

// Change is an entry that a snapshot added or removed.
type Change struct {
	Snapshot *metadata.Snapshot
	// Entry has StatusAdded or StatusDeleted.
	Entry *manifest.Entry
}

// ChangedFiles yields what the snapshots after from (nil: from the beginning)
// up to and including to added and removed, oldest snapshot first. It fails with
// ErrConflict when from is not an ancestor of to, or when from is nil and the
// first snapshots are gone.
func ChangedFiles(ctx context.Context, store objstore.Store, t *metadata.Table, from *int64, to int64, opts *LiveOptions) iter.Seq2[Change, error] {
	o := opts.withDefaults()
	return func(yield func(Change, error) bool) {
		history, err := lineage(t, from, to)
		if err != nil {
			yield(Change{}, err)
			return
		}
		src := newSource(store, t, o.Cache)
		for _, snap := range slices.Backward(history) {
			if !src.changedBy(ctx, snap, o, func(e *manifest.Entry, err error) bool {
				return yield(Change{snap, e}, err)
			}) {
				return
			}
		}
	}
}

// ChangedBy yields the entries that one snapshot added or removed, with
// StatusAdded or StatusDeleted, in the order of its manifests.
func ChangedBy(ctx context.Context, store objstore.Store, t *metadata.Table, snap *metadata.Snapshot, opts *LiveOptions) iter.Seq2[*manifest.Entry, error] {
	o := opts.withDefaults()
	return func(yield func(*manifest.Entry, error) bool) {
		newSource(store, t, o.Cache).changedBy(ctx, snap, o, yield)
	}
}

// changedBy yields the entries that a snapshot added or removed and reports
// whether to go on.
func (s *source) changedBy(ctx context.Context, snap *metadata.Snapshot, o LiveOptions, yield func(*manifest.Entry, error) bool) bool {
	files, err := s.manifests(ctx, snap)
	if err != nil {
		yield(nil, err)
		return false
	}
	var wanted []*manifest.File
	for _, f := range files {
		if f.AddedSnapshotID == snap.ID && (f.AddedFiles != 0 || f.DeletedFiles != 0) && o.wants(f) {
			wanted = append(wanted, f)
		}
	}
	for entries, err := range s.readMany(ctx, wanted, o, true) {
		if err != nil {
			yield(nil, err)
			return false
		}
		for _, e := range entries {
			if e.Status == manifest.StatusExisting || e.SnapshotID != snap.ID {
				continue
			}
			if !yield(e, nil) {
				return false
			}
		}
	}
	return true
}

// lineage returns the snapshots after from (nil: all) up to to, newest first.
func lineage(t *metadata.Table, from *int64, to int64) ([]*metadata.Snapshot, error) {
	var out []*metadata.Snapshot
	var last *metadata.Snapshot
	for s := range t.Ancestors(to) {
		if from != nil && s.ID == *from {
			return out, nil
		}
		out = append(out, s)
		last = s
	}
	switch {
	case last == nil:
		return nil, fmt.Errorf("%w: the table has no snapshot %d", ErrConflict, to)
	case from != nil:
		return nil, fmt.Errorf("%w: snapshot %d is not an ancestor of %d, or expired", ErrConflict, *from, to)
	case last.ParentID != nil:
		return nil, fmt.Errorf("%w: the history before snapshot %d has expired", ErrConflict, last.ID)
	}
	return out, nil
}

// Entries yields the entries of manifests in order, with deleted also those of
// StatusDeleted. opts as for LiveFiles; KeepManifest and the choice of kinds are
// the caller's business here.
func Entries(ctx context.Context, store objstore.Store, t *metadata.Table, files []*manifest.File, deleted bool, opts *LiveOptions) iter.Seq2[*manifest.Entry, error] {
	o := opts.withDefaults()
	return func(yield func(*manifest.Entry, error) bool) {
		for entries, err := range newSource(store, t, o.Cache).readMany(ctx, files, o, deleted) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

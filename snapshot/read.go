package snapshot

import (
	"context"
	"iter"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// Cache keeps manifest lists and manifests, which are immutable, by path. It is
// safe for concurrent use; a nil Cache keeps nothing.
type Cache struct{}

// NewCache returns a cache of at most maxBytes; 0 is 64 MiB.
func NewCache(maxBytes int64) *Cache { panic("unwritten") }

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

// LiveFiles yields the live entries of a snapshot, nil for an empty table, in
// the order of its manifests. Manifests are read in parallel; entries stay
// valid.
func LiveFiles(ctx context.Context, store objstore.Store, t *metadata.Table, s *metadata.Snapshot, opts *LiveOptions) iter.Seq2[*manifest.Entry, error] {
	panic("unwritten")
}

// Manifests returns the manifests of a snapshot in list order.
func Manifests(ctx context.Context, store objstore.Store, t *metadata.Table, s *metadata.Snapshot, cache *Cache) ([]*manifest.File, error) {
	panic("unwritten")
}

// Change is an entry that a snapshot added or removed.
type Change struct {
	Snapshot *metadata.Snapshot
	// Entry has StatusAdded or StatusDeleted.
	Entry *manifest.Entry
}

// ChangedFiles yields what the snapshots after from (nil: from the beginning)
// up to and including to added and removed, oldest snapshot first. It fails with
// ErrConflict when from is not an ancestor of to.
func ChangedFiles(ctx context.Context, store objstore.Store, t *metadata.Table, from *int64, to int64, opts *LiveOptions) iter.Seq2[Change, error] {
	panic("unwritten")
}

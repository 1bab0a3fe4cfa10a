package snapshot

import (
	"context"
	"iter"
	"slices"

	"github.com/frazildb/frazil/internal/parallel"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

const (
	// packedBytes is about what a packed entry takes, aheadBytes how much may be
	// decoded ahead of the consumer.
	packedBytes = 200
	aheadBytes  = 48 << 20
)

// PackedManifests yields the manifests of a snapshot with live entries, in list
// order, each decoded into little memory. Of opts it looks at NoData, NoDeletes,
// KeepManifest, StatsFields, Readers and Cache. Manifests that are in the cache
// are not read; those that are read go there if all of them together fit.
// An error ends it.
func PackedManifests(ctx context.Context, store objstore.Store, t *metadata.Table, s *metadata.Snapshot, opts *LiveOptions) iter.Seq2[*manifest.Packed, error] {
	o := opts.withDefaults()
	return func(yield func(*manifest.Packed, error) bool) {
		src := newSource(store, t, o.Cache)
		wanted, err := src.wanted(ctx, s, &o)
		if err != nil {
			yield(nil, err)
			return
		}
		entries, most := int64(0), int64(1)
		for _, f := range wanted {
			n := liveEntries(f)
			entries, most = entries+n, max(most, n)
		}
		keep := o.Cache.fits(entries * packedBytes)
		ahead := int(max(1, min(int64(o.Readers), aheadBytes/(most*packedBytes))))
		if src.allPacked(wanted, o.StatsFields) {
			ahead = 0 // nothing to wait for
		}
		read := func(ctx context.Context, f *manifest.File) (*manifest.Packed, error) {
			return src.packed(ctx, f, o.StatsFields, keep)
		}
		if ahead == 0 || len(wanted) == 1 {
			for _, f := range wanted {
				p, err := read(ctx, f)
				if !yield(p, err) || err != nil {
					return
				}
			}
			return
		}
		parallel.Ordered(ctx, ahead, eachOf(wanted), read)(yield)
	}
}

// wanted returns the manifests with live files that the options ask for.
func (s *source) wanted(ctx context.Context, snap *metadata.Snapshot, o *LiveOptions) ([]*manifest.File, error) {
	files, err := s.manifests(ctx, snap)
	if err != nil {
		return nil, err
	}
	var wanted []*manifest.File
	for _, f := range files {
		if mayHaveLive(f) && o.wants(f) {
			wanted = append(wanted, f)
		}
	}
	return wanted, nil
}

// liveEntries is how many entries a manifest has, going by its list.
func liveEntries(f *manifest.File) int64 {
	n := int64(max(f.AddedFiles, 0)) + int64(max(f.ExistingFiles, 0))
	return max(n, f.Length/400)
}

func eachOf[T any](items []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func (s *source) allPacked(files []*manifest.File, fields []int) bool {
	for _, f := range files {
		if v, ok := s.cache.get(cachePacked, f.Path); !ok || !v.(*manifest.Packed).HasFields(fields) {
			return false
		}
	}
	return true
}

// packed returns a manifest with the statistics of some fields at least.
func (s *source) packed(ctx context.Context, f *manifest.File, fields []int, keep bool) (*manifest.Packed, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if v, ok := s.cache.get(cachePacked, f.Path); ok {
		p := v.(*manifest.Packed)
		if p.HasFields(fields) {
			return p, nil
		}
		fields = append(slices.Clone(fields), p.Fields()...)
	}
	o, err := s.options(f, manifest.ReadOptions{StatsFields: fields})
	if err != nil {
		return nil, err
	}
	data, err := s.read(ctx, f)
	if err != nil {
		return nil, err
	}
	p, err := manifest.Pack(data, f, o)
	if err == nil && keep {
		s.cache.put(cachePacked, f.Path, p, p.MemoryBytes())
	}
	return p, err
}

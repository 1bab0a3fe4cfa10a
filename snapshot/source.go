package snapshot

import (
	"context"
	"fmt"
	"iter"
	"path"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// Limits on stored sizes; the decoders bound what comes out.
const (
	maxListSize     = 256 << 20
	maxManifestSize = 1 << 30
)

// defaultReaders is how many manifests are read at a time.
const defaultReaders = 8

// source reads manifests of one table.
type source struct {
	store objstore.Store
	table *metadata.Table
	cache *Cache
	// schemas serves where there is no cache.
	schemas manifest.Schemas
	types   map[int]specTypes
	// pending returns a manifest that is made but not stored yet, or nil.
	pending func(path string) []byte
}

type specTypes struct {
	spec  partition.Spec
	types []schema.Type
}

func newSource(store objstore.Store, t *metadata.Table, cache *Cache) *source {
	s := &source{store: store, table: t, cache: cache, types: make(map[int]specTypes, len(t.Specs))}
	for _, spec := range t.Specs {
		s.types[spec.ID] = specTypes{spec, t.PartitionTypes(spec.ID)}
	}
	return s
}

// manifests returns the manifests of a snapshot, nil for an empty table. The
// slice and what it points to are shared.
func (s *source) manifests(ctx context.Context, snap *metadata.Snapshot) ([]*manifest.File, error) {
	if snap == nil {
		return nil, nil
	}
	if snap.ManifestList == "" {
		return s.inlineManifests(ctx, snap)
	}
	if snap.KeyID != "" {
		return nil, fmt.Errorf("snapshot %d: manifest list %s: %w", snap.ID, snap.ManifestList, manifest.ErrEncrypted)
	}
	if v, ok := s.cache.get(cacheList, snap.ManifestList); ok {
		return v.([]*manifest.File), nil
	}
	data, err := objstore.ReadAll(ctx, s.store, snap.ManifestList, maxListSize)
	if err != nil {
		return nil, fmt.Errorf("snapshot %d: manifest list: %w", snap.ID, err)
	}
	files, err := manifest.ReadList(data)
	if err != nil {
		return nil, fmt.Errorf("snapshot %d: %s: %w", snap.ID, snap.ManifestList, err)
	}
	s.cache.putList(snap.ManifestList, files)
	return files, nil
}

// inlineManifests describes the manifests that a v1 snapshot names itself.
func (s *source) inlineManifests(ctx context.Context, snap *metadata.Snapshot) ([]*manifest.File, error) {
	files := make([]*manifest.File, 0, len(snap.Manifests))
	for _, uri := range snap.Manifests {
		f := &manifest.File{
			Path: uri, AddedSnapshotID: snap.ID,
			AddedFiles: -1, ExistingFiles: -1, DeletedFiles: -1, AddedRows: -1, ExistingRows: -1, DeletedRows: -1,
		}
		data, err := s.read(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("snapshot %d: %w", snap.ID, err)
		}
		f.Length = int64(len(data))
		if r, err := avrofile.NewReader(data, nil); err == nil {
			if v, ok := r.Meta("partition-spec-id"); ok {
				if f.SpecID, err = strconv.Atoi(string(v)); err != nil {
					return nil, fmt.Errorf("snapshot %d: manifest %s: partition-spec-id: %w", snap.ID, uri, err)
				}
			}
		}
		files = append(files, f)
	}
	return files, nil
}

// read returns the bytes of a manifest.
func (s *source) read(ctx context.Context, f *manifest.File) ([]byte, error) {
	if v, ok := s.cache.get(cacheManifest, f.Path); ok {
		return v.([]byte), nil
	}
	if s.pending != nil {
		if data := s.pending(f.Path); data != nil {
			return data, nil
		}
	}
	data, err := objstore.ReadAll(ctx, s.store, f.Path, maxManifestSize)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", f.Path, err)
	}
	s.cache.putManifest(f.Path, data)
	return data, nil
}

// options completes read options for a manifest.
func (s *source) options(f *manifest.File, o manifest.ReadOptions) (*manifest.ReadOptions, error) {
	st, ok := s.types[f.SpecID]
	if !ok {
		return nil, fmt.Errorf("manifest %s: the table has no partition spec %d", f.Path, f.SpecID)
	}
	o.Spec, o.PartitionTypes = &st.spec, st.types
	o.Schemas = &s.schemas
	if s.cache != nil {
		o.Schemas = &s.cache.schemas
	}
	return &o, nil
}

// entries decodes a manifest into entries that stay valid.
func (s *source) entries(ctx context.Context, f *manifest.File, o manifest.ReadOptions) ([]*manifest.Entry, error) {
	opts, err := s.options(f, o)
	if err != nil {
		return nil, err
	}
	data, err := s.read(ctx, f)
	if err != nil {
		return nil, err
	}
	return manifest.ReadAll(data, f, opts)
}

// scan decodes a manifest; entries are valid until the next step.
func (s *source) scan(ctx context.Context, f *manifest.File, o manifest.ReadOptions) iter.Seq2[*manifest.Entry, error] {
	return func(yield func(*manifest.Entry, error) bool) {
		opts, err := s.options(f, o)
		if err != nil {
			yield(nil, err)
			return
		}
		data, err := s.read(ctx, f)
		if err != nil {
			yield(nil, err)
			return
		}
		for e, err := range manifest.Read(data, f, opts) {
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// mayHaveLive reports whether a manifest may hold live files; unknown counts may
// be anything.
func mayHaveLive(f *manifest.File) bool { return f.AddedFiles != 0 || f.ExistingFiles != 0 }

// MetadataDirectory is where a table's new manifests and what else belongs to its
// metadata go, without a trailing slash: the property write.metadata.path, else
// the directory metadata of the table.
func MetadataDirectory(t *metadata.Table) string {
	if dir := t.Properties["write.metadata.path"]; dir != "" {
		return strings.TrimRight(dir, "/")
	}
	return objstore.Join(t.Location, "metadata")
}

// baseName is the last element of a URI, for messages.
func baseName(uri string) string { return path.Base(uri) }

package snapshot

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
)

// fileID identifies a live file: several deletion vectors share a path.
type fileID struct {
	path         string
	offset, size int64
}

func idOf(f *manifest.DataFile) fileID {
	id := fileID{path: f.Path}
	if f.IsDV() && f.ContentOffset != nil && f.ContentSize != nil {
		id.offset, id.size = *f.ContentOffset, *f.ContentSize
	}
	return id
}

// DataFileOf returns the path of the one data file that a position-delete file or
// deletion vector is about, "" for other files and where there may be several.
func DataFileOf(f *manifest.DataFile) string { return scopedTo(f) }

// scopedTo returns the one data file that a position-delete file or deletion
// vector applies to, "" if there may be several. A file without
// referenced_data_file is scoped when its bounds of file_path are equal: these
// are never truncated.
func scopedTo(f *manifest.DataFile) string {
	if f.Content != manifest.ContentPositionDeletes {
		return ""
	}
	if f.ReferencedDataFile != "" {
		return f.ReferencedDataFile
	}
	lo, ok := f.Lower.Get(schema.IDDeleteFilePath)
	hi, ok2 := f.Upper.Get(schema.IDDeleteFilePath)
	if ok && ok2 && len(lo) > 0 && string(lo) == string(hi) {
		return string(lo)
	}
	return ""
}

// fileKeys says which live files a manifest holds, by 64-bit hashes with a seed
// of the process: small enough to keep for every manifest, so that a commit
// decodes only manifests with files it removes.
type fileKeys struct {
	files []uint64 // of fileID, sorted
	refs  []uint64 // of scopedTo, sorted
	// paths are hashes of the paths of deletion vectors, which files does not
	// have; sorted, each once.
	paths []uint64
}

func (c *Cache) hashID(id fileID) uint64 {
	if id.offset == 0 && id.size == 0 {
		return maphash.String(c.seed, id.path)
	}
	var h maphash.Hash
	h.SetSeed(c.seed)
	_, _ = h.WriteString(id.path)
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], uint64(id.offset))
	binary.LittleEndian.PutUint64(b[8:], uint64(id.size))
	_, _ = h.Write(b[:])
	return h.Sum64()
}

func (k *fileKeys) add(c *Cache, f *manifest.DataFile) {
	id := idOf(f)
	k.files = append(k.files, c.hashID(id))
	if id.offset != 0 || id.size != 0 {
		k.paths = append(k.paths, maphash.String(c.seed, f.Path))
	}
	if ref := scopedTo(f); ref != "" {
		k.refs = append(k.refs, maphash.String(c.seed, ref))
	}
}

func (k *fileKeys) finish() {
	slices.Sort(k.files)
	slices.Sort(k.refs)
	slices.Sort(k.paths)
	k.paths = slices.Compact(k.paths)
}

// hasPath reports whether a live file has the path with this hash.
func (k *fileKeys) hasPath(hash uint64) bool {
	if _, ok := slices.BinarySearch(k.files, hash); ok {
		return true
	}
	_, ok := slices.BinarySearch(k.paths, hash)
	return ok
}

func (c *Cache) putKeys(path string, k *fileKeys) {
	c.put(cacheKeys, path, k, int64(8*(len(k.files)+len(k.refs)+len(k.paths))))
}

// keys returns the keys of a manifest's live files.
func (s *source) keys(ctx context.Context, f *manifest.File) (*fileKeys, error) {
	if v, ok := s.cache.get(cacheKeys, f.Path); ok {
		return v.(*fileKeys), nil
	}
	o := manifest.ReadOptions{}
	if f.Kind == manifest.Deletes {
		o.Stats, o.StatsFields = manifest.StatsAll, []int{schema.IDDeleteFilePath}
	}
	k := &fileKeys{}
	for e, err := range s.scan(ctx, f, o) {
		if err != nil {
			return nil, err
		}
		k.add(s.cache, e.File)
	}
	k.finish()
	s.cache.putKeys(f.Path, k)
	return k, nil
}

// intersects reports whether two sorted slices share a value.
func intersects(a, b []uint64) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	for _, v := range a {
		i, ok := slices.BinarySearch(b, v)
		if ok {
			return true
		}
		b = b[i:]
	}
	return false
}

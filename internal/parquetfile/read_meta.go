package parquetfile

import "sync"

// FileMeta is what a File knows of its file without pages: the decoded footer,
// and the bloom filters and page indexes looked at so far. Files do not change,
// so it may be kept and given to Open again (OpenOptions.Meta). It is safe for
// concurrent use.
type FileMeta struct {
	size   int64
	meta   *footer
	root   *node
	leaves []*node
	hasIDs bool
	bytes  int64

	blooms struct {
		sync.Mutex
		filters map[bloomKey]*bloomFilter
	}
	pages struct {
		sync.Mutex
		offsets map[bloomKey]*offsetIndex
		bounds  map[pageKey]*pageStats
	}
}

// MemoryBytes estimates the most it takes, also when it has seen all filters and
// indexes it keeps.
func (m *FileMeta) MemoryBytes() int64 { return m.bytes }

// Size returns the size of the file in bytes.
func (m *FileMeta) Size() int64 { return m.size }

// Meta returns what may be kept of the file.
func (f *File) Meta() *FileMeta { return f.shared }

// share makes the FileMeta of a file just opened; raw is the size of its footer.
func (f *File) share(raw int64) {
	m := &FileMeta{size: f.size, meta: f.meta, root: f.root, leaves: f.leaves, hasIDs: f.hasIDs}
	m.bytes = 4*raw + 4096
	for i := range f.meta.groups {
		for k := range f.meta.groups[i].chunks {
			c := &f.meta.groups[i].chunks[k]
			m.bytes += 3*int64(max(0, c.indexLength)) + 6*int64(max(0, c.columnIndexLength))
			if c.bloomOffset > 0 && c.bloomLength <= bloomKept {
				m.bytes += int64(max(0, c.bloomLength))
			}
		}
	}
	f.shared = m
}

// adopt takes over what was kept of the same file; false if it is of another.
func (f *File) adopt(m *FileMeta) bool {
	if m == nil || m.size != f.size {
		return false
	}
	f.meta, f.root, f.leaves, f.hasIDs, f.shared = m.meta, m.root, m.leaves, m.hasIDs, m
	return true
}

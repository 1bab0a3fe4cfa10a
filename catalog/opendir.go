package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// OpenDir opens a table that is in no catalog, to be read: location is its
// directory, or one of its metadata files (…metadata.json, also compressed),
// which is then the version that is read.
//
// In a directory the version is that of a file-system table as Files finds it;
// else the one that version-hint.text names; else the file of a metastore table
// (00012-<uuid>.metadata.json) with the highest number, which is a guess: only
// the metastore knows.
//
// A table whose metadata says that it lies outside the store was copied or moved
// here: then the entry's Store looks its location, and that of its manifest lists
// if they say another, up under the directory, and nowhere else.
//
// Only files under that directory are looked at, and under the prefixes that
// opts allows; of opts, Allow, AllowDelete and MaxMetadataBytes count.
func OpenDir(ctx context.Context, store objstore.Store, location string, opts *FilesOptions) (*Entry, error) {
	location = strings.TrimRight(location, "/")
	if opts == nil {
		opts = &FilesOptions{}
	}
	e, err := openDir(ctx, store, location, opts)
	if errors.Is(err, objstore.ErrNotFound) && !errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("table at %q: %w", location, err)
	}
	return e, nil
}

func openDir(ctx context.Context, store objstore.Store, location string, opts *FilesOptions) (*Entry, error) {
	r := reader{store: store, limit: cmp.Or(opts.MaxMetadataBytes, maxMetadataBytes)}
	dir, uri := location, location
	if isMetadataFile(fileName(location)) {
		dir = strings.TrimSuffix(strings.TrimSuffix(location, "/"+fileName(location)), "/"+metadataDir)
	} else {
		var err error
		if uri, err = r.anyHead(ctx, location); err != nil {
			return nil, err
		}
	}
	e, err := r.read(ctx, Identifier{Name: fileName(dir)}, uri)
	if err != nil {
		return nil, err
	}
	bound, err := objstore.Within(store, objstore.Bounds{Own: dir, Allow: opts.Allow, Delete: opts.AllowDelete})
	if err != nil {
		return nil, err
	}
	e.Store = mapMoved(bound, e.Metadata, dir, slices.Concat(opts.Allow, opts.AllowDelete))
	return e, nil
}

// maxMoved bounds the prefixes that are mapped for one table.
const maxMoved = 8

// mapMoved has the table's location, and those that its manifest lists name
// instead of it, looked up in dir, if they are neither the store's own nor where
// the caller allows them to be.
func mapMoved(store objstore.Store, m *metadata.Table, dir string, allowed []string) objstore.Store {
	seen := map[string]bool{}
	moved := store
	add := func(prefix string) {
		prefix = strings.TrimRight(prefix, "/")
		if prefix == "" || seen[prefix] || len(seen) == maxMoved || objstore.Under(store.Root(), prefix) ||
			slices.ContainsFunc(allowed, func(a string) bool { return objstore.Under(a, prefix) }) {
			return
		}
		seen[prefix] = true
		moved = objstore.MapPrefix(moved, prefix, dir)
	}
	add(m.Location)
	for i := len(m.Snapshots) - 1; i >= 0 && len(seen) > 0; i-- {
		list := m.Snapshots[i].ManifestList
		if prefix, ok := strings.CutSuffix(list, "/"+metadataDir+"/"+fileName(list)); ok {
			add(prefix)
		}
	}
	return moved
}

// isMetadataFile reports whether a file name is one of table metadata.
func isMetadataFile(name string) bool {
	return strings.HasSuffix(name, ".metadata.json") || strings.HasSuffix(name, ".metadata.json.gz")
}

// anyHead returns the newest metadata file of a table directory of any kind.
func (r reader) anyHead(ctx context.Context, dir string) (string, error) {
	v, err := r.head(ctx, dir)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return v.uri, err
	}
	if hint := r.readHint(ctx, dir); hint != "" && !strings.ContainsAny(hint, "/\\") {
		for _, name := range []string{hint, hint + ".metadata.json"} {
			uri := objstore.Join(dir, metadataDir, name)
			if _, err := r.store.Stat(ctx, uri); err == nil && isMetadataFile(name) {
				return uri, nil
			}
		}
	}
	var best string
	var bestNumber int64 = -1
	for info, err := range r.store.ListDir(ctx, objstore.Join(dir, metadataDir)) {
		if err != nil {
			return "", err
		}
		name := fileName(info.URI)
		if info.Dir || !isMetadataFile(name) {
			continue
		}
		// Of equal numbers the later in the alphabet: any choice is as good.
		if n := metastoreNumber(name); n >= bestNumber {
			best, bestNumber = info.URI, n
		}
	}
	if best == "" {
		return "", ErrNotFound
	}
	return best, nil
}

// metastoreNumber returns N of "0000N-<uuid>.metadata.json", 0 for other names.
func metastoreNumber(name string) int64 {
	digits, _, ok := strings.Cut(name, "-")
	if !ok || len(digits) > 18 {
		return 0
	}
	var n int64
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

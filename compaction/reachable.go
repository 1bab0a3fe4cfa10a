package compaction

import (
	"context"
	"fmt"
	"strings"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// reach is every file a table refers to, from all its snapshots.
type reach struct {
	at string // metadata location it is of
	// files are canonical locations; bare the same without scheme and authority,
	// with the full one.
	files map[string]bool
	bare  map[string]string
}

func (r *reach) add(uri string) {
	if uri == "" {
		return
	}
	c, err := objstore.Canonical(uri)
	if err != nil {
		c = uri // a relative location of old writers
	}
	r.files[c] = true
	r.bare[deletes.BarePath(c)] = c
}

// has reports whether a file is referred to, whatever the spelling of its
// location.
func (r *reach) has(uri string) bool {
	c, err := objstore.Canonical(uri)
	if err != nil {
		return true // what cannot be named is not touched
	}
	return r.files[c]
}

// spelled returns the location of another scheme or authority by which a file
// may be meant, "" if there is none.
func (r *reach) spelled(uri string) string {
	c, err := objstore.Canonical(uri)
	if err != nil || r.files[c] {
		return ""
	}
	return r.bare[deletes.BarePath(c)]
}

// reachable reads every manifest of every snapshot.
func reachable(ctx context.Context, t *table.Table, e *catalog.Entry) (*reach, error) {
	m := e.Metadata
	r := &reach{at: e.MetadataLocation, files: map[string]bool{}, bare: map[string]string{}}
	r.add(e.MetadataLocation)
	for _, l := range m.MetadataLog {
		r.add(l.MetadataFile)
	}
	for _, s := range m.Statistics {
		r.add(s.Path)
	}
	for _, s := range m.PartitionStatistics {
		r.add(s.Path)
	}
	seen := map[string]bool{}
	for i := range m.Snapshots {
		s := &m.Snapshots[i]
		r.add(s.ManifestList)
		files, err := snapshot.Manifests(ctx, e.Store, m, s, t.Cache())
		if err != nil {
			return nil, fmt.Errorf("files of snapshot %d: %w", s.ID, err)
		}
		fresh := map[string]bool{}
		for _, f := range files {
			r.add(f.Path)
			if !seen[f.Path] {
				fresh[f.Path], seen[f.Path] = true, true
			}
		}
		if len(fresh) == 0 {
			continue
		}
		if err := r.addLive(ctx, t, e, i, fresh); err != nil {
			return nil, fmt.Errorf("files of snapshot %d: %w", s.ID, err)
		}
	}
	return r, nil
}

// addLive adds the live files of some manifests of a snapshot.
func (r *reach) addLive(ctx context.Context, t *table.Table, e *catalog.Entry, snap int, manifests map[string]bool) error {
	opts := &snapshot.LiveOptions{Cache: t.Cache(), KeepManifest: func(f *manifest.File) bool { return manifests[f.Path] }}
	for f, err := range snapshot.LiveFiles(ctx, e.Store, e.Metadata, &e.Metadata.Snapshots[snap], opts) {
		if err != nil {
			return err
		}
		r.add(f.File.Path)
	}
	return nil
}

// hidden reports whether a path below the table is none of its files: names that
// begin with a dot or an underscore, unless they are partition directories.
func hidden(rel string) bool {
	for _, part := range strings.Split(rel, "/") {
		if (strings.HasPrefix(part, ".") || strings.HasPrefix(part, "_")) && !strings.Contains(part, "=") {
			return true
		}
	}
	return false
}

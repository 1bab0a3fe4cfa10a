package table

import (
	"context"
	"errors"
	"slices"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
)

// Properties that say what becomes of old metadata files.
const (
	deleteMetadata = "write.metadata.delete-after-commit.enabled"
	keepMetadata   = "write.metadata.previous-versions-max"
)

// dropLeftovers deletes what a commit that succeeded leaves behind: data files
// of its sets whose rows were all replaced or truncated within it, which no
// snapshot refers to.
func (c *commit) dropLeftovers(ctx context.Context, entry *catalog.Entry) {
	used := map[string]bool{}
	for _, f := range c.changes.AddData {
		used[f.Path] = true
	}
	var unused []string
	for _, s := range c.staged {
		for _, f := range s.files {
			if !used[f.Path] {
				unused = append(unused, f.Path)
			}
		}
	}
	deleteQuietly(ctx, entry.Store, unused)
}

// trimMetadata deletes the metadata files that have left the metadata log,
// oldest first, if the table's properties ask for it. The log keeps at least the
// newest previous-versions-max (100) of them.
//
// A version is deleted only after those before it, also such as an earlier trim
// that was interrupted has left: an old version with a gap after it would pass
// for the newest one to a reader whose version hint is as old.
func (t *Table) trimMetadata(ctx context.Context, before, after *catalog.Entry) {
	if after.Metadata.Property(deleteMetadata, "false") != "true" || after.Metadata.PropertyInt(keepMetadata, 100) < 2 {
		return
	}
	kept := map[string]bool{after.MetadataLocation: true, before.MetadataLocation: true}
	for _, l := range after.Metadata.MetadataLog {
		kept[l.MetadataFile] = true
	}
	for _, l := range before.Metadata.MetadataLog {
		if !kept[l.MetadataFile] && !deleteVersion(ctx, after.Store, l.MetadataFile) {
			return
		}
	}
}

// deleteVersion deletes a metadata file, and first the versions before it. It
// reports whether they are gone.
func deleteVersion(ctx context.Context, store objstore.Store, uri string) bool {
	ctx = context.WithoutCancel(ctx)
	chain := []string{uri}
	for {
		before, ok := catalog.PreviousVersion(chain[len(chain)-1])
		if !ok {
			break
		}
		if _, err := store.Stat(ctx, before); errors.Is(err, objstore.ErrNotFound) {
			break
		} else if err != nil {
			return false
		}
		chain = append(chain, before)
	}
	for _, uri := range slices.Backward(chain) {
		if err := store.Delete(ctx, uri); err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return false
		}
	}
	return true
}

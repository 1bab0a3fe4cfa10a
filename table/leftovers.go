package table

import (
	"context"

	"github.com/frazildb/frazil/catalog"
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
func (t *Table) trimMetadata(ctx context.Context, before, after *catalog.Entry) {
	if after.Metadata.Property(deleteMetadata, "false") != "true" || after.Metadata.PropertyInt(keepMetadata, 100) < 2 {
		return
	}
	kept := map[string]bool{after.MetadataLocation: true, before.MetadataLocation: true}
	for _, l := range after.Metadata.MetadataLog {
		kept[l.MetadataFile] = true
	}
	var gone []string
	for _, l := range before.Metadata.MetadataLog {
		if !kept[l.MetadataFile] {
			gone = append(gone, l.MetadataFile)
		}
	}
	deleteQuietly(ctx, after.Store, gone)
}

package table

import (
	"context"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// What is known of a data file, in a key index or from an earlier attempt of a
// commit, is which of its rows were live at some snapshot. Rows deleted since do
// no harm, and this engine never takes a delete back, but another may: by dropping
// a deletion vector or a delete file. undeleted tells which files gained rows that
// way.

// undeleted returns the data files of which snapshots after from, up to head,
// removed deletes, other than our own, which replace deletes by more; all means
// that it may be any. An error counts as all.
func (t *Table) undeleted(ctx context.Context, base *catalog.Entry, head *metadata.Snapshot, from int64) (paths map[string]bool, all bool) {
	if head == nil || head.ID == from || t.opts.off == "rows undeleted by others" {
		return nil, false
	}
	for s := range base.Metadata.Ancestors(head.ID) {
		if s.ID == from {
			return paths, false
		}
		if s.Summary["engine-name"] != engineName {
			if all := t.removedDeletes(ctx, base, s, &paths); all {
				return nil, true
			}
		}
		if s.ParentID != nil && *s.ParentID == from {
			return paths, false
		}
	}
	return nil, t.opts.off != "index follows the table's history"
}

// removedDeletes adds the data files of which a snapshot removed deletes.
func (t *Table) removedDeletes(ctx context.Context, base *catalog.Entry, s *metadata.Snapshot, paths *map[string]bool) (all bool) {
	opts := &snapshot.LiveOptions{NoData: true, Cache: t.opts.Cache, Stats: manifest.StatsAll, StatsFields: []int{schema.IDDeleteFilePath}}
	for c, err := range snapshot.ChangedFiles(ctx, base.Store, base.Metadata, s.ParentID, s.ID, opts) {
		if err != nil {
			return true
		}
		if c.Entry.Status != manifest.StatusDeleted {
			continue
		}
		path := snapshot.DataFileOf(c.Entry.File)
		if path == "" { // equality deletes, or position deletes of several files
			return true
		}
		if *paths == nil {
			*paths = map[string]bool{}
		}
		(*paths)[path] = true
	}
	return false
}

package compaction_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// headOnly expires all but the heads of refs.
var headOnly = snapshot.ExpirePolicy{KeepLast: 1, OnlyCount: true}

func snapshotIDs(ids ...int64) snapshot.ExpirePolicy { return snapshot.ExpirePolicy{IDs: ids} }

// TestG6RefBetween makes a tag, and a branch, of a snapshot that an expiry has
// chosen, between its plan and its commit: the ref stays, with all its rows, and
// the rest is expired.
func TestG6RefBetween(t *testing.T) {
	for _, kind := range []string{"tag", "branch"} {
		w := newWorld(t, worldOptions{version: 3, seed: 21})
		for range 4 {
			w.write(table.EncodingPosition, w.random(30, 60))
		}
		w.compact(nil)
		w.must(w.tab.Refresh(w.ctx))
		chosen := w.tab.Metadata().Snapshots[1].ID
		want := rowsOf(t, w.tab, &scan.Options{SnapshotID: &chosen})
		w.between(func() {
			create := w.rival.CreateTag
			if kind == "branch" {
				create = w.rival.CreateBranch
			}
			w.must(create(w.ctx, "kept", &table.RefOptions{SnapshotID: &chosen}))
		})
		rep, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: headOnly})
		w.must(err)
		if len(rep.Snapshots) != 3 || rep.Failed != 0 {
			t.Errorf("%s: %+v", kind, *rep)
		}
		w.must(w.tab.Refresh(w.ctx))
		if _, ok := w.tab.Metadata().Refs["kept"]; !ok {
			t.Fatalf("the %s was lost", kind)
		}
		if got := rowsOf(t, w.tab, &scan.Options{Ref: "kept"}); !slices.Equal(got, want) {
			t.Errorf("%s: %d rows, want %d", kind, len(got), len(want))
		}
		w.check(kind)
	}
}

// TestG6Statistics: statistics files belong to a table as long as their snapshot
// does. Orphan removal keeps them; expiry drops those of snapshots that go, from
// the metadata and the store, and no others, two snapshots' common file included.
func TestG6Statistics(t *testing.T) {
	w, d := orphanWorld(t)
	m := w.tab.Metadata()
	first, second, head := m.Snapshots[0].ID, m.Snapshots[1].ID, m.Current().ID
	at := func(name string) string { return "mem://compaction/c/t/metadata/" + name }
	for _, name := range []string{"old.stats", "old-part.stats", "new.stats", "new-part.stats", "common.stats", "nobody.stats"} {
		d.put(t, at(name), 0)
	}
	stats := func(id int64, name string) metadata.Update {
		return metadata.SetStatistics{Statistics: metadata.Statistics{SnapshotID: id, Path: at(name), FileSizeInBytes: 1, FileFooterSize: 1}}
	}
	parts := func(id int64, name string) metadata.Update {
		return metadata.SetPartitionStatistics{Statistics: metadata.PartitionStatistics{SnapshotID: id, Path: at(name), FileSizeInBytes: 1}}
	}
	_, _, err := w.tab.CommitUpdates(w.ctx, func(*catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		return []metadata.Update{
			stats(first, "old.stats"), parts(first, "old-part.stats"), stats(second, "common.stats"), parts(head, "new-part.stats"), stats(head, "new.stats"),
		}, nil, nil
	})
	w.must(err)
	_, _, err = w.tab.CommitUpdates(w.ctx, func(*catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		return []metadata.Update{parts(head, "common.stats")}, nil, nil // one file for both
	})
	w.must(err)
	d.allOld(t, 10*day)
	rep, err := compaction.RemoveOrphans(w.ctx, w.tab, nil)
	w.must(err)
	var names []string
	for _, o := range rep.Orphans {
		names = append(names, strings.TrimPrefix(o.URI, at("")))
	}
	if slices.Sort(names); !slices.Equal(names, []string{"new-part.stats", "nobody.stats"}) { // the former was replaced
		t.Errorf("orphans: %v", names)
	}
	p := headOnly
	p.OlderThan = time.Now().Add(time.Hour)
	x, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: p})
	w.must(err)
	if !slices.Equal(x.Files.Statistics, []string{at("old-part.stats"), at("old.stats")}) {
		t.Errorf("expired: %v", x.Files.Statistics)
	}
	m = w.tab.Metadata()
	if len(m.Statistics) != 1 || len(m.PartitionStatistics) != 1 || !d.has(at("new.stats")) || !d.has(at("common.stats")) || d.has(at("old.stats")) {
		t.Errorf("left: %+v %+v", m.Statistics, m.PartitionStatistics)
	}
}

// TestG5Sibling: of two tables one of whose locations is the beginning of the
// other's, /t and /t2, maintenance of the one never touches the other.
func TestG5Sibling(t *testing.T) {
	w, d := orphanWorld(t)
	two, err := table.Create(w.ctx, w.cat, "c.t2", w.tab.Schema(), &table.CreateOptions{Key: []string{"id"}})
	w.must(err)
	wr, err := two.NewWriter(nil)
	w.must(err)
	for i := range int64(4) {
		w.must(wr.Upsert(w.ctx, schema.Row{i % 2, "x"}))
		_, err = wr.Commit(w.ctx, nil)
		w.must(err)
	}
	w.must(wr.Close())
	d.put(t, "mem://compaction/c/t2/data/orphan.parquet", 10*day)
	d.put(t, "mem://compaction/c/t/data/orphan.parquet", 10*day)
	d.allOld(t, 10*day)
	before := d.under("/c/t2/")
	want := rowsOf(t, two, nil)
	rep, err := compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true})
	w.must(err)
	if rep.Deleted != 1 {
		t.Errorf("%+v", *rep)
	}
	w.compact(nil)
	p := headOnly
	p.OlderThan = time.Now().Add(time.Hour)
	if _, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: p}); err != nil {
		t.Error(err)
	}
	if after := d.under("/c/t2/"); !slices.Equal(after, before) {
		t.Errorf("%d files of the other table, there were %d", len(after), len(before))
	}
	if got := rowsOf(t, two, nil); !slices.Equal(got, want) {
		t.Errorf("the other table has %v, want %v", got, want)
	}
	w.check("after")
}

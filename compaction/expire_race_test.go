package compaction_test

import (
	"slices"
	"testing"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/scan"
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

package compaction_test

import (
	"slices"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// TestExpireFiles: with KeepFiles expiry takes snapshots from the metadata only;
// else their files go, and those of a branch that is past its age, but not what
// main has in common with it.
func TestExpireFiles(t *testing.T) {
	ctx := t.Context()
	for _, keep := range []bool{true, false} {
		store := objstore.NewMemory("mem://x")
		now := time.Now()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		tab, err := table.Create(ctx, catalog.NewFiles(store, nil), "x.t", schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}),
			&table.CreateOptions{Key: []string{"id"}, Options: table.Options{Clock: func() time.Time { return now }}})
		must(err)
		put := func(branch string, ids ...int64) {
			t.Helper()
			w, err := tab.NewWriter(&table.WriterOptions{Branch: branch, KeepSnapshots: -1})
			must(err)
			defer w.Close()
			for _, id := range ids {
				must(w.Upsert(ctx, schema.Row{id}))
			}
			_, err = w.Commit(ctx, nil)
			must(err)
		}
		list := func() (files []string) {
			for info, err := range store.List(ctx, "mem://x/x/t/data") {
				must(err)
				files = append(files, info.URI)
			}
			return files
		}
		put("", 1)
		must(tab.CreateBranch(ctx, "side", nil))
		put("side", 2)
		put("", 3)
		before := list()
		must(tab.SetRetention(ctx, "side", table.Retention{MaxRefAge: time.Hour}))
		now = now.Add(2 * time.Hour)
		report, err := compaction.Expire(ctx, tab, &compaction.ExpireOptions{
			KeepFiles: keep, Policy: snapshot.ExpirePolicy{KeepLast: 1, OlderThan: now},
		})
		must(err)
		if !slices.Equal(report.Refs, []string{"side"}) || len(report.Snapshots) != 2 {
			t.Errorf("keep=%v: %+v", keep, report)
		}
		after := list()
		switch {
		case keep && !slices.Equal(before, after):
			t.Errorf("files went: %v of %v are left", after, before)
		case !keep && (len(after) != 2 || len(before) != 3):
			t.Errorf("%v of %v are left, want the two of main", after, before)
		}
		must(tab.Refresh(ctx))
		var ids []int64
		for row, err := range tab.Scan(nil).Rows(ctx) {
			must(err)
			ids = append(ids, row[0].(int64))
		}
		slices.Sort(ids)
		if !slices.Equal(ids, []int64{1, 3}) {
			t.Errorf("keep=%v: rows %v", keep, ids)
		}
	}
}

package compaction_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/judge"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

// TestK8Lineage: rows keep their ids and last-updated numbers through
// compactions, beside a writer and through a second one.
func TestK8Lineage(t *testing.T) {
	for _, parts := range [][]partition.Field{nil, {partition.Bucket("id", 3)}} {
		w := newWorld(t, worldOptions{version: 3, seed: 8, partition: parts})
		opts := &scan.Options{Columns: []string{"id", "v", "_row_id", "_last_updated_sequence_number"}}
		for range 5 {
			w.write(table.EncodingPosition, w.random(30, 80))
		}
		w.between(func() { w.write(table.EncodingPosition, w.random(30, 80)) })
		check := func(what string, want map[string]bool) map[string]bool {
			w.must(w.tab.Refresh(w.ctx))
			got := map[string]bool{}
			for _, r := range rowsOf(t, w.tab, opts) {
				got[r] = true
			}
			for r := range want {
				if !got[r] {
					t.Errorf("%s: lost %s", what, r)
				}
			}
			return got
		}
		w.must(w.tab.Refresh(w.ctx))
		w.compact(&compaction.Options{MaxRounds: 1})
		// What the rows are is said by the snapshot before the compaction's.
		m := w.tab.Metadata()
		parent := m.Current().ParentID
		opts.SnapshotID = parent
		want := check("parent", nil)
		opts.SnapshotID = nil
		check("compacted", want)
		w.compact(&compaction.Options{DeleteRatio: 0.0001})
		check("compacted again", want)
		w.check("rows")
	}
}

// TestJudges lets other engines read what compaction, conversion and carried-over
// deletes leave.
func TestJudges(t *testing.T) {
	testenv.Python(t)
	for _, version := range []int{2, 3} {
		for _, o := range []compaction.Options{{MaxRounds: 1}, {ConvertOnly: true, MaxRounds: 1}} {
			t.Run(fmt.Sprintf("v%d convert=%v", version, o.ConvertOnly), func(t *testing.T) {
				dir := t.TempDir()
				store, err := objstore.NewLocal(dir, &objstore.LocalOptions{NoSync: true})
				if err != nil {
					t.Fatal(err)
				}
				w := newWorld(t, worldOptions{version: version, seed: 13, store: store, partition: []partition.Field{partition.Bucket("id", 2)}})
				for range 6 {
					w.write(table.EncodingEquality, w.random(40, 200))
				}
				w.between(func() { w.write(table.EncodingPosition, w.random(40, 200)) })
				rep := w.compact(&o)
				if !o.ConvertOnly && rep.Carried == 0 {
					t.Errorf("%+v", *rep)
				}
				w.check("after")
				sum := judge.NewSum(w.tab.Schema())
				for b, err := range w.tab.Scan(nil).Batches(w.ctx) {
					w.must(err)
					sum.Add(b)
				}
				home := filepath.Join(dir, "c", "t")
				for _, e := range []judge.Engine{judge.DuckDB, judge.PyIceberg} {
					got, err := judge.Try(t, e, home, 0)
					switch {
					case err != nil:
						t.Errorf("%s: %v", e, err)
					case got != sum.Verdict():
						t.Errorf("%s: %v, want %v", e, got, sum.Verdict())
					default:
						t.Logf("%s: %v", e, got)
					}
				}
				_, err = compaction.RewriteManifests(w.ctx, w.tab, nil)
				w.must(err)
				if got := judge.Checksum(t, judge.DuckDB, home, 0); got != sum.Verdict() {
					t.Errorf("after manifests: %v, want %v", got, sum.Verdict())
				}
			})
		}
	}
}

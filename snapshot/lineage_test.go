package snapshot

import (
	"context"
	"reflect"
	"testing"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
)

// Invariant 9 and fact R6: rewritten entries store the row ids they inherited,
// also when manifests that are not committed yet are merged.
func TestInvariant9RowIDsSurviveRewrites(t *testing.T) {
	w := newWorld(t, 3, false, map[string]string{"commit.manifest.min-count-to-merge": "3"})
	ids := func() map[string]int64 {
		out := map[string]int64{}
		for _, e := range w.entries(w.table.Current()) {
			if e.File.FirstRowID == nil {
				t.Fatalf("%s has no row id", e.File.Path)
			}
			out[e.File.Path] = *e.File.FirstRowID
		}
		return out
	}
	// A new file's own id is ignored.
	a := w.data("a", 10, 0)
	a.FirstRowID = ptr(int64(1000))
	w.commit(Changes{AddData: files(a, w.data("b", 20, 0))})
	w.commit(Changes{AddData: files(w.data("c", 30, 0))})
	want := map[string]int64{"a": 0, "b": 10, "c": 30}
	if got := ids(); !reflect.DeepEqual(got, want) || w.table.NextRowID != 60 {
		t.Errorf("%v, next %d", got, w.table.NextRowID)
	}
	// One commit filters a manifest and merges the result with two others.
	s := w.commit(Changes{AddData: files(w.data("d", 5, 0)), RemoveData: files(w.file("a"))})
	if n := len(w.manifests(s)); n != 1 {
		t.Errorf("%d manifests, want one merged", n)
	}
	got := ids()
	if got["b"] != 10 || got["c"] != 30 || got["d"] < 60 || w.table.NextRowID < got["d"]+5 || *s.FirstRowID != 60 || *s.AddedRows != w.table.NextRowID-60 {
		t.Errorf("%v, snapshot %d+%d, next %d", got, *s.FirstRowID, *s.AddedRows, w.table.NextRowID)
	}
	// The removed entry keeps its id as well.
	if e := w.all(s)["a"]; e.Status != manifest.StatusDeleted || e.SequenceNumber != 1 {
		t.Errorf("%+v", e)
	}
}

// Upgrading assigns ids to old files with the first commit; no two files share
// rows.
func TestRowIDsAfterUpgrade(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 0), w.data("b", 20, 0))})
	w.commit(Changes{RemoveData: files(w.file("a")), AddData: files(w.data("c", 7, 0))})
	w.change(metadata.UpgradeFormatVersion{Version: 3})
	for _, e := range w.entries(w.table.Current()) {
		if e.File.FirstRowID != nil {
			t.Errorf("%s has a row id before the first commit", e.File.Path)
		}
	}
	w.commit(Changes{AddData: files(w.data("d", 3, 0))})
	used := map[int64]string{}
	for _, e := range w.entries(w.table.Current()) {
		for i := range e.File.RecordCount {
			id := *e.File.FirstRowID + i
			if used[id] != "" || id >= w.table.NextRowID {
				t.Errorf("row id %d of %s: also %s, next %d", id, e.File.Path, used[id], w.table.NextRowID)
			}
			used[id] = e.File.Path
		}
	}
	if len(used) != 30 {
		t.Errorf("%d row ids", len(used))
	}
}

// Invariant 10: next-row-id is re-read on every attempt, and grows by commits to
// other branches too.
func TestInvariant10NextRowIDReread(t *testing.T) {
	w := newWorld(t, 3, false, nil)
	base := w.table
	p := w.producer(Changes{AddData: files(w.data("a", 10, 0))}, Conditions{})
	if _, err := p.Apply(context.Background(), base, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.try(w.producer(Changes{AddData: files(w.data("b", 50, 0))}, Conditions{}), w.table, "side"); err != nil {
		t.Fatal(err)
	}
	s, err := w.try(p, w.table, "")
	if err != nil {
		t.Fatal(err)
	}
	if *s.FirstRowID != 50 || w.table.NextRowID != 60 || *w.file("a").FirstRowID != 50 {
		t.Errorf("first row id %d, next %d", *s.FirstRowID, w.table.NextRowID)
	}
}

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
)

func TestAppendAndSummary(t *testing.T) {
	w := newWorld(t, 2, true, nil)
	s := w.commit(Changes{AddData: files(w.data("a", 10, 1), w.data("b", 5, 2)), Summary: map[string]string{"engine-name": "x", "total-records": "99"}})
	if s.Operation != metadata.OpAppend || s.SequenceNumber != 1 || s.ParentID != nil || s.SchemaID == nil {
		t.Errorf("%+v", s)
	}
	wantSummary(t, s, map[string]string{
		"engine-name": "x", "added-data-files": "2", "added-records": "15", "added-files-size": "200", "changed-partition-count": "2",
		"total-data-files": "2", "total-records": "15", "total-files-size": "200", "total-delete-files": "0",
		"total-position-deletes": "0", "total-equality-deletes": "0", "deleted-data-files": "", "manifests-created": "1",
	})
	s = w.commit(Changes{AddDeletes: files(w.equality("eq", 3, 1), w.positions("pd", "a", 2, 1))})
	if s.Operation != metadata.OpDelete || *s.ParentID != 1 {
		t.Errorf("%+v", s)
	}
	wantSummary(t, s, map[string]string{
		"added-delete-files": "2", "added-equality-delete-files": "1", "added-position-delete-files": "1",
		"added-equality-deletes": "3", "added-position-deletes": "2", "total-records": "15",
		"total-delete-files": "2", "total-position-deletes": "2", "total-equality-deletes": "3", "changed-partition-count": "1",
	})
	s = w.commit(Changes{RemoveData: files(w.file("a")), AddData: files(w.data("c", 8, 1))})
	if s.Operation != metadata.OpOverwrite {
		t.Errorf("%+v", s)
	}
	// a's own position deletes go with it; the equality deletes stay.
	wantSummary(t, s, map[string]string{
		"deleted-data-files": "1", "deleted-records": "10", "removed-position-delete-files": "1", "removed-position-deletes": "2",
		"removed-delete-files": "1", "total-data-files": "2", "total-records": "13", "total-delete-files": "1", "total-position-deletes": "0",
	})
	w.wantLive("b@1 c@3 eq@2")
	s = w.commit(Changes{})
	if s.Operation != metadata.OpAppend {
		t.Errorf("empty commit: %s", s.Operation)
	}
	w.wantLive("b@1 c@3 eq@2")
}

// Fact S11: totals continue those of the branch; a missing one stays missing.
func TestSummaryTotals(t *testing.T) {
	d := &delta{}
	d.added.records, d.removed.records = 5, 2
	parent := &metadata.Snapshot{Summary: map[string]string{"total-records": "10", "total-data-files": "x"}}
	got := summary(nil, d, work{}, parent)
	if got["total-records"] != "13" {
		t.Errorf("total-records %q", got["total-records"])
	}
	for _, k := range []string{"total-data-files", "total-delete-files"} {
		if v, ok := got[k]; ok {
			t.Errorf("%s is %q without a previous total", k, v)
		}
	}
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 0))})
	first := w.table.Current()
	w.commit(Changes{AddData: files(w.data("b", 10, 0))})
	w.change(metadata.SetRef{Name: "side", Ref: metadata.Ref{SnapshotID: first.ID, Type: "branch", MinSnapshotsToKeep: ptr(7)}})
	s, err := w.try(w.producer(Changes{AddData: files(w.data("c", 1, 0))}, Conditions{}), w.table, "side")
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, s, map[string]string{"total-records": "11"})
	if r := w.table.Refs["side"]; r.SnapshotID != s.ID || *r.MinSnapshotsToKeep != 7 || s.SequenceNumber != 3 {
		t.Errorf("ref %+v of snapshot %+v", r, s)
	}
	w.wantLive("a@1 b@2")
	// A branch that does not exist starts at main.
	if s, err = w.try(w.producer(Changes{AddData: files(w.data("d", 1, 0))}, Conditions{}), w.table, "new"); err != nil || *s.ParentID != w.table.Current().ID {
		t.Errorf("%+v %v", s, err)
	}
	w.change(metadata.SetRef{Name: "tag", Ref: metadata.Ref{SnapshotID: first.ID, Type: "tag"}})
	if _, err = w.try(w.producer(Changes{}, Conditions{}), w.table, "tag"); !errors.Is(err, ErrInvalid) {
		t.Errorf("commit to a tag: %v", err)
	}
}

func TestOperations(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	a, d, pd := w.data("a", 10, 0), w.data("d", 1, 0), w.positions("pd", "a", 1, 0)
	for _, c := range []struct {
		c    Changes
		want string
	}{
		{Changes{AddData: files(a)}, metadata.OpAppend},
		{Changes{AddDeletes: files(pd)}, metadata.OpDelete},
		{Changes{RemoveData: files(a)}, metadata.OpDelete},
		{Changes{RemoveAll: true}, metadata.OpDelete},
		{Changes{AddData: files(a), AddDeletes: files(pd)}, metadata.OpOverwrite},
		{Changes{AddData: files(d), RemoveData: files(a)}, metadata.OpOverwrite},
		{Changes{RemoveDeletes: files(pd)}, metadata.OpOverwrite},
		{Changes{AddDeletes: files(pd), RemoveDeletes: files(w.positions("old", "a", 1, 0))}, metadata.OpDelete},
		{Changes{Operation: metadata.OpReplace, AddData: files(d), RemoveData: files(a)}, metadata.OpReplace},
	} {
		p := w.producer(c.c, Conditions{})
		if err := p.prepare(); err != nil || p.operation() != c.want {
			t.Errorf("%+v: %s %v, want %s", c.c, p.operation(), err, c.want)
		}
	}
	for name, c := range map[string]Changes{
		"append that removes": {Operation: metadata.OpAppend, RemoveData: files(a)},
		"delete that adds":    {Operation: metadata.OpDelete, AddData: files(a)},
		"unknown":             {Operation: "merge"},
		"twice":               {AddData: files(a, a)},
		"added and removed":   {AddData: files(a), RemoveData: files(a)},
		"delete as data":      {AddData: files(pd)},
		"data as delete":      {AddDeletes: files(a)},
		"remove delete":       {RemoveData: files(pd)},
		"remove data":         {RemoveDeletes: files(a)},
		"deletes of removed":  {RemoveData: files(a), AddDeletes: files(pd)},
		"replace that grows":  {Operation: metadata.OpReplace, AddData: files(a)},
		"future sequence":     {AddData: files(a), DataSequence: ptr(int64(2))},
	} {
		if _, err := w.commitIf(c, Conditions{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if names := w.store.names(t); len(names) != 0 {
		t.Errorf("invalid changes left %v", names)
	}
}

// Invariant 4: at most one live deletion vector per data file.
func TestInvariant4OneVectorPerDataFile(t *testing.T) {
	w := newWorld(t, 3, true, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 1), w.data("b", 10, 1))})
	w.commit(Changes{AddDeletes: files(w.dv("p1", "a", 4, 40, 1, 1), w.dv("p1", "b", 44, 40, 1, 1))})
	w.wantLive("a@1 b@1 p1@2 p1@2")
	if _, err := w.commitIf(Changes{AddDeletes: files(w.dv("p2", "a", 4, 40, 2, 1))}, Conditions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("second vector: %v", err)
	}
	two := Changes{AddDeletes: files(w.dv("p2", "a", 4, 40, 2, 1), w.dv("p2", "a", 44, 40, 2, 1))}
	if _, err := w.commitIf(two, Conditions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("two vectors in one commit: %v", err)
	}
	// Replacing takes the old one away, and only that one of its Puffin file.
	var old *manifest.DataFile
	for _, e := range w.entries(w.table.Current()) {
		if e.File.ReferencedDataFile == "a" {
			old = e.File
		}
	}
	s := w.commit(Changes{AddDeletes: files(w.dv("p2", "a", 4, 60, 2, 1)), RemoveDeletes: files(old)})
	wantSummary(t, s, map[string]string{
		"added-dvs": "1", "removed-dvs": "1", "added-files-size": "60", "removed-files-size": "40", "added-position-delete-files": "",
		"added-delete-files": "1", "total-delete-files": "2", "total-position-deletes": "3",
	})
	w.wantLive("a@1 b@1 p1@2 p2@3")
	// The one removed is not live any more.
	if _, err := w.commitIf(Changes{RemoveDeletes: files(old)}, Conditions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("vector removed twice: %v", err)
	}
}

// Invariant 5: removing a data file removes its deletion vector and the position
// deletes of it alone in the same commit.
func TestInvariant5DataFileTakesItsDeletes(t *testing.T) {
	w := newWorld(t, 2, true, nil)
	bounds := func(f *manifest.DataFile, lo, hi string) *manifest.DataFile {
		f.Lower = manifest.Bounds{{FieldID: 2147483546, Value: []byte(lo)}}
		f.Upper = manifest.Bounds{{FieldID: 2147483546, Value: []byte(hi)}}
		return f
	}
	w.commit(Changes{AddData: files(w.data("a", 10, 1), w.data("b", 10, 1))})
	w.commit(Changes{AddDeletes: files(
		w.positions("named", "a", 1, 1), bounds(w.positions("by-bounds", "", 1, 1), "a", "a"),
		bounds(w.positions("shared", "", 1, 1), "a", "b"), w.positions("other", "b", 1, 1), w.equality("eq", 1, 1),
	)})
	s := w.commit(Changes{RemoveData: files(w.file("a"))})
	w.wantLive("b@1 eq@2 other@2 shared@2")
	wantSummary(t, s, map[string]string{"removed-position-delete-files": "2"})

	w = newWorld(t, 3, true, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 1), w.data("b", 10, 1))})
	w.commit(Changes{AddDeletes: files(w.dv("p", "a", 4, 40, 1, 1), w.dv("p", "b", 44, 40, 1, 1))})
	// Naming the vector as well does no harm.
	var dv *manifest.DataFile
	for _, e := range w.entries(w.table.Current()) {
		if e.File.ReferencedDataFile == "a" {
			dv = e.File
		}
	}
	w.commit(Changes{RemoveData: files(w.file("a")), RemoveDeletes: files(dv)})
	w.wantLive("b@1 p@2")
}

// Invariant 6: every commit has a data sequence number of its own, on every
// branch.
func TestInvariant6OwnSequenceNumber(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 1, 0))})
	if _, err := w.try(w.producer(Changes{AddData: files(w.data("b", 1, 0)), AddDeletes: files(w.equality("e", 1, 0))}, Conditions{}), w.table, "x"); err != nil {
		t.Fatal(err)
	}
	s := w.commit(Changes{AddData: files(w.data("c", 1, 0)), AddDeletes: files(w.equality("f", 1, 0))})
	if s.SequenceNumber != 3 {
		t.Errorf("sequence number %d", s.SequenceNumber)
	}
	w.wantLive("a@1 c@3 f@3")
}

// Invariant 8: EXISTING and DELETED entries carry explicit numbers.
func TestInvariant8RewrittenEntriesKeepNumbers(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	s1 := w.commit(Changes{AddData: files(w.data("a", 1, 0), w.data("b", 1, 0), w.data("c", 1, 0))})
	s2 := w.commit(Changes{RemoveData: files(w.file("b"))})
	got := w.all(s2)
	for path, want := range map[string]manifest.Entry{
		"a": {Status: manifest.StatusExisting, SnapshotID: s1.ID, SequenceNumber: 1, FileSequenceNumber: 1},
		"b": {Status: manifest.StatusDeleted, SnapshotID: s2.ID, SequenceNumber: 1, FileSequenceNumber: 1},
	} {
		e := *got[path]
		e.File = nil
		if e != want {
			t.Errorf("%s: %+v, want %+v", path, e, want)
		}
	}
	// Removed entries last for one snapshot only.
	s3 := w.commit(Changes{RemoveData: files(w.file("c"))})
	if got := w.all(s3); got["b"] != nil || got["c"].Status != manifest.StatusDeleted || got["a"].SnapshotID != s1.ID {
		t.Errorf("%+v", got)
	}
	s4 := w.commit(Changes{RemoveData: files(w.file("a"))})
	if s5 := w.commit(Changes{}); len(w.manifests(s4)) != 1 || len(w.manifests(s5)) != 0 {
		t.Error("a manifest without live files outlived its snapshot")
	}
}

// Facts M9 and M10: removal rewrites only the manifests that hold removed files.
func TestRemovalRewritesOnlyWhatItMust(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	for i := range 5 {
		w.commit(Changes{AddData: files(w.data(fmt.Sprint("f", i), 1, 0), w.data(fmt.Sprint("g", i), 1, 0))})
	}
	before := w.manifests(w.table.Current())
	s := w.commit(Changes{RemoveData: files(w.file("f2"))})
	after := w.manifests(s)
	kept := 0
	for _, f := range after {
		for _, o := range before {
			if f.Path == o.Path {
				kept++
				if !reflect.DeepEqual(f, o) {
					t.Errorf("%+v changed to %+v", o, f)
				}
			}
		}
	}
	if kept != 4 || len(after) != 5 {
		t.Errorf("%d of %d manifests kept", kept, len(after))
	}
	wantSummary(t, s, map[string]string{"manifests-kept": "4", "manifests-created": "1", "manifests-replaced": "1", "entries-processed": "2"})
	if _, err := w.commitIf(Changes{RemoveData: files(w.data("f2", 1, 0))}, Conditions{}); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "f2") {
		t.Errorf("removed twice: %v", err)
	}
}

func TestRemoveAll(t *testing.T) {
	w := newWorld(t, 3, true, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 1), w.data("b", 5, 2))})
	w.commit(Changes{AddDeletes: files(w.dv("p", "a", 4, 40, 1, 1), w.equality("e", 2, 2))})
	s := w.commit(Changes{RemoveAll: true, AddData: files(w.data("c", 3, 1))})
	w.wantLive("c@3")
	wantSummary(t, s, map[string]string{
		"total-records": "3", "total-delete-files": "0", "deleted-data-files": "2", "removed-dvs": "1", "removed-equality-delete-files": "1",
		"total-equality-deletes": "0", "total-position-deletes": "0", "total-files-size": "100",
	})
	if got := w.all(s); got["a"].Status != manifest.StatusDeleted || got["e"].Status != manifest.StatusDeleted {
		t.Errorf("%+v", got)
	}
}

func find(w *world, path string) *manifest.Entry {
	for _, e := range w.entries(w.table.Current()) {
		if e.File.Path == path {
			return e
		}
	}
	w.t.Fatalf("%s is not live", path)
	return nil
}

func index(t testing.TB, w *world) *DeleteIndex {
	x, err := BuildDeleteIndex(w.table, LiveFiles(context.Background(), w.store, w.table, w.table.Current(), &LiveOptions{Stats: manifest.StatsAll, Cache: w.cache}))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
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

// Invariant 11: a retry validates again, keeps snapshot id and new manifests,
// and writes another list.
func TestInvariant11Retry(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 1, 0), w.data("b", 1, 0))})
	p := w.producer(Changes{AddData: files(w.data("n", 1, 0)), RemoveData: files(w.file("a"))}, Conditions{DataFilesExist: []string{"b"}})
	stale := w.table
	a1, err := p.Apply(context.Background(), stale, "")
	if err != nil {
		t.Fatal(err)
	}
	w.commit(Changes{AddData: files(w.data("c", 1, 0))})
	if err := metadata.Check(a1.Requirements, w.table); !errors.Is(err, metadata.ErrRequirement) {
		t.Errorf("stale attempt: %v", err)
	}
	before := len(w.store.names(t))
	a2, err := p.Apply(context.Background(), w.table, "")
	if err != nil {
		t.Fatal(err)
	}
	if a2.Snapshot.ID != a1.Snapshot.ID || a2.Snapshot.ManifestList == a1.Snapshot.ManifestList || a2.Snapshot.SequenceNumber != 3 || p.SnapshotID() != a2.Snapshot.ID {
		t.Errorf("%+v after %+v", a2.Snapshot, a1.Snapshot)
	}
	// Only the list is new: fresh and filtered manifests are used again.
	if n := len(w.store.names(t)) - before; n != 1 {
		t.Errorf("the second attempt wrote %d files", n)
	}
	// A conflict that came in between is found.
	w.commit(Changes{RemoveData: files(w.file("b"))})
	if _, err := p.Apply(context.Background(), w.table, ""); !errors.Is(err, ErrConflict) {
		t.Errorf("vanished file: %v", err)
	}
	if err := p.Cleanup(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	for _, name := range w.store.names(t) {
		if strings.Contains(name, p.o.CommitUUID) {
			t.Errorf("%s is left", name)
		}
	}
	w.wantLive("a@1 c@2")
}

// Invariant 12: after a commit only what it does not use is deleted, and nothing
// that is not the producer's own.
func TestInvariant12CleanupKeepsWhatIsCommitted(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 1, 0), w.data("b", 1, 0))})
	p := w.producer(Changes{AddData: files(w.data("n", 1, 0)), RemoveData: files(w.file("a"))}, Conditions{})
	if _, err := p.Apply(context.Background(), w.table, ""); err != nil {
		t.Fatal(err)
	}
	w.commit(Changes{AddData: files(w.data("c", 1, 0)), RemoveData: files(w.file("b"))}) // makes the filtered manifest stale
	if _, err := w.try(p, w.table, ""); err != nil {
		t.Fatal(err)
	}
	before := w.store.names(t)
	if err := p.Cleanup(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	after := w.store.names(t)
	if len(before)-len(after) != 2 { // the first list and the first filtered manifest
		t.Errorf("clean-up left %v of %v", after, before)
	}
	w.cache = nil
	w.wantLive("c@2 n@3")
	if _, err := p.Apply(context.Background(), w.table, ""); err == nil {
		t.Error("a cleaned-up producer can be used")
	}
}

func TestFailedWritesAreRetried(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	boom := errors.New("disk full")
	p := w.producer(Changes{AddData: files(w.data("a", 1, 0))}, Conditions{})
	w.store.before = func(uri string) error {
		if strings.Contains(uri, "-m0") {
			return boom
		}
		return nil
	}
	if _, err := p.Apply(context.Background(), w.table, ""); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	w.store.before = nil
	if _, err := w.try(p, w.table, ""); err != nil {
		t.Fatal(err)
	}
	if err := p.Cleanup(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	w.wantLive("a@1")
	if n := w.store.names(t); len(n) != 2 {
		t.Errorf("%v", n)
	}
}

// Invariant 21 (iceberg#10312): the sequence numbers of files being added count
// when old delete files are dropped.
func TestInvariant21RewriteKeepsNewerEqualityDelete(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("old", 10, 0))})
	from := w.table.Current().ID
	w.commit(Changes{AddDeletes: files(w.equality("eq", 1, 0))})
	w.commit(Changes{AddData: files(w.data("later", 5, 0))})
	rewrite := Changes{
		Operation: metadata.OpReplace, RemoveData: files(w.file("old")), AddData: files(w.data("new", 10, 0)), DataSequence: ptr(int64(1)),
	}
	if _, err := w.commitIf(rewrite, Conditions{FromSnapshot: &from, IgnoreEqualityDeletes: true}); err != nil {
		t.Fatal(err)
	}
	w.wantLive("eq@2 later@3 new@1")
	x := index(t, w)
	if d, err := x.For(find(w, "new")); err != nil || len(d.Equality) != 1 {
		t.Errorf("%+v %v", d, err)
	}
	// Without older data the delete falls due.
	w.commit(Changes{RemoveData: files(w.file("new"))})
	w.wantLive("later@3")
}

// Position deletes of the oldest remaining number still apply and stay.
func TestOldDeletesDropped(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 0))})
	w.commit(Changes{AddDeletes: files(w.positions("p2", "", 1, 0))})
	w.commit(Changes{AddData: files(w.data("b", 10, 0)), AddDeletes: files(w.positions("p3", "", 1, 0), w.equality("e3", 1, 0))})
	w.commit(Changes{AddData: files(w.data("c", 10, 0))})
	w.wantLive("a@1 b@3 c@4 e3@3 p2@2 p3@3")
	w.commit(Changes{RemoveData: files(w.file("a"))})
	w.wantLive("b@3 c@4 e3@3 p3@3")
	w.commit(Changes{RemoveData: files(w.file("b"), w.file("c"))})
	w.wantLive("")
	// The same with all deletes in one manifest.
	w = newWorld(t, 2, false, map[string]string{"commit.manifest.min-count-to-merge": "2"})
	w.commit(Changes{AddData: files(w.data("a", 10, 0))})
	w.commit(Changes{AddDeletes: files(w.positions("p2", "", 1, 0))})
	w.commit(Changes{AddData: files(w.data("b", 10, 0)), AddDeletes: files(w.positions("p3", "", 1, 0))})
	w.commit(Changes{RemoveData: files(w.file("a"))})
	w.wantLive("b@3 p3@3")
}

// Between two attempts the table is upgraded and its files get row ids: a
// manifest rewritten for the first attempt must not be used again.
func TestRetryAcrossUpgrade(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 0), w.data("b", 20, 0))})
	p := w.producer(Changes{RemoveData: files(w.file("a"))}, Conditions{})
	if _, err := p.Apply(context.Background(), w.table, ""); err != nil {
		t.Fatal(err)
	}
	w.change(metadata.UpgradeFormatVersion{Version: 3})
	w.commit(Changes{AddData: files(w.data("c", 5, 0))})
	want := *w.file("b").FirstRowID
	if _, err := w.try(p, w.table, ""); err != nil {
		t.Fatal(err)
	}
	if got := w.file("b").FirstRowID; got == nil || *got != want {
		t.Errorf("first row id %v, was %d", got, want)
	}
}

// An append does not look at deletes.
func TestAppendKeepsStaleDeletes(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddDeletes: files(w.equality("e", 1, 0))})
	w.commit(Changes{AddData: files(w.data("a", 1, 0))})
	w.wantLive("a@2 e@1")
}

// Several specs: each gets manifests of its own, merging stays within them.
func TestManifestsPerSpec(t *testing.T) {
	w := newWorld(t, 2, true, map[string]string{"commit.manifest.min-count-to-merge": "2"})
	old := w.data("a", 1, 5)
	w.commit(Changes{AddData: files(old)})
	w.change(metadata.AddSpec{Spec: partition.Spec{ID: 1}}, metadata.SetDefaultSpec{SpecID: 1})
	b := w.data("b", 1, 0)
	s := w.commit(Changes{AddData: files(b, w.asSpec(w.data("c", 1, 0), 0, 6))})
	specs := map[int]int{}
	for _, f := range w.manifests(s) {
		specs[f.SpecID]++
	}
	if !reflect.DeepEqual(specs, map[int]int{0: 1, 1: 1}) {
		t.Errorf("manifests by spec %v", specs)
	}
	w.wantLive("a@1 b@2 c@2")
	if e := find(w, "a"); e.File.Partition[0] != 5.0 {
		t.Errorf("partition %v", e.File.Partition)
	}
	if _, err := w.commitIf(Changes{AddData: files(w.asSpec(w.data("d", 1, 0), 9, 1))}, Conditions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("unknown spec: %v", err)
	}
}

func (w *world) asSpec(f *manifest.DataFile, spec int, p float64) *manifest.DataFile {
	f.SpecID, f.Partition = spec, partition.Tuple{p}
	return f
}

// A manifest can be rewritten after its partition column was dropped.
func TestRewriteAfterColumnDropped(t *testing.T) {
	w := newWorld(t, 2, true, nil)
	w.commit(Changes{AddData: files(w.data("a", 1, 5), w.data("b", 1, 6))})
	sc := w.table.CurrentSchema()
	dropped, err := sc.Select([]string{"id", "s"})
	if err != nil {
		t.Fatal(err)
	}
	w.change(metadata.AddSpec{Spec: partition.Spec{ID: 1}}, metadata.SetDefaultSpec{SpecID: 1},
		metadata.AddSchema{Schema: dropped.WithID(1)}, metadata.SetCurrentSchema{SchemaID: 1})
	w.commit(Changes{RemoveData: files(w.file("a"))})
	if e := find(w, "b"); e.File.Partition[0] != 6.0 {
		t.Errorf("partition %v", e.File.Partition)
	}
}

// Fact M11: manifests merge once enough are small, and what is merged is not
// merged again until as much has gathered.
func TestMergeIsIncremental(t *testing.T) {
	w := newWorld(t, 2, false, map[string]string{"commit.manifest.min-count-to-merge": "10"})
	most, processed := 0, int64(0)
	const n = 400
	for i := range n {
		s := w.commit(Changes{AddData: files(w.data(fmt.Sprint("f", i), 1, 0))})
		most = max(most, len(w.manifests(s)))
		processed += atoi(t, s.Summary["entries-processed"])
	}
	if got := len(w.entries(w.table.Current())); got != n {
		t.Errorf("%d live files", got)
	}
	if most > 25 {
		t.Errorf("up to %d manifests", most)
	}
	// Merging everything each time would process n*n/2/10.
	if processed > 12*n {
		t.Errorf("%d entries processed for %d files", processed, n)
	}
	t.Logf("at most %d manifests, %d entries processed for %d files", most, processed, n)
	w = newWorld(t, 2, false, map[string]string{"commit.manifest.min-count-to-merge": "2", "commit.manifest-merge.enabled": "false"})
	for i := range 5 {
		w.commit(Changes{AddData: files(w.data(fmt.Sprint("f", i), 1, 0))})
	}
	if n := len(w.manifests(w.table.Current())); n != 5 {
		t.Errorf("%d manifests with merging off", n)
	}
}

// Manifests past the target size are split.
func TestTargetSize(t *testing.T) {
	w := newWorld(t, 2, false, map[string]string{"commit.manifest.target-size-bytes": "6000"})
	var add []*manifest.DataFile
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		add = append(add, w.data(fmt.Sprintf("%x%x", r.Uint64(), r.Uint64()), 1, 0))
	}
	s := w.commit(Changes{AddData: add})
	files := w.manifests(s)
	if len(files) < 2 || len(w.entries(s)) != 300 {
		t.Errorf("%d manifests", len(files))
	}
}

// Fact V5: position-delete files staged before an upgrade to v3 must not be
// committed after it, nor deletion vectors in v2.
func TestVersionOfDeleteFiles(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 1, 0))})
	p := w.producer(Changes{AddDeletes: files(w.positions("p", "a", 1, 0))}, Conditions{})
	if _, err := p.Apply(context.Background(), w.table, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.commitIf(Changes{AddDeletes: files(w.dv("d", "a", 4, 4, 1, 0))}, Conditions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("deletion vector in v2: %v", err)
	}
	w.change(metadata.UpgradeFormatVersion{Version: 3})
	if _, err := p.Apply(context.Background(), w.table, ""); !errors.Is(err, ErrInvalid) {
		t.Errorf("position deletes in v3: %v", err)
	}
}

// A process reads nothing again that it wrote.
func TestCommitsReadNothing(t *testing.T) {
	w := newWorld(t, 3, true, map[string]string{"commit.manifest.min-count-to-merge": "4"})
	for i := range 30 {
		name := fmt.Sprint("f", i)
		w.commit(Changes{AddData: files(w.data(name, 10, 1)), AddDeletes: files(w.dv("p"+name, name, 4, 4, 1, 1))})
		if i%3 == 2 {
			w.commit(Changes{RemoveData: files(w.file(fmt.Sprint("f", i-1)))})
		}
	}
	if n := w.store.reads.Load(); n != 0 {
		t.Errorf("%d reads", n)
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

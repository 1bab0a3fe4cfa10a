package snapshot

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/frazildb/frazil/metadata"
)

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

// A cache too small to hold anything changes nothing but the work.
func TestTinyCache(t *testing.T) {
	w := newWorld(t, 3, false, map[string]string{"commit.manifest.min-count-to-merge": "2"})
	w.cache = NewCache(1)
	w.commit(Changes{AddData: files(w.data("a", 1, 0), w.data("b", 1, 0))})
	w.commit(Changes{AddData: files(w.data("c", 1, 0))})
	w.commit(Changes{AddData: files(w.data("d", 1, 0)), RemoveData: files(w.file("a")), AddDeletes: files(w.dv("p", "b", 4, 4, 1, 0))})
	w.commit(Changes{RemoveData: files(w.file("b"))})
	w.wantLive("c@2 d@3")
	if n := w.cache.Len(); n != 0 {
		t.Errorf("%d bytes cached", n)
	}
}

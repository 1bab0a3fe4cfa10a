package compaction_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

// leaseWorld is a table of several snapshots, in a store whose files are as old
// as the test says, and a reader of it.
func leaseWorld(t *testing.T) (w *world, d *dated, reader *table.Table) {
	w, d = orphanWorld(t)
	reader, err := table.Open(w.ctx, w.cat.Catalog, "c.t", nil)
	w.must(err)
	w.write(table.EncodingPosition, w.random(20, 40))
	w.compact(nil)
	return w, d, reader
}

func (w *world) expireAll() *compaction.ExpireReport {
	w.t.Helper()
	p := headOnly
	p.OlderThan = time.Now().Add(time.Hour) // also what is on no branch
	rep, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: p})
	w.must(err)
	return rep
}

// leftovers counts the files that nothing refers to.
func (w *world) leftovers(d *dated) int {
	w.t.Helper()
	d.allOld(w.t.(*testing.T), 10*day)
	rep, err := compaction.RemoveOrphans(w.ctx, w.tab, nil)
	w.must(err)
	return len(rep.Orphans)
}

// TestE1Lease: a snapshot under a lease stays, and with it what its reader needs,
// until the lease is released or over.
func TestE1Lease(t *testing.T) {
	for _, end := range []string{"released", "over"} {
		w, d, reader := leaseWorld(t)
		l, err := reader.Lease(w.ctx, nil, time.Hour)
		w.must(err)
		old := reader.Scan(nil)
		want := rowsOf(t, reader, nil)
		rep := w.expireAll()
		if len(rep.Leased) != 1 || rep.Leased[0] != l.SnapshotID() || slices.Contains(rep.Snapshots, l.SnapshotID()) || len(rep.Snapshots) == 0 {
			t.Errorf("%+v", *rep)
		}
		if got := rowsOf(t, reader, nil); !slices.Equal(got, want) {
			t.Errorf("the reader got %d rows, want %d", len(got), len(want))
		}
		_, err = compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: snapshotIDs(l.SnapshotID())})
		if err == nil || !strings.Contains(err.Error(), "lease") {
			t.Errorf("by id: %v", err)
		}
		if end == "released" {
			w.must(l.Release(w.ctx))
		} else {
			d.allOld(t, 2*time.Hour)
		}
		if rep := w.expireAll(); len(rep.Snapshots) != 1 || rep.Deleted == 0 || len(rep.Leased) > 0 {
			t.Errorf("%s: %+v", end, *rep)
		}
		var failed error
		for _, err := range old.Rows(w.ctx) {
			failed = err
		}
		if failed == nil {
			t.Error("a reader without a lease got fewer files and no error")
		}
		if err := l.Renew(w.ctx); !errors.Is(err, scan.ErrNoSnapshot) {
			t.Errorf("renewed: %v", err)
		}
		w.must(l.Release(w.ctx))
		if n := w.leftovers(d); n != 0 {
			t.Errorf("%s: %d files are left over", end, n)
		}
		w.check(end)
	}
}

// TestE1LeaseBetween takes a lease when an expiry has chosen its snapshot and not
// committed yet: the snapshot goes, its files stay until a run after the lease.
func TestE1LeaseBetween(t *testing.T) {
	w, d, reader := leaseWorld(t)
	want := rowsOf(t, reader, nil)
	var l *table.Lease
	w.between(func() {
		var err error
		l, err = reader.Lease(w.ctx, nil, time.Hour)
		w.must(err)
	})
	rep := w.expireAll()
	if len(rep.Snapshots) == 0 || rep.Deleted != 0 || !slices.Equal(rep.Leased, []int64{l.SnapshotID()}) {
		t.Errorf("%+v", *rep)
	}
	for range 2 {
		if got := rowsOf(t, reader, nil); !slices.Equal(got, want) {
			t.Errorf("the reader got %d rows, want %d", len(got), len(want))
		}
		if rep := w.expireAll(); rep.Deleted != 0 {
			t.Errorf("under a lease: %+v", *rep)
		}
		if _, err := compaction.RemoveOrphans(w.ctx, w.tab, nil); !errors.Is(err, compaction.ErrRefused) {
			t.Errorf("orphans under a lease: %v", err)
		}
	}
	w.must(l.Release(w.ctx))
	if rep := w.expireAll(); rep.Finished == 0 {
		t.Errorf("after the lease: %+v", *rep)
	}
	if n := w.leftovers(d); n != 0 {
		t.Errorf("%d files are left over", n)
	}
	w.check("after")
}

// TestE1LeaseTooLate: a lease of a snapshot that has gone is refused, and leaves
// nothing behind.
func TestE1LeaseTooLate(t *testing.T) {
	w, d, reader := leaseWorld(t)
	w.expireAll()
	if _, err := reader.Lease(w.ctx, nil, 0); !errors.Is(err, scan.ErrNoSnapshot) {
		t.Errorf("%v", err)
	}
	if n := len(d.under("frazil-leases")); n != 0 {
		t.Errorf("%d lease files", n)
	}
	// Every point between the commit of an expiry and the end of its deletes.
	w, d, reader = leaseWorld(t)
	d.onDelete = func(string) {
		if _, err := reader.Lease(w.ctx, nil, 0); !errors.Is(err, scan.ErrNoSnapshot) {
			t.Errorf("%v", err)
		}
	}
	if rep := w.expireAll(); rep.Deleted == 0 {
		t.Errorf("%+v", *rep)
	}
}

// TestE1LeaseOfWriter: a writer that expires snapshots within its commits keeps
// those under a lease, also when the lease was taken within the grace.
func TestE1LeaseOfWriter(t *testing.T) {
	for _, when := range []string{"before", "within the grace"} {
		w, d, reader := leaseWorld(t)
		w.must(reader.Refresh(w.ctx))
		want := rowsOf(t, reader, nil)
		list := reader.Metadata().Current().ManifestList
		take := func() {
			l, err := reader.Lease(w.ctx, nil, time.Hour)
			w.must(err)
			t.Cleanup(func() { _ = l.Release(context.Background()) })
		}
		if when == "before" {
			take()
		}
		wr, err := w.rival.NewWriter(&table.WriterOptions{KeepSnapshots: 1, ExpireGrace: time.Nanosecond})
		w.must(err)
		write := func() {
			w.must(wr.Upsert(w.ctx, []any{int64(1), "z"}))
			_, err := wr.Commit(w.ctx, nil)
			w.must(err)
		}
		if when != "before" {
			w.between(take)
			w.rival, err = table.Open(w.ctx, w.cat, "c.t", nil)
			w.must(err)
			wr, err = w.rival.NewWriter(&table.WriterOptions{KeepSnapshots: 1, ExpireGrace: time.Nanosecond})
			w.must(err)
		}
		for range 4 {
			write()
		}
		if got := rowsOf(t, reader, nil); !slices.Equal(got, want) {
			t.Errorf("%s: the reader got %d rows, want %d", when, len(got), len(want))
		}
		if !d.has(list) { // the reader may have it in its cache
			t.Errorf("%s: the manifest list of the reader's snapshot is gone", when)
		}
		w.must(wr.Close())
	}
}

// TestLeaseFiles: what is no lease stops an expiry while it is young, for it may
// be one, and is nothing later.
func TestLeaseFiles(t *testing.T) {
	for _, text := range []string{"", "x", `{"snapshot-id":1,"seconds":-1}`, `{"snapshot-id":1,"seconds":9999999999}`, `{"snapshot-id":1e99}`, strings.Repeat(" ", 1<<20)} {
		w, d, _ := leaseWorld(t)
		uri := "mem://compaction/c/t/metadata/" + table.LeaseDirectory + "/x.json"
		w.must(d.Put(w.ctx, uri, []byte(text), nil))
		if _, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: headOnly}); err == nil || !strings.Contains(err.Error(), "x.json") {
			t.Errorf("%.20q: %v", text, err)
		}
		d.age[uri] = 2 * day
		if rep := w.expireAll(); len(rep.Snapshots) == 0 {
			t.Errorf("%.20q: %+v", text, *rep)
		}
		d.age[uri] = 8 * day
		w.expireAll()
		if d.has(uri) {
			t.Errorf("%.20q: it is still there", text)
		}
	}
}

package compaction_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// dated is a memory store whose files are as old as the test says; it tells of
// calls.
type dated struct {
	mu, hook sync.Mutex
	objstore.Store
	age      map[string]time.Duration // of files; others are new
	skew     time.Duration            // of the store's clock
	onDelete func(uri string)
	onList   func()
	deleted  []string
}

func newDated() *dated {
	return &dated{Store: objstore.NewMemory("mem://compaction"), age: map[string]time.Duration{}}
}

func (d *dated) date(i objstore.Info) objstore.Info {
	i.ModTime = time.Now().Add(d.skew - d.age[i.URI])
	return i
}

func (d *dated) Stat(ctx context.Context, uri string) (objstore.Info, error) {
	i, err := d.Store.Stat(ctx, uri)
	return d.date(i), err
}

func (d *dated) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		for i, err := range d.Store.List(ctx, prefix) {
			if !yield(d.date(i), err) {
				return
			}
		}
		if d.onList != nil {
			d.onList()
		}
	}
}

func (d *dated) Delete(ctx context.Context, uri string) error {
	if d.hook.TryLock() { // one at a time; what the hook deletes calls no hook
		if d.onDelete != nil {
			d.onDelete(uri)
		}
		d.hook.Unlock()
	}
	err := d.Store.Delete(ctx, uri)
	if err == nil {
		d.mu.Lock()
		d.deleted = append(d.deleted, uri)
		d.mu.Unlock()
	}
	return err
}

// put makes an old file.
func (d *dated) put(t *testing.T, uri string, age time.Duration) {
	t.Helper()
	if err := d.Put(context.Background(), uri, []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	d.age[uri] = age
}

func (d *dated) has(uri string) bool {
	_, err := d.Store.Stat(context.Background(), uri)
	return err == nil
}

// under lists the files whose location has part in it.
func (d *dated) under(part string) []string {
	var out []string
	for i := range d.Store.List(context.Background(), "mem://compaction") {
		if strings.Contains(i.URI, part) {
			out = append(out, i.URI)
		}
	}
	return out
}

// ListDir dates what it lists, as List does.
func (d *dated) ListDir(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		for i, err := range d.Store.ListDir(ctx, prefix) {
			if !yield(d.date(i), err) {
				return
			}
		}
	}
}

const day = 24 * time.Hour

func orphanWorld(t *testing.T) (*world, *dated) {
	d := newDated()
	w := newWorld(t, worldOptions{version: 2, store: d})
	for range 3 {
		w.write(table.EncodingPosition, w.random(20, 40))
	}
	var err error
	w.tab, err = table.Open(w.ctx, w.cat, "c.t", nil) // with the real time
	w.must(err)
	return w, d
}

// all makes every file of the table old.
func (d *dated) allOld(t *testing.T, age time.Duration) {
	for i, err := range d.Store.List(context.Background(), "mem://compaction") {
		if err != nil {
			t.Fatal(err)
		}
		d.age[i.URI] = age
	}
}

func TestG2G3Orphans(t *testing.T) {
	w, d := orphanWorld(t)
	d.allOld(t, 10*day)
	orphan, young := "mem://compaction/c/t/data/orphan.parquet", "mem://compaction/c/t/data/young.parquet"
	outside, sibling := "mem://compaction/c/t2/data/x.parquet", "mem://compaction/c/t/data/_tmp/x.parquet"
	d.put(t, orphan, 10*day)
	d.put(t, young, time.Hour)
	d.put(t, outside, 10*day)
	d.put(t, sibling, 10*day)

	rep, err := compaction.RemoveOrphans(w.ctx, w.tab, nil)
	w.must(err)
	if len(rep.Orphans) != 1 || rep.Orphans[0].URI != orphan || rep.Young != 1 || !d.has(orphan) {
		t.Errorf("dry run: %+v", *rep)
	}
	for _, o := range []compaction.OrphanOptions{{OlderThan: time.Hour, Delete: true}, {OlderThan: -time.Hour, Force: true, Delete: true}} {
		if _, err := compaction.RemoveOrphans(w.ctx, w.tab, &o); !errors.Is(err, compaction.ErrRefused) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	// The local clock may be two days off either way: the store's own counts.
	for _, skew := range []time.Duration{-48 * time.Hour, 48 * time.Hour} {
		d.skew = skew
		rep, err = compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true, OlderThan: 25 * time.Hour})
		w.must(err)
		if !d.has(young) || d.has(orphan) || !d.has(outside) || !d.has(sibling) {
			t.Errorf("skew %v: %+v", skew, *rep)
		}
	}
	w.check("after")
}

// TestG3G4Recheck: a commit that lands after the listing, or between the finding
// and the delete, makes a file needed.
func TestG3G4Recheck(t *testing.T) {
	for _, when := range []string{"after the listing", "before the delete"} {
		w, d := orphanWorld(t)
		wr, err := w.rival.NewWriter(nil)
		w.must(err)
		w.must(wr.Upsert(w.ctx, []any{int64(1000), "late"}))
		staged, err := wr.Flush(w.ctx)
		w.must(err)
		d.allOld(t, 10*day) // a writer slower than the age guard
		commit := func() {
			_, err := w.rival.CommitStaged(w.ctx, []*table.Staged{staged}, nil, nil)
			w.must(err)
			w.rows[1000] = "late"
		}
		if when == "after the listing" {
			d.onList = func() { d.onList = nil; commit() }
		} else {
			n := 0
			for i := range 40 { // the first batch are others
				d.put(t, fmt.Sprintf("mem://compaction/c/t/data/!%02d", i), 10*day)
			}
			d.onDelete = func(uri string) {
				if n++; n == 2 { // the first is the clock
					d.onDelete = nil
					commit()
				}
			}
		}
		_, err = compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true})
		w.must(err)
		w.check(when)
	}
}

// TestG1InFlight: at every call of a commit in progress, orphan removal with the
// age guard takes nothing that the commit needs.
func TestG1InFlight(t *testing.T) {
	for n := int64(1); ; n++ {
		fs := faultstore.New(objstore.NewMemory("mem://compaction"), nil)
		w := newWorld(t, worldOptions{version: 3, store: fs, seed: 5})
		w.write(table.EncodingPosition, w.random(20, 40))
		hit := false
		fs.Arm(&faultstore.Plan{Faults: []faultstore.Fault{{Call: n, Mode: faultstore.Delay}}, OnDelay: func(context.Context, faultstore.Call) {
			hit = true
			tab, err := table.Open(w.ctx, w.cat.Catalog, "c.t", nil)
			w.must(err)
			_, err = compaction.RemoveOrphans(w.ctx, tab, &compaction.OrphanOptions{Delete: true})
			w.must(err)
		}})
		w.write(table.EncodingPosition, w.random(20, 40))
		fs.Arm(nil)
		w.check(fmt.Sprintf("call %d", n))
		if !hit {
			t.Logf("%d calls", n-1)
			return
		}
	}
}

func TestG5Prefixes(t *testing.T) {
	w, d := orphanWorld(t)
	// A table within this one's location.
	other := "mem://compaction/c/t/data/inner"
	d.put(t, other+"/metadata/v1.metadata.json", 10*day)
	d.put(t, other+"/data/x.parquet", 10*day)
	rep, err := compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true})
	w.must(err)
	if !d.has(other+"/data/x.parquet") || rep.Foreign != 1 || len(rep.ForeignTables) != 1 {
		t.Errorf("inner table: %+v", *rep)
	}
	// The same path under another authority.
	m := w.tab.Metadata()
	_, _, err = w.tab.CommitUpdates(w.ctx, func(*catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		return []metadata.Update{metadata.SetStatistics{Statistics: metadata.Statistics{
			SnapshotID: m.Current().ID, Path: "s3a://bucket/c/t/data/stats.puffin", FileSizeInBytes: 1, FileFooterSize: 1,
		}}}, nil, nil
	})
	w.must(err)
	d.put(t, "mem://compaction/c/t/data/stats.puffin", 10*day)
	if _, err := compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true}); !errors.Is(err, compaction.ErrRefused) {
		t.Errorf("mismatch: %v", err)
	}
	rep, err = compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true, Prefixes: compaction.MismatchKeep})
	w.must(err)
	if len(rep.Mismatched) != 1 || !d.has("mem://compaction/c/t/data/stats.puffin") {
		t.Errorf("keep: %+v", *rep)
	}
	rep, err = compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true, Prefixes: compaction.MismatchDelete})
	w.must(err)
	if rep.Deleted != 1 {
		t.Errorf("delete: %+v", *rep)
	}
}

// TestG6G7Refs: what a tag or branch needs stays; a table whose files may belong
// to others is left alone.
func TestG6G7Refs(t *testing.T) {
	w, d := orphanWorld(t)
	m := w.tab.Metadata()
	first := m.Snapshots[0].ID
	want := rowsOf(t, w.tab, &scan.Options{SnapshotID: &first})
	_, _, err := w.tab.CommitUpdates(w.ctx, func(*catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		return []metadata.Update{metadata.SetRef{Name: "old", Ref: metadata.Ref{SnapshotID: first, Type: "tag"}}}, nil, nil
	})
	w.must(err)
	w.compact(nil)
	rep, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{KeepLast: 1, OnlyCount: true}})
	w.must(err)
	if len(rep.Snapshots) == 0 || rep.Deleted == 0 {
		t.Errorf("%+v", *rep)
	}
	d.allOld(t, 10*day)
	_, err = compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true})
	w.must(err)
	w.check("after")
	if got := rowsOf(t, w.tab, &scan.Options{Ref: "old"}); !slices.Equal(got, want) {
		t.Errorf("tag: %v, want %v", got, want)
	}
	w.must(w.tab.SetProperties(w.ctx, map[string]string{"gc.enabled": "false"}, nil))
	if _, err := compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true}); !errors.Is(err, compaction.ErrRefused) {
		t.Errorf("orphans with gc.enabled=false: %v", err)
	}
	if _, err := compaction.Expire(w.ctx, w.tab, nil); err == nil {
		t.Error("expire with gc.enabled=false")
	}
}

// TestE1Reader: a reader of an expired snapshot gets an error, never fewer rows.
func TestE1Reader(t *testing.T) {
	w, _ := orphanWorld(t)
	old := w.tab.Scan(nil)
	w.write(table.EncodingPosition, w.random(20, 40))
	w.compact(nil)
	_, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{KeepLast: 1, OnlyCount: true}})
	w.must(err)
	var failed error
	for _, err := range old.Rows(w.ctx) {
		if err != nil {
			failed = err
		}
	}
	if !errors.Is(failed, objstore.ErrNotFound) {
		t.Errorf("the old reader: %v", failed)
	}
	w.check("after")
}

// TestE2Interrupted breaks an expiry off at every store call, in every way. What
// is referred to is never lost, and the next run finishes the deletes.
func TestE2Interrupted(t *testing.T) {
	leftover := func(inner objstore.Store, w *world) int {
		d := &dated{Store: inner, age: map[string]time.Duration{}}
		d.allOld(t, 10*day)
		cat := catalog.NewFiles(d, nil)
		tab, err := table.Open(w.ctx, cat, "c.t", nil)
		w.must(err)
		rep, err := compaction.RemoveOrphans(w.ctx, tab, nil)
		w.must(err)
		return len(rep.Orphans)
	}
	policy := &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{KeepLast: 1, OnlyCount: true}, Workers: 1}
	run := func(n int64, mode faultstore.Mode) int64 {
		inner := objstore.NewMemory("mem://compaction")
		fs := faultstore.New(inner, nil)
		w := newWorld(t, worldOptions{version: 2, store: fs, seed: 6})
		for range 3 {
			w.write(table.EncodingPosition, w.random(20, 30))
		}
		w.compact(nil)
		before := fs.Calls()
		if n > 0 {
			fs.Arm(&faultstore.Plan{Faults: []faultstore.Fault{{Call: n, Mode: mode}}})
		}
		_, err := compaction.Expire(w.ctx, w.tab, policy)
		calls := fs.Calls() - before
		fs.Arm(nil)
		w.tab, _ = table.Open(w.ctx, w.cat.Catalog, "c.t", nil)
		w.check(fmt.Sprintf("call %d %v (%v)", n, mode, err))
		_, err = compaction.Expire(w.ctx, w.tab, policy)
		w.must(err)
		w.check(fmt.Sprintf("call %d %v, again", n, mode))
		if left := leftover(inner, w); left > 0 && mode != faultstore.After && mode != faultstore.Late && mode != faultstore.Unknown {
			t.Errorf("call %d %v: %d files are left over", n, mode, left)
		}
		return calls
	}
	calls := run(0, faultstore.None)
	for n := int64(1); n <= calls; n++ {
		for _, mode := range faultstore.Modes() {
			run(n, mode)
		}
		if testing.Short() {
			n += 4
		}
	}
	t.Logf("calls=%d", calls)
}

// TestExpireIDs expires by id, and never a head.
func TestExpireIDs(t *testing.T) {
	w, _ := orphanWorld(t)
	m := w.tab.Metadata()
	if _, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{IDs: []int64{m.Current().ID}}}); err == nil {
		t.Error("the head was expired")
	}
	rep, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{DryRun: true, Policy: snapshot.ExpirePolicy{IDs: []int64{m.Snapshots[1].ID}, OlderThan: time.UnixMilli(1)}})
	w.must(err)
	if len(rep.Snapshots) != 1 || len(w.tab.Metadata().Snapshots) != 3 {
		t.Errorf("dry run: %+v", *rep)
	}
	_, err = compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{IDs: []int64{m.Snapshots[1].ID}, OlderThan: time.UnixMilli(1)}})
	w.must(err)
	if w.tab.Metadata().Snapshot(m.Snapshots[1].ID) != nil {
		t.Error("not expired")
	}
	w.check("after")
}

func TestRewriteManifests(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version, seed: 2, partition: []partition.Field{partition.Bucket("id", 4)}})
		for range 8 {
			w.write(table.EncodingPosition, w.random(20, 40))
		}
		w.must(w.tab.Refresh(w.ctx))
		lineage := &scan.Options{}
		if version == 3 {
			lineage.Columns = []string{"id", "v", "_row_id", "_last_updated_sequence_number"}
		}
		before := rowsOf(t, w.tab, lineage)
		totals := maps.Clone(w.tab.Metadata().Current().Summary)
		w.between(func() { w.write(table.EncodingPosition, map[int64]string{}) })
		dry, err := compaction.RewriteManifests(w.ctx, w.tab, &compaction.ManifestOptions{DryRun: true})
		w.must(err)
		rep, err := compaction.RewriteManifests(w.ctx, w.tab, nil)
		w.must(err)
		if rep.SnapshotID == 0 || rep.After > 2 || dry.SnapshotID != 0 || dry.After != rep.After {
			t.Errorf("v%d: %+v, dry %+v", version, *rep, *dry)
		}
		w.must(w.tab.Refresh(w.ctx))
		if got := rowsOf(t, w.tab, lineage); !slices.Equal(got, before) {
			t.Errorf("v%d: rows or lineage changed", version)
		}
		for k, v := range totals {
			if got := w.tab.Metadata().Current().Summary[k]; strings.HasPrefix(k, "total-") && got != v {
				t.Errorf("v%d: %s is %s, was %s", version, k, got, v)
			}
		}
		again, err := compaction.RewriteManifests(w.ctx, w.tab, nil)
		w.must(err)
		if again.SnapshotID != 0 {
			t.Errorf("v%d: rewritten again: %+v", version, *again)
		}
		w.write(table.EncodingPosition, w.random(20, 40))
		w.compact(nil)
		w.check("after more")
	}
}

// TestPositionsCarried: source positions survive every kind of maintenance.
func TestPositionsCarried(t *testing.T) {
	w := newWorld(t, worldOptions{version: 2})
	for i := range 4 {
		wr, err := w.rival.NewWriter(nil)
		w.must(err)
		w.must(wr.Upsert(w.ctx, []any{int64(i), "x"}))
		_, err = wr.Commit(w.ctx, &table.CommitOptions{Positions: map[string]string{"s": fmt.Sprint(i)}})
		w.must(err)
	}
	check := func(what string) {
		w.must(w.tab.Refresh(w.ctx))
		p, err := w.tab.Positions()
		if err != nil || p["s"] != "3" {
			t.Errorf("%s: positions %v, %v", what, p, err)
		}
	}
	_, err := compaction.RewriteManifests(w.ctx, w.tab, nil)
	w.must(err)
	check("manifests")
	w.compact(nil)
	check("compacted")
	_, err = compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{KeepLast: 1, OnlyCount: true}})
	w.must(err)
	check("expired")
	w.must(w.rival.Refresh(w.ctx))
	p, err := w.rival.Positions()
	if err != nil || p["s"] != "3" {
		t.Errorf("positions %v, %v", p, err)
	}
}

// TestRunner: commits wake the runner, which keeps up; it pauses and resumes.

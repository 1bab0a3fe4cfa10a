package compaction_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// between runs f once, between the plan of a compaction and its first commit.
func (w *world) between(f func()) {
	done := false
	w.cat.before = func(c catalog.Commit) error {
		if done {
			return nil
		}
		done = true
		f()
		return nil
	}
}

func eachKind(t *testing.T, f func(t *testing.T, version int, enc table.Encoding)) {
	for _, version := range []int{2, 3} {
		for name, enc := range map[string]table.Encoding{"position": table.EncodingPosition, "equality": table.EncodingEquality} {
			t.Run(fmt.Sprintf("v%d %s", version, name), func(t *testing.T) { f(t, version, enc) })
		}
	}
}

// TestK1K2Carry: a writer replaces and deletes rows between the plan of a
// compaction and its commit. The compaction commits, and no row comes back.
// With deletes by position they are carried over to the new files; equality
// deletes apply to them by sequence number.
func TestK1K2Carry(t *testing.T) {
	eachKind(t, func(t *testing.T, version int, enc table.Encoding) {
		w := newWorld(t, worldOptions{version: version, seed: 1})
		for range 6 {
			w.write(enc, w.random(30, 80))
		}
		w.between(func() {
			w.write(enc, w.random(30, 80))
			w.write(enc, w.random(10, 80))
		})
		rep := w.compact(&compaction.Options{MaxRounds: 1})
		if rep.Commits != 1 || rep.GivenUp != 0 {
			t.Errorf("%+v", *rep)
		}
		if carried := rep.Carried > 0; carried != (enc == table.EncodingPosition) {
			t.Errorf("%d rows carried", rep.Carried)
		}
		w.check("after")
		w.compact(nil)
		w.check("compacted again")
		w.settled(nil)
	})
}

// TestK1Reappear (Java issue 10312): the compaction replaces every file that is
// as old as it; an equality delete and newer rows arrive meanwhile. The delete
// must stay, for the compaction's files are older than all others.
func TestK1Reappear(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version})
		w.write(table.EncodingEquality, map[int64]string{1: "a", 2: "b"})
		w.write(table.EncodingEquality, map[int64]string{3: "c"})
		w.between(func() {
			w.write(table.EncodingEquality, map[int64]string{1: ""})
			w.write(table.EncodingEquality, map[int64]string{4: "d"})
		})
		w.compact(&compaction.Options{MaxRounds: 1})
		w.check("after")
	}
}

// TestK2AllRowsDeleted: every row of a rewritten file is deleted meanwhile.
func TestK2AllRowsDeleted(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version})
		w.write(table.EncodingPosition, map[int64]string{1: "a", 2: "b"})
		w.write(table.EncodingPosition, map[int64]string{3: "c", 4: "d"})
		w.between(func() { w.write(table.EncodingPosition, map[int64]string{1: "", 2: "", 3: "", 4: ""}) })
		w.compact(nil)
		w.check("after")
		w.settled(nil)
	}
}

// TestK3TwoCompactions: a second compaction commits in the middle of the first,
// which gives up what was replaced and brings nothing back.
func TestK3TwoCompactions(t *testing.T) {
	eachKind(t, func(t *testing.T, version int, enc table.Encoding) {
		w := newWorld(t, worldOptions{version: version, seed: 3})
		for range 6 {
			w.write(enc, w.random(30, 80))
		}
		w.between(func() {
			w.must(w.rival.Refresh(w.ctx))
			_, err := compaction.Compact(w.ctx, w.rival, nil)
			w.must(err)
			w.write(enc, w.random(10, 80))
		})
		rep := w.compact(nil)
		if rep.GivenUp == 0 {
			t.Errorf("nothing was given up: %+v", *rep)
		}
		w.check("after")
	})
}

// TestK3Partitions: files that another compaction replaces stay as it left them;
// all others are rewritten.
func TestK3Partitions(t *testing.T) {
	w := newWorld(t, worldOptions{version: 3, partition: []partition.Field{partition.Bucket("id", 4)}})
	for range 5 {
		w.write(table.EncodingPosition, w.random(60, 100))
	}
	w.between(func() {
		del := map[int64]string{}
		for id := range w.rows {
			if id%3 == 0 {
				del[id] = ""
			}
		}
		w.write(table.EncodingPosition, del)
		_, err := compaction.Compact(w.ctx, w.rival, &compaction.Options{MaxBytes: 3000})
		w.must(err)
	})
	rep := w.compact(&compaction.Options{MaxRounds: 1})
	if rep.FilesRewritten >= rep.Before.DataFiles || rep.Commits == 0 {
		t.Errorf("%+v", *rep)
	}
	w.check("after")
}

// TestRemoved: inputs whose rows a writer deletes altogether, and which it so
// removes, cost the rewrite only these rows.
func TestRemoved(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version})
		for i := range int64(6) {
			w.write(table.EncodingPosition, map[int64]string{2 * i: "a", 2*i + 1: "b"})
		}
		w.between(func() { w.write(table.EncodingPosition, map[int64]string{4: "", 5: "", 8: "x", 9: "y"}) })
		rep := w.compact(&compaction.Options{MaxRounds: 1})
		if rep.GivenUp != 0 || rep.FilesRewritten != 4 || rep.Carried != 4 {
			t.Errorf("v%d: %+v", version, *rep)
		}
		w.check("after")
	}
}

// TestK4Convert: equality deletes become positions beside a writer, and the
// conversion and a compaction do not undo each other.
func TestK4Convert(t *testing.T) {
	for _, version := range []int{2, 3} {
		for _, enc := range []table.Encoding{table.EncodingEquality, table.EncodingPosition} {
			w := newWorld(t, worldOptions{version: version, seed: 4})
			for range 6 {
				w.write(table.EncodingEquality, w.random(30, 80))
			}
			w.between(func() { w.write(enc, w.random(30, 80)) })
			rep := w.compact(&compaction.Options{ConvertOnly: true, MaxRounds: 1})
			if rep.FilesConverted == 0 {
				t.Errorf("%+v", *rep)
			}
			w.check("converted")
			w.between(func() {
				_, err := compaction.Compact(w.ctx, w.rival, &compaction.Options{ConvertOnly: true})
				w.must(err)
			})
			w.write(enc, w.random(30, 80))
			w.compact(nil)
			w.check("compacted beside a conversion")
			w.between(func() {
				_, err := compaction.Compact(w.ctx, w.rival, nil)
				w.must(err)
			})
			w.write(table.EncodingEquality, w.random(30, 80))
			w.compact(&compaction.Options{ConvertOnly: true})
			w.check("converted beside a compaction")
		}
	}
}

// TestK4NoChanges: to a reader of changes a conversion and a compaction are
// nothing.
func TestK4NoChanges(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version, seed: 5})
		for range 4 {
			w.write(table.EncodingEquality, w.random(30, 60))
		}
		for _, o := range []compaction.Options{{ConvertOnly: true}, {}} {
			w.must(w.tab.Refresh(w.ctx))
			from := w.tab.Metadata().Current().ID
			w.compact(&o)
			n := 0
			for _, err := range w.tab.Changes(&scan.ChangesOptions{From: &from}).Batches(w.ctx) {
				w.must(err)
				n++
			}
			if n != 0 {
				t.Errorf("v%d %+v: %d batches of changes", version, o, n)
			}
		}
	}
}

// TestK5Evolution: the schema changes while a compaction is at work.
func TestK5Evolution(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version, seed: 6})
		for range 4 {
			w.write(table.EncodingPosition, w.random(30, 60))
		}
		w.between(func() {
			w.must(w.rival.Refresh(w.ctx))
			w.must(w.rival.Evolve(w.ctx, func(e *schema.Evolution) error {
				return e.Rename("v", "value")
			}, nil))
			w.must(w.rival.Evolve(w.ctx, func(e *schema.Evolution) error {
				return e.Add("", schema.Field{Name: "v", Type: schema.Long})
			}, nil))
		})
		w.compact(nil)
		w.must(w.tab.Refresh(w.ctx))
		got := rowsOf(t, w.tab, &scan.Options{Columns: []string{"id", "value"}})
		if !slices.Equal(got, w.want()) {
			t.Errorf("v%d: %v, want %v", version, got, w.want())
		}
		for _, r := range rowsOf(t, w.tab, &scan.Options{Columns: []string{"v"}}) {
			if r != "<nil>" {
				t.Fatalf("v%d: new column has %s", version, r)
			}
		}
	}
}

// respec changes the partitioning to so many buckets, 0 for none.
func (w *world) respec(buckets int) {
	w.t.Helper()
	_, _, err := w.rival.CommitUpdates(w.ctx, func(*catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		var spec partition.Spec
		if buckets > 0 {
			spec.Fields = []partition.Field{{
				SourceIDs: []int{1}, Name: fmt.Sprintf("b%d", buckets), Transform: partition.Transform{Kind: partition.BucketTransform, Param: buckets},
			}}
		}
		return []metadata.Update{metadata.AddSpec{Spec: spec}, metadata.SetDefaultSpec{SpecID: metadata.LastAdded}}, nil, nil
	})
	w.must(err)
}

// TestK5Spec: the partitioning changes before and while a compaction is at work;
// old files move to the new partitions, beside a writer of either encoding.
func TestK5Spec(t *testing.T) {
	eachKind(t, func(t *testing.T, version int, enc table.Encoding) {
		w := newWorld(t, worldOptions{version: version, seed: 14})
		for _, buckets := range []int{0, 3, 2} {
			for range 3 {
				w.write(enc, w.random(30, 80))
			}
			w.respec(buckets)
		}
		w.between(func() { w.write(enc, w.random(30, 80)) })
		rep := w.compact(&compaction.Options{MaxRounds: 1})
		w.check("moved")
		if enc == table.EncodingPosition && (rep.FilesRewritten == 0 || rep.Carried == 0) {
			t.Errorf("%+v", *rep)
		}
		w.between(func() { w.respec(3); w.write(enc, w.random(30, 80)) })
		w.compact(&compaction.Options{MaxRounds: 6})
		w.check("moved again")
		w.compact(&compaction.Options{MaxRounds: 6})
		w.settled(nil)
		s, err := compaction.Load(w.ctx, w.tab, "main")
		w.must(err)
		for _, f := range s.Files {
			if f.Data.File.SpecID != s.Metadata.DefaultSpecID {
				t.Errorf("%s has spec %d", f.Data.File.Path, f.Data.File.SpecID)
			}
		}
	})
}

// TestBadFile: a corrupt and a vanished input are left alone, with an error that
// names them; all others are rewritten.
func TestBadFile(t *testing.T) {
	w := newWorld(t, worldOptions{version: 3, seed: 15})
	for i := range int64(6) {
		w.write(table.EncodingPosition, map[int64]string{i: "x"})
	}
	w.must(w.tab.Refresh(w.ctx))
	s, err := compaction.Load(w.ctx, w.tab, "main")
	w.must(err)
	bad, gone := s.Files[1].Data.File, s.Files[3].Data.File
	data, err := objstore.ReadAll(w.ctx, w.store, bad.Path, 0)
	w.must(err)
	for i := range data[4 : len(data)/2] {
		data[4+i] ^= 0x5a
	}
	w.must(w.store.Put(w.ctx, bad.Path, data, nil))
	w.must(w.store.Delete(w.ctx, gone.Path))
	rep := w.compact(&compaction.Options{MaxRounds: 1})
	if len(rep.Skipped) != 2 || rep.FilesRewritten != 4 || rep.FilesAdded != 1 {
		t.Errorf("%+v", *rep)
	}
	for _, s := range rep.Skipped {
		if s.Path != bad.Path && s.Path != gone.Path || !strings.Contains(s.Err.Error(), s.Path) {
			t.Errorf("%s: %v", s.Path, s.Err)
		}
	}
}

// TestK6Upgrade: the table becomes version 3 between plan and commit; deletes to
// carry over are then written as deletion vectors.
func TestK6Upgrade(t *testing.T) {
	w := newWorld(t, worldOptions{version: 2, seed: 7})
	for range 4 {
		w.write(table.EncodingPosition, w.random(30, 60))
	}
	w.between(func() {
		w.write(table.EncodingPosition, w.random(30, 60))
		w.must(w.rival.UpgradeFormat(w.ctx, 3))
	})
	w.compact(nil)
	w.check("upgraded before the commit")

	w = newWorld(t, worldOptions{version: 2, seed: 8})
	for range 4 {
		w.write(table.EncodingPosition, w.random(30, 60))
	}
	w.between(func() {
		w.must(w.rival.UpgradeFormat(w.ctx, 3))
		w.write(table.EncodingPosition, w.random(30, 60)) // gives all rows their ids
	})
	w.compact(nil)
	w.check("rows got ids before the commit")
	w.settled(nil)
}

// TestRollback: a delete that was applied is undone by a rollback before the
// commit: the rewrite is given up, for it lacks the row.
func TestRollback(t *testing.T) {
	eachKind(t, func(t *testing.T, version int, enc table.Encoding) {
		w := newWorld(t, worldOptions{version: version})
		w.write(enc, map[int64]string{1: "a", 2: "b"})
		snap := w.write(enc, map[int64]string{3: "c"})
		w.write(enc, map[int64]string{1: ""})
		w.between(func() {
			m := w.rival.Metadata()
			_, err := w.cat.Catalog.CommitTable(w.ctx, catalog.Commit{
				ID:           catalog.Identifier{Namespace: []string{"c"}, Name: "t"},
				Requirements: []metadata.Requirement{metadata.AssertUUID{UUID: m.UUID}},
				Updates:      []metadata.Update{metadata.SetRef{Name: "main", Ref: metadata.Ref{SnapshotID: snap.ID, Type: "branch"}}},
			})
			w.must(err)
			w.rows[1] = "a"
		})
		w.compact(nil)
		w.check("after")
	})
}

var (
	raceSeed = flag.Uint64("race.seed", 0, "run the interleaving test with this seed only")
	raceRuns = flag.Int("race.runs", 40, "seeds of the interleaving test")
)

// TestInterleavings runs compactions, conversions, expiry and manifest rewrites
// with random writes of both encodings, schema changes and other maintenance
// before every attempt to commit, and compares with a map throughout. Rerun a
// failure with -race.seed.
func TestInterleavings(t *testing.T) {
	first, n := uint64(1), *raceRuns
	if testing.Short() {
		n = 8
	}
	if *raceSeed != 0 {
		first, n = *raceSeed, 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { interleave(t, seed) })
	}
}

func interleave(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 11))
	o := worldOptions{version: 2 + r.IntN(2), seed: seed, props: map[string]string{
		"commit.manifest.min-count-to-merge": fmt.Sprint(2 + r.IntN(6)),
	}}
	if r.IntN(2) == 0 {
		o.partition = []partition.Field{partition.Bucket("id", 2)}
	}
	if r.IntN(2) == 0 {
		o.props["write.parquet.row-group-size-bytes"] = "150"
	}
	w := newWorld(t, o)
	spill := t.TempDir()
	enc := func() table.Encoding {
		return []table.Encoding{table.EncodingPosition, table.EncodingEquality}[r.IntN(2)]
	}
	options := func() *compaction.Options {
		var order []partition.SortField
		if r.IntN(4) == 0 {
			order = parseSort(t, []string{"v, id", "id desc"}[r.IntN(2)])
		}
		return &compaction.Options{
			Sort: order, SpillDir: spill,
			TargetFileBytes: []int64{0, 1000, 4000}[r.IntN(3)], MinInputFiles: r.IntN(4), ConvertOnly: r.IntN(4) == 0,
			KeepEqualityDeletes: r.IntN(4) == 0, Tiered: r.IntN(3) == 0, MaxRounds: 1 + r.IntN(2), CommitBytes: []int64{0, 1}[r.IntN(2)],
			DeleteRatio: []float64{0, 0.01}[r.IntN(2)], SpliceBytes: []int64{0, 1}[r.IntN(2)],
		}
	}
	inside := false
	w.cat.before = func(catalog.Commit) error {
		if inside || r.IntN(3) == 0 {
			return nil
		}
		inside = true
		defer func() { inside = false }()
		switch r.IntN(8) {
		case 0:
			w.must(w.rival.Refresh(w.ctx))
			_, err := compaction.Compact(w.ctx, w.rival, options())
			w.must(err)
		case 1:
			w.respec(r.IntN(4))
		case 2:
			_, err := compaction.RewriteManifests(w.ctx, w.rival, &compaction.ManifestOptions{Always: r.IntN(2) == 0})
			w.must(err)
		case 3:
			_, err := compaction.Expire(w.ctx, w.rival, &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{KeepLast: 1, OnlyCount: true}})
			w.must(err)
		default:
			for range 1 + r.IntN(2) {
				w.write(enc(), w.random(15, 60))
			}
		}
		return nil
	}
	for range 12 {
		for range r.IntN(4) {
			w.write(enc(), w.random(20, 60))
		}
		if r.IntN(6) == 0 {
			w.respec(r.IntN(4))
		}
		w.compact(options())
		w.check("after")
		if t.Failed() {
			return
		}
	}
	w.cat.before = nil
	w.compact(&compaction.Options{MaxRounds: 5})
	w.check("at the end")
	w.settled(nil)
}

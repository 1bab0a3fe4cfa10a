package compaction_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/fsck"
	"github.com/frazildb/frazil/internal/judge"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// smallGroups makes files of many row groups.
var smallGroups = map[string]string{"write.parquet.row-group-size-bytes": "400"}

// sound checks every file of the table against what metadata says of it.
func (w *world) sound(what string) {
	w.t.Helper()
	w.must(w.tab.Refresh(w.ctx))
	rep, err := fsck.Check(w.ctx, fsck.Source{Store: w.store, Metadata: w.tab.Metadata()}, &fsck.Options{Deep: true})
	w.must(err)
	if err := rep.Err(); err != nil {
		w.t.Errorf("%s: %v", what, err)
	}
}

// lineage returns the rows with their ids and last-updated numbers.
func (w *world) lineage() []string {
	w.must(w.tab.Refresh(w.ctx))
	return rowsOf(w.t, w.tab, &scan.Options{Columns: []string{"id", "v", "_row_id", "_last_updated_sequence_number"}})
}

// fill writes files of many row groups, of whose rows some are deleted again.
func (w *world) fill(enc table.Encoding, files int) {
	for f := range files {
		rows := map[int64]string{}
		for i := range int64(300) {
			rows[int64(f)*300+i] = fmt.Sprintf("value %d", i*7919%1000)
		}
		w.write(enc, rows)
	}
	// In the same neighbourhood, so that most row groups are whole.
	gone := map[int64]string{}
	for i := range int64(20) {
		gone[150+i*2] = ""
		gone[600+i] = "changed"
	}
	w.write(enc, gone)
}

// few reports whether less was copied than nearly all row groups: files as small
// as these are mostly footers and indexes.
func few(rep *compaction.Report) bool { return 3*rep.BytesSpliced < rep.BytesRead }

// TestSplice: row groups that no delete touches are copied, and the table is the
// same: rows, lineage, statistics; the next plan is empty. A second compaction of
// version 3 copies the ids as well.
func TestSplice(t *testing.T) {
	eachKind(t, func(t *testing.T, version int, enc table.Encoding) {
		for _, parts := range [][]partition.Field{nil, {partition.Bucket("id", 2)}} {
			w := newWorld(t, worldOptions{version: version, seed: 3, partition: parts, props: smallGroups})
			w.fill(enc, 5)
			var ids []string
			if version >= 3 {
				ids = w.lineage()
			}
			o := &compaction.Options{SpliceBytes: 1, DeleteRatio: 0.001}
			rep := w.compact(o)
			w.check("after")
			w.sound("after")
			w.settled(o)
			if few(rep) || rep.After.DeleteFiles != 0 {
				t.Errorf("%+v", *rep)
			}
			if version >= 3 && !slices.Equal(w.lineage(), ids) {
				t.Errorf("row lineage has changed")
			}
			// Again, with new files and a schema that grew and changed.
			w.must(w.rival.Refresh(w.ctx))
			w.must(w.rival.Evolve(w.ctx, func(e *schema.Evolution) error { return e.Rename("v", "value") }, nil))
			w.write(enc, map[int64]string{5000: "new", 3: "changed again"})
			ids = nil
			rep = w.compact(o)
			w.check("renamed")
			w.sound("renamed")
			w.settled(o)
			if few(rep) {
				t.Errorf("renamed: %+v", *rep)
			}
		}
	})
}

// TestSpliceRaces: deletes that arrive while row groups are copied are carried
// over to where their rows went.
func TestSpliceRaces(t *testing.T) {
	eachKind(t, func(t *testing.T, version int, enc table.Encoding) {
		w := newWorld(t, worldOptions{version: version, seed: 4, props: smallGroups})
		w.fill(enc, 4)
		w.between(func() {
			w.write(table.EncodingPosition, map[int64]string{10: "", 610: "", 1100: "x", 151: "y"})
			w.write(enc, w.random(50, 1200))
		})
		rep := w.compact(&compaction.Options{SpliceBytes: 1, DeleteRatio: 0.001, MaxRounds: 1})
		w.check("after")
		w.sound("after")
		if rep.BytesSpliced == 0 || rep.Carried == 0 || rep.GivenUp != 0 {
			t.Errorf("%+v", *rep)
		}
	})
}

// TestSpliceEvolved: columns that files lack or have in another type are encoded
// beside those that are copied.
func TestSpliceEvolved(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version, seed: 5, props: smallGroups})
		w.must(w.rival.Evolve(w.ctx, func(e *schema.Evolution) error {
			return e.Add("", schema.Field{Name: "n", Type: schema.Int})
		}, nil))
		wr, err := w.rival.NewWriter(nil)
		w.must(err)
		for i := range int64(900) {
			w.must(wr.Upsert(w.ctx, schema.Row{i, fmt.Sprint("v", i), int32(i)}))
			if i%300 == 299 {
				_, err = wr.Commit(w.ctx, nil)
				w.must(err)
			}
		}
		w.must(wr.Close())
		w.must(w.rival.Evolve(w.ctx, func(e *schema.Evolution) error {
			f := schema.Field{Name: "added", Type: schema.String}
			if version >= 3 {
				f.InitialDefault, f.WriteDefault = "default", "default"
			}
			if err := e.Add("", f); err != nil {
				return err
			}
			return e.Widen("n", schema.Long)
		}, nil))
		w.must(w.tab.Refresh(w.ctx))
		before := rowsOf(t, w.tab, nil)
		rep := w.compact(&compaction.Options{SpliceBytes: 1})
		w.must(w.tab.Refresh(w.ctx))
		if after := rowsOf(t, w.tab, nil); !slices.Equal(before, after) {
			t.Errorf("v%d: rows differ:\n%.300v\n%.300v", version, before, after)
		}
		w.sound("evolved")
		if rep.BytesSpliced == 0 || rep.After.DataFiles != 1 {
			t.Errorf("v%d: %+v", version, *rep)
		}
	}
}

// TestSpliceBadFile: damage in a row group that would be copied is found; the
// others go on without that file.
func TestSpliceBadFile(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version, seed: 6, props: smallGroups})
		for f := range int64(4) {
			rows := map[int64]string{}
			for i := range int64(200) {
				rows[f*200+i] = fmt.Sprint("row ", i)
			}
			w.write(table.EncodingPosition, rows)
		}
		w.must(w.tab.Refresh(w.ctx))
		s, err := compaction.Load(w.ctx, w.tab, "main")
		w.must(err)
		bad := s.Files[2].Data.File
		data, err := objstore.ReadAll(w.ctx, w.store, bad.Path, 0)
		w.must(err)
		data[bad.SplitOffsets[1]+60] ^= 0x10
		w.must(w.store.Put(w.ctx, bad.Path, data, nil))
		rep := w.compact(&compaction.Options{SpliceBytes: 1, MaxRounds: 1})
		if len(rep.Skipped) != 1 || rep.Skipped[0].Path != bad.Path || rep.FilesRewritten != 3 || rep.FilesAdded != 1 || rep.BytesSpliced == 0 {
			t.Errorf("v%d: %+v", version, *rep)
		}
	}
}

// TestSpliceJudges lets other engines read files made of copied row groups, with
// filters on the key, which page indexes and bloom filters answer.
func TestSpliceJudges(t *testing.T) {
	testenv.Python(t)
	for _, version := range []int{2, 3} {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			dir := t.TempDir()
			store, err := objstore.NewLocal(dir, &objstore.LocalOptions{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, worldOptions{version: version, seed: 7, store: store, props: smallGroups})
			w.fill(table.EncodingPosition, 6)
			w.between(func() { w.write(table.EncodingPosition, w.random(40, 1800)) })
			rep := w.compact(&compaction.Options{SpliceBytes: 1, DeleteRatio: 0.001, MaxRounds: 1})
			if rep.BytesSpliced == 0 || rep.Carried == 0 {
				t.Errorf("%+v", *rep)
			}
			w.check("after")
			sum := judge.NewSum(w.tab.Schema())
			for b, err := range w.tab.Scan(nil).Batches(w.ctx) {
				w.must(err)
				sum.Add(b)
			}
			home := filepath.Join(dir, "c", "t")
			for _, e := range []judge.Engine{judge.DuckDB, judge.PyIceberg, judge.Polars} {
				got, err := judge.Try(t, e, home, 0)
				switch {
				case err != nil && e == judge.Polars && version >= 3:
					t.Logf("%s: %v", e, err) // does not read deletion vectors
				case err != nil:
					t.Errorf("%s: %v", e, err)
				case got != sum.Verdict():
					t.Errorf("%s: %v, want %v", e, got, sum.Verdict())
				}
			}
		})
	}
}

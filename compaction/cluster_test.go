package compaction_test

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

func parseSort(t testing.TB, text string) []partition.SortField {
	t.Helper()
	f, err := partition.ParseSort(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// placed is a row and where it is.
type placed struct {
	id   int64
	v    string
	file string
	pos  int64
}

// byPlace returns the rows in the order of files and positions.
func (w *world) byPlace() []placed {
	w.t.Helper()
	w.must(w.tab.Refresh(w.ctx))
	var out []placed
	for row, err := range w.tab.Scan(&scan.Options{Columns: []string{"id", "v", "_file", "_pos"}}).Rows(w.ctx) {
		w.must(err)
		v, _ := row[1].(string)
		out = append(out, placed{row[0].(int64), v, row[2].(string), row[3].(int64)})
	}
	slices.SortFunc(out, func(a, b placed) int { return cmp.Or(strings.Compare(a.file, b.file), cmp.Compare(a.pos, b.pos)) })
	return out
}

// inOrder requires that rows are in order within each file, and that no two files
// of a partition overlap.
func (w *world) inOrder(what string, compare func(a, b placed) int) {
	w.t.Helper()
	rows := w.byPlace()
	ranges := map[string][2]placed{}
	for i, r := range rows {
		if i > 0 && rows[i-1].file == r.file && compare(rows[i-1], r) > 0 {
			w.t.Fatalf("%s: %v before %v", what, rows[i-1], r)
		}
		lo, seen := ranges[r.file]
		if !seen {
			lo[0] = r
		}
		ranges[r.file] = [2]placed{lo[0], r}
	}
	for f, a := range ranges {
		for g, b := range ranges {
			if f != g && filepath.Dir(f) == filepath.Dir(g) && compare(a[0], b[1]) < 0 && compare(b[0], a[1]) < 0 {
				w.t.Errorf("%s: files overlap: %v and %v", what, a, b)
			}
		}
	}
}

// TestSort sorts in memory and by way of files, beside a writer: the rows are the
// same, in order but for those deleted meanwhile, and lineage is kept.
func TestSort(t *testing.T) {
	byValue := func(a, b placed) int { return cmp.Or(-strings.Compare(a.v, b.v), cmp.Compare(a.id, b.id)) }
	for _, budget := range []int64{0, 4 << 10} {
		eachKind(t, func(t *testing.T, version int, enc table.Encoding) {
			for _, parts := range [][]partition.Field{nil, {partition.Bucket("id", 2)}} {
				w := newWorld(t, worldOptions{version: version, seed: 21, partition: parts})
				for range 4 {
					w.write(enc, w.random(900, 3000))
				}
				w.between(func() { w.write(table.EncodingPosition, w.random(60, 3000)) })
				dir := t.TempDir()
				rep := w.compact(&compaction.Options{
					Sort: parseSort(t, "v desc nulls first, id"), MemoryBudget: budget, SpillDir: dir, TargetFileBytes: 4000,
				})
				w.cat.before = nil
				w.check("after")
				w.sound("after")
				if rep.Commits != 1 || rep.Carried == 0 || rep.FilesAdded < 2 {
					t.Errorf("%+v", *rep)
				}
				left, err := os.ReadDir(dir)
				if err != nil || len(left) > 0 {
					t.Errorf("left behind: %v, %v", left, err)
				}
				w.compact(&compaction.Options{Sort: parseSort(t, "v desc nulls first, id"), MemoryBudget: budget, TargetFileBytes: 4000})
				w.check("again")
				w.inOrder("again", byValue)
				if version >= 3 {
					ids := w.lineage()
					w.compact(&compaction.Options{Sort: parseSort(t, "id")})
					if !slices.Equal(w.lineage(), ids) {
						t.Error("row lineage has changed")
					}
				}
				w.compact(&compaction.Options{Sort: parseSort(t, "id desc")})
				w.inOrder("by id", func(a, b placed) int { return cmp.Compare(b.id, a.id) })
			}
		})
	}
}

// declare makes an order the table's.
func (w *world) declare(order ...partition.SortField) {
	w.t.Helper()
	_, _, err := w.rival.CommitUpdates(w.ctx, func(e *catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		o, err := partition.BindSort(order, e.Metadata.CurrentSchema(), e.Metadata.SortOrders)
		return []metadata.Update{metadata.AddSortOrder{Order: o}, metadata.SetDefaultSortOrder{OrderID: metadata.LastAdded}}, nil, err
	})
	w.must(err)
	w.must(w.tab.Refresh(w.ctx))
}

// TestSortDeclared: in an order that the table declares files say so, and a second
// run has nothing to do; only what was written since is sorted then.
func TestSortDeclared(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version, seed: 22})
		w.declare(parseSort(t, "bucket(4, id), v")...)
		for range 3 {
			w.write(table.EncodingPosition, w.random(200, 1000))
		}
		o := &compaction.Options{Sort: w.tab.Metadata().DefaultSortOrder().Fields, TargetFileBytes: 4000}
		rep := w.compact(o)
		w.check("sorted")
		w.sound("sorted")
		w.settled(o)
		if rep.Commits != 1 {
			t.Errorf("%+v", *rep)
		}
		s, err := compaction.Load(w.ctx, w.tab, "main")
		w.must(err)
		for _, f := range s.Files {
			if id := f.Data.File.SortOrderID; id == nil || *id != w.tab.Metadata().DefaultSortOrderID {
				t.Errorf("%s says order %v", f.Data.File.Path, id)
			}
		}
		// Rows with ids that are new, so that nothing is deleted.
		w.write(table.EncodingPosition, map[int64]string{5001: "a", 5002: "b"})
		if rep = w.compact(o); rep.RowsWritten == 0 || rep.RowsWritten >= int64(len(w.rows)) {
			t.Errorf("%+v", *rep)
		}
		w.check("again")
		w.settled(o)
	}
}

// TestZOrder: files rule out more rows by either column than in the order of
// arrival, and than in the order of one column alone by the other.
func TestZOrder(t *testing.T) {
	w := newWorld(t, worldOptions{version: 3, seed: 23})
	rows := map[int64]string{}
	for i := range int64(30000) {
		rows[i*i%100003] = fmt.Sprintf("common prefix %05d", i*7919%99991)
	}
	w.write(table.EncodingPosition, rows)
	touched := func() (ids, values int) {
		files := map[string][4]any{}
		for _, p := range w.byPlace() {
			b, ok := files[p.file]
			if !ok {
				b = [4]any{p.id, p.id, p.v, p.v}
			}
			files[p.file] = [4]any{min(b[0].(int64), p.id), max(b[1].(int64), p.id), min(b[2].(string), p.v), max(b[3].(string), p.v)}
		}
		for _, b := range files {
			if b[0].(int64) <= 51000 && b[1].(int64) >= 50000 {
				ids++
			}
			if b[2].(string) <= "common prefix 50999" && b[3].(string) >= "common prefix 50000" {
				values++
			}
		}
		return ids, values
	}
	o := &compaction.Options{ZOrder: []string{"id", "v"}, TargetFileBytes: 3000}
	rep := w.compact(o)
	w.check("z-ordered")
	w.sound("z-ordered")
	n := rep.After.DataFiles
	ids, values := touched()
	t.Logf("%d files; a hundredth of the ids is in %d of them, of the values in %d", n, ids, values)
	if n < 16 || ids > n/2 || values > n/2 {
		t.Errorf("%d files, %d and %d touched", n, ids, values)
	}
	w.compact(&compaction.Options{Sort: parseSort(t, "id"), TargetFileBytes: 3000})
	if ids, values := touched(); ids > 2 || values < n/2 {
		t.Errorf("sorted by id: %d and %d touched", ids, values)
	}
}

// TestClusterRefused: what rows cannot be ordered by is named, and nothing is done.
func TestClusterRefused(t *testing.T) {
	w := newWorld(t, worldOptions{version: 2})
	w.write(table.EncodingPosition, map[int64]string{1: "a"})
	for _, o := range []compaction.Options{
		{ZOrder: []string{"nope"}},
		{ZOrder: []string{"id"}, Sort: parseSort(t, "id")},
		{Sort: parseSort(t, "nope")},
	} {
		if _, err := compaction.Compact(w.ctx, w.tab, &o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	_, err := compaction.Compact(w.ctx, w.tab, &compaction.Options{Sort: parseSort(t, "id"), SpillDir: filepath.Join(t.TempDir(), "missing")})
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is missing: %v", err)
	}
	w.check("after")
}

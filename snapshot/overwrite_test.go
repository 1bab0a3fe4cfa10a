package snapshot

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
)

// withIDs gives a file bounds of column id.
func withIDs(f *manifest.DataFile, lo, hi int64) *manifest.DataFile {
	f.Lower = manifest.Bounds{{FieldID: 1, Value: binary.LittleEndian.AppendUint64(nil, uint64(lo))}}
	f.Upper = manifest.Bounds{{FieldID: 1, Value: binary.LittleEndian.AppendUint64(nil, uint64(hi))}}
	f.ValueCounts, f.NullCounts = manifest.Counts{{FieldID: 1, N: f.RecordCount}}, manifest.Counts{{FieldID: 1, N: 0}}
	return f
}

// matching are conditions of an overwrite of the rows that fulfil a predicate.
func matching(t *testing.T, w *world, e expr.Expr, fold bool) Conditions {
	t.Helper()
	b, err := expr.Bind(e, w.table.CurrentSchema(), fold)
	if err != nil {
		t.Fatal(err)
	}
	return Conditions{NoNewDataMatching: b, NoNewDeletesMatching: b}
}

// TestOverwriteConditions overwrites what fulfils a predicate, in a table with
// files a (partition 1, ids 0 to 9) and b (partition 2, ids 10 to 19), after
// something happened meanwhile.
func TestOverwriteConditions(t *testing.T) {
	type changes func(w *world) Changes
	add := func(p float64, lo, hi int64) changes {
		return func(w *world) Changes { return Changes{AddData: files(withIDs(w.data("new", 5, p), lo, hi))} }
	}
	remove := func(path string) changes {
		return func(w *world) Changes { return Changes{RemoveData: files(w.file(path))} }
	}
	rewrite := func(path string) changes {
		return func(w *world) Changes {
			f := *w.file(path)
			f.Path += "2"
			return Changes{Operation: metadata.OpReplace, RemoveData: files(w.file(path)), AddData: files(&f)}
		}
	}
	positions := func(ref string, p float64) changes {
		return func(w *world) Changes { return Changes{AddDeletes: files(w.positions("pd", ref, 1, p))} }
	}
	equality := func(p float64, lo, hi int64) changes {
		return func(w *world) Changes { return Changes{AddDeletes: files(withIDs(w.equality("eq", 1, p), lo, hi))} }
	}
	one := expr.Eq("p", 1.0)
	low := expr.And(one, expr.Lt("id", 5))
	for _, c := range []struct {
		name      string
		meanwhile []changes
		filter    expr.Expr // nil: nothing is validated
		conflict  string
	}{
		{"nothing happened", nil, one, ""},
		{"not validated", []changes{add(1, 0, 9)}, nil, ""},
		{"rows added to the partition", []changes{add(1, 0, 9)}, one, "added data file new"},
		{"rows added to another partition", []changes{add(2, 0, 9)}, one, ""},
		{"rows added out of the range", []changes{add(1, 5, 9)}, low, ""},
		{"rows added within the range", []changes{add(1, 4, 9)}, low, "added data file new"},
		{"everything overwritten", []changes{add(2, 0, 9)}, expr.True, "added data file new"},
		{"the file was removed", []changes{remove("a")}, one, "a is not live"},
		{"another file was removed", []changes{remove("b")}, one, ""},
		{"the file was rewritten", []changes{rewrite("a")}, one, "a is not live"},
		{"another file was rewritten", []changes{rewrite("b")}, one, ""},
		{"added, then removed again", []changes{add(1, 0, 9), remove("new")}, one, "added data file new"},
		{"rows of the file deleted by position", []changes{positions("a", 1)}, one, "pd"},
		{"rows of the partition deleted by position", []changes{positions("", 1)}, one, "pd"},
		{"rows of another partition deleted by position", []changes{positions("b", 2)}, one, ""},
		{"keys of the partition deleted", []changes{equality(1, 0, 99)}, one, "eq"},
		{"keys of another partition deleted", []changes{equality(2, 0, 99)}, one, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 2, true, nil)
			w.commit(Changes{AddData: files(withIDs(w.data("a", 10, 1), 0, 9), withIDs(w.data("b", 10, 2), 10, 19))})
			start := w.table.Current().ID
			op := Changes{Operation: metadata.OpOverwrite, RemoveData: files(w.file("a")), AddData: files(w.data("mine", 3, 1))}
			for _, m := range c.meanwhile {
				w.commit(m(w))
			}
			cond := Conditions{}
			if c.filter != nil {
				cond = matching(t, w, c.filter, false)
				cond.FromSnapshot = &start
			}
			_, err := w.commitIf(op, cond)
			switch {
			case c.conflict == "" && err != nil:
				t.Error(err)
			case c.conflict != "" && (!errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), c.conflict)):
				t.Errorf("%v, want a conflict: %s", err, c.conflict)
			}
		})
	}
}

// TestConditionsByMetrics: an equality delete whose keys are out of the range
// concerns nothing that is added by the range.
func TestConditionsByMetrics(t *testing.T) {
	w := newWorld(t, 2, true, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 1))})
	from := w.table.Current().ID
	w.commit(Changes{AddDeletes: files(withIDs(w.equality("eq", 1, 1), 100, 200))})
	start := w.table
	add := Changes{AddData: files(w.data("mine", 3, 1))}
	for filter, conflict := range map[expr.Expr]bool{expr.Lt("id", 100): false, expr.Le("id", 100): true, expr.Eq("ID", 150): true, expr.Gt("Id", 200): false} {
		w.table = start
		cond := matching(t, w, filter, true) // names in any case
		cond.FromSnapshot = &from
		if _, err := w.commitIf(add, cond); errors.Is(err, ErrConflict) != conflict || !conflict && err != nil {
			t.Errorf("%v: %v, want a conflict: %v", filter, err, conflict)
		}
	}
}

// TestConditionsFromTheBeginning: without a snapshot to start from all of the
// history counts, and must be there.
func TestConditionsFromTheBeginning(t *testing.T) {
	w := newWorld(t, 2, true, nil)
	cond := matching(t, w, expr.Eq("p", 1.0), false)
	if _, err := w.commitIf(Changes{AddData: files(w.data("a", 1, 2))}, cond); err != nil {
		t.Errorf("on an empty table: %v", err)
	}
	if _, err := w.commitIf(Changes{AddData: files(w.data("b", 1, 1))}, cond); err != nil {
		t.Errorf("with another partition's file: %v", err)
	}
	if _, err := w.commitIf(Changes{AddData: files(w.data("c", 1, 1))}, cond); !errors.Is(err, ErrConflict) {
		t.Errorf("with a file of the partition: %v", err)
	}
	first := w.table.Snapshots[0].ID
	w.change(metadata.RemoveSnapshots{IDs: []int64{first}})
	cond.FromSnapshot = &first
	if _, err := w.commitIf(Changes{AddData: files(w.data("d", 1, 1))}, cond); !errors.Is(err, ErrConflict) {
		t.Errorf("from an expired snapshot: %v", err)
	}
}

// TestReplacePartitions replaces all files of a partition: null is one, and an
// unpartitioned table, or one of void fields only, is one whole.
func TestReplacePartitions(t *testing.T) {
	w := newWorld(t, 2, true, nil)
	null := w.data("n", 2, 0)
	null.Partition = partition.Tuple{nil}
	w.commit(Changes{AddData: files(w.data("a", 10, 1), w.data("b", 10, 2), null)})
	from := w.table.Current().ID
	start := w.table
	isNull := matching(t, w, expr.IsNull("p"), false)
	isNull.FromSnapshot = &from
	mine := w.data("n2", 2, 0)
	mine.Partition = partition.Tuple{nil}
	replace := Changes{Operation: metadata.OpOverwrite, RemoveData: files(w.file("n")), AddData: files(mine)}
	w.commit(Changes{AddData: files(w.data("c", 1, 1))})
	if _, err := w.commitIf(replace, isNull); err != nil {
		t.Errorf("null partition beside another: %v", err)
	}
	w.wantLive("a@1 b@1 c@2 n2@3")
	w.table = start
	rival := w.data("r", 1, 0)
	rival.Partition = partition.Tuple{nil}
	w.commit(Changes{AddData: files(rival)})
	if _, err := w.commitIf(replace, isNull); !errors.Is(err, ErrConflict) {
		t.Errorf("null partition that got rows: %v", err)
	}

	w = newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 0))})
	w.commit(Changes{AddDeletes: files(w.positions("pd", "a", 1, 0))})
	from = w.table.Current().ID
	all := matching(t, w, expr.True, false)
	all.FromSnapshot = &from
	op := Changes{RemoveAll: true, AddData: files(w.data("b", 5, 0))}
	start = w.table
	if _, err := w.commitIf(op, all); err != nil {
		t.Errorf("whole table: %v", err)
	}
	w.wantLive("b@3")
	w.table = start
	w.commit(Changes{AddData: files(w.data("c", 5, 0))})
	if _, err := w.commitIf(op, all); !errors.Is(err, ErrConflict) {
		t.Errorf("whole table that got rows: %v", err)
	}
	w.table = start
	w.commit(Changes{AddDeletes: files(w.positions("pd2", "a", 1, 0))})
	if _, err := w.commitIf(op, all); !errors.Is(err, ErrConflict) {
		t.Errorf("whole table that got deletes: %v", err)
	}
}

// TestConcurrentVectors: vectors of the same file are a conflict whatever the
// filter says; those of other files are none, in the same partition or not.
func TestConcurrentVectors(t *testing.T) {
	for _, c := range []struct {
		name     string
		rival    string
		p        float64
		conflict bool
	}{{"same file", "a", 1, true}, {"same partition", "a2", 1, false}, {"another partition", "b", 2, false}} {
		for _, filter := range []expr.Expr{nil, expr.Eq("p", 1.0), expr.Eq("p", 7.0)} {
			w := newWorld(t, 3, true, nil)
			w.commit(Changes{AddData: files(w.data("a", 10, 1), w.data("a2", 10, 1), w.data("b", 10, 2))})
			from := w.table.Current().ID
			w.commit(Changes{AddDeletes: files(w.dv("rival", c.rival, 4, 40, 1, c.p))})
			cond := Conditions{FromSnapshot: &from, DataFilesExist: []string{"a"}}
			if filter != nil {
				cond.NoNewDataMatching = matching(t, w, filter, false).NoNewDataMatching
			}
			_, err := w.commitIf(Changes{AddDeletes: files(w.dv("mine", "a", 4, 40, 2, 1))}, cond)
			if errors.Is(err, ErrConflict) != c.conflict || !c.conflict && err != nil {
				t.Errorf("%s, %v: %v", c.name, filter, err)
			}
		}
	}
}

// TestRefusedTables: version 1 is not written, and an encrypted manifest list
// not read.
func TestRefusedTables(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	old := *w.table
	old.FormatVersion = 1
	if _, err := w.producer(Changes{AddData: files(w.data("a", 1, 0))}, Conditions{}).Apply(t.Context(), &old, ""); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "upgrade first") {
		t.Errorf("version 1: %v", err)
	}
	w.commit(Changes{AddData: files(w.data("a", 1, 0))})
	s := *w.table.Current()
	s.KeyID = "k1"
	if _, err := Manifests(t.Context(), w.store, w.table, &s, nil); !errors.Is(err, manifest.ErrEncrypted) || !strings.Contains(err.Error(), s.ManifestList) {
		t.Errorf("encrypted list: %v", err)
	}
}

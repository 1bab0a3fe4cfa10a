package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
)

func entry(f *manifest.DataFile, seq int64) *manifest.Entry {
	return &manifest.Entry{Status: manifest.StatusAdded, SequenceNumber: seq, FileSequenceNumber: seq, File: f}
}

func seqOf(entries ...*manifest.Entry) iter.Seq2[*manifest.Entry, error] {
	return func(yield func(*manifest.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func build1(t testing.TB, tab *metadata.Table, entries ...*manifest.Entry) *DeleteIndex {
	t.Helper()
	x, err := BuildDeleteIndex(tab, seqOf(entries...))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// applies lists the deletes of a data file, "dv" first.
func applies(t testing.TB, x *DeleteIndex, f *manifest.DataFile, seq int64) string {
	t.Helper()
	d, err := x.For(entry(f, seq))
	if err != nil {
		return "error: " + err.Error()
	}
	var out []string
	if d.DV != nil {
		out = append(out, d.DV.File.Path)
	}
	for _, list := range [][]*manifest.Entry{d.Positions, d.Equality} {
		for _, e := range list {
			out = append(out, e.File.Path)
		}
	}
	if (len(out) == 0) != d.Empty() {
		t.Error("Empty is wrong")
	}
	return strings.Join(out, " ")
}

// Invariant 1: an equality delete applies to strictly older data, a position
// delete and a deletion vector to data of the same number too.
func TestInvariant1SequenceBoundaries(t *testing.T) {
	w := newWorld(t, 3, true, nil)
	x := build1(t, w.table,
		entry(w.equality("e5", 1, 1), 5), entry(w.equality("e7", 1, 1), 7),
		entry(w.positions("p5", "", 1, 1), 5), entry(w.positions("p7", "a", 1, 1), 7),
		entry(w.dv("d5", "v", 4, 4, 1, 1), 5),
	)
	a, v := w.data("a", 1, 1), w.data("v", 1, 1)
	for seq, want := range map[int64]string{4: "p5 p7 e5 e7", 5: "p5 p7 e7", 6: "p7 e7", 7: "p7", 8: ""} {
		if got := applies(t, x, a, seq); got != want {
			t.Errorf("data of %d: %q, want %q", seq, got, want)
		}
	}
	for seq, want := range map[int64]string{4: "d5 e5 e7", 5: "d5 e7"} {
		if got := applies(t, x, v, seq); got != want {
			t.Errorf("vector, data of %d: %q, want %q", seq, got, want)
		}
	}
	if got := applies(t, x, v, 6); !strings.HasPrefix(got, "error") {
		t.Errorf("vector older than its data: %q", got)
	}
}

// Invariant 2: an equality delete is global only if its own spec is
// unpartitioned; position deletes never are.
func TestInvariant2GlobalDeletes(t *testing.T) {
	w := newWorld(t, 2, true, nil)
	void := partition.Spec{ID: 2, Fields: []partition.Field{{SourceIDs: []int{2}, FieldID: 1000, Name: "p", Transform: partition.Transform{Kind: partition.VoidTransform}}}}
	w.change(metadata.AddSpec{Spec: partition.Spec{ID: 1}}, metadata.AddSpec{Spec: void})
	in := func(f *manifest.DataFile, spec int, tuple ...any) *manifest.DataFile {
		f.SpecID, f.Partition = spec, tuple
		return f
	}
	x := build1(t, w.table,
		entry(in(w.equality("global", 1, 0), 1), 5), entry(in(w.equality("void", 1, 0), 2, nil), 6),
		entry(w.equality("one", 1, 1), 7), entry(w.equality("two", 1, 2), 8),
		entry(in(w.positions("p-un", "", 1, 0), 1), 9), entry(in(w.positions("p-void", "", 1, 0), 2, nil), 9), entry(w.positions("p-one", "", 1, 1), 9),
	)
	for want, f := range map[string]*manifest.DataFile{
		"p-one global void one": w.data("a", 1, 1),
		"global void two":       w.data("b", 1, 2),
		"global void":           w.data("c", 1, 3),
		"p-un global void":      in(w.data("d", 1, 0), 1),
		"p-void global void":    in(w.data("e", 1, 0), 2, nil),
	} {
		if got := applies(t, x, f, 1); got != want {
			t.Errorf("%s: %q, want %q", f.Path, got, want)
		}
	}
	// Global and partition deletes come in one order.
	x = build1(t, w.table, entry(in(w.equality("g9", 1, 0), 1), 9), entry(w.equality("o8", 1, 1), 8), entry(in(w.equality("g7", 1, 0), 1), 7))
	if got := applies(t, x, w.data("a", 1, 1), 1); got != "g7 o8 g9" {
		t.Errorf("order %q", got)
	}
}

// Invariant 3: a deletion vector hides position deletes, not equality deletes.
func TestInvariant3VectorHidesPositionDeletes(t *testing.T) {
	w := newWorld(t, 3, true, nil)
	x := build1(t, w.table,
		entry(w.dv("dv", "a", 4, 4, 1, 1), 3), entry(w.positions("own", "a", 1, 1), 9),
		entry(w.positions("shared", "", 1, 1), 9), entry(w.equality("eq", 1, 1), 9))
	if got := applies(t, x, w.data("a", 1, 1), 1); got != "dv eq" {
		t.Errorf("with vector: %q", got)
	}
	if got := applies(t, x, w.data("b", 1, 1), 1); got != "shared eq" {
		t.Errorf("without vector: %q", got)
	}
	if _, err := BuildDeleteIndex(w.table, seqOf(entry(w.dv("x", "a", 4, 4, 1, 1), 3), entry(w.dv("y", "a", 4, 4, 1, 1), 4))); err == nil {
		t.Error("two vectors of one file")
	}
}

// Fact D5: a delete that names a file of another spec or partition is an error.
func TestPathMatchedDeletesCheckPartition(t *testing.T) {
	w := newWorld(t, 3, true, nil)
	x := build1(t, w.table, entry(w.dv("dv", "a", 4, 4, 1, 2), 3), entry(w.positions("p", "b", 1, 2), 3))
	for _, path := range []string{"a", "b"} {
		if got := applies(t, x, w.data(path, 1, 1), 1); !strings.HasPrefix(got, "error") {
			t.Errorf("%s: %q", path, got)
		}
		if got := applies(t, x, w.data(path, 1, 2), 1); strings.HasPrefix(got, "error") {
			t.Errorf("%s: %q", path, got)
		}
	}
	// One that does not apply any more does not matter.
	if got := applies(t, x, w.data("b", 1, 1), 4); got != "" {
		t.Errorf("newer data: %q", got)
	}
	bad := w.data("a", 1, 1)
	bad.SpecID = 99
	if got := applies(t, x, bad, 1); !strings.HasPrefix(got, "error") {
		t.Errorf("unknown spec: %q", got)
	}
	boom := errors.New("boom")
	if _, err := BuildDeleteIndex(w.table, func(yield func(*manifest.Entry, error) bool) { yield(nil, boom) }); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
}

// Invariant 16: partition values are compared bit by bit, all NaNs being one.
func TestInvariant16BitExactPartitions(t *testing.T) {
	w := newWorld(t, 2, true, nil)
	x := build1(t, w.table, entry(w.equality("minus", 1, math.Copysign(0, -1)), 5), entry(w.equality("plus", 1, 0), 5), entry(w.equality("nan", 1, math.NaN()), 5))
	for want, p := range map[string]float64{"minus": math.Copysign(0, -1), "plus": 0, "nan": math.Float64frombits(math.Float64bits(math.NaN()) ^ 1)} {
		if got := applies(t, x, w.data("a", 1, p), 1); got != want {
			t.Errorf("%v: %q, want %q", p, got, want)
		}
	}
	null := w.equality("null", 1, 0)
	null.Partition = partition.Tuple{nil}
	data := w.data("a", 1, 0)
	data.Partition = partition.Tuple{nil}
	if got := applies(t, build1(t, w.table, entry(null, 5)), data, 1); got != "null" {
		t.Errorf("null: %q", got)
	}
}

func TestPositionBoundsPrune(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	bounds := func(path, lo, hi string) *manifest.Entry {
		f := w.positions(path, "", 1, 0)
		f.Lower = manifest.Bounds{{FieldID: 2147483546, Value: []byte(lo)}}
		f.Upper = manifest.Bounds{{FieldID: 2147483546, Value: []byte(hi)}}
		return entry(f, 5)
	}
	x := build1(t, w.table, bounds("bd", "b", "d"), entry(w.positions("any", "", 1, 0), 6), bounds("c", "c", "c"), bounds("ac", "a", "c"))
	for f, want := range map[string]string{"a": "ac any", "b": "bd ac any", "c": "c bd ac any", "d": "bd any", "e": "any"} {
		if got := applies(t, x, w.data(f, 1, 0), 1); got != want {
			t.Errorf("%s: %q, want %q", f, got, want)
		}
	}
}

func TestEqualityBoundsPrune(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	le := func(v int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(v)) }
	ranged := func(f *manifest.DataFile, lo, hi, nulls int64) *manifest.DataFile {
		f.Lower, f.Upper = manifest.Bounds{{FieldID: 1, Value: le(lo)}}, manifest.Bounds{{FieldID: 1, Value: le(hi)}}
		f.NullCounts, f.ValueCounts = manifest.Counts{{FieldID: 1, N: nulls}}, manifest.Counts{{FieldID: 1, N: 10}}
		return f
	}
	onlyNull := func(f *manifest.DataFile) *manifest.DataFile {
		f.NullCounts, f.ValueCounts = manifest.Counts{{FieldID: 1, N: 10}}, manifest.Counts{{FieldID: 1, N: 10}}
		return f
	}
	narrow := w.equality("int", 1, 0) // written before the column became a long
	narrow.Lower, narrow.Upper = manifest.Bounds{{FieldID: 1, Value: []byte{30, 0, 0, 0}}}, manifest.Bounds{{FieldID: 1, Value: []byte{40, 0, 0, 0}}}
	narrow.NullCounts = manifest.Counts{{FieldID: 1, N: 0}}
	x := build1(t, w.table,
		entry(ranged(w.equality("low", 1, 0), 1, 10, 0), 2), entry(ranged(w.equality("high", 1, 0), 20, 29, 0), 3),
		entry(w.equality("unknown", 1, 0), 4), entry(ranged(w.equality("nulls", 1, 0), 100, 200, 1), 5), entry(onlyNull(w.equality("null", 1, 0)), 6), entry(narrow, 7))
	for _, c := range []struct {
		name string
		f    *manifest.DataFile
		want string
	}{
		{"0-0", ranged(w.data("a", 1, 0), 0, 0, 0), "unknown"},
		{"10-20", ranged(w.data("a", 1, 0), 10, 20, 0), "low high unknown"},
		{"12-19", ranged(w.data("a", 1, 0), 12, 19, 0), "unknown"},
		{"12-19 and null", ranged(w.data("a", 1, 0), 12, 19, 1), "unknown nulls null"},
		{"only null", onlyNull(w.data("a", 1, 0)), "unknown nulls null"},
		{"35", ranged(w.data("a", 1, 0), 35, 35, 0), "unknown int"},
		{"unknown", w.data("a", 1, 0), "low high unknown nulls null int"},
	} {
		if got := applies(t, x, c.f, 1); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestDeleteIndexModel compares the index with the rules written out as a loop
// over all deletes.
func TestDeleteIndexModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 7))
	w := newWorld(t, 3, true, nil)
	w.change(metadata.AddSpec{Spec: partition.Spec{ID: 1}})
	for range 200 {
		var deletes []*manifest.Entry
		vectors := map[string]bool{}
		place := func(f *manifest.DataFile) *manifest.DataFile {
			if r.IntN(3) == 0 {
				f.SpecID, f.Partition = 1, partition.Tuple{}
			}
			return f
		}
		for i := range r.IntN(12) {
			name, p := fmt.Sprint("x", i), float64(r.IntN(2))
			f := place(w.equality(name, 1, p))
			if r.IntN(2) == 0 {
				f = place(w.positions(name, "", 1, p))
			}
			deletes = append(deletes, entry(f, r.Int64N(6)))
		}
		data := place(w.data("d", 1, float64(r.IntN(2))))
		dataSeq := r.Int64N(5)
		if r.IntN(3) == 0 && !vectors["d"] {
			v := w.dv("v", "d", 4, 4, 1, 0)
			v.SpecID, v.Partition = data.SpecID, data.Partition
			deletes = append(deletes, entry(v, 5))
			vectors["d"] = true
		}
		want := map[string]bool{}
		for _, e := range deletes {
			f := e.File
			same := f.SpecID == data.SpecID && (f.SpecID == 1 || f.Partition[0] == data.Partition[0])
			switch {
			case f.IsDV():
				want[f.Path] = true
			case f.Content == manifest.ContentPositionDeletes:
				want[f.Path] = same && dataSeq <= e.SequenceNumber && !vectors["d"]
			default:
				want[f.Path] = (same || f.SpecID == 1) && dataSeq < e.SequenceNumber
			}
		}
		got := strings.Fields(applies(t, build1(t, w.table, deletes...), data, dataSeq))
		for _, name := range got {
			if !want[name] {
				t.Fatalf("%s applies", name)
			}
			delete(want, name)
		}
		for name, ok := range want {
			if ok {
				t.Fatalf("%s does not apply", name)
			}
		}
	}
}

package bench

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/internal/testenv"
)

// Every workload runs at small size as a benchmark: go test -bench W6 ./bench.
func BenchmarkW1(b *testing.B)   { benchmark(b, "W1") }
func BenchmarkW2(b *testing.B)   { benchmark(b, "W2") }
func BenchmarkW3(b *testing.B)   { benchmark(b, "W3") }
func BenchmarkW4(b *testing.B)   { benchmark(b, "W4") }
func BenchmarkW5(b *testing.B)   { benchmark(b, "W5") }
func BenchmarkW6(b *testing.B)   { benchmark(b, "W6") }
func BenchmarkW7(b *testing.B)   { benchmark(b, "W7") }
func BenchmarkW8(b *testing.B)   { benchmark(b, "W8") }
func BenchmarkW10(b *testing.B)  { benchmark(b, "W10") }
func BenchmarkW10b(b *testing.B) { benchmark(b, "W10b") }
func BenchmarkW11(b *testing.B)  { benchmark(b, "W11") }
func BenchmarkW12(b *testing.B)  { benchmark(b, "W12") }
func BenchmarkW13(b *testing.B)  { benchmark(b, "W13") }

// benchmark reports CPU per row of each case. FRAZIL_BENCH_SIZE=full runs the
// full size, FRAZIL_BENCH_CASE one case.
func benchmark(b *testing.B, name string) {
	o := &Options{Size: Size(os.Getenv("FRAZIL_BENCH_SIZE")), Dir: b.TempDir()}
	if c := os.Getenv("FRAZIL_BENCH_CASE"); c != "" {
		name += "/" + c
	}
	sums := map[string]float64{}
	for b.Loop() {
		rs, err := Run(context.Background(), []string{name}, o)
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range rs {
			sums[r.Case] += r.CPUNsPerRow
		}
	}
	for c, s := range sums {
		b.ReportMetric(s/float64(b.N), c+"-ns/row")
	}
}

// TestWorkloads runs every case on little data: it is the checks inside the
// workloads that count, which compare the tables' rows with what they must be.
func TestWorkloads(t *testing.T) {
	shared, _ := testenv.SharedIfThere(t)
	for _, c := range []struct {
		name  string
		scale float64
		cases int
	}{
		{"W1", 0.02, 5},
		{"W2", 0.4, len(upsertCases())}, // one commit
		{"W3", 0.05, 2},
		{"W4", 0.05, 6},
		{"W5/commits-25", 0.02, 1},
		{"W6", 0.02, 4},
		{"W7", 0.02, 3},
		{"W8", 0.05, 14},
		{"W10", 0.05, len(CompactionCases())},
		{"W11", 0.05, 4},
		{"W13", 0.05, 2},
		{"W10b", 0.02, 3},
		{"W12/synthetic", 0.05, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name == "W2" {
				t.Skip("a base of a million rows six times")
			}
			seen := 0
			o := &Options{Scale: c.scale, Dir: t.TempDir(), Shared: shared, Done: func(Result) { seen++ }}
			rs, err := Run(context.Background(), []string{c.name}, o)
			if err != nil {
				t.Fatal(err)
			}
			if len(rs) != c.cases || seen != c.cases {
				t.Errorf("%d results, %d reported, want %d", len(rs), seen, c.cases)
			}
			for _, r := range rs {
				if len(r.Verdicts) > 0 {
					t.Errorf("%s: judged at another scale: %v", r.Case, r.Verdicts)
				}
				if r.Rows <= 0 || r.Seconds <= 0 || r.CPUNsPerRow < 0 || r.PeakRSSBytes <= 0 {
					t.Errorf("%s: figures missing: %+v", r.Case, r)
				}
			}
			left, err := os.ReadDir(o.Dir)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	r := Result{Workload: "W8", Case: "200k-warm", Seconds: 0.06, PeakRSSBytes: 100e6}
	got := judge(&r, Full)
	if len(got) != 2 || got[0].Met || !got[1].Met {
		t.Fatalf("%v", got)
	}
	if s := got[0].String(); s != "s 0.06 ≤ 0.05 MISSED" {
		t.Error(s)
	}
	r = Result{Workload: "W8", Case: "10k-manifests", Seconds: 0.06}
	if got := judge(&r, Small); len(got) != 0 {
		t.Errorf("a thousand manifests: %v", got)
	}
	r = Result{Workload: "W6", Case: "two-columns", RowsPerSecond: 81e6}
	if got := judge(&r, Small); len(got) != 0 {
		t.Errorf("small: %v", got)
	}
	if got := judge(&r, Full); len(got) != 1 || !got[0].Met || got[0].String() != "million rows/s 81 ≥ 80 met" {
		t.Errorf("full: %v", got)
	}
}

func TestUnknownNames(t *testing.T) {
	for _, name := range []string{"W99", "", "W1/lz4"} {
		_, err := Run(context.Background(), []string{name}, &Options{Scale: 0.01, Dir: t.TempDir()})
		if !errors.Is(err, ErrUnknownWorkload) {
			t.Errorf("%q: %v, want ErrUnknownWorkload", name, err)
		}
	}
	if _, err := Run(context.Background(), []string{"W1"}, &Options{Size: "huge"}); err == nil {
		t.Error("size huge: no error")
	}
}

// TestDataSlices checks that any slice of the rows is the same however it is cut.
func TestDataSlices(t *testing.T) {
	for _, d := range []*Data{R6(0), R6(5000), R21(), Wide()} {
		whole := d.Batch(1000, 300)
		part := d.Batch(1100, 50)
		if !whole.Schema().Equal(d.Arrow) {
			t.Errorf("%s: schema %s", d.Name, whole.Schema())
		}
		cut := whole.NewSlice(100, 150)
		if !array.RecordEqual(cut, part) {
			t.Errorf("%s: rows 1100 to 1150 differ by how they are made", d.Name)
		}
		cut.Release()
		whole.Release()
		part.Release()
	}
	seen := map[uint64]bool{}
	for n := range int64(1000) {
		seen[Shuffled(n, 1000)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d ids of 1000 are different", len(seen))
	}
}

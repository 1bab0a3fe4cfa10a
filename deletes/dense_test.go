package deletes

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

// randomInts is a column of integers from low on, sometimes far outside, some of
// them null; values under nulls are arbitrary.
func randomInts(rnd *rand.Rand, n int, low, span int64, narrow bool) arrow.Array {
	values, valid := make([]int64, n), make([]bool, n)
	for i := range values {
		values[i] = low + rnd.Int64N(span)
		if rnd.IntN(50) == 0 && !narrow {
			values[i] = []int64{math.MinInt64, math.MaxInt64, low - 1, low + span, 0}[rnd.IntN(5)]
		}
		valid[i] = rnd.IntN(10) > 0
	}
	if narrow {
		b := array.NewInt32Builder(memory.DefaultAllocator)
		for i, v := range values {
			b.Append(int32(v))
			if !valid[i] {
				b.SetNull(i)
			}
		}
		return b.NewArray()
	}
	if rnd.IntN(2) == 0 {
		valid = nil
	}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(values, valid)
	return b.NewArray()
}

// A table of close integers and one that hashes agree on every row, whatever is
// added to them.
func TestDenseAgrees(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 4))
	f := []schema.Field{{ID: 1, Name: "k", Type: schema.Long}}
	denseOnes := 0
	for range 100 {
		low := []int64{0, -50, 1 << 40, math.MinInt64, math.MaxInt64 - 2000}[rnd.IntN(5)]
		span := 1 + rnd.Int64N(1000)
		narrow := low <= 0 && low > math.MinInt32
		o := &EqualityOptions{Rows: 1 + rnd.Int64N(500), Low: low, High: low + span - 1}
		if rnd.IntN(4) == 0 {
			o.High -= o.High / 3 // a guess
			o.High = max(o.High, o.Low)
		}
		d, err := NewEqualityTable(f, o)
		if err != nil {
			t.Fatal(err)
		}
		h, _ := NewEqualityTable(f, nil)
		if d.dense != nil {
			denseOnes++
		}
		for range rnd.IntN(20) {
			col := randomInts(rnd, rnd.IntN(100), low, span, narrow && rnd.IntN(2) == 0)
			seq := rnd.Int64N(12)
			for _, et := range []*EqualityTable{d, h} {
				if err := et.Add([]arrow.Array{col}, seq); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 10 {
			n := rnd.IntN(3000)
			col := randomInts(rnd, n+7, low, span, narrow && rnd.IntN(2) == 0)
			col = array.NewSlice(col, 7, int64(n+7))
			a, b := bitmap.NewSet(n), bitmap.NewSet(n)
			for i := range n {
				if rnd.IntN(5) == 0 {
					a.Clear(i)
					b.Clear(i)
				}
			}
			if n > 300 {
				a.ClearRange(0, 200)
				b.ClearRange(0, 200)
			}
			seq := rnd.Int64N(12)
			d.Dead([]arrow.Array{col}, seq, a)
			h.Dead([]arrow.Array{col}, seq, b)
			for i := range n {
				if a.Get(i) != b.Get(i) {
					t.Fatalf("row %d of %v at %d: live %v, want %v", i, col, seq, a.Get(i), b.Get(i))
				}
			}
		}
		d.Release()
		if d.MemoryBytes() != 0 || d.Len() != 0 {
			t.Fatal("not empty after Release")
		}
	}
	if denseOnes < 20 {
		t.Errorf("%d tables of 100 are dense", denseOnes)
	}
}

func TestDenseBudget(t *testing.T) {
	f := []schema.Field{{ID: 1, Name: "k", Type: schema.Long}}
	used := int64(0)
	account := func(d int64) bool {
		if d > 0 && used+d > 1000 {
			return false
		}
		used += d
		return true
	}
	et, err := NewEqualityTable(f, &EqualityOptions{Rows: 1000, Low: 0, High: 999, Account: account})
	if err != nil || et.dense != nil || used != 0 {
		t.Fatalf("dense %v, %d bytes used: %v", et.dense, used, err)
	}
	for _, o := range []EqualityOptions{
		{Rows: 1000, Low: 0, High: 999, MemoryBudget: 1999},
		{Rows: 10, Low: math.MinInt64, High: math.MaxInt64},
		{Rows: math.MaxInt64, Low: math.MinInt64, High: math.MaxInt64},
		{Rows: 1000, Low: 5, High: 4},
		{Rows: 1000, Low: 0, High: 999, Parts: 2},
	} {
		if et, err := NewEqualityTable(f, &o); err != nil || et.dense != nil {
			t.Errorf("%+v: dense, or %v", o, err)
		}
	}
	et, _ = NewEqualityTable(f, &EqualityOptions{Rows: 50, Low: 0, High: 499, Account: account})
	if et.dense == nil || used != 1000 {
		t.Fatalf("not dense, or %d bytes used", used)
	}
	if et.Release(); used != 0 {
		t.Fatalf("%d bytes used after Release", used)
	}
}

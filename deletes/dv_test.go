package deletes

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/bitmap"
)

// vectors are the deletion vectors of the reference implementation's own tests
// (apache/iceberg, core/src/test/resources/…/deletes).
var vectors = []struct {
	name, hex string
	positions []uint64
}{
	{"empty", "0000000c d1d33964 0000000000000000 bf18480c", nil},
	{
		"small", `0000002a d1d33964 0100000000000000 00000000 3a300000 01000000 0000 0400 10000000
			0100 0300 0500 0700 0900 b3fb20be`,
		[]uint64{1, 3, 5, 7, 9},
	},
	{
		"two containers", `00000030 d1d33964 0100000000000000 00000000 3a300000 02000000 0000 0100 0080 0100
			18000000 1c000000 6400 6500 6300 6400 15eb1c7c`,
		[]uint64{100, 101, 2147483747, 2147483748},
	},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func set(pos ...uint64) *Positions {
	p := &Positions{}
	for _, v := range pos {
		p.Add(v)
	}
	return p
}

func TestDVGolden(t *testing.T) {
	for _, v := range vectors {
		want := unhex(t, v.hex)
		got, err := EncodeDV(set(v.positions...))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: encoded %x, %v\nwant %x", v.name, got, err, want)
		}
		p, err := DecodeDV(want, int64(len(v.positions)))
		if err != nil || !slices.Equal(slices.Collect(p.All()), v.positions) {
			t.Errorf("%s: decoded %v", v.name, err)
		}
	}
}

// shapes are sets that use every kind of container and several keys.
func shapes(r *rand.Rand) []*Positions {
	dense, many, runs := &Positions{}, &Positions{}, &Positions{}
	for range 100_000 {
		dense.Add(r.Uint64N(200_000))
		many.Add(r.Uint64N(8) << 31)
		many.Add(r.Uint64N(8)<<32 | r.Uint64N(1<<16))
	}
	for i := range uint64(3000) {
		runs.AddRange(i*97, i*97+r.Uint64N(90))
	}
	runs.AddRange(1<<32-5, 1<<32+70_000)
	full := &Positions{}
	full.AddRange(0, 1<<20)
	return []*Positions{set(), set(0), set(1 << 40), dense, many, runs, full}
}

func TestDVRoundTrip(t *testing.T) {
	for i, p := range shapes(rand.New(rand.NewPCG(1, 2))) {
		b, err := EncodeDV(p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := DecodeDV(b, int64(p.Len()))
		if err != nil {
			t.Fatalf("shape %d: %v", i, err)
		}
		if !slices.Equal(slices.Collect(p.All()), slices.Collect(q.All())) {
			t.Errorf("shape %d differs", i)
		}
	}
}

func TestDVMalformed(t *testing.T) {
	good := unhex(t, vectors[1].hex)
	if _, err := DecodeDV(good, 4); !errors.Is(err, ErrCorrupt) {
		t.Errorf("cardinality: %v", err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x10
		if _, err := DecodeDV(bad, -1); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := DecodeDV(good[:i], -1); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	// Bodies with a right checksum but wrong contents.
	for name, body := range map[string]string{
		"count":             "ffffffffffffff00",
		"keys descend":      "0200000000000000 01000000 3a300000 00000000 00000000 3a300000 00000000",
		"key twice":         "0200000000000000 00000000 3a300000 00000000 00000000 3a300000 00000000",
		"key too large":     "0100000000000000 ffffff7f 3a300000 00000000",
		"cookie":            "0100000000000000 00000000 3c300000 00000000",
		"containers":        "0100000000000000 00000000 3a300000 ffffffff",
		"values descend":    "0100000000000000 00000000 3a300000 01000000 0000 0100 10000000 0300 0100",
		"value twice":       "0100000000000000 00000000 3a300000 01000000 0000 0100 10000000 0300 0300",
		"containers twice":  "0100000000000000 00000000 3a300000 02000000 0000 0000 0000 0000 18000000 1a000000 0300 0400",
		"runs overlap":      "0100000000000000 00000000 3b300000 01 0000 0400 0200 0000 0200 0100 0100",
		"run past the end":  "0100000000000000 00000000 3b300000 01 0000 0200 0100 ffff 0200",
		"run cardinality":   "0100000000000000 00000000 3b300000 01 0000 0500 0100 0000 0200",
		"bytes left over":   "0000000000000000 00",
		"no bitmap":         "0100000000000000 00000000",
		"truncated bitset":  "0100000000000000 00000000 3a300000 01000000 0000 ffff 10000000 0300",
		"runs without runs": "0100000000000000 00000000 3b300000 01 0000 0000 0000",
	} {
		if _, err := DecodeDV(sealDV(unhex(t, body)), -1); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeDV(f *testing.F) {
	for _, v := range vectors {
		b := unhex(f, v.hex)
		f.Add(b[8 : len(b)-4])
	}
	f.Add(unhex(f, "0100000000000000 00000000 3b300000 01 0000 0200 0100 0000 0200"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := DecodeDV(sealDV(body), -1)
		if err != nil {
			return
		}
		n := uint64(0)
		last := int64(-1)
		for v := range p.All() {
			if int64(v) <= last {
				t.Fatalf("%d after %d", v, last)
			}
			last = int64(v)
			if n++; n > 1<<22 {
				return
			}
		}
		if n != p.Len() {
			t.Fatalf("%d positions, Len %d", n, p.Len())
		}
		p.ClearIn(bitmap.NewSet(100_000), 1000)
		p.Union(p.Clone())
	})
}

func TestPositionsModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for i, p := range append(shapes(r), shapes(r)...) {
		all := slices.Collect(p.All())
		if uint64(len(all)) != p.Len() {
			t.Fatalf("shape %d: Len %d of %d", i, p.Len(), len(all))
		}
		var ints []int64
		for _, v := range all {
			ints = append(ints, int64(v))
		}
		again := &Positions{}
		again.AddMany(ints)
		if !slices.Equal(slices.Collect(again.All()), all) {
			t.Errorf("shape %d: AddMany differs", i)
		}
		for range 50 {
			first := r.Int64N(300_000)
			if len(all) > 0 && r.IntN(2) == 0 {
				first = max(0, int64(all[r.IntN(len(all))])-r.Int64N(1000))
			}
			n := 1 + r.IntN(100_000)
			bm := bitmap.NewSet(n)
			p.ClearIn(bm, first)
			from, _ := slices.BinarySearch(all, uint64(first))
			to, _ := slices.BinarySearch(all, uint64(first)+uint64(n))
			want := bitmap.NewSet(n)
			for _, v := range all[from:to] {
				want.Clear(int(int64(v) - first))
			}
			if !slices.Equal(bm.Words(), want.Words()) {
				t.Fatalf("shape %d: ClearIn(%d, %d) differs", i, n, first)
			}
		}
		for range 100 {
			v := r.Uint64N(400_000)
			_, want := slices.BinarySearch(all, v)
			if p.Contains(v) != want {
				t.Fatalf("shape %d: Contains(%d) = %v", i, v, !want)
			}
		}
	}
}

func TestPositionsIntersects(t *testing.T) {
	p := set(5, 100, 1<<32-1, 1<<33+7)
	for _, c := range []struct {
		from, to uint64
		want     bool
	}{
		{0, 5, false},
		{0, 6, true},
		{5, 6, true},
		{6, 100, false},
		{6, 101, true},
		{101, 1<<32 - 1, false},
		{101, 1 << 32, true},
		{1 << 32, 1<<33 + 7, false},
		{1 << 32, 1<<33 + 8, true},
		{1<<33 + 8, 1 << 40, false},
		{5, 5, false},
	} {
		if got := p.Intersects(c.from, c.to); got != c.want {
			t.Errorf("%d to %d: %v", c.from, c.to, got)
		}
	}
}

func TestPositionsSets(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	some := func() *Positions {
		p := &Positions{}
		for range r.IntN(30) {
			p.Add(uint64(r.IntN(3))<<32 + r.Uint64N(40))
		}
		return p
	}
	for range 2000 {
		a, b := some(), some()
		covers := true
		for v := range b.All() {
			covers = covers && a.Contains(v)
		}
		if a.Covers(b) != covers {
			t.Fatalf("%v covers %v: %v", slices.Collect(a.All()), slices.Collect(b.All()), !covers)
		}
		minus := a.Clone()
		minus.Minus(b)
		n := uint64(r.IntN(3))<<32 + r.Uint64N(45)
		cut := a.Clone()
		cut.Truncate(n)
		for v := range a.All() {
			if minus.Contains(v) == b.Contains(v) || cut.Contains(v) != (v < n) {
				t.Fatalf("position %d of %v, %v, cut at %d", v, slices.Collect(a.All()), slices.Collect(b.All()), n)
			}
		}
		if minus.Len() > a.Len() || cut.Len() > a.Len() {
			t.Fatal("positions came from nowhere")
		}
	}
}

func TestPositionsUnionSharesNothing(t *testing.T) {
	a, b := set(1), set(2, 1<<33)
	a.Union(b)
	a.Add(7)
	a.Add(1<<33 + 1)
	c := a.Clone()
	c.Add(9)
	if b.Len() != 2 || a.Len() != 5 || c.Len() != 6 {
		t.Errorf("%d, %d, %d positions", b.Len(), a.Len(), c.Len())
	}
	if m, ok := a.Max(); !ok || m != 1<<33+1 {
		t.Errorf("max %d", m)
	}
}

func BenchmarkClearIn(b *testing.B) {
	for _, every := range []uint64{3, 100, 10000} {
		p := &Positions{}
		for i := uint64(0); i < 1<<20; i += every {
			p.Add(i)
		}
		bm := bitmap.NewSet(1 << 16)
		b.Run("every "+string(rune('0'+len(strings.Repeat("0", int(min(every, 9)))))), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				p.ClearIn(bm, int64(i&15)<<16+1000)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<16), "ns/row")
		})
	}
}

func TestDVOfJava(t *testing.T) {
	for name, count := range map[string]int64{
		"empty": 0, "small-alternating-values": 5, "small-and-large-values": 4, "all-container-types": -1,
	} {
		b, err := os.ReadFile("testdata/" + name + "-position-index.bin")
		if err != nil {
			t.Fatal(err)
		}
		p, err := DecodeDV(b, count)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := EncodeDV(p)
		if err != nil || !slices.Equal(again, b) {
			t.Errorf("%s: %d positions encode as\n%x, want\n%x", name, p.Len(), again, b)
		}
	}
}

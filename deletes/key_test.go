package deletes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

// sealDV frames the body of a deletion vector.
func sealDV(body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))
	b = append(b, dvMagic...)
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func longs(vals []int64, valid []bool) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(vals, valid)
	return b.NewArray()
}

func ints(vals []int32, valid []bool) arrow.Array {
	b := array.NewInt32Builder(memory.DefaultAllocator)
	b.AppendValues(vals, valid)
	return b.NewArray()
}

func strs(vals []string, valid []bool) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues(vals, valid)
	return b.NewArray()
}

func field(name string, t schema.Type) schema.Field {
	return schema.Field{ID: 1, Name: name, Type: t}
}

func mustHasher(t testing.TB, seed uint64, fields ...schema.Field) *Hasher {
	t.Helper()
	h, err := NewHasher(fields, seed)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Digests are stored in key filters and key indexes: these must never change.
func TestDigestGolden(t *testing.T) {
	h := mustHasher(t, 42, field("id", schema.Long), field("name", schema.String))
	for _, c := range []struct {
		key  []any
		want string
	}{
		{[]any{int64(1), "a"}, "4fde1590a57809c2 bafa2bcfc1665bd6"},
		{[]any{nil, ""}, "d01db729719ef09d 3f4628d1873496a1"},
		{[]any{int64(-1), nil}, "7b89301283d7f244 5b68b3f59ae30003"},
	} {
		d := h.HashValues(c.key)
		if got := fmt.Sprintf("%016x %016x", d[0], d[1]); got != c.want {
			t.Errorf("%v: %s, want %s", c.key, got, c.want)
		}
	}
}

func TestHashPromotion(t *testing.T) {
	same := func(name string, typ schema.Type, a, b arrow.Array, values ...any) {
		t.Helper()
		h := mustHasher(t, 7, field(name, typ))
		x, y := h.Hash([]arrow.Array{a}, nil), h.Hash([]arrow.Array{b}, nil)
		if !slices.Equal(x, y) {
			t.Errorf("%s: digests of two widths differ", name)
		}
		for i, v := range values {
			if h.HashValues([]any{v}) != x[i] {
				t.Errorf("%s: value %v differs from its column", name, v)
			}
		}
		for i := range x {
			if slices.Index(x, x[i]) != i {
				t.Errorf("%s: row %d has the digest of another", name, i)
			}
		}
	}
	valid := []bool{true, true, false, true, true}
	same("int", schema.Long, ints([]int32{1, -1, 0, 0, math.MinInt32}, valid),
		longs([]int64{1, -1, 9, 0, math.MinInt32}, valid), int64(1), int32(-1), nil, int64(0))
	mem := memory.DefaultAllocator
	d32, ts := array.NewDate32Builder(mem), array.NewTimestampBuilder(mem, &arrow.TimestampType{Unit: arrow.Microsecond})
	for _, d := range []int32{0, -1, 19000} {
		d32.Append(arrow.Date32(d))
		ts.Append(arrow.Timestamp(int64(d) * 86_400_000_000))
	}
	same("date", schema.Timestamp, d32.NewArray(), ts.NewArray(), int64(0), int64(-86_400_000_000))
	dec, dec64 := array.NewDecimal128Builder(mem, &arrow.Decimal128Type{Precision: 20, Scale: 2}), array.NewDecimal64Builder(mem, &arrow.Decimal64Type{Precision: 18, Scale: 2})
	for _, v := range []int64{0, -1, 1, 123456789012345678} {
		dec.Append(decimal128.FromI64(v))
		dec64.Append(decimal.Decimal64(v))
	}
	same("decimal", schema.Decimal(20, 2), dec.NewArray(), dec64.NewArray(), decimal128.FromI64(0), decimal128.FromI64(-1))
	f32, f64 := array.NewFloat32Builder(mem), array.NewFloat64Builder(mem)
	for _, v := range []float32{0, float32(math.Copysign(0, -1)), 1.5, float32(math.NaN())} {
		f32.Append(v)
		f64.Append(float64(v))
	}
	same("float", schema.Double, f32.NewArray(), f64.NewArray(), 0.0, math.Copysign(0, -1), float32(1.5))
	bin := array.NewBinaryBuilder(mem, arrow.BinaryTypes.Binary)
	for _, v := range []string{"", "a", "abcdefghijklmnopqrstuvwxyz"} {
		bin.Append([]byte(v))
	}
	same("bytes", schema.Binary, strs([]string{"", "a", "abcdefghijklmnopqrstuvwxyz"}, nil), bin.NewArray(), "", []byte("a"))
}

func TestHashSlicesAndDictionaries(t *testing.T) {
	h := mustHasher(t, 1, field("s", schema.String))
	a := strs([]string{"x", "a", "", "b", "a"}, []bool{true, true, false, true, true})
	s := array.NewSlice(a, 1, 5)
	want := h.Hash([]arrow.Array{a}, nil)[1:]
	if got := h.Hash([]arrow.Array{s}, nil); !slices.Equal(got, want) {
		t.Error("slice differs")
	}
	idx := array.NewInt8Builder(memory.DefaultAllocator)
	idx.AppendValues([]int8{1, 0, 0, 1}, []bool{true, false, true, true})
	d := array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String},
		idx.NewArray(), strs([]string{"b", "a"}, nil))
	if got := h.Hash([]arrow.Array{d}, nil); !slices.Equal(got, want) {
		t.Error("dictionary differs")
	}
	if got := h.Hash([]arrow.Array{array.NewNull(1)}, nil); got[0] != want[1] {
		t.Error("null array differs")
	}
}

func TestHasherTypes(t *testing.T) {
	for _, typ := range []schema.Type{schema.Variant, schema.Unknown, schema.Struct(), schema.List(field("", schema.Long))} {
		if _, err := NewHasher([]schema.Field{field("x", typ)}, 1); err == nil {
			t.Errorf("%v is a key", typ.Kind)
		}
	}
}

func TestEqualityTableModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	et, err := NewEqualityTable([]schema.Field{field("id", schema.Long), field("s", schema.String)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	type key struct {
		id int64
		s  string
	}
	batch := func(n int) ([]key, []arrow.Array) {
		keys := make([]key, n)
		var ids []int64
		var names []string
		var valid []bool
		for i := range keys {
			keys[i] = key{r.Int64N(3000), fmt.Sprint(r.IntN(3))}
			ok := keys[i].id != 5
			if !ok {
				keys[i].id = -1
			}
			ids, names, valid = append(ids, keys[i].id), append(names, keys[i].s), append(valid, ok)
		}
		return keys, []arrow.Array{longs(ids, valid), strs(names, nil)}
	}
	model := map[key]int64{}
	var wg sync.WaitGroup
	for range 40 {
		keys, cols := batch(r.IntN(300))
		seq := r.Int64N(20)
		for _, k := range keys {
			if seq > 0 {
				model[k] = max(model[k], seq)
			}
		}
		wg.Go(func() {
			if err := et.Add(cols, seq); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if et.Len() != len(model) {
		t.Fatalf("%d keys, not %d", et.Len(), len(model))
	}
	for _, n := range []int{0, 1, 100, 3 * deadRows} {
		keys, cols := batch(n)
		fileSeq := r.Int64N(22)
		live := bitmap.NewSet(n)
		want := bitmap.NewSet(n)
		for i, k := range keys {
			if i%7 == 0 {
				live.Clear(i)
				want.Clear(i)
			}
			if model[k] > fileSeq {
				want.Clear(i)
			}
		}
		et.Dead(cols, fileSeq, live)
		if !slices.Equal(live.Words(), want.Words()) {
			t.Errorf("%d rows at %d differ", n, fileSeq)
		}
	}
}

func TestEqualityTableBudget(t *testing.T) {
	et, err := NewEqualityTable([]schema.Field{field("id", schema.Long)}, &EqualityOptions{MemoryBudget: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, 100_000)
	for i := range ids {
		ids[i] = int64(i)
	}
	if err := et.Add([]arrow.Array{longs(ids[:1000], nil)}, 1); err != nil {
		t.Error(err)
	}
	if err := et.Add([]arrow.Array{longs(ids, nil)}, 1); !errors.Is(err, ErrBudget) {
		t.Error(err)
	}
	if et.MemoryBytes() > 100_000 {
		t.Errorf("%d bytes", et.MemoryBytes())
	}
}

func TestFilter(t *testing.T) {
	h := mustHasher(t, 3, field("id", schema.Long))
	f := NewFilter(10_000, 0.01)
	for i := range int64(10_000) {
		f.Add(h.HashValues([]any{i}))
	}
	b, err := f.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var g Filter
	if err := g.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i := range int64(20_000) {
		d := h.HashValues([]any{i})
		switch {
		case f.Test(d) != g.Test(d):
			t.Fatal("filters differ")
		case i < 10_000 && !g.Test(d):
			t.Fatalf("key %d is not there", i)
		case i >= 10_000 && g.Test(d):
			wrong++
		}
	}
	if wrong > 200 {
		t.Errorf("%d of 10000 false positives", wrong)
	}
	for _, i := range []int{0, 6, 14, 18, 40, len(b) - 1} {
		bad := slices.Clone(b)
		bad[i] ^= 4
		if err := g.UnmarshalBinary(bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	if err := g.UnmarshalBinary(b[:len(b)-8]); !errors.Is(err, ErrCorrupt) {
		t.Errorf("cut: %v", err)
	}
}

func FuzzFilter(f *testing.F) {
	b, _ := NewFilter(10, 0.1).MarshalBinary()
	f.Add(b)
	f.Add(b[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		var g Filter
		if g.UnmarshalBinary(b) == nil {
			g.Add(Digest{1, 2})
			if !g.Test(Digest{1, 2}) {
				t.Fatal("added key is not there")
			}
		}
	})
}

func BenchmarkHash(b *testing.B) {
	const n = 1 << 16
	ids, names := make([]int64, n), make([]string, n)
	for i := range ids {
		ids[i], names[i] = int64(i*7), fmt.Sprintf("customer-%08d", i)
	}
	l, s := longs(ids, nil), strs(names, nil)
	for name, c := range map[string]struct {
		f    []schema.Field
		cols []arrow.Array
	}{
		"long":        {[]schema.Field{field("id", schema.Long)}, []arrow.Array{l}},
		"string":      {[]schema.Field{field("s", schema.String)}, []arrow.Array{s}},
		"long+string": {[]schema.Field{field("id", schema.Long), field("s", schema.String)}, []arrow.Array{l, s}},
	} {
		h := mustHasher(b, 1, c.f...)
		b.Run(name, func(b *testing.B) {
			dst := make([]Digest, n)
			for b.Loop() {
				dst = h.Hash(c.cols, dst)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/key")
		})
	}
}

func BenchmarkEqualityTable(b *testing.B) {
	const n = 1 << 20
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = int64(i * 3)
	}
	col := []arrow.Array{longs(ids, nil)}
	f := []schema.Field{field("id", schema.Long)}
	b.Run("add", func(b *testing.B) {
		for b.Loop() {
			et, _ := NewEqualityTable(f, &EqualityOptions{Seed: 5})
			et.Add(col, 3)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/key")
	})
	for _, size := range []int{20_000, 200_000, n} {
		et, _ := NewEqualityTable(f, &EqualityOptions{Seed: 5})
		et.Add([]arrow.Array{longs(ids[:size], nil)}, 3)
		for name, c := range map[string]struct{ from, step int64 }{"hits": {0, 3}, "misses": {1, 3}, "fifth": {0, 1}} {
			probe := make([]int64, n)
			for i := range probe {
				probe[i] = c.from + c.step*int64(i*7919%size)
			}
			cols := []arrow.Array{longs(probe, nil)}
			b.Run(fmt.Sprintf("dead/%d/%s", size, name), func(b *testing.B) {
				for b.Loop() {
					et.Dead(cols, 2, bitmap.NewSet(n))
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
			})
		}
	}
}

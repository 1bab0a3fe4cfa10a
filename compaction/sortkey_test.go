package compaction

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// TestSortKeys compares the order of keys with that of the rows by schema.Compare.
func TestSortKeys(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	types := []schema.Type{
		schema.Boolean, schema.Int, schema.Long, schema.Float, schema.Double, schema.Date, schema.Time, schema.Timestamp, schema.TimestampTzNs,
		schema.String, schema.Binary, schema.UUID, schema.Fixed(3), schema.Decimal(9, 2), schema.Decimal(30, 5),
	}
	var fields []schema.Field
	for i, typ := range types {
		fields = append(fields, schema.Field{ID: i + 1, Name: typ.String(), Type: typ})
	}
	s := schema.MustNew(fields...)
	rows := make([]schema.Row, 300)
	for i := range rows {
		for _, typ := range types {
			rows[i] = append(rows[i], sortValue(r, typ))
		}
	}
	b, err := schema.RowsToBatch(s, rows, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	for range 60 {
		var order partition.SortOrder
		for range 1 + r.IntN(3) {
			order.Fields = append(order.Fields, partition.SortField{
				SourceIDs: []int{1 + r.IntN(len(types))}, Transform: partition.Transform{Kind: partition.IdentityTransform},
				Descending: r.IntN(2) == 0, NullsFirst: r.IntN(2) == 0,
			})
		}
		k, err := newKeyer(&clustering{order: order}, s, &Lane{})
		if err != nil {
			t.Fatal(err)
		}
		keys := make([][]byte, len(rows))
		for i := range rows {
			if keys[i], err = k.append(nil, b, i); err != nil {
				t.Fatal(err)
			}
		}
		for range 3000 {
			i, j := r.IntN(len(rows)), r.IntN(len(rows))
			if got, want := bytes.Compare(keys[i], keys[j]), compareRows(order, s, rows[i], rows[j]); got != want {
				t.Fatalf("order %+v: %v and %v: %d, want %d", order.Fields, rows[i], rows[j], got, want)
			}
		}
	}
}

func compareRows(o partition.SortOrder, s *schema.Schema, a, b schema.Row) int {
	for _, f := range o.Fields {
		i := f.SourceIDs[0] - 1
		x, y := a[i], b[i]
		switch {
		case x == nil && y == nil:
			continue
		case x == nil || y == nil:
			if (x == nil) == f.NullsFirst {
				return -1
			}
			return 1
		}
		if c := schema.Compare(s.Fields[i].Type, x, y); c != 0 {
			if f.Descending {
				return -c
			}
			return c
		}
	}
	return 0
}

func sortValue(r *rand.Rand, t schema.Type) any {
	if r.IntN(6) == 0 {
		return nil
	}
	n := []int64{0, 1, -1, math.MaxInt32, math.MinInt32, int64(r.IntN(200)) - 100}[r.IntN(6)]
	text := []byte{0, 0, 1, 0xff, 'a', 'b'}[:r.IntN(7)]
	r.Shuffle(len(text), func(i, j int) { text[i], text[j] = text[j], text[i] })
	text = bytes.Clone(text)
	switch t.Kind {
	case schema.KindBoolean:
		return n > 0
	case schema.KindInt, schema.KindDate:
		return int32(n)
	case schema.KindFloat:
		return float32(n) / 3
	case schema.KindDouble:
		return []float64{float64(n) / 3, math.Inf(1), math.Inf(-1)}[r.IntN(3)]
	case schema.KindString:
		return string(bytes.ReplaceAll(text, []byte{0xff}, []byte("é")))
	case schema.KindBinary:
		return text
	case schema.KindFixed:
		return []byte{byte(n), byte(r.IntN(3)), byte(r.IntN(256))}
	case schema.KindUUID:
		return [16]byte{byte(r.IntN(3)), byte(n), 8: byte(r.IntN(256))}
	case schema.KindDecimal:
		return decimal128.FromI64(n % 1_000_000)
	case schema.KindTime:
		return int64(uint32(n)) // of a day
	}
	return n
}

// TestCurve: columns of very different ranges count alike, and keys order a
// single column as its values do.
func TestCurve(t *testing.T) {
	k := curveColumn{typ: schema.Long, lo: prefix8([]byte{0x80}), hi: prefix8([]byte{0x80, 0, 0, 0, 0, 0, 3, 0xe8})}
	last := uint32(0)
	for v := range int64(1001) {
		enc, err := appendValue(nil, v, false)
		if err != nil {
			t.Fatal(err)
		}
		got := k.rank(enc)
		if want := uint32(float64(v) / 1000 * math.MaxUint32); math.Abs(float64(got)-float64(want)) > 2 || got < last {
			t.Fatalf("%d: rank %d, want %d", v, got, want)
		}
		last = got
	}
	for _, v := range []int64{-5, 2000} {
		enc, _ := appendValue(nil, v, false)
		if got := k.rank(enc); (v < 0) != (got == 0) {
			t.Errorf("%d, out of bounds: %d", v, got)
		}
	}
}

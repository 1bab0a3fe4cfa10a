package partition

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/schema"
)

var routedTypes = []struct {
	typ        schema.Type
	arrow      arrow.DataType
	transforms []string
	random     func(*rand.Rand) any
}{
	{schema.Boolean, arrow.FixedWidthTypes.Boolean, []string{"identity"}, func(r *rand.Rand) any { return r.IntN(2) == 0 }},
	{schema.Int, arrow.PrimitiveTypes.Int32, []string{"identity", "bucket[5]", "truncate[10]"}, func(r *rand.Rand) any { return int32(r.IntN(50) - 25) }},
	{schema.Long, arrow.PrimitiveTypes.Int64, []string{"identity", "bucket[5]", "truncate[10]"}, func(r *rand.Rand) any { return int64(r.IntN(50) - 25) }},
	{schema.Float, arrow.PrimitiveTypes.Float32, []string{"identity"}, func(r *rand.Rand) any {
		return []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), 1, math.Float32frombits(0x7fc00001)}[r.IntN(5)]
	}},
	{schema.Double, arrow.PrimitiveTypes.Float64, []string{"identity"}, func(r *rand.Rand) any {
		return []float64{0, math.Copysign(0, -1), math.NaN(), 1, math.Float64frombits(0x7ff8000000000001)}[r.IntN(5)]
	}},
	{schema.Decimal(9, 2), &arrow.Decimal128Type{Precision: 9, Scale: 2}, []string{"identity", "bucket[5]", "truncate[10]"}, func(r *rand.Rand) any { return decimal128.FromI64(int64(r.IntN(600) - 300)) }},
	{schema.Date, arrow.FixedWidthTypes.Date32, []string{"identity", "bucket[5]", "year", "month", "day"}, func(r *rand.Rand) any { return int32(r.IntN(2000) - 1000) }},
	{schema.Time, arrow.FixedWidthTypes.Time64us, []string{"identity", "bucket[5]"}, func(r *rand.Rand) any { return int64(r.IntN(20)) }},
	{schema.Timestamp, arrow.FixedWidthTypes.Timestamp_us, []string{"identity", "bucket[5]", "year", "month", "day", "hour"}, func(r *rand.Rand) any { return (r.Int64N(4000) - 2000) * 1e10 }},
	{schema.TimestampTzNs, arrow.FixedWidthTypes.Timestamp_ns, []string{"identity", "bucket[5]", "year", "month", "day", "hour"}, func(r *rand.Rand) any { return (r.Int64N(4000) - 2000) * 1e12 }},
	{schema.String, arrow.BinaryTypes.String, []string{"identity", "bucket[5]", "truncate[2]"}, func(r *rand.Rand) any { return []string{"", "a", "é😀x", "éé", "abc", "abd"}[r.IntN(6)] }},
	{schema.Binary, arrow.BinaryTypes.Binary, []string{"identity", "bucket[5]", "truncate[2]"}, func(r *rand.Rand) any { return []byte{1, byte(r.IntN(3)), byte(r.IntN(3))}[:r.IntN(4)] }},
	{schema.Fixed(2), &arrow.FixedSizeBinaryType{ByteWidth: 2}, []string{"identity", "bucket[5]"}, func(r *rand.Rand) any { return []byte{1, byte(r.IntN(3))} }},
	{schema.UUID, &arrow.FixedSizeBinaryType{ByteWidth: 16}, []string{"identity", "bucket[5]"}, func(r *rand.Rand) any { return [16]byte{1, byte(r.IntN(3))} }},
}

func appendTo(b array.Builder, v any) {
	if v == nil {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int32Builder:
		b.Append(v.(int32))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Float32Builder:
		b.Append(v.(float32))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.Decimal128Builder:
		b.Append(v.(decimal128.Num))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.(int32)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v.(int64)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(int64)))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.BinaryBuilder:
		b.Append(v.([]byte))
	case *array.FixedSizeBinaryBuilder:
		if u, ok := v.([16]byte); ok {
			v = u[:]
		}
		b.Append(v.([]byte))
	default:
		panic(fmt.Sprintf("no builder %T", b))
	}
}

// TestRouterAgreesWithApply routes random batches by random specs and compares
// every row's tuple with the one computed value by value.
func TestRouterAgreesWithApply(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		var fields []schema.Field
		var arrows []arrow.Field
		spec := Spec{}
		for k := range 1 + rng.IntN(4) {
			kind := routedTypes[rng.IntN(len(routedTypes))]
			fields = append(fields, schema.Field{ID: k + 1, Name: fmt.Sprint("c", k), Type: kind.typ})
			arrows = append(arrows, arrow.Field{Name: fmt.Sprint("c", k), Type: kind.arrow, Nullable: true})
			tr := ParseTransform(kind.transforms[rng.IntN(len(kind.transforms))])
			spec.Fields = append(spec.Fields, Field{SourceIDs: []int{k + 1}, FieldID: 1000 + k, Name: fmt.Sprint("p", k), Transform: tr})
		}
		spec.Fields = append(spec.Fields, Field{SourceIDs: []int{1}, FieldID: 1999, Name: "v", Transform: Transform{Kind: VoidTransform}})
		rng.Shuffle(len(spec.Fields), func(i, j int) { spec.Fields[i], spec.Fields[j] = spec.Fields[j], spec.Fields[i] })
		s := schema.MustNew(fields...)
		router, err := NewRouter(spec, s)
		if err != nil {
			t.Fatal(err)
		}
		byKey := map[string]int32{}
		var dst []int32
		for range 3 {
			rows, batch := randomBatch(rng, fields, arrows)
			if dst, err = router.Route(batch, dst); err != nil {
				t.Fatal(err)
			}
			for i, row := range rows {
				want := make(Tuple, len(spec.Fields))
				for k, f := range spec.Fields {
					id := f.SourceIDs[0]
					want[k] = f.Transform.Apply(fields[id-1].Type, row[id-1])
				}
				key := spec.Key(want)
				if got := router.Tuple(dst[i]); spec.Key(got) != key {
					t.Fatalf("row %v of %v: %v, want %v", row, spec, got, want)
				}
				if ord, ok := byKey[key]; ok && ord != dst[i] {
					t.Fatalf("tuple %v has ordinals %d and %d", want, ord, dst[i])
				}
				byKey[key] = dst[i]
			}
		}
		if router.Len() != len(byKey) {
			t.Fatalf("%d ordinals for %d tuples", router.Len(), len(byKey))
		}
	}
}

// randomBatch makes a batch, sometimes a slice of a longer one.
func randomBatch(rng *rand.Rand, fields []schema.Field, arrows []arrow.Field) ([]schema.Row, arrow.RecordBatch) {
	n, skip := rng.IntN(200), rng.IntN(3)
	rows := make([]schema.Row, n+skip)
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(arrows, nil))
	for i := range rows {
		rows[i] = make(schema.Row, len(fields))
		for k, f := range fields {
			for _, kind := range routedTypes {
				if kind.typ.Equal(f.Type) && rng.IntN(6) > 0 {
					rows[i][k] = kind.random(rng)
				}
			}
			appendTo(b.Field(k), rows[i][k])
		}
	}
	batch := b.NewRecordBatch()
	return rows[skip:], batch.NewSlice(int64(skip), int64(n+skip))
}

func TestRouterNestedSource(t *testing.T) {
	s := schema.MustNew(schema.Field{ID: 1, Name: "p", Type: schema.Struct(schema.Field{ID: 2, Name: "q", Type: schema.Int})})
	spec, _, err := Bind([]Field{Identity("p.q")}, s, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	router, err := NewRouter(spec, s)
	if err != nil {
		t.Fatal(err)
	}
	st := arrow.StructOf(arrow.Field{Name: "q", Type: arrow.PrimitiveTypes.Int32, Nullable: true})
	b := array.NewStructBuilder(memory.DefaultAllocator, st)
	q := b.FieldBuilder(0).(*array.Int32Builder)
	for i := range int32(4) {
		if i == 2 {
			b.AppendNull()
			continue
		}
		b.Append(true)
		q.Append(i)
	}
	batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "p", Type: st, Nullable: true}}, nil), []arrow.Array{b.NewArray()}, 4)
	dst, err := router.Route(batch.NewSlice(1, 4), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(router.Tuple(dst[0]), router.Tuple(dst[1]), router.Tuple(dst[2]))
	if got != "[1] [<nil>] [3]" {
		t.Errorf("tuples %s", got)
	}
}

func TestRouterRefusals(t *testing.T) {
	s := testSchema()
	unknown := Spec{Fields: []Field{{SourceIDs: []int{1}, Name: "z", Transform: ParseTransform("zorder[2]")}}}
	if _, err := NewRouter(unknown, s); err == nil {
		t.Error("an unknown transform is routed")
	}
	gone := Spec{Fields: []Field{{SourceIDs: []int{99}, Name: "z", Transform: ParseTransform("day")}}}
	if _, err := NewRouter(gone, s); err == nil {
		t.Error("a dropped column is routed")
	}
	spec, _, err := Bind([]Field{Truncate("id", 4)}, s, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	router, err := NewRouter(spec, s)
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Float64}}, nil))
	b.Field(0).(*array.Float64Builder).Append(1)
	if _, err := router.Route(b.NewRecordBatch(), nil); err == nil {
		t.Error("a column of another type is routed")
	}
	empty, err := NewRouter(Spec{}, s)
	if err != nil {
		t.Fatal(err)
	}
	b.Field(0).(*array.Float64Builder).Append(1)
	dst, err := empty.Route(b.NewRecordBatch(), nil)
	if err != nil || len(dst) != 1 || len(empty.Tuple(dst[0])) != 0 {
		t.Errorf("unpartitioned: %v %v", dst, err)
	}
}

func BenchmarkRoute(b *testing.B) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long},
		schema.Field{ID: 2, Name: "at", Type: schema.TimestampTz},
		schema.Field{ID: 3, Name: "name", Type: schema.String},
	)
	const n = 65536
	rb := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_us},
		{Name: "name", Type: arrow.BinaryTypes.String},
	}, nil))
	for i := range int64(n) {
		appendTo(rb.Field(0), i*7919)
		appendTo(rb.Field(1), i*1e7)
		appendTo(rb.Field(2), fmt.Sprint("region", i*31%40))
	}
	batch := rb.NewRecordBatch()
	for _, terms := range []string{"bucket(8, id)", "day(at)", "month(at)", "name", "bucket(8, name)", "bucket(8, id), day(at)", "id"} {
		b.Run(terms, func(b *testing.B) {
			fields, err := Parse(terms)
			if err != nil {
				b.Fatal(err)
			}
			spec, _, err := Bind(fields, s, nil, 0)
			if err != nil {
				b.Fatal(err)
			}
			router, err := NewRouter(spec, s)
			if err != nil {
				b.Fatal(err)
			}
			var dst []int32
			for b.Loop() {
				if dst, err = router.Route(batch, dst); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
	}
}

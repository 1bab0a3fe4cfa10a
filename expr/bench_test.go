package expr

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

func BenchmarkEval(b *testing.B) {
	const n = 65536
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long},
		schema.Field{ID: 2, Name: "d", Type: schema.Double},
		schema.Field{ID: 3, Name: "s", Type: schema.String},
	)
	ids, ds, ss := array.NewInt64Builder(memory.DefaultAllocator), array.NewFloat64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
	for i := range n {
		ids.Append(int64(i * 7919 % n))
		if i%10 == 0 {
			ds.AppendNull()
		} else {
			ds.Append(float64(i % 1000))
		}
		ss.Append(fmt.Sprint("status-", i*31%40))
	}
	arrays := []arrow.Array{ids.NewArray(), ds.NewArray(), ss.NewArray()}
	for _, where := range []string{
		"id < 1000", "id = 5", "id IN (1, 2, 3)", "d > 500", "s = 'status-7'", "s LIKE 'status-1%'",
		"s IN ('status-1', 'status-2', 'status-3')", "id < 1000 AND d > 500 AND s <> 'status-7'",
	} {
		b.Run(where, func(b *testing.B) {
			e, err := Parse(where)
			if err != nil {
				b.Fatal(err)
			}
			bound, err := Bind(e, s, false)
			if err != nil {
				b.Fatal(err)
			}
			dst := bitmap.New(n)
			for b.Loop() {
				if err := bound.Eval(func(id int) arrow.Array { return arrays[id-1] }, n, dst); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
	}
}

func BenchmarkMightMatch(b *testing.B) {
	s := schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long}, schema.Field{ID: 2, Name: "s", Type: schema.String})
	e, err := Parse("id BETWEEN 100 AND 200 AND s LIKE 'ab%'")
	if err != nil {
		b.Fatal(err)
	}
	bound, err := Bind(e, s, false)
	if err != nil {
		b.Fatal(err)
	}
	m := &fileMetrics{
		rows: 10, values: map[int]int64{1: 10, 2: 10}, nulls: map[int]int64{1: 0, 2: 0},
		lower: map[int][]byte{1: encodeBound(b, schema.Long, int64(0)), 2: []byte("aa")},
		upper: map[int][]byte{1: encodeBound(b, schema.Long, int64(1000)), 2: []byte("az")},
	}
	b.ReportAllocs()
	for b.Loop() {
		if !bound.MightMatch(m) {
			b.Fatal("pruned")
		}
	}
}

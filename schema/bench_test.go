package schema

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkRowsToBatch(b *testing.B) {
	s := MustNew(Field{ID: 1, Name: "id", Type: Long, Required: true}, Field{ID: 2, Name: "s", Type: String},
		Field{ID: 3, Name: "d", Type: Double}, Field{ID: 4, Name: "ts", Type: TimestampTz}, Field{ID: 5, Name: "dec", Type: Decimal(18, 2)}, Field{ID: 6, Name: "i", Type: Int})
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([]Row, 8192)
	for i := range rows {
		rows[i] = randomValue(r, &Field{Type: s.Struct(), Required: true}).(Row)
	}
	b.ReportAllocs()
	for b.Loop() {
		batch, err := RowsToBatch(s, rows, nil)
		if err != nil {
			b.Fatal(err)
		}
		batch.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows)), "ns/row")
}

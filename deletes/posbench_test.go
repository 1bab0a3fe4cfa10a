package deletes

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/frazildb/frazil/objstore"
)

// BenchmarkWritePositions writes the deletes of one data file of a million rows.
func BenchmarkWritePositions(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			p := &Positions{}
			for range n {
				p.Add(r.Uint64N(1_000_000))
			}
			store := objstore.NewMemory("mem://b")
			t := Target{Path: "file:///data/warehouse/shop/orders/data/00001-c9058c29-e6d7-4246-829b-ad75cde8cc87.parquet", Positions: p}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				uri := fmt.Sprintf("mem://b/d%d.parquet", i)
				f, err := WritePositions(b.Context(), store, uri, t, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(f.FileSize)/float64(f.RecordCount), "B/row")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
		})
	}
}

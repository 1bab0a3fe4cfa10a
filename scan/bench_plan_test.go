package scan_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// BenchmarkPlan plans 200,000 files, of which no data is read.
func BenchmarkPlan(b *testing.B) {
	t := newBuilder(b, 2, orders, partition.Identity("n"))
	t.update(metadata.SetProperties{Properties: map[string]string{"commit.manifest-merge.enabled": "false"}})
	one := t.data(partition.Tuple{int32(0)}, []schema.Row{{int64(1), "c", "new", 1.0, int64(5), int32(3)}})
	const commits, files = 20, 10_000
	for c := range commits {
		var ch snapshot.Changes
		for i := range files {
			f := *one
			f.Path = fmt.Sprintf("mem://t/table/data/%02d/%06d-0123456789abcdef0123456789abcdef.parquet", c, i)
			f.Partition = partition.Tuple{int32(i % 16)}
			lo, _ := schema.EncodeBound(schema.Long, int64(c*files+i)*1000)
			hi, _ := schema.EncodeBound(schema.Long, int64(c*files+i)*1000+999)
			f.Lower = append(manifest.Bounds{{FieldID: 1, Value: lo}}, f.Lower[1:]...)
			f.Upper = append(manifest.Bounds{{FieldID: 1, Value: hi}}, f.Upper[1:]...)
			ch.AddData = append(ch.AddData, &f)
		}
		t.commit(ch)
	}
	run := func(name string, o *scan.Options, want int) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				p, err := scan.New(t.source(), o).Plan(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				for _, t := range p.Tasks {
					n += len(t.Files)
				}
				if n != want {
					b.Fatalf("%d files, %+v", n, p.Stats)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(commits*files), "ns/file")
		})
	}
	run("all", nil, commits*files)
	run("filter", &scan.Options{Filter: expr.Eq("id", 123_456_789)}, 1)
}

package scan_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/frazildb/frazil/scan"
)

// BenchmarkFlink reads the tables that Flink left: many small files, each with
// many equality delete files.
func BenchmarkFlink(b *testing.B) {
	dir := filepath.Join(sharedTables(b), "flink")
	for _, name := range []string{"flink_upsert_v2", "flink_upsert_v3"} {
		x := load[tableCase](b, filepath.Join(dir, "expected", name+".json"))
		src, err := source(b, flinkStore(b, dir, name), filepath.Join(dir, name, "db", "t", "metadata", x.MetadataFile))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rows := int64(0)
				for batch, err := range scan.New(src, nil).Batches(context.Background()) {
					if err != nil {
						b.Fatal(err)
					}
					rows += batch.NumRows()
				}
				if rows != int64(x.Current.RowCount) {
					b.Fatalf("%d rows", rows)
				}
			}
		})
	}
}

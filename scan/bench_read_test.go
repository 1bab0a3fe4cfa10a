package scan_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

var orders = schema.MustNew(
	schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
	schema.Field{ID: 2, Name: "customer", Type: schema.String},
	schema.Field{ID: 3, Name: "status", Type: schema.String},
	schema.Field{ID: 4, Name: "amount", Type: schema.Double},
	schema.Field{ID: 5, Name: "at", Type: schema.TimestampTz},
	schema.Field{ID: 6, Name: "n", Type: schema.Int})

// orderTable has files of 250,000 rows each.
func orderTable(b *testing.B, files int) *builder {
	t := newBuilder(b, 2, orders)
	t.opts = parquetfile.WriterOptions{KeyColumns: []int{1}}
	var c snapshot.Changes
	for f := range files {
		rows := make([]schema.Row, 250_000)
		for i := range rows {
			id := int64(f*len(rows) + i)
			rows[i] = schema.Row{id, fmt.Sprintf("customer-%06d", id*7919%100_000), []string{"new", "paid", "sent"}[id%3], float64(id%10_000) / 4, id * 1000, int32(id % 100)}
		}
		c.AddData = append(c.AddData, t.data(nil, rows))
	}
	t.commit(c)
	return t
}

func benchScan(b *testing.B, t *builder, o *scan.Options, total int64) {
	for b.Loop() {
		n := int64(0)
		for batch, err := range scan.New(t.source(), o).Batches(context.Background()) {
			if err != nil {
				b.Fatal(err)
			}
			n += batch.NumRows()
		}
		if n == 0 {
			b.Fatal("no rows")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(total), "ns/row")
}

func BenchmarkScan(b *testing.B) {
	const files = 4
	t := orderTable(b, files)
	total := int64(files * 250_000)
	one := &scan.Options{Concurrency: 1}
	b.Run("plain", func(b *testing.B) { benchScan(b, t, one, total) })
	b.Run("plain parallel", func(b *testing.B) { benchScan(b, t, nil, total) })
	b.Run("one column", func(b *testing.B) { benchScan(b, t, &scan.Options{Concurrency: 1, Columns: []string{"amount"}}, total) })
	b.Run("filter 3 percent", func(b *testing.B) {
		benchScan(b, t, &scan.Options{Concurrency: 1, Filter: expr.Lt("n", int32(3))}, total)
	})
	b.Run("filter 20 rows", func(b *testing.B) {
		benchScan(b, t, &scan.Options{Concurrency: 1, Filter: expr.Eq("customer", "customer-000017")}, total)
	})
	b.Run("point", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, err := range scan.New(t.source(), one).Get(context.Background(), []string{"id"}, []schema.Row{{int64(777_777)}}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != 1 {
				b.Fatal(n)
			}
		}
	})
	var dead []*manifest.DataFile
	var keys []schema.Row
	for i := int64(0); i < total; i += 5 {
		keys = append(keys, schema.Row{i})
	}
	dead = append(dead, t.equality(0, nil, []string{"id"}, keys))
	t.commit(snapshot.Changes{AddDeletes: dead})
	b.Run("200k equality deletes", func(b *testing.B) { benchScan(b, t, one, total) })
}

package torture

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// FuzzPredicate scans a table of many small files with a filter of any text: what
// partitions, statistics and page indexes rule out must be what the filter, asked
// row by row, rules out.
func FuzzPredicate(f *testing.F) {
	tab := predicateTable(f)
	ctx := context.Background()
	var all []schema.Row
	for row, err := range tab.Scan(nil).Rows(ctx) {
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, slices.Clone(row))
	}
	for _, s := range []string{
		"id = 5", "id > 3 AND s < 'k'", "f IS NAN OR f < -1", "s IS NULL", "NOT (s LIKE 'a%')", "id IN (1, 2, 33) OR f BETWEEN -1 AND 1",
		"s NOT IN ('a1', 'b2') AND id <> 7", "d >= date '1970-01-02'", "f = 0 AND NOT id < 4", "s >= '' AND s <= 'zzz'", "f <> 'NaN'",
	} {
		f.Add(s)
	}
	fields := tab.Schema().Fields
	f.Fuzz(func(t *testing.T, where string) {
		if len(where) > 300 {
			return
		}
		e, err := expr.Parse(where)
		if err != nil {
			return
		}
		b, err := expr.Bind(e, tab.Schema(), false)
		if err != nil {
			return
		}
		var want, got []string
		for _, row := range all {
			if b.EvalRow(func(id int) any {
				for i, fl := range fields {
					if fl.ID == id {
						return row[i]
					}
				}
				return nil
			}) {
				want = append(want, fmt.Sprint(row))
			}
		}
		for row, err := range tab.Scan(&scan.Options{Filter: e}).Rows(ctx) {
			if err != nil {
				t.Fatalf("%s: %v", e, err)
			}
			got = append(got, fmt.Sprint(row))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%s:\n got %q\nwant %q", e, got, want)
		}
	})
}

func predicateTable(f *testing.F) *table.Table {
	ctx := context.Background()
	tab, err := table.Create(ctx, catalog.NewFiles(objstore.NewMemory(root), nil), tableName, schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "s", Type: schema.String},
		schema.Field{ID: 3, Name: "f", Type: schema.Double}, schema.Field{ID: 4, Name: "d", Type: schema.Date},
	), &table.CreateOptions{Key: []string{"id"}, Partition: []partition.Field{partition.Bucket("id", 3), partition.Truncate("s", 1)}})
	if err != nil {
		f.Fatal(err)
	}
	floats := []any{0.0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1.5, -1.5, nil}
	for part := range 4 {
		w, err := tab.NewWriter(nil)
		if err != nil {
			f.Fatal(err)
		}
		for i := part * 12; i < part*12+12; i++ {
			row := schema.Row{int64(i), nil, floats[i%len(floats)], nil}
			if i%5 > 0 {
				row[1] = fmt.Sprintf("%c%d", 'a'+i%4*7, i%3)
			}
			if i%4 > 0 {
				row[3] = int32(i - 20)
			}
			if err := w.Upsert(ctx, row); err != nil {
				f.Fatal(err)
			}
		}
		if _, err := w.Commit(ctx, nil); err != nil {
			f.Fatal(err)
		}
	}
	return tab
}

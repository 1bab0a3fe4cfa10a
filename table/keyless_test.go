package table_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TestKeylessNested: in a table without a key a delete removes exactly one equal
// row, whatever the columns' types, in the buffer, in a file of the commit, or in
// the table.
func TestKeylessNested(t *testing.T) {
	ctx := context.Background()
	for _, budget := range []int64{1, 0} {
		tab, err := table.Create(ctx, catalog.NewFiles(objstore.NewMemory("mem://keyless"), nil), "k.t", &schema.Schema{Fields: []schema.Field{
			{Name: "s", Type: schema.String},
			{Name: "f", Type: schema.Double},
			{Name: "l", Type: schema.List(schema.Field{Type: schema.Int})},
			{Name: "m", Type: schema.Map(schema.Field{Type: schema.String}, schema.Field{Type: schema.Long})},
			{Name: "p", Type: schema.Struct(schema.Field{Name: "x", Type: schema.Int}, schema.Field{Name: "y", Type: schema.String})},
		}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := schema.Row{"a", 1.5, []any{int32(1), nil}, schema.MapValue{Keys: []any{"k"}, Values: []any{int64(1)}}, schema.Row{int32(1), nil}}
		b := schema.Row{"a", 1.5, []any{int32(1)}, nil, nil}
		w, err := tab.NewWriter(&table.WriterOptions{MemoryBudget: budget})
		if err != nil {
			t.Fatal(err)
		}
		do := func(f func(context.Context, schema.Row) error, rows ...schema.Row) {
			t.Helper()
			for _, r := range rows {
				if err := f(ctx, r); err != nil {
					t.Fatal(err)
				}
			}
		}
		commit := func(want int) {
			t.Helper()
			if _, err := w.Commit(ctx, nil); err != nil {
				t.Fatal(err)
			}
			var got []string
			for row, err := range tab.Scan(nil).Rows(ctx) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprint(row...))
			}
			slices.Sort(got)
			if len(got) != want {
				t.Errorf("budget %d: %d rows, want %d: %v", budget, len(got), want, got)
			}
		}
		do(w.Upsert, a, a, a, b)
		do(w.Delete, a)
		commit(3)
		do(w.Delete, a, b)
		do(w.Append, b)
		commit(2)
		do(w.Delete, a, b)
		commit(0)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

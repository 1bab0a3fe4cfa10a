package scan_test

import (
	"bytes"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TestWideRows reads a row group of which a batch of all columns has fewer rows
// than one of the narrow columns: the columns must stay in step.
func TestWideRows(t *testing.T) {
	const width, n = 16 << 10, 9000
	cat := catalog.NewFiles(objstore.NewMemory("mem://wide"), nil)
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Int, Required: true},
		schema.Field{ID: 2, Name: "wide", Type: schema.Fixed(width)})
	tab, err := table.Create(t.Context(), cat, "a.b", s, &table.CreateOptions{
		Properties: map[string]string{"write.parquet.row-group-size-bytes": "2000000000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w, err := tab.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	value := bytes.Repeat([]byte{7}, width)
	for i := range n {
		if err := w.Append(t.Context(), schema.Row{int32(i), value}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for want, filter := range map[int64]expr.Expr{n: nil, n - 6: expr.Gt("id", 5), 3: expr.In("id", 1, n/2, n-1)} {
		got := int64(0)
		for b, err := range tab.Scan(&scan.Options{Filter: filter}).Batches(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got += b.NumRows()
		}
		if got != want {
			t.Errorf("%d rows, want %d", got, want)
		}
	}
}

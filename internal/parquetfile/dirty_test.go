package parquetfile

import (
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/schema"
)

// TestDirtyMemory: no column relies on memory being zero, least of all one that the
// file lacks, which arrow-go makes.
func TestDirtyMemory(t *testing.T) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "v", Type: schema.String},
	)
	rows := make([]schema.Row, 100)
	for i := range rows {
		rows[i] = schema.Row{int64(i), nil}
	}
	f := openBytes(t, "dirty.parquet", writeFile(t, s, rows...))
	fields := append([]schema.Field{}, s.Fields...)
	for i, typ := range []schema.Type{
		schema.Boolean, schema.Int, schema.Long, schema.Float, schema.Double, schema.Date, schema.String, schema.Binary, schema.UUID,
		schema.Decimal(9, 1), schema.Decimal(38, 2), schema.Fixed(5), schema.Timestamp,
		schema.List(schema.Field{ID: 90, Type: schema.Int}), schema.Struct(schema.Field{ID: 91, Name: "a", Type: schema.Decimal(9, 1)}),
	} {
		fields = append(fields, schema.Field{ID: 10 + i, Name: "n" + string(rune('a'+i)), Type: typ})
	}
	want := rowTexts(t, f, &ReadOptions{Fields: fields, BatchRows: 40})
	checkRows(t, rowTexts(t, f, &ReadOptions{Fields: fields, BatchRows: 40, Allocator: new(testenv.DirtyMemory)}), want...)
}

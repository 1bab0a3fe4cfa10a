package e2e

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/judge"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// everyType has a column of each type that all judges read.
func everyType() *schema.Schema {
	return &schema.Schema{Fields: []schema.Field{
		{Name: "id", Type: schema.Long},
		{Name: "b", Type: schema.Boolean},
		{Name: "i", Type: schema.Int},
		{Name: "l", Type: schema.Long},
		{Name: "f", Type: schema.Float},
		{Name: "d", Type: schema.Double},
		{Name: "d9", Type: schema.Decimal(9, 2)},
		{Name: "d18", Type: schema.Decimal(18, 4)},
		{Name: "d38", Type: schema.Decimal(38, 9)},
		{Name: "dt", Type: schema.Date},
		{Name: "tm", Type: schema.Time},
		{Name: "ts", Type: schema.Timestamp},
		{Name: "tz", Type: schema.TimestampTz},
		{Name: "s", Type: schema.String},
		{Name: "u", Type: schema.UUID},
		{Name: "fx", Type: schema.Fixed(5)},
		{Name: "bin", Type: schema.Binary},
		{Name: "li", Type: schema.List(schema.Field{Type: schema.Int})},
		{Name: "mp", Type: schema.Map(schema.Field{Type: schema.String}, schema.Field{Type: schema.Long})},
		{Name: "st", Type: schema.Struct(schema.Field{Name: "x", Type: schema.Int}, schema.Field{Name: "y", Type: schema.String})},
	}}
}

var oddStrings = []string{"", " ", "null", "Größe", "日本語", "a\u0301", "😀😀", "\"quoted\"", "back\\slash", "tab\there", "line\u2028sep", strings.Repeat("long ", 30)}

// randomValue makes a value of a type; nil now and then.
func randomValue(r *rand.Rand, t schema.Type) any {
	if r.IntN(6) == 0 {
		return nil
	}
	switch t.Kind {
	case schema.KindBoolean:
		return r.IntN(2) == 0
	case schema.KindInt:
		return []int32{0, -1, 1, math.MinInt32, math.MaxInt32, int32(r.Uint32())}[r.IntN(6)]
	case schema.KindLong:
		return []int64{0, -1, 1, math.MinInt64, math.MaxInt64, int64(r.Uint64())}[r.IntN(6)]
	case schema.KindFloat:
		return []float32{0, -1.5, math.MaxFloat32, float32(math.Inf(-1)), r.Float32(), math.SmallestNonzeroFloat32}[r.IntN(6)]
	case schema.KindDouble:
		return []float64{0, -1.5, math.MaxFloat64, math.Inf(1), r.Float64(), 1e21}[r.IntN(6)]
	case schema.KindDecimal:
		digits := t.Precision - t.Scale
		whole := strings.Repeat("9", 1+r.IntN(digits))
		return []string{"0", "-1.5", "0.01", whole, "-" + whole}[r.IntN(5)]
	case schema.KindDate:
		return int32(r.IntN(40000) - 20000)
	case schema.KindTime:
		return r.Int64N(86400_000000)
	case schema.KindTimestamp, schema.KindTimestampTz:
		return r.Int64N(4e15) - 1e15
	case schema.KindString:
		return oddStrings[r.IntN(len(oddStrings))]
	case schema.KindUUID:
		return fmt.Sprintf("%08x-0000-4000-8000-%012x", r.Uint32(), r.Uint64()>>16)
	case schema.KindFixed, schema.KindBinary:
		b := make([]byte, t.Length+r.IntN(4)*(1-min(t.Length, 1)))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	case schema.KindList:
		out := make([]any, r.IntN(4))
		for i := range out {
			out[i] = randomValue(r, t.Element().Type)
		}
		return out
	case schema.KindMap:
		m := schema.MapValue{}
		for i := range r.IntN(4) {
			m.Keys = append(m.Keys, fmt.Sprint("k", i))
			m.Values = append(m.Values, randomValue(r, t.Value().Type))
		}
		return m
	case schema.KindStruct:
		row := make(schema.Row, len(t.Fields))
		for i, f := range t.Fields {
			row[i] = randomValue(r, f.Type)
		}
		return row
	}
	return nil
}

// TestJudgesReadEveryType lets DuckDB, PyIceberg and Polars read tables of every
// type after upserts and deletes, partitioned and not, in both format versions,
// also at every older snapshot.
func TestJudgesReadEveryType(t *testing.T) {
	testenv.Python(t)
	partitions := map[string][]partition.Field{
		"plain":   nil,
		"buckets": {partition.Bucket("id", 3)},
		"moving":  {partition.Year("dt"), partition.Truncate("s", 2)},
	}
	for name, fields := range partitions {
		for _, version := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s/v%d", name, version), func(t *testing.T) {
				dir := t.TempDir()
				tab := writeEveryType(t, dir, fields, version)
				m := tab.Metadata()
				location := strings.TrimPrefix(tab.MetadataLocation(), "file://")
				for i := range m.Snapshots {
					id := m.Snapshots[i].ID
					want := ours(t, tab, &scan.Options{SnapshotID: &id})
					for _, e := range []judge.Engine{judge.DuckDB, judge.PyIceberg, judge.Polars} {
						if got := judge.Checksum(t, e, location, id); got != want {
							t.Errorf("%s reads snapshot %d of %d as %+v, we as %+v", e, i+1, len(m.Snapshots), got, want)
						}
					}
				}
			})
		}
	}
}

func writeEveryType(t *testing.T, dir string, fields []partition.Field, version int) *table.Table {
	t.Helper()
	ctx := context.Background()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tab, err := table.Create(ctx, openWarehouse(t, dir), "e.types", everyType(), &table.CreateOptions{Key: []string{"id"}, Partition: fields, FormatVersion: version})
	check(err)
	w, err := tab.NewWriter(nil)
	check(err)
	r := rand.New(rand.NewPCG(uint64(version), uint64(len(fields))))
	for range 4 {
		for range 60 {
			row := schema.Row{int64(r.IntN(120))}
			for _, f := range tab.Schema().Fields[1:] {
				row = append(row, randomValue(r, f.Type))
			}
			check(w.Upsert(ctx, row))
		}
		for range 10 {
			check(w.Delete(ctx, schema.Row{int64(r.IntN(120))}))
		}
		_, err := w.Commit(ctx, nil)
		check(err)
	}
	return tab
}

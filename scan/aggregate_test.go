package scan_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// Aggregates of random tables, with deletes of every kind and with filters, are
// those of the rows that a list of the rows has.
func TestRandomAggregates(t *testing.T) {
	columns := []string{"k", "s", "p", "v", "n.x", "n.y", "id"}
	at := []int{1, 2, 3, 4, 7, 8, 6}
	for _, seed := range seeds(t, 4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			m := newModel(t, seed)
			for range 12 {
				m.step()
				var where expr.Expr
				if m.r.IntN(2) == 0 {
					where = m.randomFilter(0)
				}
				m.compareAggregates(where, columns, at)
			}
		})
	}
}

func (m *model) compareAggregates(where expr.Expr, columns []string, at []int) {
	m.t.Helper()
	keep := func(*modelRow) bool { return true }
	if where != nil {
		bound, err := expr.Bind(where, m.meta.CurrentSchema(), false)
		if err != nil {
			m.t.Fatal(err)
		}
		keep = func(r *modelRow) bool { return bound.EvalRow(func(id int) any { return fieldValue(r.row, id) }) }
	}
	rows := int64(0)
	low, high := make([]any, len(columns)), make([]any, len(columns))
	parts := map[string]int64{}
	for _, r := range m.rows {
		if !r.live || !keep(r) {
			continue
		}
		rows++
		parts[fmt.Sprint(m.files[r.file].SpecID, m.files[r.file].Partition)]++
		for i, id := range at {
			v := fieldValue(r.row, id)
			if v == nil {
				continue
			}
			f, _ := m.meta.CurrentSchema().FieldByID(id)
			if low[i] == nil || schema.Compare(f.Type, v, low[i]) < 0 {
				low[i] = v
			}
			if high[i] == nil || schema.Compare(f.Type, v, high[i]) > 0 {
				high[i] = v
			}
		}
	}
	sc := scan.New(m.source(), &scan.Options{Filter: where, MemoryBudget: []int64{0, 4000}[m.r.IntN(2)], Concurrency: 1 + m.r.IntN(3)})
	perm := m.r.Perm(len(columns))[:1+m.r.IntN(len(columns))]
	var asked []string
	for _, i := range perm {
		asked = append(asked, columns[i])
	}
	a, err := sc.Aggregate(m.ctx, asked...)
	if err != nil {
		m.t.Fatalf("where %v: %v", where, err)
	}
	if a.Rows != rows {
		m.t.Fatalf("where %v: %d rows, want %d", where, a.Rows, rows)
	}
	for k, i := range perm {
		if c := a.Columns[k]; c.Name != columns[i] || c.Min != low[i] || c.Max != high[i] {
			m.t.Fatalf("where %v: %s from %v to %v, want %v to %v", where, c.Name, c.Min, c.Max, low[i], high[i])
		}
	}
	counts, err := sc.CountPartitions(m.ctx)
	if err != nil || len(counts) != len(parts) {
		m.t.Fatalf("where %v: partitions %v, want %v: %v", where, counts, parts, err)
	}
	for _, c := range counts {
		if want := parts[fmt.Sprint(c.SpecID, c.Partition)]; c.Rows != want {
			m.t.Fatalf("where %v: %d rows in partition %v, want %d", where, c.Rows, c.Partition, want)
		}
	}
}

// Partitions come in the order of the manifests, however long their files take to
// read, and a file that is read in parts counts once, if it has a row at all.
func TestCountPartitionsOfParts(t *testing.T) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "p", Type: schema.Int})
	b := newBuilder(t, 2, s, partition.Identity("p"))
	b.opts = parquetfile.WriterOptions{RowGroupRows: 10}
	file := func(p int32, rows int) *manifest.DataFile {
		var all []schema.Row
		for i := range rows {
			all = append(all, schema.Row{int64(i), p})
		}
		return b.data(partition.Tuple{p}, all)
	}
	// The manifest says that the first is large: each row group is a part.
	large := file(3, 100)
	large.FileSize, large.SplitOffsets = 1<<40, slices.Clone(large.SplitOffsets)
	for i := range large.SplitOffsets[1:] {
		large.SplitOffsets[i+1] += int64(i+1) << 30
	}
	large.FileSize = large.SplitOffsets[9] + 1<<30
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{large, file(2, 5), file(2, 40), file(1, 10), file(0, 3)}})
	for range 5 {
		got, err := scan.New(b.source(), &scan.Options{Filter: expr.Ge("id", int64(5)), Concurrency: 4}).CountPartitions(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(got); text != "[{0 [3] 95 1} {0 [2] 35 1} {0 [1] 5 1}]" {
			t.Fatal(text)
		}
	}
}

// Bounds that contradict each other, or are NaN, say nothing of what a file has:
// it is read.
func TestAggregateOddBounds(t *testing.T) {
	s := schema.MustNew(schema.Field{ID: 1, Name: "f", Type: schema.Double})
	bound := func(v float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)) }
	for _, c := range []struct{ low, high float64 }{{5, 3}, {math.NaN(), 3}, {3, math.NaN()}, {math.NaN(), math.NaN()}} {
		b := newBuilder(t, 2, s)
		odd := b.data(nil, []schema.Row{{1.0}, {9.0}})
		odd.Lower, odd.Upper = manifest.Bounds{{FieldID: 1, Value: bound(c.low)}}, manifest.Bounds{{FieldID: 1, Value: bound(c.high)}}
		b.commit(snapshot.Changes{AddData: []*manifest.DataFile{odd, b.data(nil, []schema.Row{{2.0}, {7.0}})}})
		a, err := scan.New(b.source(), nil).Aggregate(b.ctx, "f")
		if err != nil || a.Columns[0].Min != 1.0 || a.Columns[0].Max != 9.0 || a.FilesRead != 1 {
			t.Errorf("bounds %v and %v: %+v, %v", c.low, c.high, a, err)
		}
	}
}

// What the manifests say is not trusted where it may be inexact, and nothing is
// read where it is exact.
func TestAggregateReadsWhatItMust(t *testing.T) {
	ctx := context.Background()
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "name", Type: schema.String},
		schema.Field{ID: 3, Name: "f", Type: schema.Double},
		schema.Field{ID: 4, Name: "p", Type: schema.Int})
	b := newBuilder(t, 3, s, partition.Identity("p"))
	nan, zero := math.NaN(), math.Copysign(0, -1)
	long := func(c string) string { return c + "-longer than bounds in a manifest are" }
	one := b.data(partition.Tuple{int32(1)}, []schema.Row{{int64(1), long("b"), 1.5, int32(1)}, {int64(9), long("c"), zero, int32(1)}})
	two := b.data(partition.Tuple{int32(2)}, []schema.Row{{int64(2), nil, nan, int32(2)}, {int64(10), long("a"), nil, int32(2)}})
	inside := b.data(partition.Tuple{int32(3)}, []schema.Row{{int64(3), "b", 0.5, int32(3)}, {int64(4), nil, 1.0, int32(3)}})
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{one, two, inside}})
	for _, c := range []struct {
		columns []string
		read    int64
		want    string
	}{
		{nil, 0, "6"},
		{[]string{"id"}, 0, "6 1..10"},
		{[]string{"p", "id"}, 0, "6 1..3 1..10"},
		{[]string{"f"}, 1, "6 0..NaN"}, // one file has NaN
		{[]string{"name"}, 3, "6 " + "a-longer than bounds in a manifest are..c-longer than bounds in a manifest are"},
	} {
		a, err := scan.New(b.source(), &scan.Options{Concurrency: 1}).Aggregate(ctx, c.columns...)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(a.Rows)
		for _, x := range a.Columns {
			got += fmt.Sprintf(" %v..%v", x.Min, x.Max)
		}
		if got != c.want || a.FilesRead > c.read || a.FilesTotal != 3 {
			t.Errorf("%v: %s, %d of %d files read; want %s, at most %d", c.columns, got, a.FilesRead, a.FilesTotal, c.want, c.read)
		}
	}
	// The row with the greatest id goes: its file has to be read, the others not.
	b.commit(snapshot.Changes{AddDeletes: b.dvs(target(two, []uint64{1}))})
	a, err := scan.New(b.source(), nil).Aggregate(ctx, "id")
	if err != nil || a.Columns[0].Max != int64(9) || a.Rows != 5 || a.FilesRead != 1 {
		t.Errorf("after a delete: %+v, %v", a, err)
	}
	// Statistics that are not there, or that lie about counts.
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{func() *manifest.DataFile {
		f := b.data(partition.Tuple{int32(4)}, []schema.Row{{int64(-5), "", 7.0, int32(4)}})
		f.Metrics = manifest.Metrics{}
		return f
	}()}})
	if a, err = scan.New(b.source(), nil).Aggregate(ctx, "id"); err != nil || a.Columns[0].Min != int64(-5) || a.Rows != 6 || a.FilesRead != 2 {
		t.Errorf("without statistics: %+v, %v", a, err)
	}
	for _, bad := range [][]string{{"nope"}, {""}} {
		if _, err := scan.New(b.source(), nil).Aggregate(ctx, bad...); err == nil {
			t.Errorf("%q has aggregates", bad)
		}
	}
	b.update(metadata.SetProperties{Properties: map[string]string{"x": "y"}})
	empty := newBuilder(t, 2, s)
	if a, err = scan.New(empty.source(), nil).Aggregate(ctx, "id"); err != nil || a.Rows != 0 || a.Columns[0].Min != nil {
		t.Errorf("of an empty table: %+v, %v", a, err)
	}
}

package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

var randomRuns = flag.Int("random.runs", 40, "how many random schemas TestRandomSchemas tries")

// randomTypes are the types of random columns; version 3 has more.
func randomTypes(version int) []schema.Type {
	types := append(slices.Clone(sparkTypes), schema.Time, schema.Decimal(4, 1), schema.Fixed(20))
	if version >= 3 {
		types = append(types, schema.TimestampNs, schema.TimestampTzNs)
	}
	return types
}

// randomCell is a value that is odd, plain or null.
func randomCell(r *rand.Rand, f schema.Field) any {
	switch {
	case !f.Required && r.IntN(6) == 0:
		return nil
	case f.Type.Kind == schema.KindStruct:
		row := make(schema.Row, len(f.Type.Fields))
		for i, g := range f.Type.Fields {
			row[i] = randomCell(r, g)
		}
		return row
	case f.Type.Kind == schema.KindTime, f.Type.Kind == schema.KindTimestampNs, f.Type.Kind == schema.KindTimestampTzNs:
		return plainValue(r, f.Type)
	case r.IntN(3) == 0: // near each other, for filters that split files
		switch f.Type.Kind {
		case schema.KindInt, schema.KindDate:
			return int32(r.IntN(200) - 100)
		case schema.KindLong, schema.KindTimestamp, schema.KindTimestampTz:
			return int64(r.IntN(200)-100) * 1_000_000_007
		case schema.KindString:
			return strings.Repeat("x", r.IntN(20)) + fmt.Sprint(r.IntN(30))
		}
	}
	odd := oddValues(f.Type)
	return odd[r.IntN(len(odd))]
}

// randomWorld is a table of a random schema and the rows in it.
type randomWorld struct {
	t      *testing.T
	r      *rand.Rand
	tab    *table.Table
	rows   map[int32]schema.Row
	leaves []schema.Field // with dotted names
	paths  map[int][]int
}

func newRandomWorld(t *testing.T, seed uint64) *randomWorld {
	t.Helper()
	w := &randomWorld{t: t, r: rand.New(rand.NewPCG(seed, 5)), rows: map[int32]schema.Row{}, paths: map[int][]int{}}
	version := 2 + int(seed%2)
	types := randomTypes(version)
	pick := func() schema.Type { return types[w.r.IntN(len(types))] }
	id := 1
	next := func(name string, ty schema.Type) schema.Field {
		id++
		return schema.Field{ID: id, Name: name, Type: ty, Required: w.r.IntN(5) == 0}
	}
	fields := []schema.Field{{ID: 1, Name: "id", Type: schema.Int, Required: true}}
	for c := range 2 + w.r.IntN(6) {
		if name := fmt.Sprint("c", c); w.r.IntN(5) == 0 {
			fields = append(fields, next(name, schema.Struct(next("a", pick()), next("b", pick()))))
		} else {
			fields = append(fields, next(name, pick()))
		}
	}
	props := map[string]string{
		"write.parquet.row-group-size-bytes": []string{"500", "5000", "100000"}[w.r.IntN(3)],
		"write.parquet.page-size-bytes":      []string{"100", "2000"}[w.r.IntN(2)],
		"write.metadata.metrics.default":     []string{"none", "counts", "truncate(2)", "truncate(16)", "full"}[w.r.IntN(5)],
	}
	o := &table.CreateOptions{Key: []string{"id"}, FormatVersion: version, Properties: props}
	cat := catalog.NewFiles(objstore.NewMemory("mem://random"), nil)
	resolve := func(fields []schema.Field) {
		w.leaves, w.paths = nil, map[int][]int{}
		for i, f := range fields {
			w.leaf(f, f.Name, []int{i})
		}
	}
	resolve(fields)
	for { // a partitioning that is legal
		o.Partition = w.randomSpec()
		tab, err := table.Create(t.Context(), cat, "r.t", schema.MustNew(fields...), o)
		if err == nil {
			w.tab = tab
			resolve(tab.Schema().Fields) // which has ids of its own
			return w
		}
		if len(o.Partition) == 0 {
			t.Fatal(err)
		}
	}
}

func (w *randomWorld) leaf(f schema.Field, name string, path []int) {
	if f.Type.Kind == schema.KindStruct {
		for i, g := range f.Type.Fields {
			w.leaf(g, name+"."+g.Name, append(slices.Clone(path), i))
		}
		return
	}
	f.Name = name
	w.leaves = append(w.leaves, f)
	w.paths[f.ID] = path
}

func (w *randomWorld) randomSpec() (spec []partition.Field) {
	for range w.r.IntN(3) {
		name := w.leaves[w.r.IntN(len(w.leaves))].Name
		spec = append(spec, []partition.Field{
			partition.Identity(name), partition.Bucket(name, 1+w.r.IntN(4)), partition.Truncate(name, 1+w.r.IntN(50)),
			partition.Year(name), partition.Month(name), partition.Day(name), partition.Hour(name),
		}[w.r.IntN(7)])
	}
	return spec
}

// commit upserts some rows and deletes some.
func (w *randomWorld) commit(encoding table.Encoding) {
	w.t.Helper()
	tw, err := w.tab.NewWriter(&table.WriterOptions{Encoding: encoding})
	if err != nil {
		w.t.Fatal(err)
	}
	defer tw.Close()
	for range 30 + w.r.IntN(60) {
		id := int32(w.r.IntN(150))
		if w.r.IntN(8) == 0 {
			delete(w.rows, id)
			err = tw.Delete(w.t.Context(), schema.Row{id})
		} else {
			row := schema.Row{id}
			for _, f := range w.tab.Schema().Fields[1:] {
				row = append(row, randomCell(w.r, f))
			}
			w.rows[id] = row
			err = tw.Upsert(w.t.Context(), row)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := tw.Commit(w.t.Context(), nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *randomWorld) value(row schema.Row, id int) any {
	var v any = row
	for _, i := range w.paths[id] {
		r, ok := v.(schema.Row)
		if !ok {
			return nil
		}
		v = r[i]
	}
	return v
}

// filter is a random condition, mostly on values that are in the table.
func (w *randomWorld) filter(depth int) expr.Expr {
	if depth < 2 {
		switch w.r.IntN(6) {
		case 0:
			return expr.And(w.filter(depth+1), w.filter(depth+1))
		case 1:
			return expr.Or(w.filter(depth+1), w.filter(depth+1))
		case 2:
			return expr.Not(w.filter(depth + 1))
		}
	}
	f := w.leaves[w.r.IntN(len(w.leaves))]
	f.Required = true // no null for a literal
	value := func() any { return randomCell(w.r, f) }
	switch n := w.r.IntN(12); {
	case n == 0:
		return expr.IsNull(f.Name)
	case n == 1:
		return expr.NotNull(f.Name)
	case n == 2:
		return expr.In(f.Name, value(), value(), value())
	case n == 3:
		return expr.NotIn(f.Name, value(), value())
	case n == 4 && f.Type.Kind == schema.KindString:
		s := []rune(value().(string))
		return expr.StartsWith(f.Name, string(s[:w.r.IntN(len(s)+1)]))
	case n == 5 && (f.Type.Kind == schema.KindFloat || f.Type.Kind == schema.KindDouble):
		return expr.IsNaN(f.Name)
	default:
		return []func(string, any) expr.Expr{expr.Eq, expr.Ne, expr.Lt, expr.Le, expr.Gt, expr.Ge}[n%6](f.Name, value())
	}
}

// TestRandomSchemas reads tables of random schemas, values, partitionings,
// statistics and deletes with random filters: what planning and page indexes
// rule out must hold no row that matches.
func TestRandomSchemas(t *testing.T) {
	filters, some, rows := 0, 0, 0
	for seed := range uint64(*randomRuns) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			w := newRandomWorld(t, seed)
			for range 3 {
				w.commit([]table.Encoding{table.EncodingPosition, table.EncodingEquality}[w.r.IntN(2)])
			}
			for range 25 {
				where := w.filter(0)
				bound, err := expr.Bind(where, w.tab.Schema(), false)
				if err != nil {
					t.Fatalf("%v: %v", where, err)
				}
				var want, got []int32
				for id, row := range w.rows {
					if bound.EvalRow(func(id int) any { return w.value(row, id) }) {
						want = append(want, id)
					}
				}
				for row, err := range w.tab.Scan(&scan.Options{Columns: []string{"id"}, Filter: where}).Rows(t.Context()) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, row[0].(int32))
				}
				if filters++; len(want) > 0 && len(want) < len(w.rows) {
					some++
				}
				rows += len(want)
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%v (%v, %v)\ngot  %v\nwant %v", where, w.tab.Metadata().DefaultSpec(), w.tab.Metadata().Properties, got, want)
				}
			}
		})
	}
	testenv.Figures(t, "tables=%d filters=%d rows=%d", *randomRuns, filters, rows)
	if some < filters/4 {
		t.Errorf("of %d filters only %d keep some rows and not others: the run proves nothing", filters, some)
	}
}

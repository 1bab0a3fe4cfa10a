package scan_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// seeds returns the seeds of random tests: FRAZIL_SEED, or some.
func seeds(t *testing.T, n int) []uint64 {
	if s := os.Getenv("FRAZIL_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return []uint64{v}
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = rand.Uint64()
	}
	return out
}

func newModel(t *testing.T, seed uint64) *model {
	return newModelAt(t, objstore.NewMemory("mem://t"), "mem://t/table", seed, 0)
}

func newModelAt(t *testing.T, store objstore.Store, root string, seed uint64, flat int) *model {
	r := rand.New(rand.NewPCG(seed, 1))
	var spec []partition.Field
	if r.IntN(2) == 0 && flat == 0 {
		spec = []partition.Field{partition.Identity("p")}
	}
	return &model{
		builder: newBuilderAt(t, store, root, 2+r.IntN(2), modelSchema, spec...), r: r, flat: flat,
		dv: make(map[int]*manifest.DataFile), posOf: make(map[int][]uint64),
	}
}

// Random appends and deletes of every kind, read with random options, give the
// rows a list gives; and a filter in the scan those that a filter after it does.
func TestRandomTables(t *testing.T) {
	for _, seed := range seeds(t, 5) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			m := newModel(t, seed)
			for range 15 {
				m.step()
				m.compare(m.randomFilter(0))
			}
		})
	}
}

func (m *model) randomFilter(depth int) expr.Expr {
	switch n := m.r.IntN(14); {
	case n < 3 && depth < 3:
		return expr.And(m.randomFilter(depth+1), m.randomFilter(depth+1))
	case n < 6 && depth < 3:
		return expr.Or(m.randomFilter(depth+1), m.randomFilter(depth+1))
	case n == 6 && depth < 3:
		return expr.Not(m.randomFilter(depth + 1))
	case n == 7:
		return expr.Eq("k", m.r.Int64N(60))
	case n == 8:
		return expr.In("k", m.r.Int64N(60), m.r.Int64N(60), m.r.Int64N(100))
	case n == 9:
		return expr.Lt("v", m.r.Float64()*125)
	case n == 10:
		return []expr.Expr{expr.IsNull("s"), expr.NotNull("n.x"), expr.StartsWith("s", "name-1"), expr.Ne("p", int32(1))}[m.r.IntN(4)]
	case n == 11:
		return expr.Ge("n.x", int32(m.r.IntN(10)))
	case n == 12:
		return expr.Between("id", m.r.Int64N(500), m.r.Int64N(3000))
	}
	return expr.Eq("p", int32(m.r.IntN(4)))
}

// compare checks a scan with random options against the model.
func (m *model) compare(where expr.Expr) {
	m.t.Helper()
	s := m.meta.CurrentSchema()
	bound, err := expr.Bind(where, s, false)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, filter := range []expr.Expr{nil, where} {
		o := &scan.Options{
			Filter: filter, BatchRows: 1 + m.r.IntN(100), Concurrency: 1 + m.r.IntN(3), Ordered: m.r.IntN(2) == 0,
			TargetTaskBytes: 1 + m.r.Int64N(20_000), MemoryBudget: []int64{0, 4000}[m.r.IntN(2)],
			Allocator: []memory.Allocator{nil, new(testenv.DirtyMemory)}[m.r.IntN(2)],
			Columns:   [][]string{nil, {"id"}, {"_pos", "id", "_file"}, {"n.y", "id", "k", "n.x"}, {"v", "p", "id"}}[m.r.IntN(5)],
		}
		var want []*modelRow
		for _, r := range m.rows {
			if r.live && (filter == nil || bound.EvalRow(func(id int) any { return fieldValue(r.row, id) })) {
				want = append(want, r)
			}
		}
		sc := scan.New(m.source(), o)
		m.compareRows(sc, o, where, want)
		n, err := sc.Count(m.ctx)
		if err != nil || n != int64(len(want)) {
			m.t.Fatalf("count where %v: %d, want %d: %v", filter, n, len(want), err)
		}
	}
}

// fieldValue returns a value of a model row by field id.
func fieldValue(r schema.Row, id int) any {
	switch id {
	case 1, 2, 3, 4, 5, 6:
		return r[id-1]
	}
	if n, ok := r[4].(schema.Row); ok {
		return n[id-7]
	}
	return nil
}

func (m *model) compareRows(sc *scan.Scan, o *scan.Options, where expr.Expr, want []*modelRow) {
	m.t.Helper()
	out, err := sc.Schema()
	if err != nil {
		m.t.Fatal(err)
	}
	byID := make(map[int64]*modelRow)
	for _, r := range want {
		byID[r.row[5].(int64)] = r
	}
	idAt := slices.IndexFunc(out.Fields, func(f schema.Field) bool { return f.ID == 6 })
	read := sc.Rows(m.ctx)
	if m.r.IntN(3) == 0 {
		read = m.planned(sc)
	}
	got := 0
	for row, err := range read {
		if err != nil {
			m.t.Fatalf("where %v, %+v: %v", where, *o, err)
		}
		got++
		id := row[idAt].(int64)
		r := byID[id]
		if r == nil {
			m.t.Fatalf("where %v, %+v: row %d should not be there, or is there twice", where, *o, id)
		}
		delete(byID, id)
		for i, f := range out.Fields {
			if g, w := fmt.Sprint(row[i]), fmt.Sprint(m.want(r, f)); g != w {
				m.t.Fatalf("where %v, %+v: row %d, column %s: %s, want %s", where, *o, id, f.Name, g, w)
			}
		}
	}
	if len(byID) > 0 {
		missing := slices.MinFunc(slices.Collect(func(yield func(*modelRow) bool) {
			for _, r := range byID {
				if !yield(r) {
					return
				}
			}
		}), func(a, b *modelRow) int { return cmp.Compare(a.row[5].(int64), b.row[5].(int64)) })
		m.t.Fatalf("where %v, %+v: %d rows, want %d; row %v is missing", where, *o, got, len(want), missing.row)
	}
}

// want is what a scan should deliver for a column of a row.
func (m *model) want(r *modelRow, f schema.Field) any {
	switch f.ID {
	case schema.IDPos:
		return int64(r.pos)
	case schema.IDFilePath:
		return m.files[r.file].Path
	case 5:
		n, ok := r.row[4].(schema.Row)
		if !ok {
			return nil
		}
		out := schema.Row{}
		for _, c := range f.Type.Fields {
			out = append(out, n[c.ID-7])
		}
		return out
	}
	return fieldValue(r.row, f.ID)
}

// planned reads task by task.
func (m *model) planned(sc *scan.Scan) func(func(schema.Row, error) bool) {
	return func(yield func(schema.Row, error) bool) {
		p, err := sc.Plan(m.ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		row := make(schema.Row, len(p.Schema.Fields))
		for _, task := range p.Tasks {
			for b, err := range task.Batches(m.ctx) {
				if err != nil {
					yield(nil, err)
					return
				}
				for i := range int(b.NumRows()) {
					for c, f := range p.Schema.Fields {
						row[c] = schema.ValueAt(b.Column(c), f.Type, i)
					}
					if !yield(row, nil) {
						return
					}
				}
			}
		}
	}
}

// Changes between consecutive snapshots, and over several, lead from the rows
// of the one to the rows of the other.
func TestRandomChanges(t *testing.T) {
	for _, seed := range seeds(t, 4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			m := newModel(t, seed)
			before := map[int64]bool{}
			var from *int64
			for range 15 {
				m.step()
				if m.meta.Current() == nil || from != nil && m.r.IntN(3) == 0 {
					continue
				}
				after := map[int64]bool{}
				for _, r := range m.rows {
					if r.live {
						after[r.row[5].(int64)] = true
					}
				}
				state := map[int64]bool{}
				for id := range before {
					state[id] = true
				}
				columns := [][]string{{"id", "k"}, {"id", "k", "n.x", "v"}}[m.r.IntN(2)] // without a struct and with
				cs := scan.Changes(m.source(), &scan.ChangesOptions{From: from, Columns: columns, Allocator: new(testenv.DirtyMemory)})
				for row, err := range cs.Rows(m.ctx) {
					if err != nil {
						t.Fatal(err)
					}
					id := row[0].(int64)
					kind := row[len(columns)]
					add := kind == string(scan.Insert)
					if state[id] == add {
						t.Fatalf("row %d: %s though it is there: %v", id, kind, state[id])
					}
					state[id] = add
				}
				for id, live := range state {
					if live != after[id] {
						t.Fatalf("row %d is there: %v, want %v", id, live, after[id])
					}
				}
				for id := range after {
					if !state[id] {
						t.Fatalf("row %d is not there", id)
					}
				}
				before = after
				id := m.meta.Current().ID
				from = &id
			}
		})
	}
}

package scan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// Look-ups of random keys, one or many, of one column or several, null or not
// there at all, give the rows that the model has of them, again and again, with
// and without a cache, while the table changes.
func TestRandomLookups(t *testing.T) {
	for _, seed := range seeds(t, 5) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			m := newModel(t, seed)
			cache := snapshot.NewCache(1 << (10 + m.r.IntN(12)))
			for range 12 {
				m.step()
				for range 4 {
					m.lookUp(cache)
				}
			}
		})
	}
}

// lookUp asks for some keys and compares with the model.
func (m *model) lookUp(cache *snapshot.Cache) {
	m.t.Helper()
	columns := [][]string{{"id"}, {"k"}, {"s", "k"}, {"n.x"}, {"v"}, {"id", "p"}}[m.r.IntN(6)]
	key := func(r schema.Row) schema.Row {
		out := make(schema.Row, len(columns))
		for i, c := range columns {
			f, _ := m.meta.CurrentSchema().FieldByName(c)
			out[i] = fieldValue(r, f.ID)
		}
		return out
	}
	var keys []schema.Row
	wanted := make(map[string]bool)
	for range 1 + m.r.IntN([]int{1, 6, 400}[m.r.IntN(3)]) {
		r := m.randomRow(int32(m.r.IntN(4)) - 1)
		if len(m.rows) > 0 && m.r.IntN(4) > 0 {
			r = m.rows[m.r.IntN(len(m.rows))].row
		}
		keys = append(keys, key(r))
		wanted[fmt.Sprint(key(r))] = true
	}
	want := make(map[int64]bool)
	for _, r := range m.rows {
		if r.live && wanted[fmt.Sprint(key(r.row))] {
			want[r.row[5].(int64)] = true
		}
	}
	src := m.source()
	if m.r.IntN(3) > 0 {
		src.Cache = cache
	}
	o := &scan.Options{BatchRows: 1 + m.r.IntN(100), Concurrency: 1 + m.r.IntN(3), MemoryBudget: []int64{0, 4000}[m.r.IntN(2)]}
	if m.r.IntN(2) == 0 {
		o.Columns = []string{"n.y", "id", "v"}
	}
	sc := scan.New(src, o)
	out, err := sc.Schema()
	if err != nil {
		m.t.Fatal(err)
	}
	idAt := slices.IndexFunc(out.Fields, func(f schema.Field) bool { return f.ID == 6 })
	for row, err := range sc.Get(m.ctx, columns, keys) {
		if err != nil {
			m.t.Fatalf("get %v of %v: %v", columns, keys, err)
		}
		id := row[idAt].(int64)
		if !want[id] {
			m.t.Fatalf("get %v of %v: row %d is not asked for, or is there twice", columns, keys, id)
		}
		delete(want, id)
		for i, f := range out.Fields {
			if g, w := fmt.Sprint(row[i]), fmt.Sprint(m.want(m.rows[id], f)); g != w {
				m.t.Fatalf("get %v of %v: row %d, column %s: %s, want %s", columns, keys, id, f.Name, g, w)
			}
		}
	}
	if len(want) > 0 {
		m.t.Fatalf("get %v of %v: rows %v are missing", columns, keys, want)
	}
}

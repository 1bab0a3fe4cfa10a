package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

func (s *sparkTest) create(t *testing.T, name string, sch *schema.Schema, o *table.CreateOptions) *table.Table {
	t.Helper()
	tab, err := table.Create(t.Context(), s.cat, name, sch, o)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// columns makes fields of types, after an int id.
func columns(types ...schema.Type) *schema.Schema {
	fields := []schema.Field{{ID: 1, Name: "id", Type: schema.Int, Required: true}}
	for i, ty := range types {
		fields = append(fields, schema.Field{ID: i + 2, Name: fmt.Sprintf("c%d", i), Type: ty})
	}
	return schema.MustNew(fields...)
}

// sparkTypes are the primitive types that Spark reads.
var sparkTypes = []schema.Type{
	schema.Boolean, schema.Int, schema.Long, schema.Float, schema.Double,
	schema.Decimal(9, 2), schema.Decimal(18, 4), schema.Decimal(38, 10),
	schema.Date, schema.Timestamp, schema.TimestampTz, schema.String, schema.UUID, schema.Fixed(5), schema.Binary,
}

func (s *sparkTest) testTypes(t *testing.T) {
	for _, version := range []int{2, 3} {
		name := fmt.Sprintf("db.types%d", version)
		sch := columns(sparkTypes...)
		tab := s.create(t, name, sch, &table.CreateOptions{FormatVersion: version})
		rows := oddRows(sch, 60, false)
		write(t, tab, rows, 5)
		s.readsSame(t, name)
		if version == 2 {
			s.filtersSame(t, tab, rows, 0, 3)
		}
	}
}

func (s *sparkTest) testNested(t *testing.T) {
	sch := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Int, Required: true},
		schema.Field{ID: 2, Name: "st", Type: schema.Struct(
			schema.Field{ID: 3, Name: "a", Type: schema.Int},
			schema.Field{ID: 4, Name: "in", Type: schema.Struct(
				schema.Field{ID: 5, Name: "b", Type: schema.String, Required: true},
				schema.Field{ID: 6, Name: "d", Type: schema.Decimal(20, 3)})})},
		schema.Field{ID: 7, Name: "l", Type: schema.List(schema.Field{ID: 8, Name: "element", Type: schema.Double})},
		schema.Field{ID: 9, Name: "m", Type: schema.Map(
			schema.Field{ID: 10, Name: "key", Type: schema.Int, Required: true},
			schema.Field{ID: 11, Name: "value", Type: schema.TimestampTz})},
		schema.Field{ID: 12, Name: "ls", Type: schema.List(schema.Field{ID: 13, Name: "element", Type: schema.Struct(
			schema.Field{ID: 14, Name: "x", Type: schema.Long, Required: true},
			schema.Field{ID: 15, Name: "ys", Type: schema.List(schema.Field{ID: 16, Name: "element", Type: schema.String, Required: true})})})},
		schema.Field{ID: 17, Name: "ms", Type: schema.Map(
			schema.Field{ID: 18, Name: "key", Type: schema.String, Required: true},
			schema.Field{ID: 19, Name: "value", Type: schema.Map(
				schema.Field{ID: 20, Name: "key", Type: schema.String, Required: true},
				schema.Field{ID: 21, Name: "value", Type: schema.Boolean})})},
	)
	for _, version := range []int{2, 3} {
		name := fmt.Sprintf("db.nested%d", version)
		tab := s.create(t, name, sch, &table.CreateOptions{Key: []string{"id"}, FormatVersion: version})
		var rows []schema.Row
		for i := range 40 {
			r := schema.Row{int32(i), nil, nil, nil, nil, nil}
			if i%4 != 0 {
				in := schema.Row{fmt.Sprint("b", i), nil}
				r[1] = schema.Row{int32(-i), in}
				if i%4 == 1 {
					r[1] = schema.Row{nil, nil}
				}
				list := []any{}
				for k := range i % 4 {
					list = append(list, []any{1.5, nil, -0.5}[k])
				}
				r[2] = list
				r[3] = schema.MapValue{Keys: []any{int32(i), int32(-i)}[:i%3], Values: []any{nil, int64(-i)}[:i%3]}
				r[4] = []any{
					schema.Row{int64(i), []any{"p", "q"}}, nil, schema.Row{int64(-i), nil}, schema.Row{int64(0), []any{}},
				}[:i%5]
				r[5] = schema.MapValue{Keys: []any{"k", "n", "e"}[:i%4], Values: []any{
					schema.MapValue{Keys: []any{"x", "y"}, Values: []any{true, nil}}, nil, schema.MapValue{},
				}[:i%4]}
			}
			rows = append(rows, r)
		}
		write(t, tab, rows, 2)
		write(t, tab, rows[10:20], 1) // replaced by themselves: deletes
		s.readsSame(t, name)
		for _, q := range []struct{ sql, where string }{
			{"st.in.b = 'b7'", "st.in.b = 'b7'"}, {"st.a < -30", "st.a < -30"}, {"st.in.d is null", "st.in.d is null"},
		} {
			got := s.sql(t, "SELECT id FROM h.%s WHERE %s", name, q.sql)
			where := parse(t, q.where)
			same(t, name+" where "+q.sql, got, rowsOf(t, tab, &scan.Options{Columns: []string{"id"}, Filter: where}))
		}
	}
}

func (s *sparkTest) testPartitions(t *testing.T) {
	for i, c := range []struct {
		types []schema.Type
		spec  string
	}{
		{[]schema.Type{schema.Int, schema.Long, schema.String, schema.Date}, "bucket(3, c0), bucket(2, c1), bucket(2, c2), bucket(2, c3)"},
		{[]schema.Type{schema.Timestamp, schema.TimestampTz, schema.Decimal(9, 2), schema.UUID, schema.Binary}, "bucket(2, c0), bucket(2, c1), bucket(3, c2), bucket(2, c3), bucket(2, c4)"},
		{[]schema.Type{schema.Int, schema.Long, schema.Decimal(18, 4), schema.String}, "truncate(10, c0), truncate(7, c1)"},
		{[]schema.Type{schema.Decimal(9, 2), schema.String, schema.Binary}, "truncate(50, c0), truncate(3, c1), truncate(2, c2)"},
		{[]schema.Type{schema.Date, schema.Timestamp, schema.TimestampTz}, "year(c0), month(c1), hour(c2)"},
		{[]schema.Type{schema.Date, schema.Timestamp, schema.TimestampTz}, "day(c0), day(c1), year(c2)"},
		{[]schema.Type{schema.Date, schema.TimestampTz, schema.Timestamp}, "month(c0), month(c1), hour(c2)"},
		{[]schema.Type{schema.Int, schema.String, schema.Date, schema.Decimal(38, 10)}, "c0, c1"},
		{[]schema.Type{schema.Boolean, schema.Decimal(9, 2), schema.Date, schema.Timestamp, schema.Long}, "c0, c1, c2"},
		{[]schema.Type{schema.Timestamp, schema.TimestampTz, schema.Float, schema.Double}, "c0, c1"},
		{[]schema.Type{schema.Float, schema.Double, schema.Int}, "c0, c1"},
	} {
		name := fmt.Sprintf("db.part%d", i)
		spec, err := partition.Parse(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		sch := columns(c.types...)
		tab := s.create(t, name, sch, &table.CreateOptions{Key: []string{"id"}, Partition: spec, FormatVersion: 2 + i%2})
		rows := oddRows(sch, 30, strings.Contains(c.spec, "truncate"))
		write(t, tab, rows, 2)
		s.readsSame(t, name)
		s.filtersSame(t, tab, rows, i, 1)
		// Spark computes the partitions of the rows itself: rows it moves to new
		// files must stay in theirs.
		before := s.sql(t, "SELECT partition, sum(record_count) AS n FROM h.%s.files GROUP BY partition", name)
		s.sql(t, "CALL h.system.rewrite_data_files(table => '%s', options => map('rewrite-all', 'true'))", name)
		after := s.sql(t, "SELECT partition, sum(record_count) AS n FROM h.%s.files GROUP BY partition", name)
		same(t, name+" partitions after Spark rewrote them ("+c.spec+")", after, before)
		s.readsSame(t, name)
	}
}

func (s *sparkTest) testEvolution(t *testing.T) {
	for _, version := range []int{2, 3} {
		name := fmt.Sprintf("db.evolved%d", version)
		sch := schema.MustNew(
			schema.Field{ID: 1, Name: "id", Type: schema.Int, Required: true},
			schema.Field{ID: 2, Name: "n", Type: schema.Int},
			schema.Field{ID: 3, Name: "f", Type: schema.Float},
			schema.Field{ID: 4, Name: "d", Type: schema.Decimal(9, 2)},
			schema.Field{ID: 5, Name: "s", Type: schema.String},
			schema.Field{ID: 6, Name: "st", Type: schema.Struct(schema.Field{ID: 7, Name: "a", Type: schema.Int})},
		)
		tab := s.create(t, name, sch, &table.CreateOptions{Key: []string{"id"}, FormatVersion: version})
		row := func(i int, more ...any) schema.Row {
			return append(schema.Row{int32(i), int32(-i), float32(i) / 4, dec(int64(i * 100)), fmt.Sprint("s", i), schema.Row{int32(i)}}, more...)
		}
		write(t, tab, []schema.Row{row(1), row(2), row(3)}, 1)
		evolve := func(change func(e *schema.Evolution) error, o *table.EvolveOptions) {
			t.Helper()
			if err := tab.Evolve(t.Context(), change, o); err != nil {
				t.Fatal(err)
			}
		}
		evolve(func(e *schema.Evolution) error {
			return firstError(e.Widen("n", schema.Long), e.Widen("f", schema.Double), e.Widen("d", schema.Decimal(20, 2)),
				e.Rename("s", "text"), e.Add("st", schema.Field{Name: "b", Type: schema.String}), e.MoveFirst("text"))
		}, nil)
		write(t, tab, []schema.Row{{"t4", int32(4), int64(1) << 40, 0.1, dec(1), schema.Row{nil, "b4"}}}, 1)
		s.readsSame(t, name)
		evolve(func(e *schema.Evolution) error {
			return firstError(e.Drop("text"), e.Add("", schema.Field{Name: "text", Type: schema.Long}))
		}, nil)
		evolve(func(e *schema.Evolution) error {
			return e.Add("", schema.Field{Name: "def", Type: schema.String})
		}, &table.EvolveOptions{Backfill: map[string]any{"def": "was here"}})
		write(t, tab, []schema.Row{{int32(5), int64(5), 5.0, dec(5), nil, int64(5), nil}, {int32(2), nil, nil, nil, nil, nil, "new"}}, 1)
		s.readsSame(t, name)

		// The partitioning changes twice; rows of all specs are replaced.
		for _, terms := range []string{"bucket(4, id)", "truncate(2, n), id"} {
			respec(t, tab, terms)
			write(t, tab, []schema.Row{{int32(1), int64(-77), nil, nil, nil, nil, terms}, {int32(6), int64(6), nil, nil, nil, nil, terms}}, 1)
			s.readsSame(t, name)
		}
		same(t, name+" def", s.sql(t, "SELECT id FROM h.%s WHERE def = 'was here'", name),
			rowsOf(t, tab, &scan.Options{Columns: []string{"id"}, Filter: parse(t, "def = 'was here'")}))
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// respec gives a table another partitioning.
func respec(t *testing.T, tab *table.Table, terms string) {
	t.Helper()
	fields, err := partition.Parse(terms)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = tab.CommitUpdates(t.Context(), func(base *catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		m := base.Metadata
		spec, _, err := partition.Bind(fields, m.CurrentSchema(), m.Specs, m.LastPartitionID)
		if err != nil {
			return nil, nil, err
		}
		return []metadata.Update{metadata.AddSpec{Spec: spec}, metadata.SetDefaultSpec{SpecID: metadata.LastAdded}}, nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *sparkTest) testDeletes(t *testing.T) {
	sch := columns(schema.String, schema.Int)
	for _, c := range []struct {
		name     string
		version  int
		spec     string
		encoding table.Encoding
	}{
		{"db.pos", 2, "", table.EncodingPosition},
		{"db.pospart", 2, "bucket(3, id)", table.EncodingPosition},
		{"db.dv", 3, "", table.EncodingPosition},
		{"db.dvpart", 3, "truncate(10, id)", table.EncodingPosition},
		{"db.eq", 2, "", table.EncodingEquality},
		{"db.eqpart", 3, "bucket(3, id)", table.EncodingEquality},
	} {
		spec, err := partition.Parse(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		tab := s.create(t, c.name, sch, &table.CreateOptions{Key: []string{"id"}, Partition: spec, FormatVersion: c.version})
		if c.name == "db.dv" {
			write(t, tab, oddRows(sch, 100, false), 2)
			if err := tab.CreateBranch(t.Context(), "side", nil); err != nil {
				t.Fatal(err)
			}
			if err := tab.CreateTag(t.Context(), "mark", nil); err != nil {
				t.Fatal(err)
			}
		}
		for round := range 4 {
			w, err := tab.NewWriter(&table.WriterOptions{Encoding: c.encoding, KeepSnapshots: -1})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 60 {
				id := int32(i * (round + 1))
				if (i+round)%4 == 0 {
					err = w.Delete(t.Context(), schema.Row{id})
				} else {
					err = w.Upsert(t.Context(), schema.Row{id, fmt.Sprint("r", round), int32(i)})
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if _, err = w.Commit(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			w.Close()
		}
		if c.name == "db.dv" {
			side, err := tab.NewWriter(&table.WriterOptions{Branch: "side"})
			if err != nil {
				t.Fatal(err)
			}
			if err := firstError(side.Upsert(t.Context(), schema.Row{int32(3), "side", nil}), side.Delete(t.Context(), schema.Row{int32(4)})); err != nil {
				t.Fatal(err)
			}
			if _, err := side.Commit(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			side.Close()
		}
		s.readsSame(t, c.name)
		for _, where := range []string{"id = 42", "id > 150", "c0 = 'r1' and c1 < 20"} {
			same(t, c.name+" where "+where, s.sql(t, "SELECT * FROM h.%s WHERE %s", c.name, where),
				rowsOf(t, tab, &scan.Options{Filter: parse(t, where)}))
		}
	}
}

// testWide reads a file of Spark's whose rows are wide but compress well.
func (s *sparkTest) testWide(t *testing.T) {
	tab := s.create(t, "db.wide", columns(schema.String), nil)
	s.sql(t, "INSERT INTO h.db.wide SELECT CAST(id AS INT), repeat('x', 5000) FROM range(0, 60000, 1, 1)")
	if err := tab.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[int]*scan.Options{60000: nil, 59990: {Filter: parse(t, "id > 9")}} {
		n := 0
		for b, err := range tab.Scan(o).Batches(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			n += int(b.NumRows())
		}
		if n != want {
			t.Errorf("%d rows, want %d", n, want)
		}
	}
}

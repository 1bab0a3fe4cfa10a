package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/inspect"
	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// inspected returns the rows of a metadata table in canonical form, sorted.
func inspected(t *testing.T, tab *table.Table, name string, o *inspect.Options) []string {
	t.Helper()
	if o == nil {
		o = &inspect.Options{}
	}
	o.MetadataLocation = tab.MetadataLocation()
	mt, err := inspect.New(tab.Source(), name, o)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	e := rowjson.NewEncoder(mt.Schema(), rowjson.Canonical)
	for b, err := range mt.Batches(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(b.NumRows()) {
			out = append(out, strings.TrimSuffix(string(e.AppendRow(nil, b, i)), "\n"))
		}
	}
	if err := e.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// sameInspections compares all sixteen metadata tables with Spark's.
func (s *sparkTest) sameInspections(t *testing.T, tab *table.Table) {
	t.Helper()
	if err := tab.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, _ := inspect.Names()
	if len(names) != 16 {
		t.Errorf("%d metadata tables", len(names))
	}
	for _, name := range names {
		got := inspected(t, tab, name, nil)
		want := s.sql(t, "SELECT * FROM h.%s.%s", tab.Name(), name)
		if name == "metadata_log_entries" { // Hadoop's paths have a scheme or not
			for _, lines := range [][]string{got, want} {
				for i := range lines {
					lines[i] = strings.Replace(lines[i], `"file":"file://`, `"file":"`, 1)
				}
			}
		}
		same(t, tab.Name()+"."+name, got, want)
	}
}

// testInspect compares metadata tables, with all that they may have to show:
// several specs, dropped partition columns, all kinds of deletes, refs, expired
// snapshots, nested columns.
func (s *sparkTest) testInspect(t *testing.T) {
	sch := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Int, Required: true},
		schema.Field{ID: 2, Name: "name", Type: schema.String},
		schema.Field{ID: 3, Name: "at", Type: schema.TimestampTz},
		schema.Field{ID: 4, Name: "d", Type: schema.Double},
		schema.Field{ID: 5, Name: "st", Type: schema.Struct(
			schema.Field{ID: 6, Name: "u", Type: schema.Decimal(20, 3)},
			schema.Field{ID: 7, Name: "l", Type: schema.List(schema.Field{ID: 8, Name: "element", Type: schema.Date})})},
	)
	rows := func(from, to int, tag string) (out []schema.Row) {
		for i := from; i < to; i++ {
			r := schema.Row{int32(i), fmt.Sprint(tag, i), int64(i) * 7_000_000_001, float64(i) / 4, schema.Row{dec(int64(i) * 1001), []any{int32(i), nil}}}
			if i%5 == 0 {
				r[1], r[4] = nil, nil
			}
			out = append(out, r)
		}
		return out
	}
	for _, c := range []struct {
		version int
		spec    string
	}{{2, "bucket(2, id), day(at)"}, {3, "truncate(3, name)"}, {2, ""}} {
		name := fmt.Sprintf("db.insp%d%d", c.version, len(c.spec))
		spec, err := partition.Parse(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		tab := s.create(t, name, sch, &table.CreateOptions{
			Key: []string{"id"}, Partition: spec, FormatVersion: c.version,
			Properties: map[string]string{"write.delete.mode": "merge-on-read"},
		})
		write(t, tab, rows(0, 20, "a"), 2)
		if err := firstError(tab.CreateTag(t.Context(), "mark", nil), tab.CreateBranch(t.Context(), "side", nil)); err != nil {
			t.Fatal(err)
		}
		write(t, tab, rows(5, 12, "b"), 1)
		s.sql(t, "DELETE FROM h.%s WHERE id IN (13, 14, 15)", name)
		if err := tab.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.spec != "" {
			respec(t, tab, "id")
		}
		w, err := tab.NewWriter(&table.WriterOptions{Encoding: table.EncodingEquality, KeepSnapshots: -1})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows(16, 22, "c") {
			if err := w.Upsert(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Commit(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if c.version == 3 {
			s.sameInspections(t, tab)
		}
		s.sql(t, "ALTER TABLE h.%s SET TBLPROPERTIES ('x'='y')", name)
		s.sql(t, "DELETE FROM h.%s WHERE id < 4", name)
		s.sql(t, "CALL h.system.rewrite_manifests('%s')", name)
		s.sql(t, "CALL h.system.expire_snapshots(table => '%s', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 2)", name)
		s.sameInspections(t, tab)

		// Filters, columns and snapshots of the past.
		same(t, name+" files filtered",
			inspected(t, tab, "files", &inspect.Options{Columns: []string{"record_count", "file_path"}, Filter: parse(t, "content = 0 and record_count > 1")}),
			s.sql(t, "SELECT record_count, file_path FROM h.%s.files WHERE content = 0 AND record_count > 1", name))
		same(t, name+" metrics filtered",
			inspected(t, tab, "files", &inspect.Options{Columns: []string{"file_path"}, Filter: parse(t, "readable_metrics.id.upper_bound > 12")}),
			s.sql(t, "SELECT file_path FROM h.%s.files WHERE readable_metrics.id.upper_bound > 12", name))
		mark := tab.Metadata().Refs["mark"].SnapshotID
		same(t, name+" files of a tag", inspected(t, tab, "files", &inspect.Options{Ref: "mark"}),
			s.sql(t, "SELECT * FROM h.%s.files VERSION AS OF %d", name, mark))
	}
}

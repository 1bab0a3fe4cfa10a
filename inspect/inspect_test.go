package inspect_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/inspect"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rows reads a metadata table as text.
func rows(t *testing.T, tab *table.Table, name string, o *inspect.Options) string {
	t.Helper()
	mt, err := inspect.New(tab.Source(), name, o)
	must(t, err)
	var out []string
	for row, err := range mt.Rows(t.Context()) {
		must(t, err)
		line := fmt.Sprint([]any(row))
		out = append(out, line[1:len(line)-1])
	}
	n := int64(0)
	for b, err := range mt.Batches(t.Context(), nil) {
		must(t, err)
		n += b.NumRows()
	}
	if n != int64(len(out)) {
		t.Errorf("%s: %d rows in batches, %d in rows", name, n, len(out))
	}
	return strings.Join(out, "; ")
}

func newTable(t *testing.T, version int) *table.Table {
	t.Helper()
	tab, err := table.Create(t.Context(), catalog.NewFiles(objstore.NewMemory("mem://i"), nil), "i.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "p", Type: schema.String},
	), &table.CreateOptions{Key: []string{"id"}, FormatVersion: version, Partition: []partition.Field{partition.Identity("p")}})
	must(t, err)
	return tab
}

func put(t *testing.T, tab *table.Table, rows ...schema.Row) {
	t.Helper()
	w, err := tab.NewWriter(&table.WriterOptions{KeepSnapshots: -1})
	must(t, err)
	defer w.Close()
	for _, r := range rows {
		must(t, w.Upsert(t.Context(), r))
	}
	_, err = w.Commit(t.Context(), nil)
	must(t, err)
}

// The rows themselves are compared with Spark's in internal/e2e; here are the
// choices: columns, filters, snapshots, limits, and what is refused.
func TestChoices(t *testing.T) {
	tab := newTable(t, 3)
	empty := rows(t, tab, "files", nil) + rows(t, tab, "entries", nil) + rows(t, tab, "partitions", nil) + rows(t, tab, "manifests", nil) +
		rows(t, tab, "position_deletes", nil) + rows(t, tab, "snapshots", nil) + rows(t, tab, "refs", nil) + rows(t, tab, "all_files", nil)
	if empty != "" {
		t.Errorf("of an empty table: %s", empty)
	}
	put(t, tab, schema.Row{int64(1), "a"}, schema.Row{int64(2), "b"}, schema.Row{int64(3), "b"})
	first := tab.Metadata().Current().ID
	put(t, tab, schema.Row{int64(3), "a"})
	for _, c := range []struct {
		name string
		o    inspect.Options
		want string
	}{
		{"files", inspect.Options{Columns: []string{"record_count", "content"}, Filter: expr.Eq("content", int32(1))}, "1 1"},
		{"delete-files", inspect.Options{Columns: []string{"partition.p", "record_count"}}, "[b] 1"},
		{"data_files", inspect.Options{Columns: []string{"partition.p"}, Filter: expr.And(expr.Eq("partition.p", "b"), expr.Ge("readable_metrics.id.lower_bound", int64(2)))}, "[b]"},
		{"data_files", inspect.Options{Columns: []string{"record_count"}, SnapshotID: &first, Filter: expr.Eq("partition.p", "a")}, "1"},
		{"all_data_files", inspect.Options{Columns: []string{"record_count"}, Limit: 2}, "1; 2"},
		{"entries", inspect.Options{Columns: []string{"data_file.content", "STATUS"}, CaseInsensitive: true, Filter: expr.Eq("Data_File.Content", int32(1))}, "[1] 1"},
		{"position_deletes", inspect.Options{Columns: []string{"pos", "partition"}}, "1 [b]"},
		{"partitions", inspect.Options{Columns: []string{"record_count", "position_delete_record_count"}, Filter: expr.Eq("partition.p", "b")}, "2 1"},
		{"refs", inspect.Options{Columns: []string{"type", "name"}}, "BRANCH main"},
		{"manifests", inspect.Options{Columns: []string{"partition_summaries.element.upper_bound"}, SnapshotID: &first}, "[[b]]"},
		{"metadata_log_entries", inspect.Options{Columns: []string{"file"}, MetadataLocation: "here", Limit: 9, Filter: expr.Eq("file", "here")}, "here"},
	} {
		if got := rows(t, tab, c.name, &c.o); got != c.want {
			t.Errorf("%s %v: %q, want %q", c.name, c.o.Columns, got, c.want)
		}
	}
	bad := int64(99)
	for name, c := range map[string]struct {
		table string
		o     inspect.Options
		text  string
		is    error
	}{
		"table":    {"filez", inspect.Options{}, "there are all_data_files", inspect.ErrNoTable},
		"column":   {"files", inspect.Options{Columns: []string{"file_pth"}}, "file_path", nil},
		"filter":   {"files", inspect.Options{Filter: expr.Eq("nope", 1)}, "nope", nil},
		"snapshot": {"files", inspect.Options{SnapshotID: &bad}, "99", scan.ErrNoSnapshot},
		"whole":    {"snapshots", inspect.Options{Ref: "main"}, "whole table", nil},
	} {
		if _, err := inspect.New(tab.Source(), c.table, &c.o); err == nil || !strings.Contains(err.Error(), c.text) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every metadata table of every table that others wrote can be read whole.
func TestSharedTables(t *testing.T) {
	dir := testenv.Shared(t, "tables", "spark")
	n := 0
	dirs, err := filepath.Glob(filepath.Join(dir, "*", "metadata"))
	must(t, err)
	for _, d := range dirs {
		name := filepath.Dir(d)
		store, err := objstore.NewLocal(name, nil)
		must(t, err)
		entry, err := catalog.OpenDir(t.Context(), store, name, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		src := scan.Source{Store: entry.Store, Metadata: entry.Metadata}
		names, _ := inspect.Names()
		for _, mt := range names {
			v, err := inspect.New(src, mt, nil)
			if err != nil {
				t.Errorf("%s.%s: %v", name, mt, err)
				continue
			}
			for _, err := range v.Batches(t.Context(), nil) {
				if mt == "position_deletes" && errors.Is(err, deletes.ErrUnsupported) && strings.Contains(err.Error(), ".orc") {
					break // refused by name
				}
				if err != nil {
					t.Errorf("%s.%s: %v", name, mt, err)
					break
				}
			}
			n++
		}
	}
	if n < 16*40 {
		t.Errorf("only %d metadata tables were read", n)
	}
}

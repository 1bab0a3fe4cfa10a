package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/e2e/spark"
	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

// sparkTest is a Spark application over a warehouse that is its catalog "h".
type sparkTest struct {
	t   *testing.T
	dir string
	cat catalog.Catalog
	app *spark.App
}

// startSpark starts Spark over a new warehouse.
func startSpark(t *testing.T) *sparkTest {
	t.Helper()
	s := &sparkTest{t: t, dir: t.TempDir()}
	s.cat = openWarehouse(t, s.dir)
	app, err := spark.Start(context.Background(), &spark.Options{Home: testenv.Spark(t), Warehouse: s.dir, Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if log := app.Close(); t.Failed() && log != "" {
			t.Logf("spark said:\n%s", log)
		}
	})
	s.app = app
	return s
}

func (s *sparkTest) sql(t *testing.T, format string, args ...any) []string {
	t.Helper()
	q := fmt.Sprintf(format, args...)
	rows, err := s.app.SQL(q)
	if err != nil {
		t.Fatalf("%s\n%v", q, err)
	}
	return rows
}

// rowsOf returns what we read, in canonical form, sorted.
func rowsOf(t *testing.T, tab *table.Table, o *scan.Options) []string {
	t.Helper()
	rows, err := tryRows(tab, o)
	if err != nil {
		t.Fatalf("%s: %v", tab.Name(), err)
	}
	return rows
}

func tryRows(tab *table.Table, o *scan.Options) ([]string, error) {
	sc := tab.Scan(o)
	sch, err := sc.Schema()
	if err != nil {
		return nil, err
	}
	var out []string
	e := rowjson.NewEncoder(sch, rowjson.Canonical)
	for b, err := range sc.Batches(context.Background()) {
		if err != nil {
			return nil, err
		}
		for i := range int(b.NumRows()) {
			out = append(out, strings.TrimSuffix(string(e.AppendRow(nil, b, i)), "\n"))
		}
	}
	slices.Sort(out)
	return out, e.Err()
}

// same requires equal rows.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	missing, extra := difference(want, got), difference(got, want)
	t.Errorf("%s: %d rows, want %d\nmissing %.1500s\nextra   %.1500s", what, len(got), len(want),
		strings.Join(missing[:min(4, len(missing))], "\n        "), strings.Join(extra[:min(4, len(extra))], "\n        "))
}

// difference returns the lines of a that b has not, as multisets.
func difference(a, b []string) (out []string) {
	n := map[string]int{}
	for _, l := range b {
		n[l]++
	}
	for _, l := range a {
		if n[l]--; n[l] < 0 {
			out = append(out, l)
		}
	}
	return out
}

// readsSame compares every snapshot and branch of a table as Spark reads it with
// what we read.
func (s *sparkTest) readsSame(t *testing.T, name string) {
	t.Helper()
	tab := s.open(t, name)
	m := tab.Metadata()
	lineage := m.FormatVersion >= 3
	same(t, name+" in Spark", s.sql(t, "SELECT * FROM h.%s", name), rowsOf(t, tab, nil))
	if lineage {
		cols := []string{}
		for _, f := range tab.Schema().Fields {
			cols = append(cols, f.Name)
		}
		same(t, name+" with row ids in Spark", s.sql(t, "SELECT *, _row_id, _last_updated_sequence_number FROM h.%s", name),
			rowsOf(t, tab, &scan.Options{Columns: append(cols, "_row_id", "_last_updated_sequence_number")}))
	}
	for _, snap := range m.Snapshots {
		id := snap.ID
		same(t, fmt.Sprintf("%s at %d in Spark", name, id), s.sql(t, "SELECT * FROM h.%s VERSION AS OF %d", name, id),
			rowsOf(t, tab, &scan.Options{SnapshotID: &id}))
	}
	for ref := range m.Refs {
		if ref != "main" {
			same(t, fmt.Sprintf("%s at %s in Spark", name, ref), s.sql(t, "SELECT * FROM h.%s VERSION AS OF '%s'", name, ref),
				rowsOf(t, tab, &scan.Options{Ref: ref}))
		}
	}
}

func (s *sparkTest) open(t *testing.T, name string) *table.Table {
	t.Helper()
	tab, err := table.Open(context.Background(), s.cat, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// TestSpark lets one Spark application read and change our tables.
func TestSpark(t *testing.T) {
	s := startSpark(t)
	t.Run("types", func(t *testing.T) { s.testTypes(t) })
	t.Run("nested", func(t *testing.T) { s.testNested(t) })
	t.Run("partitions", func(t *testing.T) { s.testPartitions(t) })
	t.Run("evolution", func(t *testing.T) { s.testEvolution(t) })
	t.Run("deletes", func(t *testing.T) { s.testDeletes(t) })
	t.Run("wide", func(t *testing.T) { s.testWide(t) })
	t.Run("upgrade", func(t *testing.T) { s.testUpgrade(t) })
	t.Run("beside", func(t *testing.T) { s.testBeside(t) })
	t.Run("engines", func(t *testing.T) { s.testEngines(t) })
	t.Run("inspect", func(t *testing.T) { s.testInspect(t) })
	t.Run("rounds", func(t *testing.T) { s.testRounds(t) })
}

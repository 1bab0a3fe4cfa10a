package scan_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/objstoretest"
	"github.com/frazildb/frazil/scan"
)

// sharedTables returns the folder of tables written by other engines.
func sharedTables(t testing.TB) string {
	t.Helper()
	return testenv.Shared(t, "tables")
}

// expected is a set of rows as an expected file has it.
type expected struct {
	Schema   json.RawMessage
	RowCount int `json:"row_count"`
	SHA256   string
	Rows     []json.RawMessage
	Error    string
}

// tableCase is one expected file.
type tableCase struct {
	Table        string
	MetadataFile string `json:"metadata_file"`
	Current      *expected
	Lineage      *expected `json:"current_with_row_lineage"`
	Normalised   *expected `json:"current_path_normalised"`
	NameMapped   *expected `json:"current_name_mapped"`
	Recommended  string
	Error        json.RawMessage
	Snapshots    snapshotCases
	Filters      []struct {
		SQL      string `json:"sql"`
		RowCount int64  `json:"row_count"`
	}
}

// snapshotCases are the rows of each snapshot; some files have only their
// number.
type snapshotCases []struct {
	ID int64 `json:"snapshot_id"`
	expected
}

func (c *snapshotCases) UnmarshalJSON(b []byte) error {
	if b[0] != '[' {
		return nil
	}
	type plain snapshotCases
	return json.Unmarshal(b, (*plain)(c))
}

func load[T any](t testing.TB, path string) T {
	t.Helper()
	var v T
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

// source opens a table by its metadata file.
func source(t testing.TB, store objstore.Store, file string) (scan.Source, error) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := metadata.Parse(data, "file://"+file)
	return scan.Source{Store: store, Metadata: m}, err
}

func local(t testing.TB, dir string) objstore.Store {
	t.Helper()
	s, err := objstore.NewLocal(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lines renders all rows, sorted.
func lines(ctx context.Context, s *scan.Scan) ([][]byte, error) {
	sc, err := s.Schema()
	if err != nil {
		return nil, err
	}
	var out [][]byte
	e := rowjson.NewEncoder(sc, rowjson.Canonical)
	for b, err := range s.Batches(ctx) {
		if err != nil {
			return nil, err
		}
		out = appendLines(out, e, b)
	}
	slices.SortFunc(out, bytes.Compare)
	return out, nil
}

func appendLines(out [][]byte, e *rowjson.Encoder, b arrow.RecordBatch) [][]byte {
	for i := range int(b.NumRows()) {
		out = append(out, bytes.TrimSuffix(e.AppendRow(nil, b, i), []byte("\n")))
	}
	return out
}

// tally counts what was read right and keeps what was not.
type tally struct {
	t                     *testing.T
	right, refused, total int
}

func (c *tally) fail(what string, format string, args ...any) {
	c.t.Errorf("%s: %s", what, fmt.Sprintf(format, args...))
}

func (c *tally) report(what string) {
	c.t.Logf("%s: %d of %d right, %d refused cleanly", what, c.right, c.total, c.refused)
}

// check compares a scan's rows with those expected. refuse says that the table
// cannot be read yet and must be refused with ErrUnsupported.
func (c *tally) check(what string, src scan.Source, o *scan.Options, want *expected) {
	if want == nil || want.Error != "" {
		return
	}
	c.total++
	s := scan.New(src, o)
	got, err := lines(context.Background(), s)
	if err != nil {
		if errors.Is(err, scan.ErrUnsupported) && strings.Contains(err.Error(), "orc file") {
			c.refused++
			return
		}
		c.fail(what, "%v", err)
		return
	}
	h := sha256.New()
	for _, l := range got {
		h.Write(l)
		h.Write([]byte("\n"))
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != want.SHA256 || len(got) != want.RowCount {
		c.fail(what, "%d rows, want %d: %s", len(got), want.RowCount, firstDifference(got, want.Rows))
		return
	}
	n, err := s.Count(context.Background())
	if err != nil || n != int64(want.RowCount) {
		c.fail(what, "count %d, want %d: %v", n, want.RowCount, err)
		return
	}
	c.right++
}

func firstDifference(got [][]byte, want []json.RawMessage) string {
	for i := range want {
		if i >= len(got) || !bytes.Equal(got[i], want[i]) {
			g := "nothing"
			if i < len(got) {
				g = string(got[i])
			}
			return fmt.Sprintf("row %d is\n  %s\nwant\n  %s", i, g, want[i])
		}
	}
	if len(got) > len(want) && len(want) > 0 {
		return fmt.Sprintf("one too many: %s", got[len(want)])
	}
	return "rows are not in the expected file"
}

// all returns the columns of a table and more.
func all(src scan.Source, more ...string) []string {
	var out []string
	for _, f := range src.Metadata.CurrentSchema().Fields {
		out = append(out, f.Name)
	}
	return append(out, more...)
}

func (c *tally) table(name string, src scan.Source, x *tableCase, snapshots bool) {
	current := x.Current
	switch x.Recommended {
	case "current_path_normalised":
		current, snapshots = x.Normalised, false
	case "current_name_mapped":
		current, snapshots = x.NameMapped, false
	case "none":
		current = nil
	}
	c.check(name, src, nil, current)
	c.check(name+" ordered", src, &scan.Options{Ordered: true, BatchRows: 7, Concurrency: 3}, current)
	c.check(name+" lineage", src, &scan.Options{Columns: all(src, "_row_id", "_last_updated_sequence_number")}, x.Lineage)
	if !snapshots {
		return
	}
	for i := range x.Snapshots {
		s := &x.Snapshots[i]
		c.check(fmt.Sprintf("%s at %d", name, s.ID), src, &scan.Options{SnapshotID: &s.ID}, &s.expected)
	}
}

func TestSharedSpark(t *testing.T) {
	dir := filepath.Join(sharedTables(t), "spark")
	store := objstore.MapPrefix(local(t, dir), "file:/warehouse", dir)
	c := &tally{t: t}
	for _, e := range load[[]struct{ Table string }](t, filepath.Join(dir, "index.json")) {
		x := load[tableCase](t, filepath.Join(dir, "expected", e.Table+".json"))
		src, err := source(t, store, filepath.Join(dir, e.Table, x.MetadataFile))
		if err != nil {
			c.fail(e.Table, "%v", err)
			continue
		}
		c.table(e.Table, src, &x, true)
	}
	c.report("snapshots of tables by Spark and Java")
}

func TestSharedSparkFilters(t *testing.T) {
	dir := filepath.Join(sharedTables(t), "spark")
	store := objstore.MapPrefix(local(t, dir), "file:/warehouse", dir)
	c := &tally{t: t}
	for _, e := range load[[]struct{ Table string }](t, filepath.Join(dir, "index.json")) {
		x := load[tableCase](t, filepath.Join(dir, "expected", e.Table+".json"))
		if len(x.Filters) == 0 {
			continue
		}
		src, err := source(t, store, filepath.Join(dir, e.Table, x.MetadataFile))
		if err != nil {
			c.fail(e.Table, "%v", err)
			continue
		}
		for _, f := range x.Filters {
			what := e.Table + " where " + f.SQL
			if strings.Contains(f.SQL, "size(") {
				continue // no function of ours
			}
			c.total++
			where, err := expr.Parse(strings.ReplaceAll(f.SQL, "= double('NaN')", "is nan"))
			if err != nil {
				c.fail(what, "%v", err)
				continue
			}
			s := scan.New(src, &scan.Options{Filter: where})
			n, err := s.Count(context.Background())
			rows, rerr := lines(context.Background(), s)
			switch {
			case errors.Is(err, scan.ErrUnsupported):
				c.refused++
			case err != nil || rerr != nil || n != f.RowCount || len(rows) != int(n):
				c.fail(what, "count %d, %d rows, want %d: %v, %v", n, len(rows), f.RowCount, err, rerr)
			default:
				c.right++
			}
		}
	}
	c.report("filters")
}

// absentFiles are tables of which the data files are not in the folder.
var absentFiles = map[string]bool{
	"duckdb-iceberg/column_mapping/warehouse/default.db/my_table": true,
}

// plainSnapshots are tables of which the old snapshots were read by a reader
// that took the paths in position deletes, which have a scheme and authority,
// for others than those in the manifests, which have none, and so applied no
// deletes.
var plainSnapshots = map[string]bool{
	"impala/hadoop_catalog/ice/iceberg_spark_compaction_with_dangling_delete": true,
}

func TestSharedForeign(t *testing.T) {
	dir := filepath.Join(sharedTables(t), "foreign")
	c := &tally{t: t}
	for _, e := range load[[]struct {
		Table        string
		MetadataFile string `json:"metadata_file"`
	}](t, filepath.Join(dir, "index.json")) {
		path := filepath.Join(dir, "expected", strings.ReplaceAll(e.Table, "/", "__")+".json")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		x := load[tableCase](t, path)
		if len(x.Error) > 0 || absentFiles[e.Table] {
			continue
		}
		home := filepath.Join(dir, e.Table)
		root, _, _ := strings.Cut(e.Table, "/warehouse/")
		src, err := source(t, objstoretest.AnyPath(t, filepath.Join(dir, root)), filepath.Join(home, "metadata", e.MetadataFile))
		if err != nil {
			c.fail(e.Table, "%v", err)
			continue
		}
		c.table(e.Table, src, &x, !plainSnapshots[e.Table])
	}
	c.report("tables by other writers")
}

func TestSharedFlink(t *testing.T) {
	dir := filepath.Join(sharedTables(t), "flink")
	c := &tally{t: t}
	for _, name := range []string{"flink_upsert_v2", "flink_upsert_v3"} {
		x := load[tableCase](t, filepath.Join(dir, "expected", name+".json"))
		home := filepath.Join(dir, name, "db", "t")
		src, err := source(t, flinkStore(t, dir, name), filepath.Join(home, "metadata", x.MetadataFile))
		if err != nil {
			c.fail(name, "%v", err)
			continue
		}
		c.table(name, src, &x, false)
	}
	c.report("tables by Flink")
}

func flinkStore(t testing.TB, dir, name string) objstore.Store {
	home := filepath.Join(dir, name, "db", "t")
	return objstore.MapPrefix(local(t, dir), "file:///warehouse/"+name+"/db/t", home)
}

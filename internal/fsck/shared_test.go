package fsck_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/fsck"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/objstoretest"
)

func local(t *testing.T, dir string) objstore.Store {
	t.Helper()
	s, err := objstore.NewLocal(dir, &objstore.LocalOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type indexed struct {
	Table        string
	MetadataFile string `json:"metadata_file"`
}

func load[T any](t *testing.T, path string) T {
	t.Helper()
	var out T
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sweep counts what was checked and compares findings with those known.
type sweep struct {
	t                               *testing.T
	tables, clean, refused, unknown int
	rows, values, files             int64
	seen                            map[string]bool
}

func (s *sweep) check(name string, store objstore.Store, file string) {
	s.t.Helper()
	s.tables++
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Errorf("%s: %v", name, err)
		return
	}
	m, err := metadata.Parse(data, file)
	if err != nil {
		s.refused++ // that it must be is scan's test
		return
	}
	r, err := fsck.Check(context.Background(), fsck.Source{Store: store, Metadata: m}, &fsck.Options{Deep: true})
	if err != nil {
		s.t.Fatal(err)
	}
	s.rows, s.values, s.files = s.rows+r.Rows, s.values+r.Values, s.files+int64(r.Manifests+r.DataFiles+r.DeleteFiles)
	if r.Errors == 0 {
		s.clean++
	}
	for _, f := range r.Findings {
		if f.Severity == fsck.Warning {
			continue
		}
		key := name + ": " + f.Rule
		s.seen[key] = true
		if known[key] == "" {
			s.unknown++
			s.t.Errorf("%s: %s", name, f)
		}
	}
}

// TestSharedTables checks every table that other engines wrote, all the way down:
// there is no alarm but those known to be true.
func TestSharedTables(t *testing.T) {
	s := &sweep{t: t, seen: make(map[string]bool)}
	dir := testenv.Shared(t, "tables", "spark")
	spark := objstore.MapPrefix(local(t, dir), "file:/warehouse", dir)
	for _, e := range load[[]indexed](t, filepath.Join(dir, "index.json")) {
		x := load[indexed](t, filepath.Join(dir, "expected", e.Table+".json"))
		s.check("spark/"+e.Table, spark, filepath.Join(dir, e.Table, x.MetadataFile))
	}
	dir = testenv.Shared(t, "tables", "flink")
	for _, name := range []string{"flink_upsert_v2", "flink_upsert_v3"} {
		home := filepath.Join(dir, name, "db", "t")
		store := objstore.MapPrefix(local(t, dir), "file:///warehouse/"+name+"/db/t", home)
		x := load[indexed](t, filepath.Join(dir, "expected", name+".json"))
		s.check("flink/"+name, store, filepath.Join(home, "metadata", x.MetadataFile))
	}
	dir = testenv.Shared(t, "tables", "foreign")
	for _, e := range load[[]indexed](t, filepath.Join(dir, "index.json")) {
		root, _, _ := strings.Cut(e.Table, "/warehouse/")
		s.check(e.Table, objstoretest.AnyPath(t, filepath.Join(dir, root)), filepath.Join(dir, e.Table, "metadata", e.MetadataFile))
	}
	for key := range known {
		if !s.seen[key] {
			t.Errorf("known finding %q is no longer found", key)
		}
	}
	t.Logf("tables=%d clean=%d refused=%d files=%d rows=%d values=%d known=%d unknown=%d",
		s.tables, s.clean, s.refused, s.files, s.rows, s.values, len(known), s.unknown)
}

// known are true findings in tables of other engines, by table and rule.
var known = map[string]string{
	"duckdb-iceberg/add_columns_with_defaults/default.db/add_columns_with_defaults: schema": "defaults in a table of version 2",
	"duckdb-iceberg/big_query_error: length":                                                "the manifest was edited",
	"duckdb-iceberg/column_mapping/warehouse/default.db/my_table: outside":                  "the data file is not there",
	"duckdb-iceberg/column_mapping/warehouse/default.db/my_table: unreadable":               "the data file is not there",
	"duckdb-iceberg/equality_delete_cross_partition/warehouse/ns/t: length":                 "made by hand",
	"duckdb-iceberg/equality_delete_cross_partition/warehouse/ns/t: log":                    "made by hand",
	"duckdb-iceberg/equality_delete_cross_partition/warehouse/ns/t: summary":                "made by hand",
	"duckdb-iceberg/equality_delete_extra_column/warehouse/ns/t: log":                       "made by hand",
	"duckdb-iceberg/equality_delete_extra_column/warehouse/ns/t: summary":                   "made by hand",
	"duckdb-iceberg/equality_deletes/warehouse/mydb/mytable: outside":                       "an old manifest list is not there",
	"duckdb-iceberg/generated_bounds: length":                                               "made by a script, without data",
	"duckdb-iceberg/generated_bounds: unreadable":                                           "made by a script, without data",
	"duckdb-iceberg/hive_partitioned_table: length":                                         "the project replaced the data files by smaller ones",
	"duckdb-iceberg/iceberg_v1_repro/repro/merch_v1: summary":                               "PyIceberg wrote files it added as existing ones",
	"duckdb-iceberg/partition_bigint: length":                                               "the project replaced the data files by smaller ones",
	"duckdb-iceberg/partition_binary: length":                                               "the project replaced the data files by smaller ones",
	"duckdb-iceberg/partition_bool: length":                                                 "the project replaced the data files by smaller ones",
	"duckdb-iceberg/partition_decimal_bigint: length":                                       "the project replaced the data files by smaller ones",
	"duckdb-iceberg/partition_decimal_integer: length":                                      "the project replaced the data files by smaller ones",
	"duckdb-iceberg/partition_decimal_smallint: length":                                     "the project replaced the data files by smaller ones",
	"duckdb-iceberg/partition_float: length":                                                "the project replaced the data files by smaller ones",
	"duckdb-iceberg/partition_integer: length":                                              "the project replaced the data files by smaller ones",
	"duckdb-iceberg/partition_time/default.db/partition_time: length":                       "the project replaced the data files by smaller ones",
	"duckdb-iceberg/partition_timestamp/default.db/partition_timestamp: length":             "the project replaced the data files by smaller ones",
	"impala/hadoop_catalog/ice/iceberg_uppercase_col: schema":                               "last-column-id is 1 with 17 columns",
	"impala/hadoop_catalog/ice/iceberg_v2_delete_positional: length":                        "the paths within were edited",
	"impala/iceberg_v3/iceberg_v3_all_types: summary":                                       "snapshot ids were rounded to doubles",
	"impala/iceberg_v3/test_complex_default: summary":                                       "snapshot ids were rounded to doubles",
	"impala/iceberg_v3/trino_nested_variant: summary":                                       "snapshot ids were rounded to doubles",
	"impala/iceberg_with_puffin_stats: length":                                              "the manifest was edited",
	"pg_lake/spark_generated_iceberg_test_2: outside":                                       "old manifest lists are not there",
	"spark/name_mapping: summary":                                                           "Iceberg's add_files leaves sizes out of the totals",
}

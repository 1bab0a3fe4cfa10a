package e2e

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/judge"
	"github.com/frazildb/frazil/internal/testenv"
)

// variant is a capture of the same source in another form.
type variant struct {
	stream   string
	args     []string
	missing  []string // tables the file does not carry
	hopeless []string // tables its README proves impossible
}

// notInSchemaVariant are the tables that events-schema leaves out.
var notInSchemaVariant = []string{"actor", "city", "country", "film_actor", "film_category", "film_text", "inventory", "payment", "rental"}

var sakilaVariants = map[string]variant{
	"events":         {stream: "events.jsonl.zst", args: []string{"--schema-changes", "schema-changes.jsonl.zst"}},
	"events-precise": {stream: "events-precise.jsonl.zst", args: []string{"--schema-changes", "schema-changes.jsonl.zst"}},
	"events-schema":  {stream: "events-schema.jsonl.zst", missing: notInSchemaVariant},
	"events-flat":    {stream: "events-flat.jsonl.zst", args: []string{"--schema-changes", "schema-changes.jsonl.zst"}, hopeless: []string{"price_cache", "kiosk_log"}},
}

// ingestArgs makes the command line for a variant.
func (v variant) ingestArgs(dir string, more ...string) []string {
	args := []string{"ingest", filepath.Join(dir, v.stream), "--format", "debezium"}
	for _, a := range v.args {
		if strings.HasSuffix(a, ".zst") {
			a = filepath.Join(dir, a)
		}
		args = append(args, a)
	}
	return append(args, more...)
}

// TestSakila ingests every variant of the DVD shop's change stream with the
// command and compares every table with the database's own final rows. A second
// run adds nothing.
func TestSakila(t *testing.T) {
	dir := filepath.Join(testenv.Shared(t), "changes", "sakila")
	for name, v := range sakilaVariants {
		for _, version := range []string{"2", "3"} {
			t.Run(name+"/v"+version, func(t *testing.T) {
				warehouse := t.TempDir()
				first := mustFrazil(t, warehouse, v.ingestArgs(dir, "--format-version", version, "--json")...)
				n := checkOracle(t, warehouse, filepath.Join(dir, "oracle"), append(v.missing, v.hopeless...)...)
				t.Logf("%d tables equal the oracle's; %s", n, strings.TrimSpace(first.stdout))
				for _, h := range v.hopeless {
					if !strings.Contains(first.stderr, h) {
						t.Errorf("no warning names %s:\n%s", h, first.stderr)
					}
				}
				again := mustFrazil(t, warehouse, v.ingestArgs(dir, "--format-version", version, "--json")...)
				var st struct{ Rows, Commits int64 }
				if err := json.Unmarshal([]byte(again.stdout), &st); err != nil || st.Rows != 0 || st.Commits != 0 {
					t.Errorf("a second run changed something: %s", again.stdout)
				}
			})
		}
	}
}

// TestSbtest does the same with the sysbench stream.
func TestSbtest(t *testing.T) {
	dir := filepath.Join(testenv.Shared(t), "changes", "sbtest")
	warehouse := t.TempDir()
	r := mustFrazil(t, warehouse, "ingest", filepath.Join(dir, "events.jsonl.zst"), "--format", "debezium", "--json")
	n := checkOracle(t, warehouse, filepath.Join(dir, "oracle"))
	t.Logf("%d tables equal the oracle's; %s", n, strings.TrimSpace(r.stdout))
}

// TestJudgesReadSakila hands every table of the lake to DuckDB, PyIceberg and
// Polars: all 21 as version 2, the 12 of the stream with schemas as version 3.
func TestJudgesReadSakila(t *testing.T) {
	testenv.Python(t)
	dir := filepath.Join(testenv.Shared(t), "changes", "sakila")
	for _, c := range []struct{ variant, version string }{{"events", "2"}, {"events-schema", "3"}} {
		t.Run(c.variant+"/v"+c.version, func(t *testing.T) {
			warehouse := t.TempDir()
			mustFrazil(t, warehouse, sakilaVariants[c.variant].ingestArgs(dir, "--format-version", c.version)...)
			checkJudges(t, warehouse, judge.DuckDB, judge.PyIceberg, judge.Polars)
		})
	}
}

// TestNoBackfill: on request a version 2 table keeps null in the rows that were
// there before a column with a default came, and the command says so.
func TestNoBackfill(t *testing.T) {
	dir := filepath.Join(testenv.Shared(t), "changes", "sakila")
	warehouse := t.TempDir()
	r := mustFrazil(t, warehouse, sakilaVariants["events-schema"].ingestArgs(dir, "--no-backfill")...)
	if !strings.Contains(r.stderr, "sakila.loyalty_card") || !strings.Contains(r.stderr, "opt_in") {
		t.Errorf("no warning names loyalty_card.opt_in:\n%s", r.stderr)
	}
	n := mustFrazil(t, warehouse, "scan", "sakila.loyalty_card", "--where", "opt_in IS NULL", "--count").stdout
	if strings.TrimSpace(n) == "0" {
		t.Error("rows from before the column have its default all the same")
	}
}

// TestJudgesReadEqualityDeletes lets chDB read tables with equality deletes,
// which the others refuse or misread.
func TestJudgesReadEqualityDeletes(t *testing.T) {
	testenv.Python(t)
	dir := filepath.Join(testenv.Shared(t), "changes", "sakila")
	warehouse := t.TempDir()
	mustFrazil(t, warehouse, sakilaVariants["events-schema"].ingestArgs(dir, "--delete-encoding", "equality", "--commit-rows", "2000")...)
	checkOracle(t, warehouse, filepath.Join(dir, "oracle"), notInSchemaVariant...)
	// chDB shows a null struct as a struct of nulls (known of 4.4.0), so type_zoo,
	// which has such, goes to DuckDB, which is right on unpartitioned tables.
	names := slices.DeleteFunc(tableNames(t, warehouse), func(n string) bool { return n == "sakila.type_zoo" })
	checkTables(t, warehouse, names, judge.ChDB)
	checkTables(t, warehouse, []string{"sakila.type_zoo"}, judge.DuckDB)
}

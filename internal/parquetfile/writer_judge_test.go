package parquetfile

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/schema"
)

// judgeScript compares every NAME.parquet of a directory with NAME.arrow, read
// by PyArrow (page checksums verified), DuckDB and Polars.
const judgeScript = `
import sys, os, glob
import pyarrow as pa, pyarrow.parquet as pq, pyarrow.ipc as ipc, duckdb
try:
    import polars
except ImportError:
    polars = None
try:
    from pyiceberg.schema import Schema
    from pyiceberg.io.pyarrow import pyarrow_to_schema as visit
except ImportError:
    visit = None
con = duckdb.connect()
bad = 0
def fail(name, what):
    global bad
    bad += 1
    print("FAIL", name, what)
for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.parquet"))):
    name = os.path.basename(path)
    with ipc.open_file(path[:-8] + ".arrow") as r:
        want = r.read_all()
    try:
        got = pq.read_table(path, page_checksum_verification=True, arrow_extensions_enabled=False)
    except Exception as e:
        fail(name, "pyarrow: %s" % e)
        continue
    if got.to_pylist() != want.to_pylist():
        fail(name, "pyarrow differs")
    if got.schema.types != want.schema.types:
        fail(name, "pyarrow types: %s, want %s" % (got.schema.types, want.schema.types))
    if visit is not None:
        own = Schema.model_validate_json(got.schema.metadata[b"iceberg.schema"])
        try:
            read = visit(got.schema)
            if read.as_struct() != own.as_struct():
                fail(name, "pyiceberg schema: %s, want %s" % (read, own))
        except Exception as e:
            fail(name, "pyiceberg: %s" % e)
    md = pq.ParquetFile(path).metadata
    for g in range(md.num_row_groups):
        for c in range(md.num_columns):
            if not md.row_group(g).column(c).has_offset_index:
                fail(name, "no offset index")
    if got.num_rows == 0:
        continue
    con.register("want", want)
    try:
        a = con.sql("from read_parquet('%s')" % path).fetchall()
        b = con.sql("from want").fetchall()
        if a != b:
            fail(name, "duckdb differs")
        for f in got.schema:
            t = f.type
            if pa.types.is_nested(t) or pa.types.is_floating(t):
                continue
            values = [v for v in set(want.column(f.name).to_pylist()) if v is not None][:20]
            for v in values:
                q = 'select count(*) from %s where "%s" = ?'
                x = con.execute(q % ("read_parquet('%s')" % path, f.name), [v]).fetchone()
                y = con.execute(q % ("want", f.name), [v]).fetchone()
                if x != y:
                    fail(name, "duckdb filter %s = %r: %s, want %s" % (f.name, v, x, y))
    except Exception as e:
        fail(name, "duckdb: %s" % e)
    if polars is not None and not any(pa.types.is_map(f.type) for f in got.schema):
        try:
            n = polars.read_parquet(path).height
            if n != got.num_rows:
                fail(name, "polars: %d rows" % n)
        except Exception as e:
            fail(name, "polars: %s" % e)
print("judged", len(glob.glob(os.path.join(sys.argv[1], "*.parquet"))), "files;", bad, "failures")
sys.exit(1 if bad else 0)
`

func runJudge(t *testing.T, python, script string, args ...string) string {
	t.Helper()
	out, err := exec.Command(python, append([]string{"-c", script}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// saveFile writes the file and the same rows as an Arrow file.
func saveFile(t *testing.T, dir, name string, w *written) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name+".parquet"), w.data, 0o644); err != nil {
		t.Fatal(err)
	}
	saveArrow(t, filepath.Join(dir, name+".arrow"), makeBatch(t, w.schema, w.rows))
}

func saveArrow(t *testing.T, path string, b arrow.RecordBatch) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	iw, err := ipc.NewFileWriter(f, ipc.WithSchema(b.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := iw.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := iw.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWriterJudges(t *testing.T) {
	python := testenv.Python(t)
	seed := testSeed(t)
	dir := t.TempDir()
	if keep := os.Getenv("FRAZIL_KEEP"); keep != "" {
		dir = keep
	}
	for i := range 30 {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		saveFile(t, dir, fmt.Sprintf("%03d", i), randomFile(t, rnd, true))
	}
	t.Log(runJudge(t, python, judgeScript, dir))
}

// bloomScript asks DuckDB which of some values a file's bloom filter rules out.
const bloomScript = `
import sys, duckdb
con = duckdb.connect()
path = sys.argv[1]
def excluded(col, v):
    return [r[0] for r in con.sql("select bloom_filter_excludes from parquet_bloom_probe('%s', '%s', %s)" % (path, col, v)).fetchall()]
for i in range(0, 5000, 7):
    assert not any(excluded("id", "%d::BIGINT" % i)), i
wrong = sum(not all(excluded("id", "%d::BIGINT" % (i * 1000003))) for i in range(1, 2001))
assert wrong < 40, wrong
assert not all(excluded("status", "'paid'"))
assert all(excluded("status", "'unheard of'"))
print("false positives", wrong, "of 2000")
m = con.sql("select path_in_schema, stats_min_value, stats_max_value, min_is_exact, max_is_exact, bloom_filter_length from parquet_metadata('%s')" % path)
print(m)
`

func TestWriterJudgesBloom(t *testing.T) {
	python := testenv.Python(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	var rows []schema.Row
	b := batchR6(rnd, 0, 5000, 0.1)
	for i := range 5000 {
		r := schema.Row{}
		for k, f := range schemaR6().Fields {
			r = append(r, schema.ValueAt(b.Column(k), f.Type, i))
		}
		rows = append(rows, r)
	}
	w := writeRows(t, rnd, schemaR6(), rows, &WriterOptions{KeyColumns: []int{1, 5}})
	path := filepath.Join(t.TempDir(), "r6.parquet")
	if err := os.WriteFile(path, w.data, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Log(runJudge(t, python, bloomScript, path))
}

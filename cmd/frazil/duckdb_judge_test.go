package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
)

// duckdbPipeline is the pipeline of frazil help scan: DuckDB queries a scan that
// is handed over through Arrow.
const duckdbPipeline = `
import sys, duckdb, pyarrow as pa
orders = pa.ipc.open_stream(sys.stdin.buffer).read_all()
print(duckdb.sql("SELECT count(*), sum(amount)::VARCHAR, max(name), min(orders.\"at\")::VARCHAR, list(id ORDER BY id)::VARCHAR FROM orders").fetchall())
`

func TestJudgeArrowIntoDuckDB(t *testing.T) {
	python := testenv.Python(t)
	t.Chdir(t.TempDir())
	frazil := func(stdin string, args ...string) []byte {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(args, strings.NewReader(stdin), &out, &errs); code != 0 {
			t.Fatalf("frazil %v: exit %d: %s", args, code, errs.String())
		}
		return out.Bytes()
	}
	frazil("", "create", "shop.orders", "--schema", "id long!, name string, amount decimal(10,2), at timestamp", "--key", "id")
	frazil("id,name,amount,at\n1,Ann,1.50,2026-01-31T12:00:00\n2,Bob,2.25,\n3,Cid,,2026-02-01T00:00:00\n", "ingest", "shop.orders", "-", "--format", "csv")
	frazil("op,id,name,amount,at\nD,2,,,\nU,1,Zoe,10.05,2026-01-31T12:00:00\n", "ingest", "shop.orders", "-", "--format", "csv", "--op-column", "op")
	cmd := exec.Command(python, "-c", duckdbPipeline)
	cmd.Stdin = bytes.NewReader(frazil("", "scan", "shop.orders", "--output", "arrow"))
	out, err := cmd.CombinedOutput()
	if want := "[(2, '10.05', 'Zoe', '2026-01-31 12:00:00', '[1, 3]')]"; err != nil || strings.TrimSpace(string(out)) != want {
		t.Fatalf("DuckDB says %s, want %s: %v", out, want, err)
	}
}

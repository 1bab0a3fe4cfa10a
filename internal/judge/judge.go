// Package judge reads tables through other engines, for tests that let them
// have the last word. judge.py, which does the reading, is from the material
// shared by the project's developers (tools/judge.py).
//
// The engines live in a Python environment that make test sets up; its
// interpreter is named by the environment variable FRAZIL_PYTHON.
package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/schema"

	"github.com/apache/arrow-go/v18/arrow"
)

// Engine is an engine that judge.py knows.
type Engine string

// The engines of the judges' environment.
const (
	PyIceberg Engine = "pyiceberg"
	DuckDB    Engine = "duckdb"
	Polars    Engine = "polars"
	ChDB      Engine = "chdb"
)

// Python returns the judges' interpreter. Without one the test is skipped,
// loudly, or fails under CI.
func Python(t testing.TB) string {
	t.Helper()
	py := os.Getenv("FRAZIL_PYTHON")
	if py == "" {
		const what = "SKIPPED-JUDGES: FRAZIL_PYTHON is not set: run make test, which installs the engines that judge our tables"
		if os.Getenv("CI") != "" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	return py
}

// Shared returns the folder of shared test material (FRAZIL_SHARED, by default
// beside the checkout). Without it the test is skipped, loudly; it fails when
// FRAZIL_SHARED names a folder that is not there.
func Shared(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("FRAZIL_SHARED")
	explicit := dir != ""
	if !explicit {
		dir = filepath.Join(root(), "..", "shared")
	}
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
		if explicit {
			t.Fatalf("FRAZIL_SHARED: %v", err)
		}
		t.Skip("SKIPPED-SHARED: no shared material beside the checkout: set FRAZIL_SHARED to run this test")
	}
	return dir
}

func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Verdict is what an engine read: rows and the order-free sum of their hashes.
type Verdict struct {
	Rows  int64  `json:"rows"`
	Sum64 string `json:"sum64"`
}

// Checksum reads a table, by folder or metadata file, through an engine.
// snapshot 0 is the current one.
func Checksum(t testing.TB, e Engine, table string, snapshot int64) Verdict {
	t.Helper()
	out := run(t, e, table, snapshot, "--checksum")
	var v Verdict
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%s: %v: %s", e, err, out)
	}
	return v
}

// Rows reads a table through an engine; the rows are sorted lines in the form
// of rowjson.Judge.
func Rows(t testing.TB, e Engine, table string, snapshot int64) []string {
	t.Helper()
	out := bytes.TrimSuffix(run(t, e, table, snapshot), []byte("\n"))
	if len(out) == 0 {
		return nil
	}
	var rows []string
	for _, l := range bytes.Split(out, []byte("\n")) {
		rows = append(rows, string(l))
	}
	return rows
}

func run(t testing.TB, e Engine, table string, snapshot int64, more ...string) []byte {
	t.Helper()
	args := []string{filepath.Join(root(), "internal", "judge", "judge.py"), "--engine", string(e), table}
	if snapshot != 0 {
		args = append(args, "--snapshot", strconv.FormatInt(snapshot, 10))
	}
	cmd := exec.Command(Python(t), append(args, more...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s cannot read %s: %v\n%s", e, table, err, stderr.String())
	}
	if bytes.Contains(stderr.Bytes(), []byte("warning")) {
		t.Errorf("%s: %s", e, stderr.String())
	}
	return stdout.Bytes()
}

// Sum adds the rows of a batch of schema s to a verdict, for comparison with an
// engine's.
type Sum struct {
	enc  *rowjson.Encoder
	buf  []byte
	rows int64
	sum  uint64
}

// NewSum returns a Sum for rows of schema s.
func NewSum(s *schema.Schema) *Sum { return &Sum{enc: rowjson.NewEncoder(s, rowjson.Judge)} }

// Add adds the rows of a batch.
func (s *Sum) Add(b arrow.RecordBatch) {
	for i := range int(b.NumRows()) {
		s.buf = s.enc.AppendRow(s.buf[:0], b, i)
		s.sum += hash64(s.buf)
		s.rows++
	}
}

// Verdict returns the sum so far.
func (s *Sum) Verdict() Verdict { return Verdict{Rows: s.rows, Sum64: fmt.Sprintf("%016x", s.sum)} }

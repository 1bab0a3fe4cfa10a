// Package judge reads tables through other engines, for tests that let them
// have the last word. judge.py, which does the reading, is from the material
// shared by the project's developers (tools/judge.py).
//
// The engines live in a Python environment that make test sets up; its
// interpreter is named by the environment variable FRAZIL_PYTHON.
package judge

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/internal/testenv"
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

// Verdict is what an engine read: rows and the order-free sum of their hashes.
type Verdict struct {
	Rows  int64  `json:"rows"`
	Sum64 string `json:"sum64"`
}

// Checksum reads a table, by folder or metadata file, through an engine.
// snapshot 0 is the current one.
func Checksum(t testing.TB, e Engine, table string, snapshot int64) Verdict {
	t.Helper()
	return ask(t, e, request{Table: table, Snapshot: snapshot}).Verdict
}

// Rows reads a table through an engine; the rows are sorted lines in the form
// of rowjson.Judge.
func Rows(t testing.TB, e Engine, table string, snapshot int64) []string {
	t.Helper()
	return ask(t, e, request{Table: table, Snapshot: snapshot, Rows: true}).Lines
}

// Try is Checksum for a table that the engine may refuse; the error is the
// engine's.
func Try(t testing.TB, e Engine, table string, snapshot int64) (Verdict, error) {
	t.Helper()
	r := exchange(t, e, request{Table: table, Snapshot: snapshot})
	if r.Error != "" {
		return Verdict{}, errors.New(r.Error)
	}
	return r.Verdict, nil
}

type request struct {
	Table    string `json:"table"`
	Snapshot int64  `json:"snapshot"`
	Rows     bool   `json:"rows"`
}

type reply struct {
	Verdict
	Lines   []string `json:"lines"`
	Error   string   `json:"error"`
	Warning string   `json:"warning"`
}

func ask(t testing.TB, e Engine, q request) reply {
	t.Helper()
	r := exchange(t, e, q)
	if r.Error != "" {
		t.Fatalf("%s cannot read %s: %s", e, q.Table, r.Error)
	}
	if r.Warning != "" {
		t.Errorf("%s: %s: %s", e, q.Table, r.Warning)
	}
	return r
}

// server is a running serve.py. Servers live as long as the test binary: their
// standard input ends with it.
type server struct {
	sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

var servers sync.Map // Engine → *server

func exchange(t testing.TB, e Engine, q request) reply {
	t.Helper()
	py := testenv.Python(t)
	v, _ := servers.LoadOrStore(e, &server{})
	s := v.(*server)
	s.Lock()
	defer s.Unlock()
	if s.in == nil {
		if err := s.start(py, e); err != nil {
			t.Fatal(err)
		}
	}
	line, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	var answer []byte
	if _, err = s.in.Write(append(line, '\n')); err == nil {
		answer, err = s.out.ReadBytes('\n')
	}
	var r reply
	if err == nil {
		err = json.Unmarshal(answer, &r)
	}
	if err != nil {
		s.in = nil // the engine took its process down; the next request starts another
		return reply{Error: fmt.Sprintf("the engine's process ended: %v", err)}
	}
	return r
}

func (s *server) start(py string, e Engine) error {
	cmd := exec.Command(py, filepath.Join(testenv.Root(), "internal", "judge", "serve.py"), string(e))
	cmd.Stderr = os.Stderr
	cmd.Dir = os.TempDir() // chDB reads only below its working directory
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	s.in, s.out = in, bufio.NewReaderSize(out, 1<<20)
	return cmd.Start()
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

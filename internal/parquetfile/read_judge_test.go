package parquetfile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
)

// dumped is a line of testdata/dump.py.
type dumped struct {
	Path    string `json:"path"`
	Rows    int64  `json:"rows"`
	Columns []any  `json:"columns"`
	Error   string `json:"error"`
}

func pythonDump(t *testing.T, paths []string, args ...string) []dumped {
	t.Helper()
	python := testenv.Python(t)
	cmd := exec.Command(python, append([]string{"testdata/dump.py"}, args...)...)
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []dumped
	s := bufio.NewScanner(bytes.NewReader(out))
	s.Buffer(nil, 1<<30)
	for s.Scan() {
		var d dumped
		if err := json.Unmarshal(s.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// sharedDir is the folder of real tables.
func sharedDir(t *testing.T) string {
	t.Helper()
	return testenv.Shared(t)
}

func parquetFiles(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, ".parquet") && !d.IsDir() {
			paths = append(paths, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestReadsWhatPyarrowReads reads every Parquet file of the shared tables and
// compares each value with pyarrow's.
func TestReadsWhatPyarrowReads(t *testing.T) {
	compareWithPyarrow(t, parquetFiles(t, filepath.Join(sharedDir(t), "tables")))
}

func compareWithPyarrow(t *testing.T, paths []string) {
	t.Helper()
	files, values := 0, 0
	for _, d := range pythonDump(t, paths) {
		o, err := os.Open(d.Path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(context.Background(), fileObject{o}, nil)
		if err != nil {
			if d.Error == "" {
				t.Errorf("pyarrow reads it: %v", err)
			} else if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) {
				t.Errorf("untyped error: %v", err)
			}
			continue
		}
		if d.Error != "" {
			t.Logf("%s: pyarrow: %s", d.Path, d.Error)
			continue
		}
		files++
		values += compareFile(t, f, d)
		f.Close()
	}
	t.Logf("%d files, %d values equal to pyarrow's", files, values)
}

func compareFile(t *testing.T, f *File, d dumped) int {
	fields, err := fieldsOf(f)
	if err != nil {
		t.Errorf("%s: %v", d.Path, err)
		return 0
	}
	cols, err := readAll(f, &ReadOptions{Fields: fields})
	if err != nil {
		t.Errorf("%v", err)
		return 0
	}
	if f.NumRows() != d.Rows || len(cols) != len(d.Columns) {
		t.Errorf("%s: %d rows, %d columns, pyarrow %d and %d", d.Path, f.NumRows(), len(cols), d.Rows, len(d.Columns))
		return 0
	}
	n := 0
	for i, c := range cols {
		h := sha256.Sum256([]byte(strings.Join(c, "\n")))
		if hex.EncodeToString(h[:]) == d.Columns[i] {
			n += len(c)
			continue
		}
		want := pythonDump(t, []string{d.Path}, "--values")[0].Columns[i].([]any)
		for k, w := range want {
			if k >= len(c) || c[k] != w {
				got := "nothing"
				if k < len(c) {
					got = c[k]
				}
				t.Errorf("%s: column %s, row %d: %s, pyarrow %v", d.Path, fields[i].Name, k, got, w)
				break
			}
		}
	}
	return n
}

// TestReadsEveryEncoding writes files of every kind pyarrow can write and
// compares what both read.
func TestReadsEveryEncoding(t *testing.T) {
	compareWithPyarrow(t, matrixFiles(t))
}

// matrixFiles runs testdata/matrix.py.
func matrixFiles(t *testing.T) []string {
	t.Helper()
	python := testenv.Python(t)
	cmd := exec.Command(python, "testdata/matrix.py", t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// TestSelectionsOfForeignFiles reads pyarrow's files, and a share of the shared
// tables', with random selections.
func TestSelectionsOfForeignFiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	paths := matrixFiles(t)
	for i, p := range parquetFiles(t, filepath.Join(sharedDir(t), "tables")) {
		if i%20 == 0 {
			paths = append(paths, p)
		}
	}
	for _, p := range paths {
		o, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(context.Background(), fileObject{o}, nil)
		if err != nil {
			continue // not Parquet in spite of its name; see the test above
		}
		fields, err := fieldsOf(f)
		if err != nil {
			t.Fatal(err)
		}
		texts, err := readAll(f, &ReadOptions{Fields: fields})
		if err != nil {
			t.Fatal(err)
		}
		if f.NumRows() > 0 && f.NumRows() < 20_000 {
			for range 3 {
				checkSelections(t, rnd, f, fields, texts)
			}
		}
		f.Close()
	}
}

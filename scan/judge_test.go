package scan_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// Other engines read the same rows of tables with deletes of every kind.
func TestJudgeRandomTables(t *testing.T) {
	python := testenv.Python(t)
	judge := filepath.Join(filepath.Dir(sharedTables(t)), "tools", "judge.py")
	for _, seed := range seeds(t, 4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			dir := t.TempDir()
			store, err := objstore.NewLocal(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			// DuckDB 1.5.5 crashes on null keys and keys inside structs, and applies
			// equality deletes of one partition to others.
			m := newModelAt(t, store, "file://"+dir+"/table", seed, 1)
			for range 12 {
				m.step()
			}
			data, err := m.meta.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "table", "metadata", "v1.metadata.json")
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, r := range m.rows {
				if r.live {
					want = append(want, idLine(r.row))
				}
			}
			slices.Sort(want)
			cmd := exec.Command(python, judge, "--engine", "duckdb", "--columns", "id,k,s", file)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(strings.TrimSpace(string(out)), "\n")
			if len(out) == 0 {
				got = nil
			}
			for i, l := range got {
				var row struct {
					ID int64
					K  *int64
					S  *string
				}
				if err := json.Unmarshal([]byte(l), &row); err != nil {
					t.Fatal(err)
				}
				r := schema.Row{nil, nil, nil, nil, nil, row.ID}
				if row.K != nil {
					r[0] = *row.K
				}
				if row.S != nil {
					r[1] = *row.S
				}
				got[i] = idLine(r)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%d rows, want %d", len(got), len(want))
			}
		})
	}
}

func idLine(r schema.Row) string { return fmt.Sprintf("%09d %v %v", r[5], r[0], r[1]) }

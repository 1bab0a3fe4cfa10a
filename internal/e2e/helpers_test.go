package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/cdc/cdctest"
	"github.com/frazildb/frazil/internal/fsck"
	"github.com/frazildb/frazil/internal/judge"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "frazil-e2e")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "frazil")
	out, err := exec.Command("go", "build", "-o", bin, "github.com/frazildb/frazil/cmd/frazil").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
})

// binary is the command, built once per test run.
func binary(t testing.TB) string {
	t.Helper()
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// result is what a run of the command printed and its exit code.
type result struct {
	stdout, stderr string
	code           int
}

func frazil(t testing.TB, warehouse string, args ...string) result {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Env = append(os.Environ(), "FRAZIL_WAREHOUSE="+warehouse)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// mustFrazil runs the command and requires success.
func mustFrazil(t testing.TB, warehouse string, args ...string) result {
	t.Helper()
	r := frazil(t, warehouse, args...)
	if r.code != 0 {
		t.Fatalf("frazil %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r
}

// openWarehouse opens a warehouse as a program that links the library would.
func openWarehouse(t testing.TB, dir string) catalog.Catalog {
	t.Helper()
	store, err := objstore.Open(context.Background(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return catalog.NewFiles(store, nil)
}

// checkOracle compares every table of a warehouse with the source database's
// final rows; skip names tables that the variant does not carry or that its
// README proves impossible. It returns how many were compared.
func checkOracle(t testing.TB, dir, oracle string, skip ...string) int {
	t.Helper()
	o, err := cdctest.Load(filepath.Join(oracle, "tables.json"))
	if err != nil {
		t.Fatal(err)
	}
	cat := openWarehouse(t, dir)
	n := 0
	for name, want := range o.Tables {
		if slices.Contains(skip, name) {
			continue
		}
		if err := compareTable(cat, name, want); err != nil {
			t.Errorf("table %s: %v", name, err)
		}
		n++
	}
	checkFsck(t, dir)
	return n
}

// checkFsck checks every table of a warehouse down to its rows.
func checkFsck(t testing.TB, dir string) {
	t.Helper()
	cat := openWarehouse(t, dir)
	for _, name := range tableNames(t, dir) {
		tab, err := table.Open(context.Background(), cat, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		src := tab.Source()
		r, err := fsck.Check(context.Background(), fsck.Source{Store: src.Store, Metadata: src.Metadata}, &fsck.Options{Deep: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func compareTable(cat catalog.Catalog, name string, want *cdctest.Table) error {
	ctx := context.Background()
	db := strings.Split(want.Topic, ".")[1]
	tab, err := table.Open(ctx, cat, db+"."+name, nil)
	if err != nil {
		return err
	}
	sum := &cdctest.Sum{}
	for row, err := range tab.Scan(nil).Rows(ctx) {
		if err == nil {
			err = sum.Add(want, tab.Schema().Fields, row)
		}
		if err != nil {
			return err
		}
	}
	return want.Check(sum)
}

// tableNames lists the tables of a warehouse.
func tableNames(t testing.TB, dir string) []string {
	t.Helper()
	return strings.Fields(mustFrazil(t, dir, "tables").stdout)
}

// checkJudges lets other engines read every table of a warehouse and compares
// what they see with what we see.
func checkJudges(t *testing.T, dir string, engines ...judge.Engine) {
	t.Helper()
	checkTables(t, dir, tableNames(t, dir), engines...)
}

func checkTables(t *testing.T, dir string, names []string, engines ...judge.Engine) {
	t.Helper()
	cat := openWarehouse(t, dir)
	for _, name := range names {
		tab, err := table.Open(context.Background(), cat, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := ours(t, tab, nil)
		location := strings.TrimPrefix(tab.MetadataLocation(), "file://")
		for _, e := range engines {
			if got := judge.Checksum(t, e, location, 0); got != want {
				t.Errorf("%s reads %s as %+v, we as %+v", e, name, got, want)
			}
		}
	}
}

// ours is the verdict of our own reader.
func ours(t testing.TB, tab *table.Table, opts *scan.Options) judge.Verdict {
	t.Helper()
	sc := tab.Scan(opts)
	s, err := sc.Schema()
	if err != nil {
		t.Fatal(err)
	}
	sum := judge.NewSum(s)
	for b, err := range sc.Batches(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		sum.Add(b)
	}
	return sum.Verdict()
}

package compaction_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// memoryRows is the size of the tables of TestMemory; the budget does not follow.
const memoryRows = 480_000

// TestMemory compacts, in processes of their own, tables of several times the
// memory they may take: rewriting, applying equality deletes and sorting.
func TestMemory(t *testing.T) {
	if dir := os.Getenv("FRAZIL_TEST_COMPACT"); dir != "" {
		compactAlone(t, dir)
		return
	}
	if _, err := os.ReadFile("/proc/self/status"); err != nil {
		testenv.Missing(t, "SKIPPED-MEMORY: the system does not say how much memory a process took")
	}
	if testing.Short() {
		t.Skip("writes and compacts three tables of 320 MB")
	}
	for _, what := range []string{"rewrite", "equality", "sort"} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			fillForMemory(t, dir, what)
			cmd := exec.Command(os.Args[0], "-test.run=^TestMemory$", "-test.v")
			cmd.Env = append(os.Environ(), "FRAZIL_TEST_COMPACT="+dir, "FRAZIL_TEST_WHAT="+what, "GOMEMLIMIT=224MiB")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			_, rest, _ := strings.Cut(string(out), "peak ")
			kb, err := strconv.ParseInt(strings.Fields(rest + " ?")[0], 10, 64)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%d MB", kb>>10)
			if kb > 256<<10 {
				t.Errorf("took %d MB, the budget is 256", kb>>10)
			}
		})
	}
}

func memoryTable(t *testing.T, dir string) (*table.Table, catalog.Catalog) {
	store, err := objstore.NewLocal(dir, &objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	cat := catalog.NewFiles(store, nil)
	tab, err := table.Open(context.Background(), cat, "m.t", nil)
	if err == nil {
		return tab, cat
	}
	var fields []schema.Field
	for i := range 6 {
		fields = append(fields, schema.Field{ID: i + 2, Name: fmt.Sprintf("text%d", i), Type: schema.String})
	}
	tab, err = table.Create(context.Background(), cat, "m.t",
		schema.MustNew(append([]schema.Field{{ID: 1, Name: "id", Type: schema.Long, Required: true}}, fields...)...),
		&table.CreateOptions{Key: []string{"id"}, FormatVersion: 3})
	if err != nil {
		t.Fatal(err)
	}
	return tab, cat
}

// fillForMemory writes about 320 MB of rows in four files, and deletes a third.
func fillForMemory(t *testing.T, dir, what string) {
	ctx := context.Background()
	tab, _ := memoryTable(t, dir)
	enc := table.EncodingPosition
	if what == "equality" {
		enc = table.EncodingEquality
	}
	w, err := tab.NewWriter(&table.WriterOptions{Encoding: enc})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i := range int64(memoryRows) {
		row := schema.Row{i}
		for k := range 6 {
			x := uint64(i*6+int64(k)) * 0x9E3779B97F4A7C15
			row = append(row, fmt.Sprintf("%016x%016x%064d%016x", x, x>>7*31, k, x<<9))
		}
		if err := w.Upsert(ctx, row); err != nil {
			t.Fatal(err)
		}
		if (i+1)%(memoryRows/4) == 0 {
			if _, err := w.Commit(ctx, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := int64(0); i < memoryRows; i += 3 {
		if err := w.Delete(ctx, schema.Row{i}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(ctx, nil); err != nil {
		t.Fatal(err)
	}
}

func compactAlone(t *testing.T, dir string) {
	tab, _ := memoryTable(t, dir)
	o := &compaction.Options{SpillDir: dir}
	if os.Getenv("FRAZIL_TEST_WHAT") == "sort" {
		o.Sort = parseSort(t, "text3, text1 desc")
	}
	rep, err := compaction.Compact(context.Background(), tab, o)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(memoryRows - memoryRows/3); rep.RowsWritten != want || rep.After.Rows != want {
		t.Fatalf("%+v", *rep)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Printf("peak %s kB\n", strings.Fields(rest)[0])
}

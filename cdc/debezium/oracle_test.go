package debezium_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/cdctest"
	"github.com/frazildb/frazil/cdc/debezium"
)

// shared returns the directory of the shared change streams.
func shared(t testing.TB) string {
	t.Helper()
	root := os.Getenv("FRAZIL_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	dir := filepath.Join(root, "changes")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" && os.Getenv("FRAZIL_SHARED") != "" {
			t.Fatalf("FRAZIL_SHARED: %v", err)
		}
		t.Skipf("SKIPPED-SHARED: %v", err)
	}
	return dir
}

// variant is a stream with how it is read.
type variant struct {
	name    string
	set     string
	file    string
	changes bool
	// skip are the tables that the stream cannot tell.
	skip []string
	// only are the tables that the file carries, nil for all.
	only []string
}

func variants() []variant {
	return []variant{
		{name: "events", set: "sakila", file: "events.jsonl.zst", changes: true},
		{name: "events-precise", set: "sakila", file: "events-precise.jsonl.zst", changes: true},
		{name: "events-schema", set: "sakila", file: "events-schema.jsonl.zst", only: []string{
			"type_zoo", "customer", "film", "address", "loyalty_card", "kiosk_log", "staff", "store",
			"language", "category", "price_cache", "stream_end",
		}},
		{name: "events-flat", set: "sakila", file: "events-flat.jsonl.zst", changes: true, skip: []string{"price_cache", "kiosk_log"}},
	}
}

func (v variant) reader(t testing.TB, dir string, opts *debezium.Options) *debezium.Reader {
	t.Helper()
	if opts == nil {
		opts = &debezium.Options{}
	}
	if v.changes {
		opts.SchemaChanges = open(t, filepath.Join(dir, v.set, "schema-changes.jsonl.zst"))
	}
	r, err := debezium.NewReader([]debezium.Input{debezium.FileInput(filepath.Join(dir, v.set, v.file))}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func open(t testing.TB, path string) io.Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(256<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close(); f.Close() })
	return z
}

func (v variant) check(t testing.TB, dir string, m *cdctest.Memory) {
	t.Helper()
	o, err := cdctest.Load(filepath.Join(dir, v.set, "oracle", "tables.json"))
	if err != nil {
		t.Fatal(err)
	}
	ok := 0
	for name, want := range o.Tables {
		if contains(v.skip, name) || v.only != nil && !contains(v.only, name) {
			continue
		}
		parts := strings.Split(want.Topic, ".")
		table := m.Table(strings.Join(parts[1:], "."))
		if table == nil {
			t.Errorf("%s: no table", name)
			continue
		}
		sum, err := table.Sum(want)
		if err == nil {
			err = want.Check(sum)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ok++
	}
	t.Logf("%s: %d tables equal the oracle", v.name, ok)
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// TestOracle replays every variant of the real stream: the rows must be the
// source's.
func TestOracle(t *testing.T) {
	dir := shared(t)
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			var warned []string
			r := v.reader(t, dir, &debezium.Options{Warn: func(w debezium.Warning) {
				warned = append(warned, w.Table)
				t.Logf("%s: %s: %s", w.Line, w.Table, w.Reason)
			}})
			m := cdctest.NewMemory()
			stats, err := cdc.Run(context.Background(), r, m, &cdc.Options{CommitRows: 10_000})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", stats)
			v.check(t, dir, m)
			for _, name := range v.skip {
				if !contains(warned, "sakila."+name) {
					t.Errorf("no warning names %s", name)
				}
			}
			if len(v.skip) != len(warned) {
				t.Errorf("warnings about %v, want %v", warned, v.skip)
			}
		})
	}
}

package catalog_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
)

func TestOpenDir(t *testing.T) {
	f := newFixture(t, 3)
	for _, loc := range []string{"mem://wh/shop/orders", "mem://wh/shop/orders/", "mem://wh/shop/orders/metadata/v3.metadata.json"} {
		e, err := catalog.OpenDir(t.Context(), f.store, loc, nil)
		if err != nil {
			t.Fatal(err)
		}
		if e.MetadataLocation != f.e.MetadataLocation || e.ID.Name != "orders" || e.Metadata.UUID != f.e.Metadata.UUID {
			t.Errorf("%s: %+v", loc, e)
		}
	}
	e, err := catalog.OpenDir(t.Context(), f.store, "mem://wh/shop/orders/metadata/v2.metadata.json", nil)
	if err != nil || len(e.Metadata.Properties) != 1 {
		t.Errorf("v2: %v", err)
	}
	for _, loc := range []string{"mem://wh/shop", "mem://wh/none", "mem://wh/shop/orders/metadata/v9.metadata.json"} {
		if _, err := catalog.OpenDir(t.Context(), f.store, loc, nil); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("%s: %v", loc, err)
		}
	}
	if _, err := catalog.OpenDir(t.Context(), f.store, "file:///etc", nil); !errors.Is(err, objstore.ErrOutside) {
		t.Errorf("outside: %v", err)
	}
}

// TestOpenDirKinds: tables of metastores, by their hint or their file names.
func TestOpenDirKinds(t *testing.T) {
	text := newFixture(t, 1).get("v1.metadata.json")
	for _, c := range []struct {
		name  string
		files []string
		hint  string
		want  string
	}{
		{"highest number", []string{"00000-a.metadata.json", "00010-b.metadata.json", "00009-c.metadata.json"}, "", "00010-b.metadata.json"},
		{"hint names a file", []string{"00001-a.metadata.json", "00002-b.metadata.json"}, "00001-a", "00001-a.metadata.json"},
		{"hint names a file in full", []string{"00001-a.metadata.json", "00002-b.metadata.json"}, "00001-a.metadata.json", "00001-a.metadata.json"},
		{"hint names nothing", []string{"00001-a.metadata.json"}, "00003-x", "00001-a.metadata.json"},
		{"hint leads out", []string{"00001-a.metadata.json"}, "../../x", "00001-a.metadata.json"},
		{"one file of any name", []string{"vfinal.metadata.json"}, "", "vfinal.metadata.json"},
		{"versions before others", []string{"v2.metadata.json", "00007-a.metadata.json"}, "", "v2.metadata.json"},
	} {
		store := objstore.NewMemory("mem://wh")
		put := func(name string, data []byte) {
			if err := store.Put(t.Context(), "mem://wh/t/metadata/"+name, data, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range c.files {
			put(name, text)
		}
		if c.hint != "" {
			put("version-hint.text", []byte(c.hint))
		}
		e, err := catalog.OpenDir(t.Context(), store, "mem://wh/t", nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if e.MetadataLocation != "mem://wh/t/metadata/"+c.want {
			t.Errorf("%s: opened %s, want %s", c.name, e.MetadataLocation, c.want)
		}
	}
}

// TestOpenDirMoved: a copy of a table written elsewhere reads its own files.
func TestOpenDirMoved(t *testing.T) {
	text := newFixture(t, 1).get("v1.metadata.json") // says it is at mem://wh/shop/orders
	store := newLocal(t)
	defer store.Close()
	dir := objstore.Join(store.Root(), "copy")
	for name, data := range map[string][]byte{"metadata/v1.metadata.json": text, "data/a.parquet": []byte("x")} {
		if err := store.Put(t.Context(), objstore.Join(dir, name), data, nil); err != nil {
			t.Fatal(err)
		}
	}
	e, err := catalog.OpenDir(t.Context(), store, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := objstore.ReadAll(t.Context(), e.Store, objstore.Join(e.Metadata.Location, "data/a.parquet"), 0)
	if err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := e.Store.Open(t.Context(), "mem://wh/other/file"); !errors.Is(err, objstore.ErrOutside) {
		t.Errorf("outside the table: %v", err)
	}
}

// TestOpenDirForeign opens every table directory of the shared fixtures.
func TestOpenDirForeign(t *testing.T) {
	root := sharedTables(t)
	store, err := objstore.NewLocal(root, &objstore.LocalOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	opened, refused, lost := 0, map[string]error{}, map[string]error{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || d.Name() != "metadata" {
			return err
		}
		names, err := filepath.Glob(filepath.Join(path, "*.metadata.json*"))
		if err != nil || len(names) == 0 {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		e, err := catalog.OpenDir(t.Context(), store, objstore.Join(store.Root(), filepath.ToSlash(rel)), nil)
		if err != nil {
			refused[rel] = err
			return nil
		}
		opened++
		if s := e.Metadata.Current(); s != nil && s.ManifestList != "" {
			if _, err := e.Store.Stat(t.Context(), s.ManifestList); err != nil {
				lost[rel] = err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d tables opened, %d refused, manifest list of %d not found", opened, len(refused), len(lost))
	for rel, err := range lost {
		t.Logf("manifest list of %s: %v", rel, err)
	}
	for rel, err := range refused {
		t.Logf("refused %s: %v", rel, err)
	}
	if opened < 100 || len(refused)+len(lost) > 0 {
		t.Errorf("%d tables opened, %d refused, %d lost", opened, len(refused), len(lost))
	}
}

// sharedTables returns the directory of tables written by other engines.
func sharedTables(t *testing.T) string {
	t.Helper()
	return testenv.Shared(t, "tables")
}

// TestForeignDirectories: namespaces that another engine made as plain
// directories are listed and can be dropped.
func TestForeignDirectories(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"empty", "outer/inner", ".hidden", "metadata", "odd'name", "files"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "files", "a.csv"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	store, err := objstore.NewLocal(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	c := catalog.NewFiles(store, nil)
	list := func(parent ...string) string {
		var names []string
		for ns, err := range c.ListNamespaces(t.Context(), parent) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, strings.Join(ns, "."))
		}
		return strings.Join(names, " ")
	}
	if got := list(); got != "empty outer" {
		t.Errorf("namespaces are %q", got)
	}
	if got := list("outer"); got != "outer.inner" {
		t.Errorf("namespaces in outer are %q", got)
	}
	for id, err := range c.ListTables(t.Context(), nil) {
		t.Errorf("table %s, %v", id, err)
	}
	if err := c.CreateNamespace(t.Context(), []string{"empty"}, nil); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("create empty: %v", err)
	}
	if err := c.DropNamespace(t.Context(), []string{"outer"}); !errors.Is(err, catalog.ErrNotEmpty) {
		t.Errorf("drop outer: %v", err)
	}
	for _, ns := range [][]string{{"empty"}, {"outer", "inner"}} {
		if err := c.DropNamespace(t.Context(), ns); err != nil {
			t.Error(err)
		}
	}
	if got := list(); got != "" {
		t.Errorf("namespaces left are %q", got)
	}
}

func TestNamespaceProperties(t *testing.T) {
	c := catalog.NewFiles(objstore.NewMemory(""), nil)
	if err := c.CreateNamespace(t.Context(), []string{"a", "b"}, map[string]string{"owner": "me"}); err != nil {
		t.Fatal(err)
	}
	for _, ns := range [][]string{{"a", "b"}, {"a"}} {
		p, err := c.NamespaceProperties(t.Context(), ns)
		if err != nil || p["owner"] != map[int]string{2: "me"}[len(ns)] {
			t.Errorf("%q: %v, %v", ns, p, err)
		}
	}
	if _, err := c.NamespaceProperties(t.Context(), []string{"none"}); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("missing: %v", err)
	}
}

// Package archtest keeps the architecture: which package may import which, and
// which package owns each heavy dependency. It parses the source files, because
// a test that asks the go command is cached green.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/frazildb/frazil"

// layers lists the packages from the bottom up. A package imports only from
// earlier lines. A pattern ending in /* matches packages below that folder.
var layers = [][]string{
	{"internal/bitmap", "internal/parallel", "internal/testenv", "internal/variant", "internal/avrofile", "internal/kv", "internal/e2e/spark", "objstore"},
	{"internal/arrowsel"},
	{"internal/puffin", "schema", "objstore/cloud", "objstore/faultstore", "objstore/objstoretest"},
	{"internal/rowjson", "partition"},
	{"expr", "metadata", "manifest"},
	{"snapshot", "catalog", "internal/parquetfile", "internal/avrodata"},
	{"internal/datafile"},
	{"deletes", "catalog/*"},
	{"deletes/keyindex"},
	{"internal/upsert", "scan", "internal/fsck"},
	{"table", "inspect"},
	{"compaction", "cdc"},
	{"cdc/*"},
	{"bench"},
	{"cmd/frazil", "cmd/frazil/*", "bench/*", "examples/*", "internal/e2e", "internal/judge", "internal/mutation", "internal/torture"},
}

// owners says which packages may import a heavy dependency.
var owners = map[string][]string{
	"github.com/cockroachdb/pebble":            {"internal/kv"},
	"github.com/parquet-go/parquet-go":         {"internal/parquetfile"},
	"github.com/hamba/avro":                    {"internal/avrodata", "cdc/kafka"},
	"gocloud.dev":                              {"objstore/cloud", "cmd/frazil"},
	"github.com/bits-and-blooms/bloom":         {"deletes"},
	"github.com/RoaringBitmap/roaring":         {"deletes"},
	"github.com/spf13/pflag":                   {"cmd/frazil"},
	"golang.org/x/term":                        {"cmd/frazil"},
	"github.com/apache/arrow-go/v18/arrow/ipc": {"cmd/frazil", "cmd/frazil/*"},
}

func rank(pkg string) int {
	for i, line := range layers {
		for _, p := range line {
			if p == pkg || strings.HasSuffix(p, "/*") && strings.HasPrefix(pkg, p[:len(p)-1]) && strings.TrimSuffix(p, "/*") != pkg {
				return i
			}
		}
	}
	return -1
}

func TestLayers(t *testing.T) {
	eachImport(t, func(file, pkg, imp string, test bool) {
		dep, ours := strings.CutPrefix(imp, module+"/")
		if !ours || test || pkg == "" {
			return
		}
		from, to := rank(pkg), rank(dep)
		switch {
		case from < 0:
			t.Errorf("%s: package %s is in no layer", file, pkg)
		case to < 0:
			t.Errorf("%s: package %s is in no layer", file, dep)
		case to >= from && !strings.HasPrefix(pkg, dep+"/"):
			t.Errorf("%s: %s (layer %d) imports %s (layer %d)", file, pkg, from, dep, to)
		}
	})
}

func TestOwners(t *testing.T) {
	eachImport(t, func(file, pkg, imp string, test bool) {
		for dep, owned := range owners {
			if !strings.HasPrefix(imp, dep) || test {
				continue
			}
			ok := false
			for _, o := range owned {
				ok = ok || o == pkg || strings.HasSuffix(o, "/*") && strings.HasPrefix(pkg, o[:len(o)-1])
			}
			if !ok {
				t.Errorf("%s: %s imports %s, which belongs to %s", file, pkg, imp, strings.Join(owned, ", "))
			}
		}
	})
}

// TestNoInit refuses init functions and package-level loggers in libraries.
func TestNoInit(t *testing.T) {
	eachFile(t, func(path, pkg string) {
		if strings.HasPrefix(pkg, "cmd/") || strings.HasSuffix(path, "_test.go") {
			return
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(src), "\nfunc init()") {
			t.Errorf("%s: init function in a library package", path)
		}
		if strings.Contains(string(src), "\t\"log\"\n") {
			t.Errorf("%s: imports log", path)
		}
	})
}

func eachFile(t *testing.T, f func(path, pkg string)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "rivals" || name == "deps") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if pkg = filepath.ToSlash(pkg); pkg == "." {
			pkg = ""
		}
		f(path, pkg)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func eachImport(t *testing.T, f func(file, pkg, imp string, test bool)) {
	t.Helper()
	n := 0
	eachFile(t, func(path, pkg string) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		for _, i := range file.Imports {
			imp, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Error(err)
				continue
			}
			f(path, pkg, imp, strings.HasSuffix(path, "_test.go"))
			n++
		}
	})
	if n < 100 {
		t.Errorf("saw only %d imports: is the tree where this test looks?", n)
	}
}

// Package docs keeps pages of docs/ equal to the source.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
)

// rowsOf returns the cells of the table under a heading of a page.
func rowsOf(t *testing.T, page, heading string) [][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testenv.Root(), "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(data), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", page, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var rows [][]string
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "| ") { // the rule under the head neither
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) < 2 {
		t.Fatalf("%s, %s: no table", page, heading)
	}
	return rows[1:] // the first is the head
}

// requireTest fails unless a package has a test, named as "`package` Test".
func requireTest(t *testing.T, where, cell string) {
	t.Helper()
	m := regexp.MustCompile("^`([a-z0-9/]+)` (Test[A-Za-z0-9]+)$").FindStringSubmatch(cell)
	if m == nil {
		t.Errorf("%s: %q is not of the form `package` TestName", where, cell)
		return
	}
	if err := testenv.HasTest(m[1], m[2]); err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

// setters are folders whose source sets properties of tables of its own.
var setters = []string{"bench", "examples"}

var propertyName = regexp.MustCompile(`^(write|read|commit|gc|schema|history\.expire)\.[a-z0-9.-]+$`)

// askedFor returns the properties that the source names, with the defaults of
// the calls that name them.
func askedFor(t *testing.T) map[string]map[string]bool {
	t.Helper()
	out := map[string]map[string]bool{}
	add := func(lit ast.Expr, def string) {
		l, ok := lit.(*ast.BasicLit)
		if !ok || l.Kind != token.STRING {
			return
		}
		name, err := strconv.Unquote(l.Value)
		if err != nil || !propertyName.MatchString(name) {
			return
		}
		if out[name] == nil {
			out[name] = map[string]bool{}
		}
		if def != "" {
			out[name][def] = true
		}
	}
	err := filepath.WalkDir(testenv.Root(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != testenv.Root() && (d.Name()[0] == '.' || slices.Contains(setters, d.Name())) {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.CallExpr:
				if f, ok := x.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "Property" || f.Sel.Name == "PropertyInt") && len(x.Args) == 2 {
					add(x.Args[0], constant(x.Args[1]))
				}
			case *ast.BasicLit:
				add(x, "")
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// constant evaluates a default given as a literal, "" for others: of a number
// also a<<b.
func constant(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(x.Value); err == nil {
			return s
		}
		if x.Value != "0" { // stands for the default of what is set
			return x.Value
		}
	case *ast.BinaryExpr:
		a, err1 := strconv.Atoi(constant(x.X))
		b, err2 := strconv.Atoi(constant(x.Y))
		if err1 == nil && err2 == nil && x.Op == token.SHL {
			return strconv.Itoa(a << b)
		}
	}
	return ""
}

// TestProperties compares docs/properties.md with the source.
func TestProperties(t *testing.T) {
	asked := askedFor(t)
	listed := map[string]bool{}
	for _, row := range rowsOf(t, "properties.md", "Honoured") {
		if len(row) != 4 {
			t.Errorf("row %q", row)
			continue
		}
		name := strings.Trim(row[0], "`")
		listed[name] = true
		requireTest(t, name, row[3])
		defaults, ok := asked[name]
		if !ok {
			t.Errorf("%s is not in the source", name)
		}
		for d := range defaults {
			if d != row[1] {
				t.Errorf("%s: the default is %s in the source, %s in the page", name, d, row[1])
			}
		}
	}
	for name := range asked {
		if !listed[name] {
			t.Errorf("%s is asked for by the source and not in docs/properties.md", name)
		}
	}
}

package mutation

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
)

var (
	update = flag.Bool("update", false, "write docs/invariants.md")
	all    = flag.Bool("mutate", false, "run every mutant, not only the quick ones")
)

// rule is something that must hold, and the mutants that break it.
type rule struct {
	id, text string
	mutants  []mutant
}

// mutant is a change of source that breaks a rule, and the test that notices.
type mutant struct {
	file     string // below the checkout's root
	old, new string // old occurs exactly once in the file
	test     string // "package Test", as in "snapshot TestInvariant1SequenceBoundaries"
	quick    bool   // cheap enough for every run
}

func rules() []rule { return slices.Concat(formatRules, safetyRules, maintenanceRules) }

func (m mutant) target() (pkg, test string) {
	pkg, test, _ = strings.Cut(m.test, " ")
	return pkg, test
}

// mutate returns the file's source with the rule switched off.
func (m mutant) mutate() ([]byte, error) {
	src, err := os.ReadFile(filepath.Join(testenv.Root(), m.file))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(src, []byte(m.old)); n != 1 {
		return nil, fmt.Errorf("%s: %q occurs %d times, want once: the code has changed, change the mutant with it", m.file, m.old, n)
	}
	src = bytes.Replace(src, []byte(m.old), []byte(m.new), 1)
	if _, err := parser.ParseFile(token.NewFileSet(), m.file, src, parser.SkipObjectResolution); err != nil {
		return nil, fmt.Errorf("the mutant is not Go: %w", err)
	}
	return src, nil
}

// TestListed checks that every mutant can be made of today's source, that its
// test is there, and that docs/invariants.md says the same as the lists.
func TestListed(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rules() {
		if seen[r.id] {
			t.Errorf("rule %s is listed twice", r.id)
		}
		seen[r.id] = true
		if len(r.mutants) == 0 {
			t.Errorf("rule %s has no mutant", r.id)
		}
		for _, m := range r.mutants {
			if _, err := m.mutate(); err != nil {
				t.Errorf("rule %s: %v", r.id, err)
			}
			pkg, test := m.target()
			name, _, _ := strings.Cut(test, "/")
			if err := testenv.HasTest(pkg, name); err != nil {
				t.Errorf("rule %s: %v", r.id, err)
			}
		}
	}
	doc := filepath.Join(testenv.Root(), "docs", "invariants.md")
	want := document()
	if *update {
		if err := os.WriteFile(doc, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(doc); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/invariants.md differs from the lists (%v): run go test ./internal/mutation -update", err)
	}
}

// document is docs/invariants.md.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(`# Rules that must never break

Each rule has a mutant: a change of a few lines of source that switches the rule
off, and a test that then fails. ` + "`make mutants`" + ` makes every mutant in turn (in an
overlay, the tree stays as it is) and requires that failure; the quick ones run
with every ` + "`go test ./...`" + `. This page is made from the lists in internal/mutation.

| rule | says | switched off in | noticed by |
|---|---|---|---|
`)
	for _, r := range rules() {
		for i, m := range r.mutants {
			id, text := r.id, r.text
			if i > 0 {
				id, text = "", ""
			}
			pkg, test := m.target()
			fmt.Fprintf(&b, "| %s | %s | `%s` | `go test ./%s -run '^%s$'` |\n", id, text, m.file, pkg, test)
		}
	}
	return b.Bytes()
}

// TestMutants requires that the named test fails on every mutant: on the quick
// ones always, on all with -mutate.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds other binaries")
	}
	seeSources(t)
	for _, r := range rules() {
		for i, m := range r.mutants {
			if !*all && !m.quick {
				continue
			}
			t.Run(fmt.Sprintf("%s.%d", r.id, i), func(t *testing.T) {
				t.Parallel()
				out, failed := run(t, m)
				if !failed {
					t.Errorf("%s: with the rule off in %s, the test passes: %s\n%s", r.text, m.file, m.test, out)
				}
			})
		}
	}
}

// seeSources looks at every source file, so that the go command does not take
// the result of another tree for this one's.
func seeSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(testenv.Root(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var failure = regexp.MustCompile(`(?m)^(--- FAIL: |panic: |fatal error: )`)

// run runs the mutant's test and says whether it failed as a test does.
func run(t *testing.T, m mutant) (out string, failed bool) {
	t.Helper()
	src, err := m.mutate()
	if err != nil {
		t.Fatal(err)
	}
	dir, root := t.TempDir(), testenv.Root()
	replaced := filepath.Join(dir, "mutant.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, m.file): replaced}})
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{replaced: src, filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pkg, test := m.target()
	cmd := exec.Command("go", "test", "-vet=off", "-timeout=5m", "-overlay", filepath.Join(dir, "overlay.json"),
		"-run", "^"+strings.ReplaceAll(test, "/", "$/^")+"$", "./"+pkg)
	cmd.Dir = root
	b, err := cmd.CombinedOutput()
	if err != nil && !failure.Match(b) {
		t.Fatalf("%s: the mutant did not run: %v\n%.2000s", m.file, err, b)
	}
	return string(b), err != nil
}

package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
)

// TestSecurity checks that every test that SECURITY.md names is there.
func TestSecurity(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testenv.Root(), "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	pkg, named := "", 0
	for _, m := range regexp.MustCompile("`([a-z0-9/]+)`|\\b((?:Test|Fuzz)[A-Z][A-Za-z0-9]+)").FindAllSubmatch(page, -1) {
		if len(m[2]) == 0 {
			pkg = string(m[1])
			continue
		}
		named++
		if err := testenv.HasTest(pkg, string(m[2])); err != nil {
			t.Error(err)
		}
	}
	if named < 10 {
		t.Errorf("%d tests are named", named)
	}
}

package compaction_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMaintenanceDoc: docs/maintenance.md has every case of the catalogue, and
// every test it names exists.
func TestMaintenanceDoc(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "maintenance.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(data)
	}
	named := 0
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(doc), -1) {
		named++
		if !strings.Contains(source.String(), "func "+name+"(t *testing.T)") {
			t.Errorf("there is no %s", name)
		}
	}
	for _, c := range strings.Fields("K1 K2 K3 K4 K5 K6 K7 K8 C4 G1 G2 G3 G4 G5 G6 G7 E1 E2") {
		if !regexp.MustCompile(`(?m)^\| ` + c + ` \|.*Test`).Match(doc) {
			t.Errorf("case %s has no test", c)
		}
	}
	// Tests that are named after a case are in the list.
	for _, m := range regexp.MustCompile(`func (Test[KGE][0-9]\w*)\(`).FindAllStringSubmatch(source.String(), -1) {
		if !strings.Contains(string(doc), m[1]) {
			t.Errorf("%s is not in the list", m[1])
		}
	}
	if named < 30 {
		t.Errorf("%d tests", named)
	}
}

package docs

import "testing"

// TestRefusals checks that every test that docs/refusals.md names is there.
func TestRefusals(t *testing.T) {
	for _, row := range rowsOf(t, "refusals.md", "Refused") {
		if len(row) != 3 {
			t.Errorf("row %q", row)
			continue
		}
		requireTest(t, row[0], row[2])
	}
}

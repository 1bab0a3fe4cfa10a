package docs

import "testing"

// TestJavaTests checks docs/java-tests.md: complete, and every test of ours is
// there.
func TestJavaTests(t *testing.T) {
	for class, tests := range map[string]int{
		"TestRowDelta": 55, "TestRemoveSnapshots": 64, "TestRewriteFiles": 17, "TestReplacePartitions": 26,
		"TestOverwriteWithValidation": 32, "TestHadoopCommits": 14, "TestHiveCommits": 14,
	} {
		rows := rowsOf(t, "java-tests.md", class)
		seen := map[string]bool{}
		for _, row := range rows {
			if len(row) < 2 || seen[row[0]] {
				t.Errorf("%s: row %q", class, row)
				continue
			}
			seen[row[0]] = true
			if row[1] != "–" {
				requireTest(t, class+" "+row[0], row[1])
			} else if len(row) < 3 || row[2] == "" {
				t.Errorf("%s %s: neither a test nor a reason", class, row[0])
			}
		}
		if len(seen) != tests {
			t.Errorf("%s: %d tests, want %d", class, len(seen), tests)
		}
	}
}

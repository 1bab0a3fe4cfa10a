package torture

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// seedFile holds the cases of a test that failed once, one a line; lines that
// begin with # say what was wrong.
func seedFile(test string) string { return filepath.Join("testdata", "seeds", test+".txt") }

// kept returns the cases of a test that failed once, to be tried again by every
// run.
func kept(t testing.TB, test string) (seeds []string) {
	t.Helper()
	data, err := os.ReadFile(seedFile(test))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			seeds = append(seeds, line)
		}
	}
	return seeds
}

// keep adds a failing case to those that every run tries.
func keep(t testing.TB, test, seed string) {
	if slices.Contains(kept(t, test), seed) {
		return
	}
	f, err := os.OpenFile(seedFile(test), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(seed + "\n")
		err = errors.Join(err, f.Close())
	}
	t.Logf("%q is now in %s (%v)", seed, seedFile(test), err)
}

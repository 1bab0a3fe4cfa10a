package table_test

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/frazildb/frazil/deletes/keyindex"
)

// newIndex gives the next writer a key index, on disk or not, or none. One on
// disk goes on where it was left, which may be snapshots ago, unless it is
// damaged first.
func (m *model) newIndex() {
	if m.index != nil {
		m.check(m.index.Close())
		m.index = nil
	}
	if m.r.IntN(3) == 0 {
		return
	}
	o := &keyindex.Options{MemoryBudget: []int64{1, 20_000, 0}[m.r.IntN(3)]}
	if m.r.IntN(3) > 0 {
		if m.dir == "" {
			m.dir = m.t.TempDir()
		}
		o.Dir = m.dir
		if m.r.IntN(3) == 0 {
			damage(m.t, m.dir, m.r)
		}
	}
	m.note("index %+v", *o)
	index, err := keyindex.Open(o)
	m.check(err)
	m.t.Cleanup(func() { _ = index.Close() })
	m.index = index
}

// damage overwrites a byte of a file below dir, or cuts the file.
func damage(t *testing.T, dir string, r *rand.Rand) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		return
	}
	path := files[r.IntN(len(files))]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return
	}
	at := r.IntN(len(b))
	if b[at] ^= byte(1 + r.IntN(255)); r.IntN(3) == 0 {
		b = b[:at]
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

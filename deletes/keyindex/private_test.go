package keyindex

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestPrivate: what an index keeps on disk, keys of the table among it, is its
// owner's only: nobody else gets into the directory, nor at the files that would
// be copied out of it with their modes.
func TestPrivate(t *testing.T) {
	for _, budget := range []int64{1 << 30, 1} {
		dir := filepath.Join(t.TempDir(), "index")
		w := newWorld(t, 1, Options{Dir: dir, MemoryBudget: budget})
		keys := make([]uint64, 2000)
		for i := range keys {
			keys[i] = uint64(i)
		}
		w.write(keys, true)
		if err := w.x.Close(); err != nil {
			t.Fatal(err)
		}
		files := 0
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			private := info.Mode().Perm()&0o077 == 0
			ours := filepath.Dir(path) == dir && info.Size() > 0 // the sorted store's files lie in a private directory
			if !private && (e.IsDir() || ours) {
				t.Errorf("budget %d: %s has mode %v", budget, path, info.Mode())
			}
			files++
			return nil
		})
		if err != nil || files < 2 {
			t.Errorf("budget %d: %d files, %v", budget, files, err)
		}
		w.open() // for the clean-up
	}
}

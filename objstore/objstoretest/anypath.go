package objstoretest

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frazildb/frazil/objstore"
)

// anyPath is a store that finds a location below a folder by its longest suffix
// that exists there, whatever is in front.
type anyPath struct {
	objstore.Store
	files []string
}

// AnyPath returns a read-only store of the files below dir for tables that lie
// elsewhere than they say: locations are found by how they end.
func AnyPath(t testing.TB, dir string) objstore.Store {
	t.Helper()
	local, err := objstore.NewLocal(dir, &objstore.LocalOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	s := anyPath{Store: local}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			s.files = append(s.files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s anyPath) find(uri string) string {
	best, n := uri, 0
	for _, f := range s.files {
		k := 0
		for k < len(f) && k < len(uri) && f[len(f)-1-k] == uri[len(uri)-1-k] {
			k++
		}
		if k > n && strings.Contains(f[len(f)-k:], filepath.Base(f)) {
			best, n = f, k
		}
	}
	return best
}

// Open opens what is found.
func (s anyPath) Open(ctx context.Context, uri string) (objstore.Object, error) {
	return s.Store.Open(ctx, s.find(uri))
}

// Stat looks at what is found.
func (s anyPath) Stat(ctx context.Context, uri string) (objstore.Info, error) {
	return s.Store.Stat(ctx, s.find(uri))
}

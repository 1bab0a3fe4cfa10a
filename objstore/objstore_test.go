package objstore_test

import (
	"testing"

	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/objstoretest"
)

func TestLocal(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store { return newLocal(t, t.TempDir(), nil) })
}

// TestLocalLazy has the first write make the root.
func TestLocalLazy(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store {
		return newLocal(t, t.TempDir()+"/not/yet there", &objstore.LocalOptions{NoSync: true})
	})
}

func TestLocalProcesses(t *testing.T) {
	objstoretest.RaceProcesses(t, 4, 2000, func(dir string) (objstore.Store, error) {
		return objstore.NewLocal(dir, nil)
	})
}

func TestMemory(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store { return objstore.NewMemory("mem://test/a") })
}

func TestMapped(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store {
		return rooted{objstore.MapPrefix(objstore.NewMemory("mem://test"), "s3a://bucket/wh", "mem://test/copy"), "s3://bucket/wh"}
	})
}

func TestRouted(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store {
		return rooted{objstore.Route(objstore.NewMemory("mem://a"), newLocal(t, t.TempDir(), nil), objstore.NewMemory("mem://b/x")), "mem://b/x"}
	})
}

// rooted is a store that gives another root for its own.
type rooted struct {
	objstore.Store
	root string
}

func (r rooted) Root() string { return r.root }

func newLocal(t *testing.T, dir string, opts *objstore.LocalOptions) objstore.Store {
	t.Helper()
	s, err := objstore.NewLocal(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

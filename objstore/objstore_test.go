package objstore_test

import (
	"errors"
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
	keys := 2000
	if testing.Short() {
		keys = 200
	}
	objstoretest.RaceProcesses(t, 4, keys, func(dir string) (objstore.Store, error) {
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

// TestMappedText: prefixes that are no valid locations, as some writers leave
// them in their tables.
func TestMappedText(t *testing.T) {
	inner := objstore.NewMemory("mem://test")
	s := objstore.MapPrefix(objstore.MapPrefix(inner, "data/persistent/t", "mem://test/copy"), "file://data/x", "mem://test/copy")
	if err := s.Put(t.Context(), "data/persistent/t/a/b", []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"mem://test/copy/a/b", "data/persistent/t/a/b", "file://data/x/a/b"} {
		if data, err := objstore.ReadAll(t.Context(), s, uri, 0); err != nil || string(data) != "x" {
			t.Errorf("%s: %q, %v", uri, data, err)
		}
	}
	for _, uri := range []string{"data/persistent/t2/a/b", "data/persistent/t/../../a/b", "data/persistent/t", "data", "file://data/y/a", "/a/b"} {
		if _, err := s.Open(t.Context(), uri); !errors.Is(err, objstore.ErrOutside) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	for info, err := range s.List(t.Context(), "data/persistent/t") {
		if err != nil || info.URI != "data/persistent/t/a/b" {
			t.Errorf("listed %s, %v", info.URI, err)
		}
	}
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

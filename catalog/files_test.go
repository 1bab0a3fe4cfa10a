package catalog_test

import (
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/catalog/catalogtest"
	"github.com/frazildb/frazil/objstore"
)

func openFiles(_ *testing.T, s objstore.Store) catalog.Catalog {
	return catalog.NewFiles(s, &catalog.FilesOptions{Pause: time.Nanosecond})
}

// newLocal returns a store in a temporary directory, without fsyncs.
func newLocal(t *testing.T) objstore.Store {
	t.Helper()
	s, err := objstore.NewLocal(t.TempDir(), &objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFiles(t *testing.T) { catalogtest.Run(t, openFiles) }

// TestFilesReopened has another process look at what a fault left.
func TestFilesReopened(t *testing.T) {
	catalogtest.Suite{Open: openFiles, Reopen: openFiles}.Faults(t)
}

func TestFilesLocal(t *testing.T) {
	catalogtest.Suite{Open: openFiles, Reopen: openFiles, NewStore: newLocal}.Run(t)
}

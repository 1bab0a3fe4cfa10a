package catalog_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
)

// TestBounds: a table's store answers for the table's own directory, and for what
// the caller allows.
func TestBounds(t *testing.T) {
	f := newFixture(t, 2)
	for _, uri := range []string{"mem://wh/shop/orders2/data/a", "mem://wh/archive/a", "mem://wh/scratch/a"} {
		if err := f.store.Put(t.Context(), uri, []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	use := func(e *catalog.Entry, uri string, read, remove bool) {
		t.Helper()
		if _, err := e.Store.Stat(t.Context(), uri); errors.Is(err, objstore.ErrOutside) == read {
			t.Errorf("stat %s: %v", uri, err)
		}
		if err := e.Store.Put(t.Context(), uri, []byte("y"), nil); errors.Is(err, objstore.ErrOutside) == read {
			t.Errorf("put %s: %v", uri, err)
		}
		if err := e.Store.Delete(t.Context(), uri); errors.Is(err, objstore.ErrOutside) == remove {
			t.Errorf("delete %s: %v", uri, err)
		}
	}
	use(f.e, "mem://wh/shop/orders/data/a", true, true)
	for _, uri := range []string{
		"mem://wh/shop/orders2/data/a", "mem://wh/archive/a", "mem://wh/scratch/a",
		"mem://wh/shop/orders/../orders2/data/a", "mem://wh/shop/orders/%2e%2e/orders2/data/a",
		"file:///etc/passwd", "http://169.254.169.254/", "data/a", "",
	} {
		use(f.e, uri, false, false)
	}
	cat := catalog.NewFiles(f.store, &catalog.FilesOptions{
		Allow: []string{"mem://wh/archive", "data"}, AllowDelete: []string{"mem://wh/scratch"},
	})
	e, err := cat.LoadTable(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	use(e, "mem://wh/archive/a", true, false)
	use(e, "mem://wh/scratch/a", true, true)
	use(e, "mem://wh/archive2/a", false, false)
	use(e, "mem://wh/shop/orders2/data/a", false, false)
	use(e, "data/../../x", false, false)
	next, err := cat.CommitTable(t.Context(), setProperty(e, "k"))
	if err != nil {
		t.Fatal(err)
	}
	use(next, "mem://wh/archive/a", true, false)
	use(next, "mem://wh/shop/orders2/data/a", false, false)
}

// TestRegisteredBounds: the directory a table was registered from is the table's
// too, also for a catalog opened later; what its metadata says is not enough.
func TestRegisteredBounds(t *testing.T) {
	f := newFixture(t, 2)
	id := catalog.Identifier{Namespace: []string{"shop"}, Name: "again"}
	if _, err := f.cat.RegisterTable(t.Context(), id, f.e.MetadataLocation); err != nil {
		t.Fatal(err)
	}
	e, err := catalog.NewFiles(f.store, nil).LoadTable(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Store.Put(t.Context(), "mem://wh/shop/orders/data/b", nil, nil); err != nil {
		t.Errorf("where it was registered from: %v", err)
	}
	if err := e.Store.Put(t.Context(), "mem://wh/shop/neighbour/data/b", nil, nil); !errors.Is(err, objstore.ErrOutside) {
		t.Errorf("elsewhere: %v", err)
	}
	// A registration over a table that exists must not widen its bounds.
	if _, err := f.cat.RegisterTable(t.Context(), orders, "mem://wh/shop/again/metadata/v1.metadata.json"); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("registered over a table: %v", err)
	}
	text := bytes.Replace(f.get("v2.metadata.json"), []byte(`"mem://wh/shop/orders"`), []byte(`"mem://wh/shop/neighbour"`), 1)
	if err := f.store.Put(t.Context(), "mem://wh/in/t/metadata/v1.metadata.json", text, nil); err != nil {
		t.Fatal(err)
	}
	hostile := catalog.Identifier{Namespace: []string{"shop"}, Name: "hostile"}
	if _, err := f.cat.RegisterTable(t.Context(), hostile, "mem://wh/in/t/metadata/v1.metadata.json"); !errors.Is(err, objstore.ErrOutside) {
		t.Errorf("registered metadata of another table's directory: %v", err)
	}
	if err := f.cat.DropTable(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	for info, err := range f.store.List(t.Context(), "mem://wh/shop/again") {
		t.Errorf("left after the drop: %s %v", info.URI, err)
	}
}

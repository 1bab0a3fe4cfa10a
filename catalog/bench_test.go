package catalog_test

import (
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
)

// BenchmarkCommit is a commit of one property on local disk, fsyncs and all.
func BenchmarkCommit(b *testing.B) {
	for _, sync := range []bool{true, false} {
		b.Run(map[bool]string{true: "fsync", false: "nosync"}[sync], func(b *testing.B) {
			store, err := objstore.NewLocal(b.TempDir(), &objstore.LocalOptions{NoSync: !sync})
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			cat := catalog.NewFiles(store, nil)
			e, err := cat.CreateTable(b.Context(), orders, newTable(b))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if e, err = cat.CommitTable(b.Context(), setProperty(e, "k")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLoad is a load of a table that the catalog has seen before, or not.
func BenchmarkLoad(b *testing.B) {
	store, err := objstore.NewLocal(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	cat := catalog.NewFiles(store, nil)
	if _, err := cat.CreateTable(b.Context(), orders, newTable(b)); err != nil {
		b.Fatal(err)
	}
	for _, seen := range []bool{true, false} {
		b.Run(map[bool]string{true: "seen", false: "new"}[seen], func(b *testing.B) {
			for b.Loop() {
				if !seen {
					cat = catalog.NewFiles(store, nil)
				}
				if _, err := cat.LoadTable(b.Context(), orders); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

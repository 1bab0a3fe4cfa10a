package catalog_test

import (
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
)

// FuzzHint puts anything into the version hint, and a file of any name beside the
// versions: the newest version is found all the same, or, where the name is that
// of a later one, its contents are refused.
func FuzzHint(f *testing.F) {
	for _, s := range []string{"3", "1", "4", "", "-1", "v3", "3\n", "99999999999999999999", "00003", "v3.metadata.json"} {
		f.Add(s, "v3.metadata.json.bak")
	}
	f.Add("3", "v4.metadata.json")
	f.Add("2", "v4.gz.metadata.json")
	f.Fuzz(func(t *testing.T, hint, name string) {
		fx := newFixture(t, 3)
		fx.put("version-hint.text", hint)
		uri := fx.uri("x")
		uri = uri[:len(uri)-1] + name
		if c, err := objstore.Canonical(uri); err != nil || c != uri || !objstore.Under(objstore.Join(fx.store.Root(), "shop/orders/metadata"), uri) {
			return
		}
		if _, err := fx.store.Stat(t.Context(), uri); err == nil {
			return
		}
		if err := fx.store.Put(t.Context(), uri, []byte("garbage"), nil); err != nil {
			return
		}
		e, err := catalog.NewFiles(fx.store, nil).LoadTable(t.Context(), orders)
		if err == nil && e.MetadataLocation != fx.uri("v3.metadata.json") {
			t.Fatalf("hint %q, beside %q: %s", hint, name, e.MetadataLocation)
		}
	})
}

// Package catalogtest is the conformance suite of catalog.Catalog.
package catalogtest

import (
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
)

// Run checks the catalogs that open makes; each call must return an empty
// catalog whose tables live in store.
func Run(t *testing.T, open func(t *testing.T, store objstore.Store) catalog.Catalog) {
	panic("unwritten")
}

// Package objstoretest is the conformance suite of objstore.Store.
package objstoretest

import (
	"testing"

	"github.com/frazildb/frazil/objstore"
)

// Run checks the store that open makes; each call must return an empty store.
func Run(t *testing.T, open func(t *testing.T) objstore.Store) { panic("unwritten") }

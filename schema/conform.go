package schema

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

func errConform(a arrow.Array, t Type, i int) error {
	return fmt.Errorf("row %d: value %s of Arrow type %s does not fit type %s", i, clip(a.ValueStr(i)), a.DataType(), t)
}

// sameLayout reports whether arrays of two types can stand for one another:
// equal types up to the names and metadata of children.
func sameLayout(a, b arrow.DataType) bool {
	if a.ID() != b.ID() {
		return false
	}
	switch a := a.(type) {
	case *arrow.StructType:
		b := b.(*arrow.StructType)
		if a.NumFields() != b.NumFields() {
			return false
		}
		for i := range a.NumFields() {
			if !sameLayout(a.Field(i).Type, b.Field(i).Type) {
				return false
			}
		}
		return true
	case *arrow.ListType:
		return sameLayout(a.Elem(), b.(*arrow.ListType).Elem())
	case *arrow.MapType:
		b := b.(*arrow.MapType)
		return sameLayout(a.KeyType(), b.KeyType()) && sameLayout(a.ItemType(), b.ItemType())
	case *arrow.TimestampType:
		b := b.(*arrow.TimestampType)
		return a.Unit == b.Unit && (a.TimeZone == "") == (b.TimeZone == "")
	}
	return arrow.TypeEqual(a, b)
}

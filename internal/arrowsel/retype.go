package arrowsel

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Retype returns a, retained or rebuilt over the same memory, as an array of
// type want, which may differ in names, nullability and metadata of children
// and in the spelling of a time zone only. ok is false when the layouts differ.
func Retype(a arrow.Array, want arrow.DataType) (out arrow.Array, ok bool) {
	if arrow.TypeEqual(a.DataType(), want, arrow.CheckMetadata()) {
		a.Retain()
		return a, true
	}
	if !SameLayout(a.DataType(), want) {
		return nil, false
	}
	d := retype(a.Data(), want)
	defer d.Release()
	return array.MakeFromData(d), true
}

func retype(d arrow.ArrayData, want arrow.DataType) arrow.ArrayData {
	kids := make([]arrow.ArrayData, len(d.Children()))
	defer func() {
		for _, k := range kids {
			k.Release()
		}
	}()
	for i, k := range d.Children() {
		kids[i] = retype(k, childType(want, i))
	}
	return array.NewData(want, d.Len(), d.Buffers(), kids, d.NullN(), d.Offset())
}

func childType(t arrow.DataType, i int) arrow.DataType {
	switch t := t.(type) {
	case *arrow.StructType:
		return t.Field(i).Type
	case *arrow.MapType:
		return t.Elem()
	case *arrow.ListType:
		return t.Elem()
	}
	return t
}

// SameLayout reports whether arrays of both types have the same buffers: equal
// types up to the names, nullability and metadata of children and the spelling
// of a time zone.
func SameLayout(a, b arrow.DataType) bool {
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
			if !SameLayout(a.Field(i).Type, b.Field(i).Type) {
				return false
			}
		}
		return true
	case *arrow.ListType:
		return SameLayout(a.Elem(), b.(*arrow.ListType).Elem())
	case *arrow.MapType:
		return SameLayout(a.Elem(), b.(*arrow.MapType).Elem())
	case *arrow.TimestampType:
		b := b.(*arrow.TimestampType)
		return a.Unit == b.Unit && (a.TimeZone == "") == (b.TimeZone == "")
	}
	return arrow.TypeEqual(a, b)
}

package scan

import (
	"errors"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/schema"
)

var errNull = errors.New("it is null: make the field a pointer or sql.Null[T]")

// scanner is sql.Scanner, without the import.
type scanner interface{ Scan(src any) error }

var (
	scannerType = reflect.TypeFor[scanner]()
	timeType    = reflect.TypeFor[time.Time]()
)

// nullError returns the error of a null for a field type, nil if it can be null.
func nullError(g reflect.Type) error {
	switch g.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return nil
	}
	if reflect.PointerTo(g).Implements(scannerType) {
		return nil
	}
	return errNull
}

// fillerOf returns how values of a column type get into fields of a Go type:
// whole columns for the common pairs, else value by value.
func fillerOf(t schema.Type, g reflect.Type) (filler, error) {
	assign, err := assignerOf(t, g)
	if err != nil {
		return nil, err
	}
	slow := fillSlowly(t, g, assign)
	if custom(g) {
		return slow, nil
	}
	if g.Kind() == reflect.Pointer {
		elem, err := fillerOf(t, g.Elem())
		if err != nil {
			return nil, err
		}
		return fillPointers(g.Elem(), elem), nil
	}
	switch t.Kind {
	case schema.KindStruct:
		if g.Kind() == reflect.Struct {
			return fillStruct(t, g)
		}
	case schema.KindList:
		if g.Kind() == reflect.Slice {
			elem, err := fillerOf(t.Element().Type, g.Elem())
			if err != nil {
				return nil, fmt.Errorf("element: %w", err)
			}
			return fillList(g, elem), nil
		}
	}
	if fast := fastFiller(t, g); fast != nil {
		return func(d dest, a arrow.Array, lo, n int, dead []bool) *badRow {
			dead, bad := nullRows(a, lo, n, dead, false)
			if bad != nil {
				n = bad.row
			}
			if done, err := fast(d, a, lo, n, dead); err != nil {
				return err
			} else if !done { // an array of another type than the schema's
				return slow(d, a, lo, n, dead)
			}
			return bad
		}, nil
	}
	return slow, nil
}

// fillSlowly goes through values as package schema has them.
func fillSlowly(t schema.Type, g reflect.Type, assign assigner) filler {
	assign = orNull(assign, g)
	return func(d dest, a arrow.Array, lo, n int, dead []bool) *badRow {
		for i := range n {
			if dead != nil && dead[i] {
				continue
			}
			if err := assign(reflect.NewAt(g, d.at(i)).Elem(), schema.ValueAt(a, t, lo+i)); err != nil {
				return &badRow{i, err}
			}
		}
		return nil
	}
}

// fillPointers fills what the pointers of rows that are not null point to.
func fillPointers(g reflect.Type, elem filler) filler {
	return func(d dest, a arrow.Array, lo, n int, dead []bool) *badRow {
		dead, _ = nullRows(a, lo, n, dead, true)
		values := reflect.MakeSlice(reflect.SliceOf(g), n, n)
		to := dest{values.UnsafePointer(), g.Size()}
		bad := elem(to, a, lo, n, dead)
		if bad != nil {
			n = bad.row
		}
		for i := range n {
			if dead == nil || !dead[i] {
				*(*unsafe.Pointer)(d.at(i)) = to.at(i)
			}
		}
		return bad
	}
}

// fillStruct fills the fields of a struct from the members of a struct column.
func fillStruct(t schema.Type, g reflect.Type) (filler, error) {
	s, err := schema.New(0, t.Fields, nil)
	if err != nil {
		return nil, err
	}
	plan, err := planStruct(g, s)
	if err != nil {
		return nil, err
	}
	return func(d dest, a arrow.Array, lo, n int, dead []bool) *badRow {
		st, ok := a.(*array.Struct)
		if !ok {
			return &badRow{0, fmt.Errorf("%s is not a struct", a.DataType())}
		}
		dead, bad := nullRows(a, lo, n, dead, false)
		if bad != nil {
			n = bad.row
		}
		for i := range plan.columns {
			c := &plan.columns[i]
			if c.column >= st.NumField() {
				return &badRow{0, fmt.Errorf("%s lacks member %q", a.DataType(), c.name)}
			}
			if b := c.fill(d, st.Field(c.column), lo, n, dead); b != nil {
				bad = &badRow{b.row, c.fail(b.err)}
				n = b.row
			}
		}
		return bad
	}, nil
}

// fillList makes a slice of every list.
func fillList(g reflect.Type, elem filler) filler {
	return func(d dest, a arrow.Array, lo, n int, dead []bool) *badRow {
		l, ok := a.(array.ListLike)
		if !ok {
			return &badRow{0, fmt.Errorf("%s is not a list", a.DataType())}
		}
		for i := range n {
			if dead != nil && dead[i] || a.IsNull(lo+i) {
				continue
			}
			start, end := l.ValueOffsets(lo + i)
			length := int(end - start)
			values := reflect.MakeSlice(g, length, length)
			if length > 0 {
				if bad := elem(dest{values.UnsafePointer(), g.Elem().Size()}, l.ListValues(), int(start), length, nil); bad != nil {
					return &badRow{i, fmt.Errorf("element %d: %w", bad.row, bad.err)}
				}
			}
			reflect.NewAt(g, d.at(i)).Elem().Set(values)
		}
		return nil
	}
}

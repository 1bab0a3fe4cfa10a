package scan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/schema"
)

// member returns the column at the end of a path, null where a struct on the way
// is; the caller releases it.
func member(b arrow.RecordBatch, path []int) (arrow.Array, error) {
	a := b.Column(path[0])
	a.Retain()
	for _, i := range path[1:] {
		st, ok := a.(*array.Struct)
		if !ok || i >= st.NumField() {
			a.Release()
			return nil, fmt.Errorf("%s is not the struct expected", a.DataType())
		}
		child := st.Field(i)
		if st.NullN() > 0 {
			child = maskNulls(child, st)
		} else {
			child.Retain()
		}
		a.Release()
		a = child
	}
	return a, nil
}

// addAll takes all values of a column in.
func (e *Extremes) addAll(a arrow.Array) {
	switch x := a.(type) {
	case *array.Int32:
		if e.Type.Kind == schema.KindInt {
			addRange(e, x, x.Int32Values())
			return
		}
	case *array.Int64:
		if e.Type.Kind == schema.KindLong {
			addRange(e, x, x.Int64Values())
			return
		}
	case *array.Timestamp:
		e.addEnds(x, func(i, j int) int { return cmp.Compare(x.Value(i), x.Value(j)) })
		return
	case *array.String:
		e.addEnds(x, func(i, j int) int { return strings.Compare(x.Value(i), x.Value(j)) })
		return
	}
	for i := range a.Len() {
		e.add(schema.ValueAt(a, e.Type, i))
	}
}

// addRange takes in integers.
func addRange[V int32 | int64](e *Extremes, a arrow.Array, values []V) {
	var low, high V
	some := false
	nulls := a.NullN() > 0
	for i, v := range values {
		if nulls && a.IsNull(i) {
			continue
		}
		if !some {
			low, high, some = v, v, true
		}
		low, high = min(low, v), max(high, v)
	}
	if some {
		e.add(low)
		e.add(high)
	}
}

// addEnds takes in the least and the greatest row by an order of rows.
func (e *Extremes) addEnds(a arrow.Array, order func(i, j int) int) {
	low, high := -1, -1
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		if low < 0 {
			low, high = i, i
			continue
		}
		if order(i, low) < 0 {
			low = i
		}
		if order(i, high) > 0 {
			high = i
		}
	}
	if low >= 0 {
		e.add(schema.ValueAt(a, e.Type, low))
		e.add(schema.ValueAt(a, e.Type, high))
	}
}

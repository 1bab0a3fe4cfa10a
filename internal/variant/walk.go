package variant

import (
	"bytes"
	"slices"
)

// Check reads a value to its leaves and reports whether it is well formed:
// nesting of at most [MaxDepth], and no bytes used twice, since members that
// share bytes would let a small value unfold without bound. It allocates
// nothing. A value that passed can be walked without errors.
func Check(v Value) error {
	left := 1 + len(v.ids) + len(v.offsets) + len(v.data)
	return check(v, &left, 0)
}

func check(v Value, left *int, depth int) error {
	if depth > MaxDepth {
		return bad("nested too deeply")
	}
	*left -= 1 + len(v.ids) + len(v.offsets)
	if v.kind != Object && v.kind != Array {
		*left -= len(v.data)
	}
	if *left < 0 {
		return bad("members share bytes")
	}
	for i := range v.n {
		if v.kind == Object {
			if _, err := v.Key(i); err != nil {
				return err
			}
		}
		c, err := v.At(i)
		if err != nil {
			return err
		}
		if err := check(c, left, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// SortedFields returns the indexes of an object's fields in the bytewise order
// of their keys, appended to dst. Writers order them in ways of their own.
func (v Value) SortedFields(dst []int) []int {
	start := len(dst)
	sorted := true
	var last []byte
	for i := range v.n {
		k, _ := v.Key(i)
		if i > 0 && bytes.Compare(last, k) > 0 {
			sorted = false
		}
		last = k
		dst = append(dst, i)
	}
	if !sorted {
		slices.SortStableFunc(dst[start:], func(a, b int) int {
			x, _ := v.Key(a)
			y, _ := v.Key(b)
			return bytes.Compare(x, y)
		})
	}
	return dst
}

package expr

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/schema"
)

// compare orders two values as described at schema.Row: NaN is equal to itself
// and above all, -0 equals 0, integers and floats compare across widths. It
// returns false for values of different kinds.
func compare(a, b any) (int, bool) {
	switch x := a.(type) {
	case int32:
		if y, ok := asInt(b); ok {
			return cmp.Compare(int64(x), y), true
		}
	case int64:
		if y, ok := asInt(b); ok {
			return cmp.Compare(x, y), true
		}
	case float32:
		if y, ok := asFloat(b); ok {
			return compareFloats(float64(x), y), true
		}
	case float64:
		if y, ok := asFloat(b); ok {
			return compareFloats(x, y), true
		}
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), true
		}
	case []byte:
		if y, ok := b.([]byte); ok {
			return bytes.Compare(x, y), true
		}
	case [16]byte:
		if y, ok := b.([16]byte); ok {
			return bytes.Compare(x[:], y[:]), true
		}
	case schema.Unscaled:
		if y, ok := b.(schema.Unscaled); ok {
			return x.Cmp(y), true
		}
	case bool:
		if y, ok := b.(bool); ok {
			return cmp.Compare(boolInt(x), boolInt(y)), true
		}
	}
	return 0, false
}

func asInt(v any) (int64, bool) {
	switch x := v.(type) {
	case int32:
		return int64(x), true
	case int64:
		return x, true
	}
	return 0, false
}

func asFloat(v any) (float64, bool) {
	switch x := v.(type) {
	case float32:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return boolInt(a != a) - boolInt(b != b)
}

// values is a set of two or more values of one type, none of them NaN, with
// look-ups for the evaluation of columns.
type values struct {
	sorted   []any
	ints     []int64
	intSet   map[int64]struct{}
	floats   map[float64]struct{} // finds -0 by 0
	texts    map[string]struct{}  // strings, binary, fixed, uuid
	decimals map[decimal128.Num]struct{}
}

// linearInts is the size up to which integers are compared one by one.
const linearInts = 8

func newValues(sorted []any) values {
	s := values{sorted: sorted}
	switch sorted[0].(type) {
	case int32, int64:
		for _, v := range sorted {
			n, _ := asInt(v)
			s.ints = append(s.ints, n)
		}
		if len(s.ints) > linearInts {
			s.intSet = make(map[int64]struct{}, len(s.ints))
			for _, n := range s.ints {
				s.intSet[n] = struct{}{}
			}
		}
	case float32, float64:
		s.floats = make(map[float64]struct{}, len(sorted))
		for _, v := range sorted {
			f, _ := asFloat(v)
			s.floats[f] = struct{}{}
		}
	case schema.Unscaled:
		s.decimals = make(map[decimal128.Num]struct{}, len(sorted))
		for _, v := range sorted {
			s.decimals[v.(schema.Unscaled)] = struct{}{}
		}
	default:
		s.texts = make(map[string]struct{}, len(sorted))
		for _, v := range sorted {
			if b, ok := bytesOf(v); ok {
				s.texts[string(b)] = struct{}{}
			}
		}
	}
	return s
}

func bytesOf(v any) ([]byte, bool) {
	switch x := v.(type) {
	case string:
		return []byte(x), true
	case []byte:
		return x, true
	case [16]byte:
		return x[:], true
	}
	return nil, false
}

// contains looks v up by order; false for a value of another kind.
func (s *values) contains(v any) bool {
	_, found := slices.BinarySearchFunc(s.sorted, v, func(e, v any) int {
		c, ok := compare(e, v)
		if !ok {
			return -1
		}
		return c
	})
	return found
}

// within reports whether a value of the set lies between two bounds, nil being
// open.
func (s *values) within(lo, hi any) bool {
	at := 0
	if lo != nil {
		at, _ = slices.BinarySearchFunc(s.sorted, lo, func(e, v any) int { c, _ := compare(e, v); return c })
	}
	if at == len(s.sorted) {
		return false
	}
	if hi == nil {
		return true
	}
	c, _ := compare(s.sorted[at], hi)
	return c <= 0
}

// holds evaluates a predicate for one value; nil is null. ok is false when the
// value is of another kind than the column.
func (n *node) holds(v any) (result, ok bool) {
	switch n.op {
	case opIsNull:
		return v == nil, true
	case opNotNull:
		return v != nil, true
	case opIsNaN:
		return v != nil && schema.IsNaN(v), true
	case opNotNaN:
		return v == nil || !schema.IsNaN(v), true
	}
	if v == nil {
		return false, true
	}
	switch n.op {
	case opIn, opNotIn:
		if _, ok := compare(n.set.sorted[0], v); !ok {
			return false, false
		}
		return n.set.contains(v) == (n.op == opIn), true
	case opStartsWith, opNotStartsWith:
		s, ok := v.(string)
		return strings.HasPrefix(s, n.lit.(string)) == (n.op == opStartsWith), ok
	}
	c, ok := compare(v, n.lit)
	return ok && n.op.admits(c), ok
}

// admits reports whether a comparison holds for a value that compares to the
// literal as c.
func (o op) admits(c int) bool {
	switch o {
	case opEq:
		return c == 0
	case opNe:
		return c != 0
	case opLt:
		return c < 0
	case opLe:
		return c <= 0
	case opGt:
		return c > 0
	case opGe:
		return c >= 0
	}
	return false
}

// EvalRow evaluates one row; get returns a column's value as described at
// schema.Row, nil for null. A value of another type than the column's is like
// null.
func (b *Bound) EvalRow(get func(fieldID int) any) bool {
	return b.root.decide(func(n *node) bool {
		r, ok := n.holds(get(n.col.id))
		return r && ok
	})
}

package expr

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/schema"
)

// The kernels overwrite words with one bit a value. Each has three loops: =, <
// and <=; the other operators are their complements, which is also what puts NaN
// above all numbers.

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64
}

type float interface{ ~float32 | ~float64 }

var (
	float32NaN = float32(math.NaN())
	float64NaN = math.NaN()
)

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// base returns the operator whose complement o is, and whether it is one.
func (o op) base() (op, bool) {
	switch o {
	case opNe:
		return opEq, true
	case opGe:
		return opLt, true
	case opGt:
		return opLe, true
	case opNotIn:
		return opIn, true
	case opNotStartsWith:
		return opStartsWith, true
	}
	return o, false
}

func errLiteral(n *node) error {
	return fmt.Errorf("an Arrow column of a type that does not go with %s", n.col.typ)
}

func intWords[T integer](n *node, words []uint64, vals []T) error {
	o, inverted := n.op.base()
	if o == opIn {
		if n.set.ints == nil {
			return errLiteral(n)
		}
		inWords(words, vals, &n.set)
	} else {
		lit, ok := asInt(n.lit)
		if !ok {
			return errLiteral(n)
		}
		intLoop(o, words, vals, lit)
	}
	if inverted {
		invert(words)
	}
	return nil
}

func intLoop[T integer](o op, words []uint64, vals []T, lit int64) {
	for i := range words {
		chunk := vals[64*i : min(64*i+64, len(vals))]
		var w uint64
		switch o {
		case opEq:
			for _, v := range chunk {
				w = w>>1 | bit(int64(v) == lit)<<63
			}
		case opLt:
			for _, v := range chunk {
				w = w>>1 | bit(int64(v) < lit)<<63
			}
		default:
			for _, v := range chunk {
				w = w>>1 | bit(int64(v) <= lit)<<63
			}
		}
		words[i] = w >> (-len(chunk) & 63)
	}
}

func inWords[T integer](words []uint64, vals []T, set *values) {
	lo, hi := set.ints[0], set.ints[len(set.ints)-1]
	for i := range words {
		chunk := vals[64*i : min(64*i+64, len(vals))]
		var w uint64
		for _, v := range chunk {
			x := int64(v)
			found := false
			switch {
			case x < lo || x > hi:
			case set.intSet != nil:
				_, found = set.intSet[x]
			default:
				for _, s := range set.ints {
					found = found || s == x
				}
			}
			w = w>>1 | bit(found)<<63
		}
		words[i] = w >> (-len(chunk) & 63)
	}
}

// eqWords compares with a value, or finds NaNs.
func eqWords[T float](words []uint64, vals []T, lit T, nan bool) {
	for i := range words {
		chunk := vals[64*i : min(64*i+64, len(vals))]
		var w uint64
		if nan {
			for _, v := range chunk {
				w = w>>1 | bit(v != v)<<63
			}
		} else {
			for _, v := range chunk {
				w = w>>1 | bit(v == lit)<<63
			}
		}
		words[i] = w >> (-len(chunk) & 63)
	}
}

func floatWords[T float](n *node, words []uint64, vals []T) error {
	o, inverted := n.op.base()
	if o == opIn {
		if n.set.floats == nil {
			return errLiteral(n)
		}
		for i := range words {
			chunk := vals[64*i : min(64*i+64, len(vals))]
			var w uint64
			for _, v := range chunk {
				_, found := n.set.floats[float64(v)]
				w = w>>1 | bit(found)<<63
			}
			words[i] = w >> (-len(chunk) & 63)
		}
	} else {
		lit, ok := asFloat(n.lit)
		if !ok {
			return errLiteral(n)
		}
		floatLoop(o, words, vals, lit)
	}
	if inverted {
		invert(words)
	}
	return nil
}

func floatLoop[T float](o op, words []uint64, vals []T, lit float64) {
	for i := range words {
		chunk := vals[64*i : min(64*i+64, len(vals))]
		var w uint64
		switch o {
		case opEq:
			for _, v := range chunk {
				w = w>>1 | bit(float64(v) == lit)<<63
			}
		case opLt:
			for _, v := range chunk {
				w = w>>1 | bit(float64(v) < lit)<<63
			}
		default:
			for _, v := range chunk {
				w = w>>1 | bit(float64(v) <= lit)<<63
			}
		}
		words[i] = w >> (-len(chunk) & 63)
	}
}

// boolWords asks the operator for both values and copies, inverts or fills.
func boolWords(n *node, words []uint64, a *array.Boolean) error {
	forFalse, ok1 := n.holds(false)
	forTrue, ok2 := n.holds(true)
	if !ok1 || !ok2 {
		return errLiteral(n)
	}
	if forFalse == forTrue {
		fill(words, forTrue)
		return nil
	}
	data, offset := a.Data().Buffers()[1].Bytes(), a.Data().Offset()
	for i := range words {
		words[i] = loadBits(data, offset+64*i, a.Len()-64*i)
	}
	if forFalse {
		invert(words)
	}
	return nil
}

// textWords compares strings or binary values, given by offsets into data whose
// first offset stands for its beginning. Words that mask rules out are skipped.
func textWords[T int32 | int64](n *node, words, mask []uint64, offsets []T, data []byte) error {
	m, err := newTextMatcher(n)
	if err != nil {
		return err
	}
	first := offsets[0]
	rows := len(offsets) - 1
	for i := range words {
		if mask != nil && mask[i] == 0 {
			words[i] = 0
			continue
		}
		ends := offsets[64*i+1 : min(64*i+64, rows)+1]
		from := offsets[64*i] - first
		var w uint64
		for _, end := range ends {
			to := end - first
			w = w>>1 | bit(m.holds(data[from:to]))<<63
			from = to
		}
		words[i] = w >> (-len(ends) & 63)
	}
	if m.inverted {
		invert(words)
	}
	return nil
}

// textMatcher is =, <, <=, IN or a prefix over bytes.
type textMatcher struct {
	op       op
	inverted bool
	lit      string
	lengths  uint64 // of an IN set: bit n for length n, the last for all above
	set      map[string]struct{}
}

func newTextMatcher(n *node) (*textMatcher, error) {
	m := &textMatcher{}
	m.op, m.inverted = n.op.base()
	if m.op == opIn {
		if n.set.texts == nil {
			return nil, errLiteral(n)
		}
		m.set = n.set.texts
		for s := range m.set {
			m.lengths |= 1 << min(len(s), 63)
		}
		return m, nil
	}
	lit, ok := bytesOf(n.lit)
	if !ok {
		return nil, errLiteral(n)
	}
	m.lit = string(lit)
	return m, nil
}

func (m *textMatcher) holds(v []byte) bool {
	switch m.op {
	case opEq:
		return string(v) == m.lit
	case opStartsWith:
		return len(v) >= len(m.lit) && string(v[:len(m.lit)]) == m.lit
	case opLt:
		return string(v) < m.lit
	case opLe:
		return string(v) <= m.lit
	}
	if m.lengths>>min(len(v), 63)&1 == 0 {
		return false
	}
	_, found := m.set[string(v)]
	return found
}

func fixedWords(n *node, words, mask []uint64, a *array.FixedSizeBinary) error {
	m, err := newTextMatcher(n)
	if err != nil {
		return err
	}
	for i := range words {
		if mask != nil && mask[i] == 0 {
			words[i] = 0
			continue
		}
		var w uint64
		count := min(64, a.Len()-64*i)
		for j := range count {
			w = w>>1 | bit(m.holds(a.Value(64*i+j)))<<63
		}
		words[i] = w >> (-count & 63)
	}
	if m.inverted {
		invert(words)
	}
	return nil
}

func decimalWords(n *node, words []uint64, vals []decimal128.Num) error {
	o, inverted := n.op.base()
	lit, ok := n.lit.(schema.Unscaled)
	if o == opIn {
		ok = n.set.decimals != nil
	}
	if !ok {
		return errLiteral(n)
	}
	for i := range words {
		chunk := vals[64*i : min(64*i+64, len(vals))]
		var w uint64
		for _, v := range chunk {
			var r bool
			switch o {
			case opEq:
				r = v == lit
			case opLt:
				r = v.Less(lit)
			case opLe:
				r = !lit.Less(v)
			default:
				_, r = n.set.decimals[v]
			}
			w = w>>1 | bit(r)<<63
		}
		words[i] = w >> (-len(chunk) & 63)
	}
	if inverted {
		invert(words)
	}
	return nil
}

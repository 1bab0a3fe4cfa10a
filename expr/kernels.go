package expr

import (
	"bytes"
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
			for j, v := range chunk {
				w |= bit(int64(v) == lit) << (j & 63)
			}
		case opLt:
			for j, v := range chunk {
				w |= bit(int64(v) < lit) << (j & 63)
			}
		default:
			for j, v := range chunk {
				w |= bit(int64(v) <= lit) << (j & 63)
			}
		}
		words[i] = w
	}
}

func inWords[T integer](words []uint64, vals []T, set *values) {
	lo, hi := set.ints[0], set.ints[len(set.ints)-1]
	for i := range words {
		chunk := vals[64*i : min(64*i+64, len(vals))]
		var w uint64
		for j, v := range chunk {
			x := int64(v)
			if x < lo || x > hi {
				continue
			}
			found := false
			if set.intSet != nil {
				_, found = set.intSet[x]
			} else {
				for _, s := range set.ints {
					found = found || s == x
				}
			}
			w |= bit(found) << (j & 63)
		}
		words[i] = w
	}
}

// eqWords compares with a value, or finds NaNs.
func eqWords[T float](words []uint64, vals []T, lit T, nan bool) {
	for i := range words {
		chunk := vals[64*i : min(64*i+64, len(vals))]
		var w uint64
		if nan {
			for j, v := range chunk {
				w |= bit(v != v) << (j & 63)
			}
		} else {
			for j, v := range chunk {
				w |= bit(v == lit) << (j & 63)
			}
		}
		words[i] = w
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
			for j, v := range chunk {
				_, found := n.set.floats[float64(v)]
				w |= bit(found) << (j & 63)
			}
			words[i] = w
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
			for j, v := range chunk {
				w |= bit(float64(v) == lit) << (j & 63)
			}
		case opLt:
			for j, v := range chunk {
				w |= bit(float64(v) < lit) << (j & 63)
			}
		default:
			for j, v := range chunk {
				w |= bit(float64(v) <= lit) << (j & 63)
			}
		}
		words[i] = w
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
// first offset stands for its beginning.
func textWords[T int32 | int64](n *node, words []uint64, offsets []T, data []byte) error {
	o, inverted := n.op.base()
	lit, ok := bytesOf(n.lit)
	if o == opIn {
		ok = n.set.texts != nil
	}
	if !ok {
		return errLiteral(n)
	}
	rows := max(len(offsets)-1, 0)
	for i := range words {
		var w uint64
		for j := range min(64, rows-64*i) {
			at := 64*i + j
			v := data[offsets[at]-offsets[0] : offsets[at+1]-offsets[0]]
			w |= bit(textHolds(o, v, lit, &n.set)) << (j & 63)
		}
		words[i] = w
	}
	if inverted {
		invert(words)
	}
	return nil
}

func textHolds(o op, v, lit []byte, set *values) bool {
	switch o {
	case opEq:
		return len(v) == len(lit) && string(v) == string(lit)
	case opStartsWith:
		return bytes.HasPrefix(v, lit)
	case opLt:
		return bytes.Compare(v, lit) < 0
	case opLe:
		return bytes.Compare(v, lit) <= 0
	}
	_, found := set.texts[string(v)]
	return found
}

func fixedWords(n *node, words []uint64, a *array.FixedSizeBinary) error {
	o, inverted := n.op.base()
	lit, ok := bytesOf(n.lit)
	if o == opIn {
		ok = n.set.texts != nil
	}
	if !ok {
		return errLiteral(n)
	}
	for i := range words {
		var w uint64
		for j := range min(64, a.Len()-64*i) {
			w |= bit(textHolds(o, a.Value(64*i+j), lit, &n.set)) << (j & 63)
		}
		words[i] = w
	}
	if inverted {
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
		for j, v := range chunk {
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
			w |= bit(r) << (j & 63)
		}
		words[i] = w
	}
	if inverted {
		invert(words)
	}
	return nil
}

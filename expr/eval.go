package expr

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/internal/bitmap"
)

// Eval sets the bits of dst, n long, for the rows where the predicate is true and
// clears the others. cols returns a column as n rows of the type that
// schema.ArrowType gives (narrower numbers and dictionaries of it will do), with
// the nulls of enclosing structs merged in; nil stands for a column that is all
// null. Eval asks for each column at most once per predicate on it, and not at
// all where earlier predicates have decided every row.
func (b *Bound) Eval(cols func(fieldID int) arrow.Array, n int, dst *bitmap.Bitmap) error {
	if dst.Len() != n {
		return fmt.Errorf("a bitmap of %d bits for %d rows", dst.Len(), n)
	}
	e := evaluator{cols: cols, n: n}
	return e.eval(b.root, dst, nil)
}

type evaluator struct {
	cols    func(int) arrow.Array
	n       int
	scratch []*bitmap.Bitmap
}

func (e *evaluator) get() *bitmap.Bitmap {
	if k := len(e.scratch); k > 0 {
		b := e.scratch[k-1]
		e.scratch = e.scratch[:k-1]
		return b
	}
	return bitmap.New(e.n)
}

func (e *evaluator) put(b *bitmap.Bitmap) { e.scratch = append(e.scratch, b) }

// eval overwrites dst. Where mask is given, bits it has not set may come out
// either way.
func (e *evaluator) eval(n *node, dst *bitmap.Bitmap, mask []uint64) error {
	switch n.op {
	case opTrue, opFalse:
		fill(dst.Words(), n.op == opTrue)
		trim(dst)
		return nil
	case opAnd, opOr:
		return e.evalList(n, dst, mask)
	}
	return e.leaf(n, e.cols(n.col.id), dst, mask)
}

func (e *evaluator) evalList(n *node, dst *bitmap.Bitmap, mask []uint64) error {
	if err := e.eval(n.order[0], dst, mask); err != nil {
		return err
	}
	other := e.get()
	defer e.put(other)
	for _, k := range n.order[1:] {
		if n.op == opAnd && dst.NextSet(0) < 0 || n.op == opOr && allSet(dst) {
			return nil
		}
		if n.op == opAnd {
			if mask != nil {
				andWords(dst.Words(), mask)
			}
			mask = dst.Words() // only rows that are still in matter
		}
		if err := e.eval(k, other, mask); err != nil {
			return err
		}
		if n.op == opAnd {
			dst.And(other)
		} else {
			dst.Or(other)
		}
	}
	return nil
}

func andWords(words, mask []uint64) {
	for i, m := range mask {
		words[i] &= m
	}
}

func allSet(b *bitmap.Bitmap) bool {
	words, n := b.Words(), b.Len()
	for i, w := range words {
		want := ^uint64(0)
		if i == len(words)-1 && n&63 != 0 {
			want = 1<<(n&63) - 1
		}
		if w != want {
			return false
		}
	}
	return true
}

func fill(words []uint64, one bool) {
	v := uint64(0)
	if one {
		v = ^v
	}
	for i := range words {
		words[i] = v
	}
}

// trim clears the bits of the last word past the length.
func trim(b *bitmap.Bitmap) {
	if r := b.Len() & 63; r != 0 {
		words := b.Words()
		words[len(words)-1] &= 1<<r - 1
	}
}

// leaf evaluates a predicate on one column.
func (e *evaluator) leaf(n *node, a arrow.Array, dst *bitmap.Bitmap, mask []uint64) error {
	if a == nil || a.DataType().ID() == arrow.NULL {
		r, _ := n.holds(nil)
		fill(dst.Words(), r)
		trim(dst)
		return nil
	}
	if a.Len() != e.n {
		return fmt.Errorf("column %s has %d rows, not %d", n.col.name, a.Len(), e.n)
	}
	if err := leafWords(n, a, dst.Words(), mask, e.n); err != nil {
		return fmt.Errorf("column %s: %w", n.col.name, err)
	}
	trim(dst)
	return nil
}

// leafWords overwrites the words of a bitmap with a predicate's result; bits past
// n may be set.
func leafWords(n *node, a arrow.Array, words, mask []uint64, rows int) error {
	switch n.op {
	case opIsNull, opNotNull:
		fill(words, true)
		andValid(words, a, rows)
		if n.op == opIsNull {
			invert(words)
		}
		return nil
	case opIsNaN, opNotNaN:
		return nanWords(n, a, words, rows)
	}
	if d, ok := a.(*array.Dictionary); ok {
		return dictionaryWords(n, d, words)
	}
	if err := valueWords(n, a, words, mask); err != nil {
		return err
	}
	andValid(words, a, rows)
	return nil
}

func invert(words []uint64) {
	for i := range words {
		words[i] = ^words[i]
	}
}

// andValid clears the bits of null rows.
func andValid(words []uint64, a arrow.Array, rows int) {
	if a.NullN() == 0 {
		return
	}
	valid, offset := a.NullBitmapBytes(), a.Data().Offset()
	if len(valid) == 0 {
		return
	}
	for i := range words {
		words[i] &= loadBits(valid, offset+64*i, rows-64*i)
	}
}

// loadBits reads up to 64 bits of a bitmap, which has at least n from there.
func loadBits(b []byte, at, n int) uint64 {
	from, shift := at>>3, at&7
	need := (shift + min(n, 64) + 7) / 8
	var w uint64
	for k := range min(need, 8) {
		w |= uint64(b[from+k]) << (8 * k)
	}
	w >>= shift
	if need == 9 {
		w |= uint64(b[from+8]) << (64 - shift)
	}
	return w
}

// nanWords evaluates IS NAN and IS NOT NAN.
func nanWords(n *node, a arrow.Array, words []uint64, rows int) error {
	switch a := a.(type) {
	case *array.Float32:
		eqWords(words, a.Float32Values(), float32NaN, true)
	case *array.Float64:
		eqWords(words, a.Float64Values(), float64NaN, true)
	case *array.Dictionary:
		inner := &node{op: opIsNaN, col: n.col}
		if err := dictionaryWords(inner, a, words); err != nil {
			return err
		}
		rows = 0 // null entries are false already
	default:
		return fmt.Errorf("no NaN in an Arrow column of %s", a.DataType())
	}
	if rows > 0 {
		andValid(words, a, rows)
	}
	if n.op == opNotNaN {
		invert(words)
	}
	return nil
}

// dictionaryWords evaluates the dictionary's values once and looks rows up.
func dictionaryWords(n *node, d *array.Dictionary, words []uint64) error {
	size := d.Dictionary().Len()
	hits := bitmap.New(size)
	if err := leafWords(n, d.Dictionary(), hits.Words(), nil, size); err != nil {
		return err
	}
	fill(words, false)
	for i := range d.Len() {
		if d.IsValid(i) && hits.Get(d.GetValueIndex(i)) {
			words[i>>6] |= 1 << (i & 63)
		}
	}
	return nil
}

// valueWords compares values, those at null rows too. Only kernels that cost more
// than a load look at mask.
func valueWords(n *node, a arrow.Array, words, mask []uint64) error {
	if a.Len() == 0 { // may lack buffers
		return nil
	}
	switch a := a.(type) {
	case *array.Int8:
		return intWords(n, words, a.Int8Values())
	case *array.Int16:
		return intWords(n, words, a.Int16Values())
	case *array.Int32:
		return intWords(n, words, a.Int32Values())
	case *array.Int64:
		return intWords(n, words, a.Int64Values())
	case *array.Date32:
		return intWords(n, words, a.Date32Values())
	case *array.Time64:
		return intWords(n, words, a.Time64Values())
	case *array.Timestamp:
		return intWords(n, words, a.TimestampValues())
	case *array.Float32:
		return floatWords(n, words, a.Float32Values())
	case *array.Float64:
		return floatWords(n, words, a.Float64Values())
	case *array.Boolean:
		return boolWords(n, words, a)
	case *array.String:
		return textWords(n, words, mask, a.ValueOffsets(), a.ValueBytes())
	case *array.LargeString:
		return textWords(n, words, mask, a.ValueOffsets(), a.ValueBytes())
	case *array.Binary:
		return textWords(n, words, mask, a.ValueOffsets(), a.ValueBytes())
	case *array.LargeBinary:
		return textWords(n, words, mask, a.ValueOffsets(), a.ValueBytes())
	case *array.FixedSizeBinary:
		return fixedWords(n, words, mask, a)
	case *array.Decimal128:
		return decimalWords(n, words, a.Values())
	}
	return fmt.Errorf("cannot compare an Arrow column of %s", a.DataType())
}

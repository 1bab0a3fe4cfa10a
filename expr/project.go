package expr

import (
	"math"
	"unicode/utf8"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// PartitionFilter decides over partition tuples of one spec. It is immutable and
// safe for concurrent use.
type PartitionFilter struct {
	root      *node // columns are positions in the tuple
	fields    int
	inclusive bool
}

// Project turns the predicate into one over the tuples of a spec; s, a schema
// that has the spec's source columns, may be nil to use the types the predicate
// is bound to. Inclusive: a tuple that is not kept holds no matching row. Strict:
// every row of a tuple that is kept matches. Fields with unknown or
// multi-argument transforms are not used.
//
// Year, month, day and hour filters are one step wider before 1970, because some
// older writers rounded those values up.
func (b *Bound) Project(spec partition.Spec, s *schema.Schema, inclusive bool) *PartitionFilter {
	p := projector{inclusive: inclusive, bySource: map[int][]int{}, spec: spec, schema: s}
	for i, f := range spec.Fields {
		if len(f.SourceIDs) == 1 {
			p.bySource[f.SourceIDs[0]] = append(p.bySource[f.SourceIDs[0]], i)
		}
	}
	return &PartitionFilter{root: p.project(b.root), fields: len(spec.Fields), inclusive: inclusive}
}

// AlwaysTrue reports whether every tuple is kept.
func (f *PartitionFilter) AlwaysTrue() bool { return f.root.op == opTrue }

// KeepTuple evaluates the filter for one tuple. A value that is missing or of an
// unexpected type counts as unknown: the tuple is kept by an inclusive filter and
// not by a strict one on its account.
func (f *PartitionFilter) KeepTuple(t partition.Tuple) bool {
	return f.root.decide(func(n *node) bool {
		if n.col.id >= len(t) || !conforms(n.col.typ, t[n.col.id]) {
			return f.inclusive
		}
		r, ok := n.holds(t[n.col.id])
		if !ok {
			return f.inclusive
		}
		return r
	})
}

// conforms reports whether a partition value can be one of the type, be it from
// before a promotion that keeps the order (int to long, float to double).
func conforms(t schema.Type, v any) bool {
	switch v.(type) {
	case int32:
		return t.Kind == schema.KindInt || t.Kind == schema.KindDate || t.Kind == schema.KindLong
	case int64:
		return t.Kind != schema.KindInt && t.Kind != schema.KindDate
	}
	return true // compare looks at the others
}

type projector struct {
	inclusive bool
	spec      partition.Spec
	schema    *schema.Schema
	bySource  map[int][]int
}

func (p *projector) project(n *node) *node {
	switch n.op {
	case opTrue, opFalse:
		return n
	case opAnd, opOr:
		kids := make([]*node, len(n.kids))
		for i, k := range n.kids {
			kids[i] = p.project(k)
		}
		return join(n.op, kids...)
	}
	// Each field on the column gives a condition of its own: a row matches only
	// where all inclusive ones hold, and surely where one strict one holds.
	o := opAnd
	if !p.inclusive {
		o = opOr
	}
	var kids []*node
	for _, i := range p.bySource[n.col.id] {
		if k := p.field(n, i); k != nil {
			kids = append(kids, k)
		}
	}
	if len(kids) == 0 {
		return constant(p.inclusive)
	}
	return join(o, kids...)
}

// field projects a predicate through one partition field; nil if that tells
// nothing.
func (p *projector) field(n *node, i int) *node {
	f := p.spec.Fields[i]
	src := n.col.typ
	if p.schema != nil {
		if sf, ok := p.schema.FieldByID(n.col.id); ok && sf.Type.Kind != src.Kind {
			return nil // bound to another version of the column
		}
	}
	result, err := f.Transform.ResultType(src)
	if err != nil || f.Transform.Kind == partition.VoidTransform {
		return nil
	}
	col := &column{i, f.Name, result}
	switch n.op {
	case opIsNull, opNotNull:
		return &node{op: n.op, col: col}
	}
	t := through{transform: f.Transform, src: src, col: col, inclusive: p.inclusive}
	switch f.Transform.Kind {
	case partition.IdentityTransform:
		same := *n
		same.col = col
		return &same
	case partition.BucketTransform:
		return t.bucket(n)
	}
	switch n.op {
	case opStartsWith, opNotStartsWith:
		return t.prefix(n)
	case opEq, opNe, opIn, opNotIn:
		return t.points(n)
	case opLt, opLe, opGt, opGe:
		return t.ranges(n)
	}
	return nil
}

// through carries predicates through one transform.
type through struct {
	transform partition.Transform
	src       schema.Type
	col       *column
	inclusive bool
}

func (t *through) apply(v any) any { return t.transform.Apply(t.src, v) }

func (t *through) applyAll(n *node) []any {
	vals := n.set.sorted
	if n.op == opEq || n.op == opNe {
		vals = []any{n.lit}
	}
	out := make([]any, 0, len(vals))
	for _, v := range vals {
		r := t.apply(v)
		if r == nil {
			return nil
		}
		out = append(out, r)
	}
	return out
}

func (t *through) bucket(n *node) *node {
	positive := n.op == opEq || n.op == opIn
	if !positive && n.op != opNe && n.op != opNotIn || positive != t.inclusive {
		return nil
	}
	return t.set(positive, t.applyAll(n))
}

func (t *through) set(positive bool, vals []any) *node {
	if len(vals) == 0 {
		return nil
	}
	if positive {
		return setNode(opIn, t.col, vals)
	}
	return setNode(opNotIn, t.col, vals)
}

// points projects = and IN (inclusive only) and their negations (strict only):
// equal values have equal results, different ones may have them too.
func (t *through) points(n *node) *node {
	positive := n.op == opEq || n.op == opIn
	if positive != t.inclusive {
		return nil
	}
	vals := t.applyAll(n)
	for _, v := range vals {
		if w, early := t.stepUp(v); early {
			vals = append(vals, w)
		}
	}
	return t.set(positive, vals)
}

// stepUp returns the next result for time transforms of values before 1970.
func (t *through) stepUp(v any) (any, bool) {
	n, ok := v.(int32)
	if !ok || n >= 0 || t.transform.Kind < partition.YearTransform || t.transform.Kind > partition.HourTransform {
		return v, false
	}
	return n + 1, true
}

// ranges projects comparisons through a transform that keeps the order. With f
// the transform: x <= v needs f(x) <= f(v), and f(x) < f(v) ensures x < v. Where
// values are integers, x < v is x <= v-1, which makes the former sharper.
func (t *through) ranges(n *node) *node {
	var o op
	v := n.lit
	switch n.op {
	case opLt, opLe:
		closed := n.op == opLe
		if t.inclusive {
			o = opLe
			if !closed {
				v = neighbour(v, -1)
			}
		} else {
			o = opLt
			if closed {
				v = neighbour(v, 1)
			}
		}
	default:
		closed := n.op == opGe
		if t.inclusive {
			o = opGe
			if !closed {
				v = neighbour(v, 1)
			}
		} else {
			o = opGt
			if closed {
				v = neighbour(v, -1)
			}
		}
	}
	r := t.apply(v)
	if r == nil {
		return nil
	}
	if o == opLe || o == opGt {
		r, _ = t.stepUp(r)
	} else if c, ok := compare(r, v); t.transform.Kind == partition.TruncateTransform && ok && c > 0 {
		return nil // the literal itself wrapped: its result is above all others
	}
	return t.aroundWrap(&node{op: o, col: t.col, lit: r})
}

// aroundWrap allows for truncated integers that wrapped: values within the width
// of the smallest integer have results within the width of the largest.
func (t *through) aroundWrap(n *node) *node {
	var limit any
	switch w := t.transform.Param; {
	case t.transform.Kind != partition.TruncateTransform:
		return n
	case t.src.Kind == schema.KindInt:
		limit = int32(math.MaxInt32 - w)
	case t.src.Kind == schema.KindLong:
		limit = int64(math.MaxInt64 - int64(w))
	default:
		return n
	}
	switch n.op {
	case opLe:
		return join(opOr, n, &node{op: opGt, col: t.col, lit: limit})
	case opGt:
		return join(opAnd, n, &node{op: opLe, col: t.col, lit: limit})
	}
	return n
}

// neighbour returns the next integer below or above; the value itself, which is
// never wrong, if there is none or the type is not an integer.
func neighbour(v any, step int) any {
	switch x := v.(type) {
	case int32:
		if step < 0 && x > math.MinInt32 || step > 0 && x < math.MaxInt32 {
			return x + int32(step)
		}
	case int64:
		if step < 0 && x > math.MinInt64 || step > 0 && x < math.MaxInt64 {
			return x + int64(step)
		}
	}
	return v
}

// prefix projects LIKE 'p%' through truncate: a prefix not longer than the width
// is one of the results exactly.
func (t *through) prefix(n *node) *node {
	p, ok := n.lit.(string)
	if !ok || t.transform.Kind != partition.TruncateTransform {
		return nil
	}
	if utf8.RuneCountInString(p) <= t.transform.Param {
		return &node{op: n.op, col: t.col, lit: p}
	}
	cut := t.apply(p)
	switch {
	case n.op == opStartsWith && t.inclusive:
		return &node{op: opEq, col: t.col, lit: cut}
	case n.op == opNotStartsWith && !t.inclusive:
		return &node{op: opNe, col: t.col, lit: cut}
	}
	return nil
}

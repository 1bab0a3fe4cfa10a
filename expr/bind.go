package expr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/frazildb/frazil/schema"
)

// Bound is a predicate bound to the columns of a schema. It is immutable and safe
// for concurrent use.
type Bound struct {
	root *node
	ids  []int
}

// column is a column of a bound predicate, or a field of a partition tuple, where
// id is the field's position.
type column struct {
	id   int
	name string
	typ  schema.Type
}

// node is a bound predicate without NOT. Comparisons never have NaN or nil as a
// literal: Bind turns those into other operators.
type node struct {
	op   op
	kids []*node // opAnd, opOr
	// order is kids in the order of evaluation over columns: cheap ones first.
	order []*node
	col   *column
	lit   any    // of the column's type
	set   values // opIn, opNotIn
}

var (
	trueNode  = &node{op: opTrue}
	falseNode = &node{op: opFalse}
)

func constant(b bool) *node {
	if b {
		return trueNode
	}
	return falseNode
}

// Bind resolves the columns of e in s and converts its literals to the types of
// their columns. Numbers that a column cannot hold are compared by value all the
// same: int_column < 1.5 is int_column <= 1, and no int equals 3e9. Negations are
// pushed down to the comparisons. Unknown columns, literals of another kind and
// comparisons of nested, variant or geo columns are errors; those columns can be
// tested for null.
func Bind(e Expr, s *schema.Schema, caseInsensitive bool) (*Bound, error) {
	b := binder{schema: s, fold: caseInsensitive, columns: map[int]*column{}}
	root, err := b.bind(e, false, 0)
	if err != nil {
		return nil, err
	}
	root.plan()
	bound := &Bound{root: root}
	seen := map[int]bool{}
	root.each(func(n *node) {
		if !seen[n.col.id] {
			seen[n.col.id] = true
			bound.ids = append(bound.ids, n.col.id)
		}
	})
	slices.Sort(bound.ids)
	return bound, nil
}

// FieldIDs returns the ids of the columns the predicate reads, ascending. A
// constant predicate reads none.
func (b *Bound) FieldIDs() []int { return slices.Clone(b.ids) }

// AlwaysTrue reports whether the predicate holds for every row by itself.
func (b *Bound) AlwaysTrue() bool { return b.root.op == opTrue }

// AlwaysFalse reports whether the predicate holds for no row by itself.
func (b *Bound) AlwaysFalse() bool { return b.root.op == opFalse }

// String returns the predicate with its column names, as Parse reads it.
func (b *Bound) String() string { return b.root.String() }

func (n *node) String() string {
	switch n.op {
	case opTrue, opFalse:
		return constExpr(n.op == opTrue).String()
	case opAnd, opOr:
		word := " AND "
		if n.op == opOr {
			word = " OR "
		}
		parts := make([]string, len(n.kids))
		for i, k := range n.kids {
			parts[i] = k.String()
			if k.op == opAnd || k.op == opOr {
				parts[i] = "(" + parts[i] + ")"
			}
		}
		return strings.Join(parts, word)
	}
	vals := n.set.sorted
	if n.op != opIn && n.op != opNotIn {
		vals = []any{n.lit}
	}
	return leafString(n.op, quoteName(n.col.name), vals, func(v any) string { return typedString(n.col.typ, v) })
}

func typedString(t schema.Type, v any) string {
	switch t.Kind {
	case schema.KindBoolean, schema.KindInt, schema.KindLong, schema.KindFloat, schema.KindDouble:
		return literalString(v)
	case schema.KindDecimal:
		return schema.FormatValue(t, v)
	case schema.KindFixed, schema.KindBinary:
		return "X" + quoteText(schema.FormatValue(t, v))
	}
	return quoteText(schema.FormatValue(t, v))
}

// plan sets the order of evaluation of a tree.
func (n *node) plan() int {
	switch n.op {
	case opTrue, opFalse, opIsNull, opNotNull:
		return 0
	case opAnd, opOr:
		costs := make(map[*node]int, len(n.kids))
		total := 0
		for _, k := range n.kids {
			costs[k] = k.plan()
			total += costs[k]
		}
		n.order = slices.Clone(n.kids)
		slices.SortStableFunc(n.order, func(a, b *node) int { return cmp.Compare(costs[a], costs[b]) })
		return total
	}
	cost := 2
	if n.op == opIn || n.op == opNotIn {
		cost *= 3
	}
	switch n.col.typ.Kind {
	case schema.KindString, schema.KindBinary, schema.KindFixed, schema.KindUUID, schema.KindDecimal:
		cost *= 5
	}
	return cost
}

// each calls fn for every predicate on a column.
func (n *node) each(fn func(*node)) {
	for _, k := range n.kids {
		k.each(fn)
	}
	if n.col != nil {
		fn(n)
	}
}

// decide evaluates the tree from decisions about single columns.
func (n *node) decide(leaf func(*node) bool) bool {
	switch n.op {
	case opTrue:
		return true
	case opFalse:
		return false
	case opAnd:
		for _, k := range n.kids {
			if !k.decide(leaf) {
				return false
			}
		}
		return true
	case opOr:
		for _, k := range n.kids {
			if k.decide(leaf) {
				return true
			}
		}
		return false
	}
	return leaf(n)
}

type binder struct {
	schema  *schema.Schema
	fold    bool
	columns map[int]*column
}

// bind binds e, or its negation.
func (b *binder) bind(e Expr, negated bool, depth int) (*node, error) {
	if depth > 10*maxDepth {
		return nil, fmt.Errorf("the predicate is nested deeper than %d", 10*maxDepth)
	}
	switch e := e.(type) {
	case constExpr:
		return constant(bool(e) != negated), nil
	case *notExpr:
		return b.bind(e.kid, !negated, depth+1)
	case *listExpr:
		o := e.op
		if negated {
			o = negation[o]
		}
		kids := make([]*node, len(e.kids))
		for i, k := range e.kids {
			var err error
			if kids[i], err = b.bind(k, negated, depth+1); err != nil {
				return nil, err
			}
		}
		return join(o, kids...), nil
	case *leafExpr:
		o := e.op
		if negated {
			o = negation[o]
		}
		col, err := b.column(e.column)
		if err != nil {
			return nil, err
		}
		n, err := bindLeaf(o, col, e.values)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", col.name, err)
		}
		return n, nil
	}
	return nil, fmt.Errorf("not a predicate: %T", e)
}

// join makes an AND or OR and drops constants.
func join(o op, kids ...*node) *node {
	neutral, absorbing := opTrue, opFalse
	if o == opOr {
		neutral, absorbing = opFalse, opTrue
	}
	var kept []*node
	for _, k := range kids {
		switch k.op {
		case neutral:
		case absorbing:
			return k
		case o:
			kept = append(kept, k.kids...)
		default:
			kept = append(kept, k)
		}
	}
	switch len(kept) {
	case 0:
		return &node{op: neutral}
	case 1:
		return kept[0]
	}
	return &node{op: o, kids: kept}
}

func (b *binder) column(name string) (*column, error) {
	var f *schema.Field
	if b.fold {
		var err error
		if f, err = b.schema.FieldByNameFold(name); err != nil {
			return nil, err
		}
	} else {
		var ok bool
		if f, ok = b.schema.FieldByName(name); !ok {
			return nil, b.schema.UnknownColumn(name)
		}
	}
	if c, ok := b.columns[f.ID]; ok {
		return c, nil
	}
	if b.schema.StructPath(f.ID) == nil {
		return nil, fmt.Errorf("column %s is inside a list or map", name)
	}
	c := &column{f.ID, b.schema.Path(f.ID), f.Type}
	b.columns[f.ID] = c
	return c, nil
}

func comparable(t schema.Type) bool {
	return t.Kind >= schema.KindBoolean && t.Kind <= schema.KindUnknown
}

func isFloat(t schema.Type) bool {
	return t.Kind == schema.KindFloat || t.Kind == schema.KindDouble
}

func bindLeaf(o op, col *column, vals []any) (*node, error) {
	switch o {
	case opIsNull, opNotNull:
		if col.typ.Kind == schema.KindUnknown {
			return constant(o == opIsNull), nil
		}
		return &node{op: o, col: col}, nil
	case opIsNaN, opNotNaN:
		if !isFloat(col.typ) {
			return nil, fmt.Errorf("IS NAN needs float or double, not %s", col.typ)
		}
		return &node{op: o, col: col}, nil
	}
	if !comparable(col.typ) {
		return nil, fmt.Errorf("values of type %s cannot be compared", col.typ)
	}
	if col.typ.Kind == schema.KindUnknown {
		return falseNode, nil
	}
	switch o {
	case opIn, opNotIn:
		return bindSet(o, col, vals)
	case opStartsWith, opNotStartsWith:
		return bindPrefix(o, col, vals[0])
	}
	return bindComparison(o, col, vals[0])
}

func bindPrefix(o op, col *column, v any) (*node, error) {
	prefix, ok := v.(string)
	if !ok || col.typ.Kind != schema.KindString {
		return nil, fmt.Errorf("LIKE needs a string column, not %s", col.typ)
	}
	if prefix == "" {
		if o == opStartsWith {
			return &node{op: opNotNull, col: col}, nil
		}
		return falseNode, nil
	}
	return &node{op: o, col: col, lit: prefix}, nil
}

func bindSet(o op, col *column, vals []any) (*node, error) {
	one, all := opEq, opOr
	if o == opNotIn {
		one, all = opNe, opAnd
	}
	var set []any
	var others []*node
	for _, v := range vals {
		n, err := bindComparison(one, col, v)
		if err != nil {
			return nil, err
		}
		if n.op == one {
			set = append(set, n.lit)
		} else {
			others = append(others, n) // NaN, null, or a value the type has not
		}
	}
	if len(vals) == 0 {
		return constant(o == opNotIn), nil
	}
	n := setNode(o, col, set)
	if len(set) == 0 {
		return join(all, others...), nil
	}
	return join(all, append(others, n)...), nil
}

// setNode makes IN or NOT IN over values of the column's type.
func setNode(o op, col *column, set []any) *node {
	sorted := slices.Clone(set)
	slices.SortFunc(sorted, func(a, b any) int { c, _ := compare(a, b); return c })
	sorted = slices.CompactFunc(sorted, func(a, b any) bool { c, _ := compare(a, b); return c == 0 })
	switch len(sorted) {
	case 0:
		return constant(o == opNotIn)
	case 1:
		one := opEq
		if o == opNotIn {
			one = opNe
		}
		return &node{op: one, col: col, lit: sorted[0]}
	}
	if col.typ.Kind == schema.KindBoolean { // both values
		if o == opNotIn {
			return falseNode
		}
		return &node{op: opNotNull, col: col}
	}
	return &node{op: o, col: col, set: newValues(sorted)}
}

// bindComparison converts the literal. NaN becomes a test for NaN.
func bindComparison(o op, col *column, v any) (*node, error) {
	if v == nil {
		return falseNode, nil
	}
	o, lit, err := convert(o, col.typ, v)
	if err != nil {
		return nil, err
	}
	if o == opNotNull {
		return &node{op: o, col: col}, nil
	}
	if o == opFalse {
		return falseNode, nil
	}
	if schema.IsNaN(lit) {
		return nanNode(o, col), nil
	}
	return &node{op: o, col: col, lit: lit}, nil
}

// nanNode compares with NaN, which equals itself and is above all else.
func nanNode(o op, col *column) *node {
	notNull := &node{op: opNotNull, col: col}
	switch o {
	case opEq, opGe:
		return &node{op: opIsNaN, col: col}
	case opNe, opLt:
		return join(opAnd, notNull, &node{op: opNotNaN, col: col})
	case opLe:
		return notNull
	default:
		return falseNode
	}
}

package expr

import (
	"math"
	"slices"
	"strings"

	"github.com/frazildb/frazil/schema"
)

// Metrics gives the statistics of a file, row group or page by field id; false
// means unknown. Bounds are in the spec's binary single-value form, may be
// truncated (outwards) and may stem from before a promotion of the column's type.
type Metrics interface {
	// Rows returns the row count, negative when unknown.
	Rows() int64
	// ValueCount counts a column's values, nulls and NaNs included.
	ValueCount(fieldID int) (int64, bool)
	NullCount(fieldID int) (int64, bool)
	NaNCount(fieldID int) (int64, bool)
	LowerBound(fieldID int) ([]byte, bool)
	UpperBound(fieldID int) ([]byte, bool)
}

// Summary summarises a partition field over a manifest; it has the same
// underlying type as manifest.FieldSummary.
type Summary struct {
	ContainsNull bool
	ContainsNaN  *bool
	Lower, Upper []byte
}

// Summaries converts a slice of a type of the same shape.
func Summaries[S ~struct {
	ContainsNull bool
	ContainsNaN  *bool
	Lower, Upper []byte
}](in []S) []Summary {
	out := make([]Summary, len(in))
	for i, s := range in {
		out[i] = Summary(s)
	}
	return out
}

// facts is what is known about the values of one column somewhere.
type facts struct {
	hasNull, hasNaN, hasValue answer // hasValue: neither null nor NaN
	lower, upper              any    // nil is unknown
}

type answer uint8

const (
	maybe answer = iota
	yes
	no
)

// setBounds decodes bounds. Those that cannot be, and pairs that contradict each
// other, are unknown: third-party writers have produced both.
func (f *facts) setBounds(t schema.Type, lower, upper []byte) {
	if lower != nil {
		if v, err := schema.DecodeBound(t, lower); err == nil && !schema.IsNaN(v) {
			f.lower = v
		}
	}
	if upper != nil {
		if v, err := schema.DecodeBound(t, upper); err == nil && !schema.IsNaN(v) {
			f.upper = v
		}
	}
	if f.lower != nil && f.upper != nil {
		if c, ok := compare(f.lower, f.upper); !ok || c > 0 {
			f.lower, f.upper = nil, nil
		}
	}
}

// MightMatch reports whether a file with these statistics may hold a matching
// row. What is missing or malformed counts as unknown.
func (b *Bound) MightMatch(m Metrics) bool {
	if b.root.op == opFalse || m.Rows() == 0 {
		return false
	}
	known := factsCache{metrics: m}
	return b.root.decide(func(n *node) bool { return n.possible(known.of(n.col)) })
}

// factsCache keeps what statistics say of the columns looked at, most often one
// or two, each of which several comparisons ask for.
type factsCache struct {
	metrics Metrics
	cols    [4]*column
	facts   [4]facts
	n       int
}

func (c *factsCache) of(col *column) *facts {
	for i := range min(c.n, len(c.cols)) {
		if c.cols[i] == col {
			return &c.facts[i]
		}
	}
	at := c.n % len(c.cols)
	c.n++
	c.cols[at], c.facts[at] = col, factsOf(col, c.metrics)
	return &c.facts[at]
}

// AllMatch reports whether every row of a file with these statistics surely
// matches.
func (b *Bound) AllMatch(m Metrics) bool {
	if m.Rows() == 0 {
		return true
	}
	known := factsCache{metrics: m}
	return b.root.decide(func(n *node) bool { return n.certain(known.of(n.col)) })
}

func factsOf(c *column, m Metrics) facts {
	var f facts
	count, known := m.ValueCount(c.id)
	if rows := m.Rows(); !known || count < 0 {
		count = rows
	} else if rows >= 0 && count != rows {
		count = -1 // some writer counted something else
	}
	nulls, nullsKnown := m.NullCount(c.id)
	nans, nansKnown := m.NaNCount(c.id)
	if !isFloat(c.typ) {
		nans, nansKnown = 0, true
	}
	nullsKnown = nullsKnown && nulls >= 0 && (count < 0 || nulls <= count)
	nansKnown = nansKnown && nans >= 0 && (count < 0 || nans <= count)
	if nullsKnown {
		f.hasNull = present(nulls)
	}
	if nansKnown {
		f.hasNaN = present(nans)
	}
	if count > 0 && nullsKnown && nulls == count {
		f.hasValue, f.hasNaN = no, no
	} else if count > 0 && nullsKnown && nansKnown && nulls+nans <= count {
		f.hasValue = present(count - nulls - nans)
	}
	if count > 0 && nansKnown && nans == count {
		f.hasValue, f.hasNull = no, no
	}
	if comparable(c.typ) && f.hasValue != no {
		lower, _ := m.LowerBound(c.id)
		upper, _ := m.UpperBound(c.id)
		f.setBounds(c.typ, lower, upper)
	}
	return f
}

func present(n int64) answer {
	if n > 0 {
		return yes
	}
	return no
}

// possible reports whether some row may fulfil the predicate.
func (n *node) possible(f *facts) bool {
	switch n.op {
	case opIsNull:
		return f.hasNull != no
	case opNotNull:
		return f.hasValue != no || f.hasNaN != no
	case opIsNaN:
		return f.hasNaN != no
	case opNotNaN:
		return f.hasValue != no || f.hasNull != no
	}
	if f.hasNaN != no && isFloat(n.col.typ) && n.fitsNaN() {
		return true
	}
	if f.hasValue == no {
		return false
	}
	switch n.op {
	case opEq:
		return !(above(f.lower, n.lit) || below(f.upper, n.lit))
	case opLt:
		return f.lower == nil || ordered(f.lower, n.lit, -1)
	case opLe:
		return !above(f.lower, n.lit)
	case opGt:
		return f.upper == nil || ordered(f.upper, n.lit, 1)
	case opGe:
		return !below(f.upper, n.lit)
	case opIn:
		return n.set.within(f.lower, f.upper)
	case opStartsWith:
		return !n.beyondPrefix(f)
	case opNotStartsWith:
		return !n.allPrefix(f)
	}
	return true // <> and NOT IN
}

// certain reports whether every row surely fulfils the predicate.
func (n *node) certain(f *facts) bool {
	switch n.op {
	case opIsNull:
		return f.hasValue == no && f.hasNaN == no
	case opNotNull:
		return f.hasNull == no
	case opIsNaN:
		return f.hasValue == no && f.hasNull == no
	case opNotNaN:
		return f.hasNaN == no
	}
	if f.hasNull != no || isFloat(n.col.typ) && f.hasNaN != no && !n.fitsNaN() {
		return false
	}
	if f.hasValue == no {
		return true // nothing but NaNs that fit
	}
	switch n.op {
	case opEq:
		return f.lower != nil && f.upper != nil && ordered(f.lower, n.lit, 0) && ordered(f.upper, n.lit, 0)
	case opNe:
		return above(f.lower, n.lit) || below(f.upper, n.lit)
	case opLt:
		return below(f.upper, n.lit)
	case opLe:
		return f.upper != nil && !above(f.upper, n.lit)
	case opGt:
		return above(f.lower, n.lit)
	case opGe:
		return f.lower != nil && !below(f.lower, n.lit)
	case opIn:
		return f.lower != nil && f.upper != nil && ordered(f.lower, f.upper, 0) && n.set.contains(f.lower)
	case opNotIn:
		return f.lower != nil && f.upper != nil && !n.set.within(f.lower, f.upper)
	case opStartsWith:
		return n.allPrefix(f)
	case opNotStartsWith:
		return n.beyondPrefix(f)
	}
	return false
}

// fitsNaN reports whether NaN fulfils a comparison: it is above and unlike every
// literal.
func (n *node) fitsNaN() bool {
	return n.op == opGt || n.op == opGe || n.op == opNe || n.op == opNotIn
}

func ordered(a, b any, want int) bool {
	c, ok := compare(a, b)
	return ok && c == want
}

// above and below compare a bound, nil for unknown, with a literal.
func above(bound, lit any) bool { return bound != nil && ordered(bound, lit, 1) }

func below(bound, lit any) bool { return bound != nil && ordered(bound, lit, -1) }

// beyondPrefix reports that no value can start with the prefix: the values begin
// behind all strings with it or end before it.
func (n *node) beyondPrefix(f *facts) bool {
	p, _ := n.lit.(string)
	if hi, ok := f.upper.(string); ok && hi < p {
		return true
	}
	lo, ok := f.lower.(string)
	return ok && lo > p && !strings.HasPrefix(lo, p)
}

// allPrefix reports that all values start with the prefix, as all strings between
// two that do.
func (n *node) allPrefix(f *facts) bool {
	p, _ := n.lit.(string)
	lo, ok1 := f.lower.(string)
	hi, ok2 := f.upper.(string)
	return ok1 && ok2 && strings.HasPrefix(lo, p) && strings.HasPrefix(hi, p)
}

// KeepSummaries reports whether a manifest with these summaries, one per field of
// the spec, may hold a tuple that KeepTuple keeps; without summaries it may.
func (f *PartitionFilter) KeepSummaries(s []Summary) bool {
	if len(s) != f.fields {
		return f.root.op != opFalse
	}
	return f.root.decide(func(n *node) bool {
		k := summaryFacts(n.col, &s[n.col.id])
		return n.possible(&k)
	})
}

func summaryFacts(c *column, s *Summary) facts {
	var f facts
	if !s.ContainsNull {
		f.hasNull = no
	}
	if s.ContainsNaN != nil && !*s.ContainsNaN || !isFloat(c.typ) {
		f.hasNaN = no
	}
	f.setBounds(c.typ, s.Lower, s.Upper)
	return f
}

// Candidates returns the values one of which a column must have in every matching
// row, sorted, where the predicate says so (column = v, column IN (…), in every
// branch of an OR); false if it does not. Bloom filters can be asked for them: both
// zeros of a float are among them where one is.
func (b *Bound) Candidates(fieldID int) ([]any, bool) {
	vals, ok := b.root.candidates(fieldID)
	for i, v := range vals {
		zero, isFloat := asFloat(v)
		if !isFloat || zero != 0 {
			continue
		}
		both := []any{math.Copysign(0, -1), 0.0}
		if _, single := v.(float32); single {
			both = []any{float32(math.Copysign(0, -1)), float32(0)}
		}
		return slices.Replace(slices.Clone(vals), i, i+1, both...), ok
	}
	return vals, ok
}

func (n *node) candidates(id int) ([]any, bool) {
	switch n.op {
	case opFalse:
		return nil, true
	case opEq:
		if n.col.id == id {
			return []any{n.lit}, true
		}
	case opIn:
		if n.col.id == id {
			return n.set.sorted, true
		}
	case opAnd:
		var best []any
		found := false
		for _, k := range n.kids {
			if c, ok := k.candidates(id); ok && (!found || len(c) < len(best)) {
				best, found = c, true
			}
		}
		return best, found
	case opOr:
		var all []any
		for _, k := range n.kids {
			c, ok := k.candidates(id)
			if !ok {
				return nil, false
			}
			all = append(all, c...)
		}
		sorted := setNode(opIn, &column{id: id}, all)
		if sorted.op == opEq {
			return []any{sorted.lit}, true
		}
		return sorted.set.sorted, true
	}
	return nil, false
}

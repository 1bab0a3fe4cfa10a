// Package expr holds predicates over columns.
package expr

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// Expr is a predicate over named columns. Expressions are immutable values.
type Expr interface {
	// String returns the predicate as Parse reads it.
	String() string
	isExpr()
}

// Constants.
var (
	True  Expr
	False Expr
)

// Eq is column = v.
func Eq(column string, v any) Expr { panic("unwritten") }

// Ne is column <> v.
func Ne(column string, v any) Expr { panic("unwritten") }

// Lt is column < v.
func Lt(column string, v any) Expr { panic("unwritten") }

// Le is column <= v.
func Le(column string, v any) Expr { panic("unwritten") }

// Gt is column > v.
func Gt(column string, v any) Expr { panic("unwritten") }

// Ge is column >= v.
func Ge(column string, v any) Expr { panic("unwritten") }

// In is column IN (vs…).
func In(column string, vs ...any) Expr { panic("unwritten") }

// NotIn is column NOT IN (vs…).
func NotIn(column string, vs ...any) Expr { panic("unwritten") }

// IsNull is column IS NULL.
func IsNull(column string) Expr { panic("unwritten") }

// NotNull is column IS NOT NULL.
func NotNull(column string) Expr { panic("unwritten") }

// IsNaN is column IS NAN.
func IsNaN(column string) Expr { panic("unwritten") }

// NotNaN is column IS NOT NAN.
func NotNaN(column string) Expr { panic("unwritten") }

// StartsWith is column LIKE 'prefix%'.
func StartsWith(column, prefix string) Expr { panic("unwritten") }

// NotStartsWith is column NOT LIKE 'prefix%'.
func NotStartsWith(column, prefix string) Expr { panic("unwritten") }

// Between is column BETWEEN lo AND hi.
func Between(column string, lo, hi any) Expr { panic("unwritten") }

// And is true where all are; without arguments it is True.
func And(es ...Expr) Expr { panic("unwritten") }

// Or is true where any is; without arguments it is False.
func Or(es ...Expr) Expr { panic("unwritten") }

// Not negates.
func Not(e Expr) Expr { panic("unwritten") }

// Parse reads a SQL condition.
func Parse(where string) (Expr, error) { panic("unwritten") }

// Bound is an expression bound to a schema.
type Bound struct{ _ int }

// Bind resolves the columns of e in s and converts its literals.
func Bind(e Expr, s *schema.Schema, caseInsensitive bool) (*Bound, error) { panic("unwritten") }

// FieldIDs returns the ids of the columns the predicate reads, ascending.
func (b *Bound) FieldIDs() []int { panic("unwritten") }

// Eval sets the bits of dst for rows where the predicate is true and clears the
// others. cols returns a column of n rows, nil for one that is all null.
func (b *Bound) Eval(cols func(fieldID int) arrow.Array, n int, dst *bitmap.Bitmap) error {
	panic("unwritten")
}

// EvalRow evaluates one row; get returns a column's value.
func (b *Bound) EvalRow(get func(fieldID int) any) bool { panic("unwritten") }

// PartitionFilter decides over partition tuples of one spec.
type PartitionFilter struct{ _ int }

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

// Project turns the predicate into one over the tuples of a spec. Inclusive: a
// tuple that is not kept holds no matching row. Strict: every row of a tuple
// that is kept matches.
func (b *Bound) Project(spec partition.Spec, s *schema.Schema, inclusive bool) *PartitionFilter {
	panic("unwritten")
}

// KeepTuple evaluates the filter for one tuple.
func (f *PartitionFilter) KeepTuple(t partition.Tuple) bool { panic("unwritten") }

// KeepSummaries reports whether a manifest with these summaries, one per field
// or none at all, may hold a tuple that KeepTuple keeps.
func (f *PartitionFilter) KeepSummaries(s []Summary) bool { panic("unwritten") }

// AlwaysTrue reports whether every tuple is kept.
func (f *PartitionFilter) AlwaysTrue() bool { panic("unwritten") }

// Metrics gives the statistics of a file or row group by field id; false means
// unknown. Bounds are in the spec's binary single-value form.
type Metrics interface {
	// Rows returns the row count, -1 when unknown.
	Rows() int64
	ValueCount(fieldID int) (int64, bool)
	NullCount(fieldID int) (int64, bool)
	NaNCount(fieldID int) (int64, bool)
	LowerBound(fieldID int) ([]byte, bool)
	UpperBound(fieldID int) ([]byte, bool)
}

// MightMatch reports whether a file with these statistics may hold a matching
// row.
func (b *Bound) MightMatch(m Metrics) bool { panic("unwritten") }

// AllMatch reports whether every row of a file with these statistics matches.
func (b *Bound) AllMatch(m Metrics) bool { panic("unwritten") }

// String returns the predicate with its column names.
func (b *Bound) String() string { panic("unwritten") }

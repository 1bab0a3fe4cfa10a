// Package expr holds predicates over columns: written with [Eq], [And], … or read
// by [Parse], bound to a schema by [Bind], and then evaluated over Arrow arrays
// ([Bound.Eval]), projected to partitions ([Bound.Project]) and decided by file
// statistics ([Bound.MightMatch], [Bound.AllMatch]).
//
// A predicate is true or false, never unknown: comparisons with null are false,
// negated or not, as a WHERE clause has it. IS NULL and IS NAN and their
// negations decide for nulls too (null is not NaN). NaN equals itself and is above
// every other number; -0 equals 0. Strings compare by their UTF-8 bytes.
package expr

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Expr is a predicate over named columns. Expressions are immutable values; those
// of this package are all there are.
type Expr interface {
	// String returns the predicate as Parse reads it.
	String() string
	isExpr()
}

type op uint8

const (
	opFalse op = iota
	opTrue
	opAnd
	opOr
	opIsNull
	opNotNull
	opIsNaN
	opNotNaN
	opEq
	opNe
	opLt
	opGe
	opLe
	opGt
	opIn
	opNotIn
	opStartsWith
	opNotStartsWith
)

// negation pairs the operators: each is false where the other is true, except
// that comparisons are both false for null.
var negation = [...]op{
	opFalse: opTrue, opTrue: opFalse, opAnd: opOr, opOr: opAnd, opIsNull: opNotNull, opNotNull: opIsNull,
	opIsNaN: opNotNaN, opNotNaN: opIsNaN, opEq: opNe, opNe: opEq, opLt: opGe, opGe: opLt, opLe: opGt, opGt: opLe,
	opIn: opNotIn, opNotIn: opIn, opStartsWith: opNotStartsWith, opNotStartsWith: opStartsWith,
}

var symbols = [...]string{opEq: "=", opNe: "<>", opLt: "<", opGe: ">=", opLe: "<=", opGt: ">"}

type (
	constExpr bool
	leafExpr  struct {
		op     op
		column string
		values []any
	}
	listExpr struct {
		op   op // opAnd or opOr
		kids []Expr
	}
	notExpr struct{ kid Expr }
)

func (constExpr) isExpr() {}
func (*leafExpr) isExpr() {}
func (*listExpr) isExpr() {}
func (*notExpr) isExpr()  {}

// The predicates that hold for every row and for none.
const (
	True  = constExpr(true)
	False = constExpr(false)
)

func leaf(o op, column string, values ...any) Expr { return &leafExpr{o, column, values} }

// Eq is column = v. Values may be whatever schema.Coerce takes for the column's
// type; nil makes every comparison false.
func Eq(column string, v any) Expr { return leaf(opEq, column, v) }

// Ne is column <> v.
func Ne(column string, v any) Expr { return leaf(opNe, column, v) }

// Lt is column < v.
func Lt(column string, v any) Expr { return leaf(opLt, column, v) }

// Le is column <= v.
func Le(column string, v any) Expr { return leaf(opLe, column, v) }

// Gt is column > v.
func Gt(column string, v any) Expr { return leaf(opGt, column, v) }

// Ge is column >= v.
func Ge(column string, v any) Expr { return leaf(opGe, column, v) }

// In is column IN (vs…); nils among them are ignored.
func In(column string, vs ...any) Expr { return leaf(opIn, column, vs...) }

// NotIn is column NOT IN (vs…); with a nil among them it is false.
func NotIn(column string, vs ...any) Expr { return leaf(opNotIn, column, vs...) }

// IsNull is column IS NULL.
func IsNull(column string) Expr { return leaf(opIsNull, column) }

// NotNull is column IS NOT NULL.
func NotNull(column string) Expr { return leaf(opNotNull, column) }

// IsNaN is column IS NAN.
func IsNaN(column string) Expr { return leaf(opIsNaN, column) }

// NotNaN is column IS NOT NAN, which nulls fulfil.
func NotNaN(column string) Expr { return leaf(opNotNaN, column) }

// StartsWith is column LIKE 'prefix%'.
func StartsWith(column, prefix string) Expr { return leaf(opStartsWith, column, prefix) }

// NotStartsWith is column NOT LIKE 'prefix%'.
func NotStartsWith(column, prefix string) Expr { return leaf(opNotStartsWith, column, prefix) }

// Between is column BETWEEN lo AND hi, both included.
func Between(column string, lo, hi any) Expr { return And(Ge(column, lo), Le(column, hi)) }

// And is true where all are; without arguments it is True.
func And(es ...Expr) Expr { return list(opAnd, True, es) }

// Or is true where any is; without arguments it is False.
func Or(es ...Expr) Expr { return list(opOr, False, es) }

// list flattens nested lists of its kind, so that long chains are not deep.
func list(o op, empty Expr, es []Expr) Expr {
	var kids []Expr
	for _, e := range es {
		if l, ok := e.(*listExpr); ok && l.op == o {
			kids = append(kids, l.kids...)
		} else if e != nil {
			kids = append(kids, e)
		}
	}
	switch len(kids) {
	case 0:
		return empty
	case 1:
		return kids[0]
	}
	return &listExpr{o, kids}
}

// Not negates. It keeps the rule about null: neither a comparison nor its
// negation holds for null.
func Not(e Expr) Expr { return &notExpr{e} }

// String returns TRUE or FALSE.
func (e constExpr) String() string {
	if e {
		return "TRUE"
	}
	return "FALSE"
}

func (e *notExpr) String() string { return "NOT (" + e.kid.String() + ")" }

func (e *listExpr) String() string {
	word := " AND "
	if e.op == opOr {
		word = " OR "
	}
	parts := make([]string, len(e.kids))
	for i, k := range e.kids {
		parts[i] = k.String()
		if l, ok := k.(*listExpr); ok && l.op != e.op {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, word)
}

func (e *leafExpr) String() string {
	return leafString(e.op, quoteName(e.column), e.values, literalString)
}

// leafString renders a predicate on one column.
func leafString(o op, column string, values []any, literal func(any) string) string {
	switch o {
	case opIsNull:
		return column + " IS NULL"
	case opNotNull:
		return column + " IS NOT NULL"
	case opIsNaN:
		return column + " IS NAN"
	case opNotNaN:
		return column + " IS NOT NAN"
	case opStartsWith, opNotStartsWith:
		word := " LIKE "
		if o == opNotStartsWith {
			word = " NOT LIKE "
		}
		return column + word + quoteText(escapeLike(fmt.Sprint(values[0]))+"%")
	case opIn, opNotIn:
		parts := make([]string, len(values))
		for i, v := range values {
			parts[i] = literal(v)
		}
		word := " IN ("
		if o == opNotIn {
			word = " NOT IN ("
		}
		return column + word + strings.Join(parts, ", ") + ")"
	}
	return column + " " + symbols[o] + " " + literal(values[0])
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// quoteName returns a column name as Parse reads it, bare where that works.
func quoteName(name string) string {
	bare := name != ""
	for _, part := range strings.Split(name, ".") {
		for i, r := range part {
			if !nameRune(r, i == 0) {
				bare = false
			}
		}
		if part == "" || reservedWords[strings.ToUpper(part)] {
			bare = false
		}
	}
	if bare {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func nameRune(r rune, first bool) bool {
	return r == '_' || r != unicode.ReplacementChar && unicode.IsLetter(r) || !first && (r == '$' || unicode.IsDigit(r))
}

// literalString renders a value that is not typed yet.
func literalString(v any) string {
	switch x := v.(type) {
	case nil:
		return "NULL"
	case string:
		return quoteText(x)
	case bool:
		return constExpr(x).String()
	case json.Number:
		return string(x)
	case []byte:
		return "X'" + hex.EncodeToString(x) + "'"
	case [16]byte:
		return fmt.Sprintf("'%x-%x-%x-%x-%x'", x[0:4], x[4:6], x[6:8], x[8:10], x[10:16])
	case float32:
		return floatString(float64(x), 32)
	case float64:
		return floatString(x, 64)
	case time.Time:
		return quoteText(x.Format("2006-01-02T15:04:05.999999999Z07:00"))
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return fmt.Sprint(x)
	}
	return quoteText(fmt.Sprint(v))
}

func floatString(f float64, bits int) string {
	text := strconv.FormatFloat(f, 'g', -1, bits)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return quoteText(strings.TrimPrefix(text, "+"))
	}
	return text
}

package expr

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// maxDepth bounds nesting of parentheses and NOT.
const maxDepth = 200

// SyntaxError says where a condition cannot be read.
type SyntaxError struct {
	// Column counts characters of the text from 1.
	Column  int
	Message string
}

// Error names the column.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("condition, column %d: %s", e.Column, e.Message)
}

// reservedWords cannot be bare column names.
var reservedWords = map[string]bool{
	"AND": true, "OR": true, "NOT": true, "IN": true, "BETWEEN": true, "IS": true, "LIKE": true,
	"NULL": true, "TRUE": true, "FALSE": true,
}

// Parse reads a SQL condition over columns:
//
//	= <> != < <= > >=   IN (…)   BETWEEN a AND b   IS NULL   IS NAN   LIKE 'x%'
//	NOT  AND  OR  ( )   TRUE  FALSE   a boolean column by itself
//
// each predicate also negated (NOT IN, IS NOT NULL, …). Column names are bare or
// in double quotes, nested ones with dots (a.b). Literals are numbers, strings in
// single quotes, TRUE, FALSE, X'hex', and typed strings such as date
// '2026-01-01', whose type only serves as a comment: a literal takes the type of
// its column. In LIKE patterns only a last % is a wildcard; \%, \_ and \\ stand
// for the characters. Errors are [*SyntaxError].
func Parse(where string) (Expr, error) {
	p := &parser{text: where}
	e, err := p.condition()
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (p *parser) or() (Expr, error) {
	kids, err := p.chain("OR", p.and)
	if err != nil {
		return nil, err
	}
	return Or(kids...), nil
}

func (p *parser) and() (Expr, error) {
	kids, err := p.chain("AND", p.not)
	if err != nil {
		return nil, err
	}
	return And(kids...), nil
}

func (p *parser) chain(word string, part func() (Expr, error)) ([]Expr, error) {
	var kids []Expr
	for {
		e, err := part()
		if err != nil {
			return nil, err
		}
		kids = append(kids, e)
		if !p.takeWord(word) {
			return kids, nil
		}
	}
}

func (p *parser) not() (Expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorAt(p.tok.at, "nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.takeWord("NOT") {
		e, err := p.not()
		if err != nil {
			return nil, err
		}
		return Not(e), nil
	}
	if p.isPunct("(") {
		p.next()
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		return e, p.expectPunct(")")
	}
	return p.predicate()
}

// predicate reads a comparison; the column may be on either side.
func (p *parser) predicate() (Expr, error) {
	at := p.tok.at
	if column, ok, err := p.column(); ok || err != nil {
		if err != nil {
			return nil, err
		}
		return p.afterColumn(column)
	}
	v, err := p.literal("a column or a literal")
	if err != nil {
		return nil, err
	}
	o, ok := p.operator()
	if !ok {
		if b, isBool := v.(bool); isBool {
			return constExpr(b), nil
		}
		return nil, p.unexpected("an operator")
	}
	column, ok, err := p.column()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, p.errorAt(at, "one side of a comparison must be a column")
	}
	mirrored := map[op]op{opEq: opEq, opNe: opNe, opLt: opGt, opGt: opLt, opLe: opGe, opGe: opLe}
	return p.comparison(mirrored[o], column, v, at)
}

func (p *parser) comparison(o op, column string, v any, at int) (Expr, error) {
	if v == nil {
		return nil, p.errorAt(at, "a comparison with NULL is never true, use IS NULL or IS NOT NULL")
	}
	return leaf(o, column, v), nil
}

// column reads a name if there is one; a word before a string is the type of a
// literal, not a column.
func (p *parser) column() (string, bool, error) {
	if p.tok.kind != tokQuoted && (p.tok.kind != tokName || reservedWords[strings.ToUpper(p.tok.text)] || p.typedLiteral()) {
		return "", false, nil
	}
	name := p.tok.text
	for p.pos < len(p.text) && p.text[p.pos] == '.' {
		p.pos++
		p.next()
		if p.tok.kind != tokName && p.tok.kind != tokQuoted {
			return "", false, p.unexpected("a name")
		}
		name += "." + p.tok.text
	}
	p.next()
	return name, true, p.err
}

// typedLiteral reports whether the current word is followed by a string.
func (p *parser) typedLiteral() bool {
	rest := strings.TrimLeft(p.text[p.pos:], " \t\r\n")
	return strings.HasPrefix(rest, "'")
}

func (p *parser) operator() (op, bool) {
	o, ok := map[string]op{
		"=": opEq, "==": opEq, "<>": opNe, "!=": opNe, "<": opLt, "<=": opLe, ">": opGt, ">=": opGe,
	}[p.tok.text]
	if p.tok.kind != tokPunct || !ok {
		return 0, false
	}
	p.next()
	return o, true
}

func (p *parser) afterColumn(column string) (Expr, error) {
	if o, ok := p.operator(); ok {
		at := p.tok.at
		v, err := p.literal("a literal")
		if err != nil {
			return nil, err
		}
		return p.comparison(o, column, v, at)
	}
	if p.takeWord("IS") {
		return p.afterIs(column)
	}
	negated := p.takeWord("NOT")
	var e Expr
	var err error
	switch {
	case p.takeWord("IN"):
		e, err = p.afterIn(column)
	case p.takeWord("BETWEEN"):
		e, err = p.afterBetween(column)
	case p.takeWord("LIKE"):
		e, err = p.afterLike(column)
	case negated:
		return nil, p.unexpected("IN, BETWEEN or LIKE")
	default:
		return leaf(opEq, column, true), nil // a boolean column
	}
	if err != nil || !negated {
		return e, err
	}
	if l, ok := e.(*leafExpr); ok {
		return &leafExpr{negation[l.op], l.column, l.values}, nil
	}
	return Not(e), nil
}

func (p *parser) afterIs(column string) (Expr, error) {
	negated := p.takeWord("NOT")
	o := opIsNull
	switch {
	case p.takeWord("NULL"):
	case p.takeWord("NAN"):
		o = opIsNaN
	default:
		return nil, p.unexpected("NULL or NAN")
	}
	if negated {
		o = negation[o]
	}
	return leaf(o, column), nil
}

func (p *parser) afterIn(column string) (Expr, error) {
	if err := p.expectPunct("("); err != nil {
		return nil, err
	}
	var values []any
	for {
		v, err := p.literal("a literal")
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if p.isPunct(")") {
			p.next()
			return leaf(opIn, column, values...), nil
		}
		if !p.isPunct(",") {
			return nil, p.unexpected("a comma or )")
		}
		p.next()
	}
}

func (p *parser) afterBetween(column string) (Expr, error) {
	at := p.tok.at
	lo, err := p.literal("a literal")
	if err != nil {
		return nil, err
	}
	if !p.takeWord("AND") {
		return nil, p.unexpected("AND")
	}
	hi, err := p.literal("a literal")
	if err != nil {
		return nil, err
	}
	if lo == nil || hi == nil {
		return nil, p.errorAt(at, "a comparison with NULL is never true")
	}
	return Between(column, lo, hi), nil
}

// afterLike reads a pattern: text with at most one wildcard, a % at the end.
func (p *parser) afterLike(column string) (Expr, error) {
	if p.tok.kind != tokText {
		return nil, p.unexpected("a pattern in quotes")
	}
	at, pattern := p.tok.at, p.tok.text
	p.next()
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteByte(pattern[i])
		case c == '%' && strings.Trim(pattern[i:], "%") == "":
			return StartsWith(column, b.String()), nil
		case c == '%' || c == '_':
			return nil, p.errorAt(at, "only patterns of the form 'prefix%%' are supported, not %q", clip(pattern))
		default:
			b.WriteByte(c)
		}
	}
	return Eq(column, b.String()), nil
}

// literal reads a value: string, bool, json.Number, []byte, or nil for NULL.
func (p *parser) literal(want string) (any, error) {
	tok := p.tok
	switch tok.kind {
	case tokText:
		p.next()
		return tok.text, p.err
	case tokNumber:
		p.next()
		return json.Number(tok.text), p.err
	case tokHex:
		b, err := hex.DecodeString(tok.text)
		if err != nil {
			return nil, p.errorAt(tok.at, "X'%s' is not hex", clip(tok.text))
		}
		p.next()
		return b, p.err
	case tokName:
		typed := p.typedLiteral()
		switch word := strings.ToUpper(tok.text); {
		case typed && !reservedWords[word]:
			p.next()
			return p.literal("a string")
		case word == "TRUE" || word == "FALSE":
			p.next()
			return word == "TRUE", p.err
		case word == "NULL":
			p.next()
			return nil, p.err
		case word == "NAN" || word == "INFINITY":
			p.next()
			return tok.text, p.err
		case want == "a literal" && !reservedWords[word]:
			return nil, p.errorAt(tok.at, "a literal expected, not the name %q: columns cannot be compared with each other, and strings are in single quotes", clip(tok.text))
		}
	}
	return nil, p.unexpected(want)
}

package partition

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Parse parses a comma-separated list of partition terms: a column, or
// transform(column) with identity, bucket(n, column), truncate(n, column), year,
// month, day, hour or void; each may be followed by "as name". Columns are bare
// (nested ones with dots) or in double quotes. Empty text has no fields.
func Parse(terms string) ([]Field, error) {
	p := termParser{text: terms}
	p.next()
	var fields []Field
	for p.tok != "" || len(fields) > 0 {
		column, t, err := p.term()
		if err != nil {
			return nil, fmt.Errorf("partition %q: %w", terms, err)
		}
		f := Field{Column: column, Transform: t}
		if p.keyword("as") {
			if f.Name, err = p.name(); err != nil {
				return nil, fmt.Errorf("partition %q: %w", terms, err)
			}
		}
		fields = append(fields, f)
		if more, err := p.comma(); err != nil {
			return nil, fmt.Errorf("partition %q: %w", terms, err)
		} else if !more {
			break
		}
	}
	return fields, nil
}

// ParseSort parses a comma-separated list of sort terms: a partition term
// followed by asc (the default) or desc and by nulls first (the default of asc)
// or nulls last (the default of desc), such as "a desc nulls last, bucket(4, b)".
func ParseSort(terms string) ([]SortField, error) {
	p := termParser{text: terms}
	p.next()
	var fields []SortField
	for p.tok != "" || len(fields) > 0 {
		f, err := p.sortTerm()
		if err != nil {
			return nil, fmt.Errorf("sort %q: %w", terms, err)
		}
		fields = append(fields, f)
		if more, err := p.comma(); err != nil {
			return nil, fmt.Errorf("sort %q: %w", terms, err)
		} else if !more {
			break
		}
	}
	return fields, nil
}

// termParser walks the tokens of terms: names (quoted or bare), and the
// punctuation ( ) and comma.
type termParser struct {
	text   string
	pos    int    // behind tok
	at     int    // start of tok
	tok    string // "" at the end
	quoted bool
	bad    bool // an unfinished quote
}

func (p *termParser) next() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	p.at, p.tok, p.quoted = p.pos, "", false
	if p.pos == len(p.text) {
		return
	}
	switch c := p.text[p.pos]; c {
	case '(', ')', ',':
		p.pos++
		p.tok = string(c)
	case '"':
		p.quote()
	default:
		end := strings.IndexAny(p.text[p.pos:], "(),\" \t\r\n")
		if end < 0 {
			end = len(p.text) - p.pos
		}
		p.tok = p.text[p.pos : p.pos+end]
		p.pos += end
	}
}

func (p *termParser) quote() {
	var b strings.Builder
	p.quoted = true
	for i := p.pos + 1; i < len(p.text); i++ {
		if p.text[i] != '"' {
			b.WriteByte(p.text[i])
			continue
		}
		if i+1 < len(p.text) && p.text[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		p.tok, p.pos = b.String(), i+1
		return
	}
	p.tok, p.pos, p.bad = b.String(), len(p.text), true
}

func (p *termParser) is(punct string) bool { return !p.quoted && p.tok == punct }

func (p *termParser) keyword(word string) bool {
	if p.quoted || !strings.EqualFold(p.tok, word) {
		return false
	}
	p.next()
	return true
}

func (p *termParser) fail(want string) error {
	if p.tok == "" && !p.quoted {
		return fmt.Errorf("column %d: %s expected at the end", p.at+1, want)
	}
	return fmt.Errorf("column %d: %s expected, not %q", p.at+1, want, p.tok)
}

func (p *termParser) name() (string, error) {
	if p.bad {
		return "", fmt.Errorf("column %d: the quote is not closed", p.at+1)
	}
	if p.tok == "" || p.is("(") || p.is(")") || p.is(",") {
		return "", p.fail("a name")
	}
	tok := p.tok
	p.next()
	return tok, nil
}

func (p *termParser) expect(punct string) error {
	if !p.is(punct) {
		return p.fail(strconv.Quote(punct))
	}
	p.next()
	return nil
}

// comma steps over a comma and reports whether there was one; anything else but
// the end is an error.
func (p *termParser) comma() (bool, error) {
	if p.tok == "" && !p.quoted {
		return false, nil
	}
	if err := p.expect(","); err != nil {
		return false, err
	}
	return true, nil
}

var termTransforms = map[string]TransformKind{
	"identity": IdentityTransform,
	"bucket":   BucketTransform,
	"truncate": TruncateTransform, "trunc": TruncateTransform,
	"year": YearTransform, "years": YearTransform,
	"month": MonthTransform, "months": MonthTransform,
	"day": DayTransform, "days": DayTransform,
	"hour": HourTransform, "hours": HourTransform,
	"void": VoidTransform,
}

func (p *termParser) term() (column string, t Transform, err error) {
	at, quoted := p.at, p.quoted
	name, err := p.name()
	if err != nil {
		return "", t, err
	}
	if !p.is("(") {
		return name, Transform{Kind: IdentityTransform}, nil
	}
	kind, ok := termTransforms[strings.ToLower(name)]
	if !ok || quoted {
		return "", t, fmt.Errorf("column %d: no transform %q; there are identity, bucket, truncate, year, month, day, hour, void", at+1, name)
	}
	t.Kind = kind
	p.next()
	args, err := p.arguments()
	if err != nil {
		return "", t, err
	}
	if kind != BucketTransform && kind != TruncateTransform {
		if len(args) != 1 {
			return "", t, fmt.Errorf("column %d: %s takes one column", at+1, name)
		}
		return args[0].text, t, nil
	}
	if len(args) != 2 {
		return "", t, fmt.Errorf("column %d: %s takes a number and a column", at+1, name)
	}
	// Engines disagree about the order of the two: take either.
	number, col := args[0], args[1]
	if _, err := strconv.Atoi(number.text); err != nil || number.quoted {
		number, col = col, number
	}
	n, err := strconv.ParseInt(number.text, 10, 32)
	if err != nil || number.quoted || n < 1 {
		return "", t, fmt.Errorf("column %d: %s needs a number between 1 and %d", at+1, name, math.MaxInt32)
	}
	t.Param = int(n)
	return col.text, t, nil
}

type argument struct {
	text   string
	quoted bool
}

func (p *termParser) arguments() ([]argument, error) {
	var args []argument
	for {
		quoted := p.quoted
		text, err := p.name()
		if err != nil {
			return nil, err
		}
		args = append(args, argument{text, quoted})
		if p.is(")") {
			p.next()
			return args, nil
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
}

func (p *termParser) sortTerm() (SortField, error) {
	column, t, err := p.term()
	if err != nil {
		return SortField{}, err
	}
	f := SortField{Column: column, Transform: t, NullsFirst: true}
	if p.keyword("desc") {
		f.Descending, f.NullsFirst = true, false
	} else {
		p.keyword("asc")
	}
	if p.keyword("nulls") {
		switch {
		case p.keyword("first"):
			f.NullsFirst = true
		case p.keyword("last"):
			f.NullsFirst = false
		default:
			return SortField{}, p.fail("first or last")
		}
	}
	return f, nil
}

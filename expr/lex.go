package expr

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokName
	tokQuoted // a name in double quotes
	tokText
	tokHex
	tokNumber
	tokPunct
)

type token struct {
	kind tokenKind
	text string
	at   int // byte offset
}

type parser struct {
	text  string
	pos   int
	tok   token
	depth int
	err   error // of the lexer, sticks
}

func (p *parser) condition() (Expr, error) {
	p.next()
	e, err := p.or()
	if err == nil && p.tok.kind != tokEnd {
		err = p.unexpected("AND, OR or the end")
	}
	if p.err != nil {
		return nil, p.err
	}
	return e, err
}

func (p *parser) errorAt(at int, format string, args ...any) error {
	return &SyntaxError{utf8.RuneCountInString(p.text[:at]) + 1, fmt.Sprintf(format, args...)}
}

func (p *parser) unexpected(want string) error {
	if p.err != nil {
		return p.err
	}
	if p.tok.kind == tokEnd {
		return p.errorAt(p.tok.at, "%s expected at the end", want)
	}
	return p.errorAt(p.tok.at, "%s expected, not %q", want, clip(p.tok.text))
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// next reads a token; after an error it stays at the end.
func (p *parser) next() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	p.tok = token{at: p.pos}
	if p.pos == len(p.text) || p.err != nil {
		return
	}
	c := p.text[p.pos]
	switch {
	case c == '\'':
		p.tok.kind = tokText
		p.tok.text = p.quotedTo('\'')
	case c == '"':
		p.tok.kind = tokQuoted
		p.tok.text = p.quotedTo('"')
	case c >= '0' && c <= '9' || c == '.' || (c == '-' || c == '+'):
		p.number()
	case strings.IndexByte("(),=<>!", c) >= 0:
		p.punct()
	default:
		p.word()
	}
	if p.err != nil {
		p.tok = token{at: p.tok.at}
	}
}

func (p *parser) quotedTo(q byte) string {
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		c := p.text[i]
		if c != q {
			b.WriteByte(c)
			continue
		}
		if i+1 < len(p.text) && p.text[i+1] == q {
			b.WriteByte(q)
			i++
			continue
		}
		p.pos = i + 1
		return b.String()
	}
	p.err = p.errorAt(p.pos, "the quote is not closed")
	return ""
}

// number reads a number and brings it into the form of JSON.
func (p *parser) number() {
	start, i := p.pos, p.pos
	digits := func() string {
		from := i
		for i < len(p.text) && p.text[i] >= '0' && p.text[i] <= '9' {
			i++
		}
		return p.text[from:i]
	}
	sign := ""
	if p.text[i] == '-' || p.text[i] == '+' {
		if p.text[i] == '-' {
			sign = "-"
		}
		i++
	}
	whole, frac, exp := digits(), "", ""
	if i < len(p.text) && p.text[i] == '.' {
		i++
		frac = digits()
	}
	if whole == "" && frac == "" {
		p.err = p.errorAt(start, "a number or a column expected, not %q", clip(p.text[start:min(i+1, len(p.text))]))
		return
	}
	if i < len(p.text) && (p.text[i] == 'e' || p.text[i] == 'E') {
		mark := i
		i++
		if i < len(p.text) && (p.text[i] == '-' || p.text[i] == '+') {
			exp = strings.TrimPrefix(p.text[i:i+1], "+")
			i++
		}
		d := digits()
		if d == "" {
			p.err = p.errorAt(mark, "the exponent has no digits")
			return
		}
		exp = "e" + exp + d
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if frac != "" {
		frac = "." + frac
	}
	p.pos = i
	p.tok.kind, p.tok.text = tokNumber, sign+whole+frac+exp
}

func (p *parser) punct() {
	n := 1
	if p.pos+1 < len(p.text) {
		switch p.text[p.pos : p.pos+2] {
		case "<>", "<=", ">=", "!=", "==":
			n = 2
		}
	}
	text := p.text[p.pos : p.pos+n]
	if text == "!" {
		p.err = p.errorAt(p.pos, "there is no operator !, use NOT or <>")
		return
	}
	p.pos += n
	p.tok.kind, p.tok.text = tokPunct, text
}

// word reads a bare name, or a hex literal.
func (p *parser) word() {
	start := p.pos
	for p.pos < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[p.pos:])
		if !nameRune(r, p.pos == start) {
			break
		}
		p.pos += size
	}
	text := p.text[start:p.pos]
	if text == "" {
		r, _ := utf8.DecodeRuneInString(p.text[start:])
		p.err = p.errorAt(start, "unexpected character %q", r)
		return
	}
	if (text == "x" || text == "X") && p.pos < len(p.text) && p.text[p.pos] == '\'' {
		p.tok.kind, p.tok.text = tokHex, p.quotedTo('\'')
		return
	}
	p.tok.kind, p.tok.text = tokName, text
}

func (p *parser) isWord(word string) bool {
	return p.tok.kind == tokName && strings.EqualFold(p.tok.text, word)
}

func (p *parser) takeWord(word string) bool {
	if !p.isWord(word) {
		return false
	}
	p.next()
	return true
}

func (p *parser) isPunct(text string) bool { return p.tok.kind == tokPunct && p.tok.text == text }

func (p *parser) expectPunct(text string) error {
	if !p.isPunct(text) {
		return p.unexpected(text)
	}
	p.next()
	return nil
}

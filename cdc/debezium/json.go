package debezium

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a line. Debezium's own nesting ends at about
// eight; the rest is room for documents.
const maxDepth = 128

var errTruncated = errors.New("the JSON text ends too early")

// kind is what a JSON value is.
type kind uint8

const (
	kindAbsent kind = iota
	kindNull
	kindFalse
	kindTrue
	kindNumber
	kindString
	// kindEscaped is a string that has escapes.
	kindEscaped
	kindObject
	kindArray
)

// val is a value's place in the line: for strings without the quotes, for
// objects and arrays with their brackets.
type val struct {
	from, to int32
	kind     kind
}

func (v val) bytes(b []byte) []byte { return b[v.from:v.to] }

func (v val) isNull() bool { return v.kind <= kindNull }

func (v val) isString() bool { return v.kind == kindString || v.kind == kindEscaped }

func errAt(b []byte, i int, want string) error {
	if i >= len(b) {
		return errTruncated
	}
	return fmt.Errorf("malformed JSON at byte %d: %q instead of %s", i, b[i], want)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// scanString reads a string whose opening quote is at i. It returns the place of
// the content and the index after the closing quote.
func scanString(b []byte, i int) (val, int, error) {
	from := i + 1
	i = from
	// Most strings are short and plain: a byte loop beats two calls of IndexByte.
	for end := min(len(b), from+24); i < end; i++ {
		c := b[i]
		if c == '"' {
			return val{int32(from), int32(i), kindString}, i + 1, nil
		}
		if c == '\\' || c < 0x20 {
			return scanEscaped(b, from, i)
		}
	}
	q := bytes.IndexByte(b[i:], '"')
	if q < 0 {
		return val{}, i, errTruncated
	}
	if bytes.IndexByte(b[i:i+q], '\\') >= 0 {
		return scanEscaped(b, from, i)
	}
	return val{int32(from), int32(i + q), kindString}, i + q + 1, nil
}

func scanEscaped(b []byte, from, i int) (val, int, error) {
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return val{int32(from), int32(i), kindEscaped}, i + 1, nil
		case c == '\\':
			i += 2
		case c < 0x20:
			return val{}, i, errAt(b, i, "a character of a string")
		default:
			i++
		}
	}
	return val{}, i, errTruncated
}

// scanValue reads the value at i, which is not white space, and returns the index
// after it.
func scanValue(b []byte, i, depth int) (val, int, error) {
	if i >= len(b) {
		return val{}, i, errTruncated
	}
	switch c := b[i]; {
	case c == '"':
		return scanString(b, i)
	case c == '{' || c == '[':
		return scanNested(b, i, depth)
	case c == '-' || c-'0' <= 9:
		return scanNumber(b, i)
	case c == 'n':
		return scanWord(b, i, "null", kindNull)
	case c == 't':
		return scanWord(b, i, "true", kindTrue)
	case c == 'f':
		return scanWord(b, i, "false", kindFalse)
	}
	return val{}, i, errAt(b, i, "a value")
}

func scanWord(b []byte, i int, word string, k kind) (val, int, error) {
	end := i + len(word)
	if end > len(b) || string(b[i:end]) != word {
		return val{}, i, errAt(b, i, word)
	}
	return val{int32(i), int32(end), k}, end, nil
}

// scanNumber checks the grammar of RFC 8259, section 6.
func scanNumber(b []byte, i int) (val, int, error) {
	from := i
	if b[i] == '-' {
		i++
	}
	digits := func() bool {
		start := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		return i > start
	}
	first := i
	if !digits() || (b[first] == '0' && i > first+1) {
		return val{}, i, errAt(b, i, "a number")
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return val{}, i, errAt(b, i, "a digit")
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return val{}, i, errAt(b, i, "a digit")
		}
	}
	return val{int32(from), int32(i), kindNumber}, i, nil
}

// scanNested reads an object or array and all that is in it.
func scanNested(b []byte, i, depth int) (val, int, error) {
	if depth >= maxDepth {
		return val{}, i, fmt.Errorf("JSON is nested deeper than %d", maxDepth)
	}
	from, object := i, b[i] == '{'
	it := iterate(b, i, depth)
	for it.next() {
	}
	if it.err != nil {
		return val{}, it.i, it.err
	}
	k := kindArray
	if object {
		k = kindObject
	}
	return val{int32(from), int32(it.i), k}, it.i, nil
}

// iter walks the members of one object or array.
//
//	it := iterate(b, i, 0)
//	for it.next() { … it.name, it.val … }
//	if it.err != nil { … }
//	// it.i is the index after the closing bracket
type iter struct {
	b     []byte
	i     int
	depth int
	close byte
	first bool
	// name is an object member's name with quotes removed, unescaped; val its
	// value.
	name []byte
	val  val
	err  error
}

// iterate starts at the opening bracket at i.
func iterate(b []byte, i, depth int) iter {
	it := iter{b: b, i: i + 1, depth: depth, first: true, close: '}'}
	if b[i] == '[' {
		it.close = ']'
	}
	return it
}

// next reads a member; false at the end or at an error.
func (it *iter) next() bool {
	if !it.nextName() {
		return false
	}
	it.val, it.i, it.err = scanValue(it.b, it.i, it.depth+1)
	return it.err == nil
}

// nextName reads up to a member's value, whose first byte is then at it.i; the
// caller reads it and sets it.i after it.
func (it *iter) nextName() bool {
	b, i := it.b, skipSpace(it.b, it.i)
	if i >= len(b) {
		it.err = errTruncated
		return false
	}
	switch {
	case b[i] == it.close:
		it.i = i + 1
		return false
	case it.first:
		it.first = false
	case b[i] == ',':
		i = skipSpace(b, i+1)
	default:
		it.err = errAt(b, i, "a comma")
		return false
	}
	if it.close == '}' {
		if i >= len(b) || b[i] != '"' {
			it.err = errAt(b, i, "a name")
			return false
		}
		var v val
		if v, i, it.err = scanString(b, i); it.err != nil {
			return false
		}
		if it.name = v.bytes(b); v.kind == kindEscaped {
			if it.name, it.err = unescape(nil, it.name); it.err != nil {
				return false
			}
		}
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			it.err = errAt(b, i, "a colon")
			return false
		}
		i = skipSpace(b, i+1)
	}
	if it.i = i; i >= len(b) {
		it.err = errTruncated
		return false
	}
	return true
}

// unescape appends the text of a string's content with escapes to dst. A lone
// surrogate becomes U+FFFD.
func unescape(dst, s []byte) ([]byte, error) {
	for i := 0; i < len(s); {
		p := bytes.IndexByte(s[i:], '\\')
		if p < 0 {
			return append(dst, s[i:]...), nil
		}
		dst = append(dst, s[i:i+p]...)
		i += p + 1
		if i >= len(s) {
			return dst, errTruncated
		}
		c := s[i]
		i++
		switch c {
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, n, err := hexRune(s[i:])
			if err != nil {
				return dst, err
			}
			dst = utf8.AppendRune(dst, r)
			i += n
		default:
			return dst, fmt.Errorf("malformed JSON: unknown escape \\%c", c)
		}
	}
	return dst, nil
}

// hexRune reads the four digits after \u, and a second such escape when the first
// is a high surrogate.
func hexRune(s []byte) (rune, int, error) {
	hi, err := hex4(s)
	if err != nil {
		return 0, 0, err
	}
	if !utf16.IsSurrogate(hi) {
		return hi, 4, nil
	}
	if len(s) >= 10 && s[4] == '\\' && s[5] == 'u' {
		if lo, err := hex4(s[6:]); err == nil {
			if r := utf16.DecodeRune(hi, lo); r != utf8.RuneError {
				return r, 10, nil
			}
		}
	}
	return utf8.RuneError, 4, nil
}

func hex4(s []byte) (rune, error) {
	if len(s) < 4 {
		return 0, errTruncated
	}
	var r rune
	for _, c := range s[:4] {
		switch {
		case c-'0' <= 9:
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, fmt.Errorf("malformed JSON: escape \\u%s", s[:4])
		}
	}
	return r, nil
}

// text returns a string value's text; it shares memory with b unless the string
// has escapes, then it is appended to scratch.
func (v val) text(b, scratch []byte) ([]byte, error) {
	if v.kind == kindEscaped {
		return unescape(scratch[:0], v.bytes(b))
	}
	return v.bytes(b), nil
}

// str returns a string value's text, "" for anything else.
func (v val) str(b []byte) string {
	if !v.isString() {
		return ""
	}
	t, err := v.text(b, nil)
	if err != nil {
		return ""
	}
	return string(t)
}

// parseInt reads decimal digits with an optional sign.
func parseInt(s []byte) (int64, bool) {
	i, neg := 0, false
	if len(s) > 0 && s[0] == '-' {
		neg, i = true, 1
	}
	if n := len(s) - i; n == 0 || n > 18 {
		v, err := strconv.ParseInt(string(s), 10, 64)
		return v, err == nil
	}
	var v int64
	for ; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + int64(d)
	}
	if neg {
		v = -v
	}
	return v, true
}

// integer returns a whole number, ok false for anything else.
func (v val) integer(b []byte) (int64, bool) {
	if v.kind != kindNumber {
		return 0, false
	}
	return parseInt(v.bytes(b))
}

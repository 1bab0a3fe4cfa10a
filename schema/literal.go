package schema

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// Unscaled is the unscaled value of a decimal: the decimal times ten to its
// type's scale.
type Unscaled = decimal128.Num

// ParseLiteral parses the text of a value of a primitive type into a value as
// described at [Row]: "true", "-12", "1.50", "NaN", "2026-01-31",
// "12:34:56.000001", "2026-01-31T12:34:56" (or with a space between; an offset
// or Z is required by nothing and allowed for zoned types only, UTC is
// assumed), uuid with or without dashes, hex for fixed, binary and geo types.
// Text that does not fit the type exactly is an error: more fraction digits
// than the type has, a decimal beyond its precision.
func ParseLiteral(t Type, s string) (any, error) {
	v, err := parseLiteral(t, s)
	if err != nil {
		return nil, fmt.Errorf("%q is not a value of type %s: %w", clip(s), t, err)
	}
	return v, nil
}

var errSyntax = errors.New("wrong form")

func parseLiteral(t Type, s string) (any, error) {
	switch t.Kind {
	case KindBoolean:
		switch strings.ToLower(s) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, errSyntax
	case KindInt:
		n, err := strconv.ParseInt(s, 10, 32)
		return int32(n), unwrapNum(err)
	case KindLong:
		n, err := strconv.ParseInt(s, 10, 64)
		return n, unwrapNum(err)
	case KindFloat:
		f, err := parseFloat(s, 32)
		return float32(f), err
	case KindDouble:
		f, err := parseFloat(s, 64)
		return f, err
	case KindDecimal:
		return parseDecimal(s, t.Precision, t.Scale)
	case KindDate:
		d, rest, err := parseDate(s)
		if err == nil && rest != "" {
			err = errSyntax
		}
		if err == nil && (d < math.MinInt32 || d > math.MaxInt32) {
			err = strconv.ErrRange
		}
		return int32(d), err
	case KindTime:
		sec, frac, rest, err := parseClock(s, 6)
		if err == nil && rest != "" {
			err = errSyntax
		}
		return sec*microsPerSec + frac, err
	case KindTimestamp, KindTimestampTz:
		return parseTimestamp(s, microsPerSec, 6, t.Kind == KindTimestampTz)
	case KindTimestampNs, KindTimestampTzNs:
		return parseTimestamp(s, nanosPerSec, 9, t.Kind == KindTimestampTzNs)
	case KindString:
		return s, nil
	case KindUUID:
		return parseUUID(s)
	case KindFixed, KindBinary, KindGeometry, KindGeography:
		b, err := hex.DecodeString(s)
		if err != nil {
			return nil, errors.New("not hex")
		}
		if t.Kind == KindFixed && len(b) != t.Length {
			return nil, fmt.Errorf("has %d bytes", len(b))
		}
		return b, nil
	}
	return nil, errors.New("the type has no literals")
}

func unwrapNum(err error) error {
	var n *strconv.NumError
	if errors.As(err, &n) {
		return n.Err
	}
	return err
}

func parseFloat(s string, bits int) (float64, error) {
	if strings.ContainsAny(s, "xX_") { // no hexadecimal and underscores
		return 0, errSyntax
	}
	f, err := strconv.ParseFloat(s, bits)
	return f, unwrapNum(err)
}

// parseDecimal reads an optionally signed decimal with optional exponent and
// returns its unscaled value at that scale; it must fit exactly.
func parseDecimal(s string, precision, scale int) (Unscaled, error) {
	var zero Unscaled
	mantissa, exp := s, int64(0)
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.ParseInt(s[i+1:], 10, 32)
		if err != nil {
			return zero, errSyntax
		}
		mantissa, exp = s[:i], e
	}
	negative := strings.HasPrefix(mantissa, "-")
	if negative || strings.HasPrefix(mantissa, "+") {
		mantissa = mantissa[1:]
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	digits := whole + frac
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return zero, errSyntax
	}
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return zero, nil
	}
	// value = digits × 10^(exp-len(frac)); unscaled = value × 10^scale
	shift := exp - int64(len(frac)) + int64(scale)
	for shift < 0 {
		if !strings.HasSuffix(digits, "0") {
			return zero, fmt.Errorf("has more than %d fraction digits", scale)
		}
		digits, shift = digits[:len(digits)-1], shift+1
	}
	if int64(len(digits))+shift > int64(precision) {
		return zero, fmt.Errorf("has more than %d digits", precision)
	}
	n, ok := new(big.Int).SetString(digits+strings.Repeat("0", int(shift)), 10)
	if !ok {
		return zero, errSyntax
	}
	if negative {
		n.Neg(n)
	}
	return decimal128.FromBigInt(n), nil
}

func parseUUID(s string) (any, error) {
	var u [16]byte
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	}
	if len(s) != 32 {
		return nil, errSyntax
	}
	if _, err := hex.Decode(u[:], []byte(s)); err != nil {
		return nil, errSyntax
	}
	return u, nil
}

// digitsN reads exactly n digits.
func digitsN(s string, n int) (int, string, bool) {
	if len(s) < n {
		return 0, s, false
	}
	v := 0
	for i := range n {
		if s[i] < '0' || s[i] > '9' {
			return 0, s, false
		}
		v = v*10 + int(s[i]-'0')
	}
	return v, s[n:], true
}

var monthDays = [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// parseDate reads [+-]YYYY…-MM-DD and returns days since the epoch.
func parseDate(s string) (days int64, rest string, err error) {
	sign := int64(1)
	signed := strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+")
	if signed {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	n := strings.IndexByte(s, '-')
	if n < 4 || n > 9 || (n > 4 && !signed) {
		return 0, s, errSyntax
	}
	y, rest, ok := digitsN(s, n)
	if !ok || rest[0] != '-' {
		return 0, s, errSyntax
	}
	m, rest, ok := digitsN(rest[1:], 2)
	if !ok || rest == "" || rest[0] != '-' {
		return 0, s, errSyntax
	}
	d, rest, ok := digitsN(rest[1:], 2)
	if !ok {
		return 0, s, errSyntax
	}
	year := sign * int64(y)
	if m < 1 || m > 12 || d < 1 || d > monthDays[m-1] {
		leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
		if m != 2 || d != 29 || !leap {
			return 0, s, errors.New("no such day")
		}
	}
	return daysFromCivil(year, m, d), rest, nil
}

// parseClock reads HH:MM[:SS[.f…]] and returns the seconds and the fraction in
// units of 10^-digits seconds. Further fraction digits must be zeros.
func parseClock(s string, digits int) (seconds, frac int64, rest string, err error) {
	h, rest, ok1 := digitsN(s, 2)
	if !ok1 || rest == "" || rest[0] != ':' {
		return 0, 0, s, errSyntax
	}
	m, rest, ok2 := digitsN(rest[1:], 2)
	sec, ok3 := 0, true
	if rest != "" && rest[0] == ':' {
		sec, rest, ok3 = digitsN(rest[1:], 2)
		if ok3 && rest != "" && rest[0] == '.' {
			frac, rest, err = parseFraction(rest[1:], digits)
			if err != nil {
				return 0, 0, s, err
			}
		}
	}
	if !ok2 || !ok3 {
		return 0, 0, s, errSyntax
	}
	if h > 23 || m > 59 || sec > 59 {
		return 0, 0, s, errors.New("no such time of day")
	}
	return int64(h*3600 + m*60 + sec), frac, rest, nil
}

func parseFraction(s string, digits int) (frac int64, rest string, err error) {
	n := 0
	for ; n < len(s) && s[n] >= '0' && s[n] <= '9'; n++ {
		switch {
		case n < digits:
			frac = frac*10 + int64(s[n]-'0')
		case s[n] != '0':
			return 0, s, fmt.Errorf("has more than %d fraction digits", digits)
		}
	}
	if n == 0 {
		return 0, s, errSyntax
	}
	for i := n; i < digits; i++ {
		frac *= 10
	}
	return frac, s[n:], nil
}

func parseTimestamp(s string, perSecond int64, digits int, zoned bool) (any, error) {
	days, rest, err := parseDate(s)
	if err != nil {
		return nil, err
	}
	var sec, frac int64
	if rest != "" {
		if rest[0] != 'T' && rest[0] != 't' && rest[0] != ' ' {
			return nil, errSyntax
		}
		if sec, frac, rest, err = parseClock(rest[1:], digits); err != nil {
			return nil, err
		}
	}
	if rest != "" {
		offset, err := parseOffset(rest)
		if err != nil {
			return nil, err
		}
		if !zoned {
			return nil, errors.New("has an offset, which the type has not")
		}
		sec -= offset
	}
	total := days*secondsPerDay + sec // at most 10^9 years: no overflow
	return secondsAs(total, frac, perSecond)
}

// parseOffset reads Z or ±HH[:]MM[:SS] and returns seconds east of UTC.
func parseOffset(s string) (int64, error) {
	if s == "Z" || s == "z" || s == " UTC" {
		return 0, nil
	}
	if s[0] != '+' && s[0] != '-' {
		return 0, errSyntax
	}
	h, rest, ok := digitsN(s[1:], 2)
	if !ok {
		return 0, errSyntax
	}
	total := int64(h) * 3600
	for unit := int64(60); rest != ""; unit /= 60 {
		rest = strings.TrimPrefix(rest, ":")
		n, r, ok := digitsN(rest, 2)
		if !ok || unit == 0 || n > 59 {
			return 0, errSyntax
		}
		total, rest = total+int64(n)*unit, r
	}
	if total > 18*3600 {
		return 0, errors.New("offset beyond 18 hours")
	}
	if s[0] == '-' {
		return -total, nil
	}
	return total, nil
}

// FormatValue returns a value as text for people: what [ParseLiteral] reads
// for primitive types (zoned timestamps end in +00:00), JSON for nested ones,
// "null" for nil.
func FormatValue(t Type, v any) string {
	if v == nil {
		return "null"
	}
	if s, ok := v.(string); ok {
		return s
	}
	if b, ok := v.([]byte); ok {
		return hex.EncodeToString(b)
	}
	raw, err := ValueToJSON(t, v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(raw) >= 2 && raw[0] == '"' {
		return string(raw[1 : len(raw)-1]) // none of these texts needs escapes
	}
	return string(raw)
}

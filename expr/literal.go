package expr

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/schema"
)

// convert turns a literal into a value of the column's type. Where the type
// cannot hold the number it returns an equivalent comparison: opFalse, opNotNull,
// or <= and > with the next lower value.
func convert(o op, t schema.Type, v any) (op, any, error) {
	lit, err := schema.Coerce(t, v)
	if err == nil {
		if lit == nil {
			return opFalse, nil, nil
		}
		return o, lit, nil
	}
	switch t.Kind {
	case schema.KindInt, schema.KindLong, schema.KindDecimal:
		if n, sign, ok := exactNumber(v); ok {
			o, lit := onGrid(o, t, n, sign)
			return o, lit, nil
		}
	case schema.KindFloat, schema.KindDouble:
		if n, sign, ok := exactNumber(v); ok {
			return o, nearestFloat(t, n, sign), nil
		}
	case schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs, schema.KindTimestampTzNs:
		if s, ok := v.(string); ok && !strings.Contains(s, ":") {
			if lit, err := schema.ParseLiteral(t, strings.TrimSpace(s)+"T00:00:00"); err == nil {
				return o, lit, nil
			}
		}
	}
	return 0, nil, fmt.Errorf("%s is no %s: give %s (%w)", quoted(v), t, expected(t), err)
}

// quoted shows a literal as it is written in a condition, shortened.
func quoted(v any) string {
	s, text := v.(string)
	if !text {
		s = fmt.Sprint(v)
	}
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	if text {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return s
}

// expected says what literals of a type look like.
func expected(t schema.Type) string {
	switch t.Kind {
	case schema.KindBoolean:
		return "true or false"
	case schema.KindInt, schema.KindLong:
		return "a number such as 42"
	case schema.KindFloat, schema.KindDouble, schema.KindDecimal:
		return "a number such as 12.5"
	case schema.KindDate:
		return "a date such as '2026-01-31'"
	case schema.KindTime:
		return "a time such as '12:34:56.000001'"
	case schema.KindTimestamp, schema.KindTimestampNs:
		return "a timestamp such as '2026-01-31T12:34:56'"
	case schema.KindTimestampTz, schema.KindTimestampTzNs:
		return "a timestamp such as '2026-01-31T12:34:56+00:00'"
	case schema.KindUUID:
		return "a uuid such as 'f79c3e09-677c-4bbd-a479-3f349cb785e7'"
	case schema.KindFixed, schema.KindBinary:
		return "bytes in hexadecimal such as '00ff'"
	}
	return "a text in single quotes"
}

// exactNumber returns a literal as a fraction; for infinities and NaN, which
// count as above all numbers, it returns nil and a sign.
func exactNumber(v any) (n *big.Rat, sign int, ok bool) {
	switch x := v.(type) {
	case json.Number:
		return numberText(string(x))
	case string:
		return numberText(strings.TrimSpace(x))
	case *big.Rat:
		return x, 0, x != nil
	case *big.Int:
		if x == nil {
			return nil, 0, false
		}
		return new(big.Rat).SetInt(x), 0, true
	}
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return new(big.Rat).SetInt64(r.Int()), 0, true
	case r.CanUint():
		return new(big.Rat).SetUint64(r.Uint()), 0, true
	case r.CanFloat():
		return floatNumber(r.Float())
	}
	return nil, 0, false
}

func floatNumber(f float64) (*big.Rat, int, bool) {
	switch {
	case f != f || math.IsInf(f, 1):
		return nil, 1, true
	case math.IsInf(f, -1):
		return nil, -1, true
	}
	return new(big.Rat).SetFloat64(f), 0, true
}

// numberText reads a decimal number; a huge exponent is not worked out.
func numberText(s string) (*big.Rat, int, bool) {
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return nil, 0, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		exp, err := strconv.Atoi(s[i+1:])
		if err != nil || exp > 1000 || exp < -1000 {
			return nil, 0, false
		}
	}
	n, ok := new(big.Rat).SetString(s)
	return n, 0, ok
}

// onGrid compares with a number that a column of integers or decimals may not
// hold.
func onGrid(o op, t schema.Type, n *big.Rat, sign int) (op, any) {
	var unit *big.Int
	exact := false
	lo, hi := gridRange(t)
	if n != nil {
		scaled := new(big.Rat).Mul(n, new(big.Rat).SetInt(pow10(t.Scale)))
		unit = new(big.Int).Div(scaled.Num(), scaled.Denom()) // floors: the denominator is positive
		exact = scaled.IsInt()
		switch {
		case unit.Cmp(hi) > 0:
			sign = 1
		case unit.Cmp(lo) < 0:
			sign = -1
		}
	}
	if sign != 0 {
		below := sign > 0 // every value is below the number
		if o == opNe || below && (o == opLt || o == opLe) || !below && (o == opGt || o == opGe) {
			return opNotNull, nil
		}
		return opFalse, nil
	}
	if !exact {
		switch o {
		case opEq:
			return opFalse, nil
		case opNe:
			return opNotNull, nil
		case opLt:
			o = opLe
		case opGe:
			o = opGt
		}
	}
	switch t.Kind {
	case schema.KindInt:
		return o, int32(unit.Int64())
	case schema.KindLong:
		return o, unit.Int64()
	}
	return o, decimal128.FromBigInt(unit)
}

// gridRange returns the lowest and highest unscaled value of a type.
func gridRange(t schema.Type) (lo, hi *big.Int) {
	switch t.Kind {
	case schema.KindInt:
		return big.NewInt(math.MinInt32), big.NewInt(math.MaxInt32)
	case schema.KindLong:
		return big.NewInt(math.MinInt64), big.NewInt(math.MaxInt64)
	}
	hi = new(big.Int).Sub(pow10(t.Precision), big.NewInt(1))
	return new(big.Int).Neg(hi), hi
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// nearestFloat rounds a number that a float cannot hold.
func nearestFloat(t schema.Type, n *big.Rat, sign int) any {
	f := math.Inf(sign)
	if n != nil {
		f, _ = n.Float64()
	}
	if t.Kind == schema.KindFloat {
		if n != nil {
			f32, _ := n.Float32()
			return f32
		}
		return float32(f)
	}
	return f
}

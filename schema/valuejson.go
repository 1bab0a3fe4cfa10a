package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// ValueToJSON returns the JSON single-value serialization of a value as
// described at [Row] (spec: appendix D). Structs are objects keyed by field
// id, without the members that are null. NaN and infinities, which JSON lacks,
// become the strings "NaN", "Infinity" and "-Infinity". Variants have no such
// form. A nil value is null.
func ValueToJSON(t Type, v any) (json.RawMessage, error) {
	out, err := appendJSON(nil, t, v, 0)
	if err != nil {
		return nil, err
	}
	return out, nil
}

var errMismatch = errors.New("value does not have the Go type of its column type")

func mismatch(t Type, v any) error {
	return fmt.Errorf("type %s: %T: %w", t, v, errMismatch)
}

func appendJSON(dst []byte, t Type, v any, depth int) ([]byte, error) {
	if v == nil {
		return append(dst, "null"...), nil
	}
	if depth > MaxDepth {
		return nil, fmt.Errorf("value nested deeper than %d", MaxDepth)
	}
	switch t.Kind {
	case KindBoolean:
		if b, ok := v.(bool); ok {
			return strconv.AppendBool(dst, b), nil
		}
	case KindInt:
		if n, ok := v.(int32); ok {
			return strconv.AppendInt(dst, int64(n), 10), nil
		}
	case KindLong:
		if n, ok := v.(int64); ok {
			return strconv.AppendInt(dst, n, 10), nil
		}
	case KindFloat:
		if f, ok := v.(float32); ok {
			return AppendFloatJSON(dst, float64(f), 32), nil
		}
	case KindDouble:
		if f, ok := v.(float64); ok {
			return AppendFloatJSON(dst, f, 64), nil
		}
	case KindString:
		if s, ok := v.(string); ok {
			return appendJSONString(dst, s), nil
		}
	case KindStruct:
		if r, ok := v.(Row); ok && len(r) == len(t.Fields) {
			return appendStructJSON(dst, t, r, depth)
		}
	case KindList:
		if l, ok := v.([]any); ok {
			return appendListJSON(dst, t.Element().Type, l, depth)
		}
	case KindMap:
		if m, ok := v.(MapValue); ok && len(m.Keys) == len(m.Values) {
			dst, err := appendListJSON(append(dst, `{"keys":`...), t.Key().Type, m.Keys, depth)
			if err != nil {
				return nil, err
			}
			if dst, err = appendListJSON(append(dst, `,"values":`...), t.Value().Type, m.Values, depth); err != nil {
				return nil, err
			}
			return append(dst, '}'), nil
		}
	case KindVariant:
		return nil, errors.New("a variant has no JSON single-value form")
	default:
		return appendQuotedJSON(dst, t, v)
	}
	return nil, mismatch(t, v)
}

// appendQuotedJSON renders the types whose JSON form is a string.
func appendQuotedJSON(dst []byte, t Type, v any) ([]byte, error) {
	dst = append(dst, '"')
	switch t.Kind {
	case KindDecimal:
		d, ok := v.(Unscaled)
		if !ok {
			return nil, mismatch(t, v)
		}
		dst = appendDecimalJSON(dst, d, t.Scale)
	case KindDate:
		d, ok := v.(int32)
		if !ok {
			return nil, mismatch(t, v)
		}
		dst = AppendDate(dst, d)
	case KindTime, KindTimestamp, KindTimestampTz, KindTimestampNs, KindTimestampTzNs:
		n, ok := v.(int64)
		if !ok {
			return nil, mismatch(t, v)
		}
		switch t.Kind {
		case KindTime:
			dst = AppendTime(dst, n)
		case KindTimestamp, KindTimestampTz:
			dst = AppendTimestamp(dst, n)
		default:
			dst = AppendTimestampNanos(dst, n)
		}
		if t.Kind == KindTimestampTz || t.Kind == KindTimestampTzNs {
			dst = append(dst, "+00:00"...)
		}
	case KindUUID:
		u, ok := v.([16]byte)
		if !ok {
			return nil, mismatch(t, v)
		}
		dst = AppendUUID(dst, u[:])
	case KindFixed, KindBinary:
		b, ok := v.([]byte)
		if !ok {
			return nil, mismatch(t, v)
		}
		dst = AppendHex(dst, b)
	case KindGeometry, KindGeography:
		b, ok := v.([]byte)
		if !ok {
			return nil, mismatch(t, v)
		}
		var err error
		if dst, err = AppendWKT(dst, b); err != nil {
			return nil, fmt.Errorf("type %s: %w", t, err)
		}
	default:
		return nil, mismatch(t, v)
	}
	return append(dst, '"'), nil
}

// appendDecimalJSON writes the scale's digits; a negative scale has an
// exponent instead: "2E+20".
func appendDecimalJSON(dst []byte, d Unscaled, scale int) []byte {
	if scale >= 0 {
		return AppendDecimal(dst, d, scale)
	}
	dst = AppendDecimal(dst, d, 0)
	return strconv.AppendInt(append(dst, 'E', '+'), int64(-scale), 10)
}

func appendStructJSON(dst []byte, t Type, r Row, depth int) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for i, f := range t.Fields {
		if r[i] == nil {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(strconv.AppendInt(append(dst, '"'), int64(f.ID), 10), '"', ':')
		var err error
		if dst, err = appendJSON(dst, f.Type, r[i], depth+1); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	return append(dst, '}'), nil
}

func appendListJSON(dst []byte, t Type, l []any, depth int) ([]byte, error) {
	dst = append(dst, '[')
	for i, v := range l {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendJSON(dst, t, v, depth+1); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return append(dst, ']'), nil
}

// AppendFloatJSON appends a float as a JSON number with the fewest digits that
// read back equal at that size (32 or 64 bits), or as the string "NaN",
// "Infinity" or "-Infinity".
func AppendFloatJSON(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	abs := math.Abs(f)
	format := byte('f')
	if abs != 0 && (bits == 64 && (abs < 1e-6 || abs >= 1e21) || bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21)) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 → e-9
		dst = dst[:n-1]
	}
	return dst
}

func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			start = i + 1
		}
		i++
	}
	return append(append(dst, s[start:]...), '"')
}

// ValueFromJSON reads the JSON single-value serialization of a value (spec:
// appendix D) and returns the value as described at [Row]; null is nil.
// Members of a struct that are absent are nil.
func ValueFromJSON(t Type, raw []byte) (any, error) {
	v, err := fromJSON(t, raw, 0)
	if err != nil {
		return nil, fmt.Errorf("type %s: %s: %w", t, clip(string(raw)), err)
	}
	return v, nil
}

func fromJSON(t Type, raw []byte, depth int) (any, error) {
	raw = bytes.TrimSpace(raw)
	if string(raw) == "null" {
		return nil, nil
	}
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	if len(raw) == 0 {
		return nil, errSyntax
	}
	switch t.Kind {
	case KindStruct:
		return structFromJSON(t, raw, depth)
	case KindList:
		return listFromJSON(t.Element().Type, raw, depth)
	case KindMap:
		return mapFromJSON(t, raw, depth)
	case KindBoolean, KindInt, KindLong:
		if raw[0] == '"' {
			return nil, errSyntax
		}
		return parseLiteral(t, string(raw))
	case KindFloat, KindDouble:
		if raw[0] != '"' {
			return parseLiteral(t, string(raw))
		}
		switch s := string(raw[1 : len(raw)-1]); s {
		case "NaN", "Infinity", "-Infinity":
			return parseLiteral(t, s)
		}
		return nil, errSyntax
	case KindUnknown, KindVariant:
		return nil, errors.New("only null is allowed")
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, errSyntax
	}
	switch t.Kind {
	case KindGeometry, KindGeography:
		return ParseWKT(s)
	}
	return parseLiteral(t, s)
}

func structFromJSON(t Type, raw []byte, depth int) (any, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		return nil, errSyntax
	}
	r := make(Row, len(t.Fields))
	for i, f := range t.Fields {
		if v, ok := m[strconv.Itoa(f.ID)]; ok {
			var err error
			if r[i], err = fromJSON(f.Type, v, depth+1); err != nil {
				return nil, fmt.Errorf("field %s: %w", f.Name, err)
			}
		}
	}
	return r, nil
}

func listFromJSON(t Type, raw []byte, depth int) (any, error) {
	var l []json.RawMessage
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, errSyntax
	}
	out := make([]any, len(l))
	for i := range l {
		var err error
		if out[i], err = fromJSON(t, l[i], depth+1); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return out, nil
}

func mapFromJSON(t Type, raw []byte, depth int) (any, error) {
	var m struct{ Keys, Values json.RawMessage }
	if err := json.Unmarshal(raw, &m); err != nil || m.Keys == nil || m.Values == nil {
		return nil, errSyntax
	}
	keys, err := listFromJSON(t.Key().Type, m.Keys, depth)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	values, err := listFromJSON(t.Value().Type, m.Values, depth)
	if err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	out := MapValue{Keys: keys.([]any), Values: values.([]any)}
	if len(out.Keys) != len(out.Values) {
		return nil, fmt.Errorf("%d keys and %d values", len(out.Keys), len(out.Values))
	}
	for i, k := range out.Keys {
		if k == nil {
			return nil, fmt.Errorf("key %d is null", i)
		}
	}
	return out, nil
}

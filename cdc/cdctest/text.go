package cdctest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/schema"
)

// Text returns a value as the oracle writes it: v of the Iceberg type t, as
// described at [schema.Row], in a column of the oracle's kind.
func Text(c *Column, t schema.Type, v any) (string, error) {
	switch c.Kind {
	case "int", "year", "bit":
		return integerText(v)
	case "decimal":
		if d, ok := v.(decimal128.Num); ok && t.Scale == c.Scale {
			return d.ToString(int32(t.Scale)), nil
		}
		if s, ok := v.(string); ok {
			return s, nil
		}
	case "float32":
		if f, ok := v.(float32); ok {
			return float32Text(f, c.Digits)
		}
		if f, ok := v.(float64); ok {
			return float32Text(float32(f), c.Digits)
		}
	case "float64":
		if f, ok := v.(float64); ok {
			return Repr(f), nil
		}
	case "string", "enum", "set", "json":
		if s, ok := v.(string); ok {
			return s, nil
		}
	case "uuid":
		if u, ok := v.([16]byte); ok {
			h := hex.EncodeToString(u[:])
			return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
		}
		if s, ok := v.(string); ok {
			return s, nil
		}
	case "bool":
		if b, ok := v.(bool); ok {
			return strconv.FormatBool(b), nil
		}
	}
	return otherText(c, t, v)
}

func otherText(c *Column, t schema.Type, v any) (string, error) {
	switch c.Kind {
	case "bytes":
		if b, ok := v.([]byte); ok {
			return base64.StdEncoding.EncodeToString(b), nil
		}
	case "date":
		if d, ok := v.(int32); ok {
			return time.Unix(int64(d)*86400, 0).UTC().Format("2006-01-02"), nil
		}
	case "time":
		if us, ok := v.(int64); ok {
			return timeText(us, c.Fraction), nil
		}
	case "datetime", "timestamptz":
		if us, ok := v.(int64); ok {
			s := stampText(us, c.Fraction)
			if c.Kind == "timestamptz" {
				s += "Z"
			}
			return s, nil
		}
	case "geometry":
		if g, ok := v.(schema.Row); ok && len(g) == 2 {
			return geometryText(g)
		}
	}
	return "", fmt.Errorf("a value of type %s (Go %T) has no text of kind %s", t, v, c.Kind)
}

func integerText(v any) (string, error) {
	switch v := v.(type) {
	case bool:
		if v {
			return "1", nil
		}
		return "0", nil
	case int32:
		return strconv.Itoa(int(v)), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case decimal128.Num:
		return v.ToString(0), nil
	}
	return "", fmt.Errorf("a value of Go type %T is no whole number", v)
}

func float32Text(f float32, digits int) (string, error) {
	if digits == 0 {
		s := strconv.FormatFloat(float64(f), 'g', -1, 32)
		d, err := strconv.ParseFloat(s, 64)
		return Repr(d), err
	}
	s := strconv.FormatFloat(float64(f), 'g', digits, 64)
	d, err := strconv.ParseFloat(s, 64)
	return Repr(d), err
}

// Repr writes a float as Python's repr does.
func Repr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	exp, _ := strconv.Atoi(s[strings.IndexByte(s, 'e')+1:])
	if f != 0 && (exp < -4 || exp >= 16) {
		return s
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func timeText(us int64, fraction int) string {
	sign := ""
	if us < 0 {
		sign, us = "-", -us
	}
	s := fmt.Sprintf("%s%02d:%02d:%02d", sign, us/3600e6, us/60e6%60, us/1e6%60)
	return s + fractionText(us%1e6, fraction)
}

func stampText(us int64, fraction int) string {
	secs := us / 1e6
	rest := us % 1e6
	if rest < 0 {
		secs, rest = secs-1, rest+1e6
	}
	return time.Unix(secs, 0).UTC().Format("2006-01-02 15:04:05") + fractionText(rest, fraction)
}

func fractionText(us int64, digits int) string {
	if digits == 0 {
		return ""
	}
	return "." + fmt.Sprintf("%06d", us)[:digits]
}

func geometryText(g schema.Row) (string, error) {
	srid, _ := g[0].(int32)
	wkb, ok := g[1].([]byte)
	if !ok {
		return "", fmt.Errorf("geometry without wkb")
	}
	return strconv.Itoa(int(srid)) + ":" + strings.ToUpper(hex.EncodeToString(wkb)), nil
}

package debezium

import (
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/schema"
)

func decimalFromInt(n int64) decimal128.Num { return decimal128.FromI64(n) }

// stringOf views bytes as a string, for calls that keep nothing of it.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func appendFloat(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	if v.kind != kindNumber && v.kind != kindString {
		return wrong(b, v, "a floating-point number")
	}
	s := stringOf(v.bytes(b))
	if v.kind == kindString {
		switch s {
		case "NaN", "Infinity", "-Infinity":
		default:
			// Connect writes numbers of some sources as texts; hexadecimal floats and
			// underscores, which ParseFloat takes, are none.
			for i := range len(s) {
				if ch := s[i]; ch-'0' > 9 && ch != '-' && ch != '+' && ch != '.' && ch|0x20 != 'e' {
					return wrong(b, v, "a floating-point number")
				}
			}
		}
	}
	if p.target.Kind == schema.KindFloat {
		f, err := strconv.ParseFloat(s, 32)
		if err != nil {
			return wrong(b, v, "a number of 32-bit floating point")
		}
		c.AppendFloat32(float32(f))
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return wrong(b, v, "a number of 64-bit floating point")
	}
	c.AppendFloat64(f)
	return nil
}

// appendULong reads BIGINT UNSIGNED: mode long wraps it to a signed number, mode
// precise writes two's complement in base64 (or, by the converter's
// decimal.format, the number itself).
func (d *decoder) appendULong(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	switch v.kind {
	case kindNumber:
		s := v.bytes(b)
		if n, ok := parseInt(s); ok {
			c.AppendDecimal(decimal128.New(0, uint64(n)))
			return nil
		}
		n, err := parseDecimal(s, 20, 0, false)
		if err != nil {
			return err
		}
		c.AppendDecimal(n)
		return nil
	case kindString, kindEscaped:
		return d.appendBase64Decimal(c, p, b, v)
	}
	return wrong(b, v, "an unsigned 64-bit number")
}

func (d *decoder) appendBase64Decimal(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	t, err := v.text(b, d.scratch)
	if err != nil {
		return err
	}
	var buf [maxNumberBytes]byte
	raw, err := base64Bytes(t, &buf)
	if err != nil {
		return err
	}
	n, ok := twosComplement(raw)
	if !ok || !checkPrecision(n, p.target.Precision) {
		return fmt.Errorf("%q does not fit %s", clip(t), p.target)
	}
	c.AppendDecimal(n)
	return nil
}

func (d *decoder) appendDecimal(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	var n decimal128.Num
	var err error
	switch v.kind {
	case kindNumber:
		n, err = parseDecimal(v.bytes(b), p.target.Precision, p.target.Scale, true)
	case kindString, kindEscaped:
		form := p.form
		if form == formUnknown {
			if form, err = d.decimalForm(v.bytes(b), p.target.Scale); err != nil {
				return err
			}
		}
		if form == formBase64 {
			return d.appendBase64Decimal(c, p, b, v)
		}
		n, err = parseDecimal(v.bytes(b), p.target.Precision, p.target.Scale, false)
	default:
		return wrong(b, v, "a decimal")
	}
	if err != nil {
		return err
	}
	c.AppendDecimal(n)
	return nil
}

// decimalForm tells how a stream without schema blocks writes its decimals. All
// of them are written the same way, and most values tell: digits have a point
// when the scale is not zero, which base64 never has. An integer of digits only
// could be base64 (one text of four characters in 1,700 is), so it decides only
// until a value says more.
func (d *decoder) decimalForm(s []byte, scale int) (decimalForm, error) {
	if d.decimals != formUnknown && d.decimalsSure {
		return d.decimals, nil
	}
	form, sure := formBase64, true
	switch {
	case scale > 0:
		for _, ch := range s {
			if ch == '.' {
				form = formText
			}
		}
	case len(s) > 0 && s[0] == '-', len(s)%4 != 0:
		form = formText
	default:
		digits := true
		for _, ch := range s {
			digits = digits && ch-'0' <= 9
		}
		if digits {
			form, sure = formText, false
		}
	}
	if d.decimals != formUnknown && d.decimals != form {
		if !sure {
			return d.decimals, nil
		}
		return 0, fmt.Errorf("decimals looked like plain digits before, but %q is base64: say which by the option for decimals", clip(s))
	}
	d.decimals, d.decimalsSure = form, sure
	return form, nil
}

// appendVarDecimal keeps a decimal without a fixed scale, or one with more digits
// than any decimal type has, as plain digits.
func (d *decoder) appendVarDecimal(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	value, scale := v, p.scale
	switch v.kind {
	case kindObject:
		it := iterate(b, int(v.from), 0)
		value = val{}
		for it.next() {
			switch string(it.name) {
			case "value":
				value = it.val
			case "scale":
				n, ok := it.val.integer(b)
				if !ok || n > 1000 || n < -1000 {
					return wrong(b, it.val, "a scale")
				}
				scale = int(n)
			}
		}
		if !value.isString() {
			return wrong(b, v, "a decimal with scale and value")
		}
	case kindNumber:
		c.AppendBytes(v.bytes(b))
		return nil
	case kindString, kindEscaped:
		form := p.form
		if form == formUnknown {
			var err error
			if form, err = d.decimalForm(v.bytes(b), scale); err != nil {
				return err
			}
		}
		if form == formText {
			return d.appendText(c, b, v)
		}
	default:
		return wrong(b, v, "a decimal")
	}
	t, err := value.text(b, d.scratch)
	if err != nil {
		return err
	}
	var buf [maxNumberBytes]byte
	raw, err := base64Bytes(t, &buf)
	if err != nil {
		return err
	}
	out, err := plainDecimal(c.Data(), raw, scale)
	if err != nil {
		return err
	}
	c.SetData(out)
	c.EndBytes()
	return nil
}

// appendBits reads BIT(n): little-endian bytes, or a boolean for one bit.
func (d *decoder) appendBits(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	if v.kind == kindTrue || v.kind == kindFalse || v.kind == kindNumber {
		return appendBool(c, p, b, v)
	}
	if !v.isString() {
		return wrong(b, v, "bits in base64")
	}
	t, err := v.text(b, d.scratch)
	if err != nil {
		return err
	}
	if p.target.Kind == schema.KindBinary {
		return appendBase64(c, t)
	}
	var buf [maxNumberBytes]byte
	raw, err := base64Bytes(t, &buf)
	if err != nil {
		return err
	}
	var n uint64
	for i, x := range raw {
		if i >= 8 && x != 0 {
			return fmt.Errorf("%q has more than 64 bits", clip(t))
		}
		if i < 8 {
			n |= uint64(x) << (8 * i)
		}
	}
	if p.target.Kind == schema.KindDecimal {
		c.AppendDecimal(decimal128.New(0, n))
		return nil
	}
	if n > math.MaxInt64 {
		return fmt.Errorf("%d does not fit %s", n, p.target)
	}
	return pushInt(c, p, int64(n))
}

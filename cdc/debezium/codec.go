package debezium

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/schema"
)

// enc is how a column's values are written in the JSON.
type enc uint8

const (
	encText       enc = iota // text; anything else as its JSON
	encInt                   // whole number, boolean as 0 and 1
	encULong                 // BIGINT UNSIGNED: wrapped number, or two's complement
	encBool                  // boolean, or 0 and 1
	encFloat                 // number or NaN, Infinity, -Infinity
	encDecimal               // digits, base64 two's complement, or a number
	encVarDecimal            // {"scale", "value"}, digits or a number, kept as digits
	encBytes                 // binary, see Options.Binary
	encDate                  // days since the epoch, or text
	encMillis                // since the epoch, or text
	encMicros                // since the epoch, or text
	encNanos                 // since the epoch, or text
	encTimeMillis            // since midnight, or text
	encTimeMicros            // since midnight, or text
	encTimeNanos             // since midnight, or text
	encZoned                 // text with an offset
	encUUID                  // text
	encBits                  // little-endian base64, or a boolean
	encGeometry              // {"wkb", "srid"}
	encStruct                // object
	encList                  // array
	encMap                   // object, or array of pairs
)

// geometryType is what a geometry becomes: its reference system and its
// well-known binary, which format version 2 has no type of its own for.
var geometryType = schema.Struct(
	schema.Field{Name: "srid", Type: schema.Int},
	schema.Field{Name: "wkb", Type: schema.Binary})

// codec appends the values of one column.
type codec struct {
	enc enc
	// target is the type of the column builder.
	target schema.Type
	// scale of a decimal in base64.
	scale int
	// base64 and text say how decimals are written where a schema block told.
	form decimalForm
	// kids are the codecs of nested values, names those of a struct.
	kids  []codec
	names []string
}

// decimalForm is how a decimal is written.
type decimalForm uint8

const (
	formUnknown decimalForm = iota
	formText
	formBase64
)

// errUnavailable means that the source did not send the value because it did not
// change (PostgreSQL's TOAST, Oracle's LOB).
var errUnavailable = errors.New("value unavailable")

const (
	unavailable       = "__debezium_unavailable_value"
	unavailableBase64 = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="
)

func wrong(b []byte, v val, want string) error {
	t := v.bytes(b)
	if v.isString() {
		return fmt.Errorf("%q is not %s", clip(t), want)
	}
	return fmt.Errorf("%s is not %s", clip(t), want)
}

// append appends a value that may be null.
func (d *decoder) append(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	if v.kind <= kindNull {
		c.AppendNull()
		return nil
	}
	switch p.enc {
	case encText:
		return d.appendText(c, b, v)
	case encInt:
		return appendInt(c, p, b, v)
	case encULong:
		return d.appendULong(c, p, b, v)
	case encBool:
		return appendBool(c, p, b, v)
	case encFloat:
		return appendFloat(c, p, b, v)
	case encDecimal:
		return d.appendDecimal(c, p, b, v)
	case encVarDecimal:
		return d.appendVarDecimal(c, p, b, v)
	case encBytes:
		return d.appendBinary(c, b, v)
	case encBits:
		return d.appendBits(c, p, b, v)
	case encUUID:
		return d.appendUUID(c, b, v)
	case encGeometry:
		return d.appendGeometry(c, b, v)
	case encStruct, encList, encMap:
		return d.appendNested(c, p, b, v)
	}
	return d.appendTemporal(c, p, b, v)
}

// isUnavailable recognises the placeholders of values that were not sent.
func isUnavailable(b []byte, v val) bool {
	switch v.kind {
	case kindString:
		n := v.to - v.from
		return n == int32(len(unavailable)) && string(v.bytes(b)) == unavailable ||
			n == int32(len(unavailableBase64)) && string(v.bytes(b)) == unavailableBase64
	case kindArray, kindObject:
		// Arrays have it as their one element, maps as key and value.
		s := v.bytes(b)
		return len(s) < 128 && (bytes.Contains(s, []byte(`"`+unavailable+`"`)) ||
			bytes.Contains(s, []byte(`"`+unavailableBase64+`"`)))
	}
	return false
}

func (d *decoder) appendText(c *cdc.ColumnBuilder, b []byte, v val) error {
	t, err := d.utf8Text(b, v)
	if err != nil {
		return err
	}
	c.AppendBytes(t)
	return nil
}

func appendInt(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	var n int64
	switch v.kind {
	case kindNumber, kindString:
		var ok bool
		if n, ok = parseInt(v.bytes(b)); !ok {
			return wrong(b, v, "a whole number of 64 bits")
		}
	case kindTrue:
		n = 1
	case kindFalse:
	default:
		return wrong(b, v, "a whole number")
	}
	return pushInt(c, p, n)
}

// pushInt appends a whole number to a column of whichever type its number has.
func pushInt(c *cdc.ColumnBuilder, p *codec, n int64) error {
	switch p.target.Kind {
	case schema.KindInt:
		if int64(int32(n)) != n {
			return fmt.Errorf("%d does not fit an int", n)
		}
		c.AppendInt32(int32(n))
	case schema.KindLong:
		c.AppendInt64(n)
	case schema.KindBoolean:
		if n != 0 && n != 1 {
			return fmt.Errorf("%d is not a boolean", n)
		}
		c.AppendBool(n == 1)
	case schema.KindDouble:
		if n > 1<<53 || n < -1<<53 {
			return fmt.Errorf("%d does not fit a double exactly", n)
		}
		c.AppendFloat64(float64(n))
	case schema.KindDecimal:
		v := decimalFromInt(n)
		if p.target.Scale != 0 || !checkPrecision(v, p.target.Precision) {
			return fmt.Errorf("%d does not fit %s", n, p.target)
		}
		c.AppendDecimal(v)
	default:
		return fmt.Errorf("a whole number in a column of type %s", p.target)
	}
	return nil
}

func appendBool(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	switch v.kind {
	case kindTrue:
		return pushInt(c, p, 1)
	case kindFalse:
		return pushInt(c, p, 0)
	case kindNumber:
		if n, ok := parseInt(v.bytes(b)); ok {
			return pushInt(c, p, n)
		}
	}
	return wrong(b, v, "a boolean")
}

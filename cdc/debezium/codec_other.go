package debezium

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/schema"
)

// utf8Text returns a value's text: a string's, or the JSON of anything else. It
// is valid until the next call.
func (d *decoder) utf8Text(b []byte, v val) ([]byte, error) {
	t := v.bytes(b)
	if v.kind == kindEscaped {
		var err error
		if d.scratch, err = unescape(d.scratch[:0], t); err != nil {
			return nil, err
		}
		t = d.scratch
	}
	if !utf8.Valid(t) {
		return nil, errors.New("text is not valid UTF-8")
	}
	return t, nil
}

// appendBinary decodes a binary value in the stream's encoding.
func (d *decoder) appendBinary(c *cdc.ColumnBuilder, b []byte, v val) error {
	if !v.isString() {
		return wrong(b, v, "binary in text")
	}
	t, err := v.text(b, d.scratch)
	if err != nil {
		return err
	}
	switch d.opts.Binary {
	case "hex":
		return appendHex(c, t)
	case "base64-url-safe":
		return appendCoded(c, t, base64.URLEncoding)
	}
	return appendBase64(c, t)
}

func appendBase64(c *cdc.ColumnBuilder, t []byte) error {
	return appendCoded(c, t, base64.StdEncoding)
}

func appendCoded(c *cdc.ColumnBuilder, t []byte, coding *base64.Encoding) error {
	data := c.Data()
	n := len(data)
	data = slices.Grow(data, coding.DecodedLen(len(t)))
	m, err := coding.Decode(data[n:cap(data)], t)
	if err != nil {
		return fmt.Errorf("%q is not base64", clip(t))
	}
	if c.Type().Kind == schema.KindFixed && m != c.Type().Length {
		return fmt.Errorf("%d bytes in a column of type %s", m, c.Type())
	}
	c.SetData(data[:n+m])
	c.EndBytes()
	return nil
}

func appendHex(c *cdc.ColumnBuilder, t []byte) error {
	data := c.Data()
	n := len(data)
	data = slices.Grow(data, len(t)/2)
	m, err := hex.Decode(data[n:cap(data)], t)
	if err != nil {
		return fmt.Errorf("%q is not hexadecimal", clip(t))
	}
	c.SetData(data[:n+m])
	c.EndBytes()
	return nil
}

// appendUUID reads the text of a UUID, with or without hyphens.
func (d *decoder) appendUUID(c *cdc.ColumnBuilder, b []byte, v val) error {
	if v.kind != kindString {
		return wrong(b, v, "a UUID")
	}
	var digits [32]byte
	n := 0
	for _, ch := range v.bytes(b) {
		if ch == '-' {
			continue
		}
		if n == len(digits) {
			return wrong(b, v, "a UUID")
		}
		digits[n] = ch
		n++
	}
	var u [16]byte
	if n != 32 {
		return wrong(b, v, "a UUID")
	}
	if _, err := hex.Decode(u[:], digits[:]); err != nil {
		return wrong(b, v, "a UUID")
	}
	c.AppendBytes(u[:])
	return nil
}

// appendGeometry reads {"wkb", "srid"}; x and y of a point are in the wkb too.
func (d *decoder) appendGeometry(c *cdc.ColumnBuilder, b []byte, v val) error {
	if v.kind != kindObject {
		return wrong(b, v, "a geometry with wkb and srid")
	}
	var wkb, srid val
	it := iterate(b, int(v.from), 0)
	for it.next() {
		switch string(it.name) {
		case "wkb":
			wkb = it.val
		case "srid":
			srid = it.val
		}
	}
	if wkb.kind == kindAbsent && srid.kind == kindAbsent {
		return wrong(b, v, "a geometry with wkb and srid")
	}
	if srid.isNull() {
		c.Child(0).AppendNull()
	} else {
		n, ok := srid.integer(b)
		if !ok || int64(int32(n)) != n {
			return wrong(b, srid, "an srid")
		}
		c.Child(0).AppendInt32(int32(n))
	}
	if wkb.isNull() {
		c.Child(1).AppendNull()
	} else {
		t, err := wkb.text(b, d.scratch)
		if err != nil {
			return err
		}
		if !wkb.isString() {
			return wrong(b, wkb, "well-known binary in base64")
		}
		if err := appendBase64(c.Child(1), t); err != nil {
			return err
		}
	}
	c.AppendValid()
	return nil
}

// appendNested reads structs, lists and maps.
func (d *decoder) appendNested(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	switch {
	case p.enc == encStruct && v.kind == kindObject:
		vals := make([]val, len(p.kids))
		it := iterate(b, int(v.from), 0)
		for it.next() {
			if i := slices.Index(p.names, string(it.name)); i >= 0 {
				vals[i] = it.val
			}
		}
		for i := range p.kids {
			if err := d.append(c.Child(i), &p.kids[i], b, vals[i]); err != nil {
				return fmt.Errorf("field %q: %w", p.names[i], err)
			}
		}
	case p.enc == encList && v.kind == kindArray:
		it := iterate(b, int(v.from), 0)
		for it.next() {
			if err := d.append(c.Child(0), &p.kids[0], b, it.val); err != nil {
				return fmt.Errorf("element: %w", err)
			}
		}
	case p.enc == encMap && (v.kind == kindObject || v.kind == kindArray):
		if err := d.appendEntries(c, p, b, v); err != nil {
			return err
		}
	default:
		return wrong(b, v, "a "+p.target.String())
	}
	c.AppendValid()
	return nil
}

// appendEntries reads a map: an object when the keys are strings, else an array
// of pairs.
func (d *decoder) appendEntries(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	it := iterate(b, int(v.from), 0)
	for it.next() {
		value := it.val
		if v.kind == kindObject {
			if p.kids[0].target.Kind != schema.KindString {
				return wrong(b, v, "an array of key and value pairs")
			}
			c.Child(0).AppendBytes(it.name)
		} else {
			if value.kind != kindArray {
				return wrong(b, v, "an array of key and value pairs")
			}
			pair := iterate(b, int(value.from), 0)
			if !pair.next() || pair.val.isNull() {
				return wrong(b, value, "a pair of key and value")
			}
			if err := d.append(c.Child(0), &p.kids[0], b, pair.val); err != nil {
				return fmt.Errorf("map key: %w", err)
			}
			if !pair.next() {
				return wrong(b, value, "a pair of key and value")
			}
			value = pair.val
		}
		if err := d.append(c.Child(1), &p.kids[1], b, value); err != nil {
			return fmt.Errorf("map value: %w", err)
		}
	}
	return nil
}

// scaleInt multiplies; ok is false on overflow.
func scaleInt(n, by int64) (int64, bool) {
	if n > math.MaxInt64/by || n < math.MinInt64/by {
		return 0, false
	}
	return n * by, true
}

// appendTemporal reads dates, times and timestamps.
func (d *decoder) appendTemporal(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	if v.isString() {
		return d.appendTemporalText(c, p, b, v)
	}
	n, ok := v.integer(b)
	if !ok || p.enc == encZoned {
		return wrong(b, v, "a value of type "+p.target.String())
	}
	switch p.enc {
	case encDate:
		if int64(int32(n)) != n {
			return wrong(b, v, "a date in days")
		}
		c.AppendInt32(int32(n))
		return nil
	case encMillis, encTimeMillis:
		n, ok = scaleInt(n, 1000)
	case encNanos, encTimeNanos:
		if p.target.Kind != schema.KindTimestampNs {
			if n%1000 != 0 {
				d.cutNanos = true
			}
			n = floorDiv(n, 1000)
		}
	}
	if p.enc == encMillis && p.target.Kind == schema.KindTimestampNs && ok {
		n, ok = scaleInt(n, 1000)
	}
	if !ok {
		return wrong(b, v, "a value of type "+p.target.String())
	}
	if p.target.Kind == schema.KindTime && (n < 0 || n >= 86400e6) {
		return fmt.Errorf("%d microseconds is no time of a day", n)
	}
	c.AppendInt64(n)
	return nil
}

func floorDiv(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

func (d *decoder) appendTemporalText(c *cdc.ColumnBuilder, p *codec, b []byte, v val) error {
	t := v.bytes(b)
	switch p.target.Kind {
	case schema.KindDate:
		days, end, ok := parseDate(t)
		if !ok || (end != len(t) && t[end] != 'Z' && t[end] != 'T') || int64(int32(days)) != days {
			return wrong(b, v, "a date")
		}
		c.AppendInt32(int32(days))
		return nil
	case schema.KindTime, schema.KindLong:
		n, err := parseTimeOfDay(t)
		if err != nil {
			return err
		}
		if p.target.Kind == schema.KindTime && (n < 0 || n >= 86400e6) {
			return wrong(b, v, "a time of a day")
		}
		c.AppendInt64(n)
		return nil
	}
	at, err := parseInstant(t)
	if err != nil {
		return err
	}
	var n int64
	ok := true
	if p.target.Kind == schema.KindTimestampNs || p.target.Kind == schema.KindTimestampTzNs {
		n, ok = at.nano64()
	} else {
		if at.nanos%1000 != 0 {
			d.cutNanos = true
		}
		n, ok = at.micros()
	}
	if !ok {
		return wrong(b, v, "in the range of "+p.target.String())
	}
	c.AppendInt64(n)
	return nil
}

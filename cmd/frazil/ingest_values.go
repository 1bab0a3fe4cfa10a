package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/schema"
)

// textOf views bytes as a string for calls that do not keep it.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// appendText appends the value that a text stands for.
func appendText(b *cdc.ColumnBuilder, text []byte) error {
	t := b.Type()
	switch t.Kind {
	case schema.KindString:
		if !utf8.Valid(text) {
			return errors.New("not valid UTF-8")
		}
		b.AppendBytes(text)
		return nil
	case schema.KindLong:
		if n, err := strconv.ParseInt(textOf(text), 10, 64); err == nil {
			b.AppendInt64(n)
			return nil
		}
	case schema.KindInt:
		if n, err := strconv.ParseInt(textOf(text), 10, 32); err == nil {
			b.AppendInt32(int32(n))
			return nil
		}
	case schema.KindStruct, schema.KindList, schema.KindMap:
		return appendJSON(b, jsontext.Value(text))
	case schema.KindGeometry, schema.KindGeography:
		if len(text) > 0 && text[0] >= 'A' && bytes.IndexByte(text, '(') > 0 {
			wkb, err := schema.ParseWKT(string(text))
			if err != nil {
				return err
			}
			b.AppendBytes(wkb)
			return nil
		}
	}
	v, err := schema.ParseLiteral(t, string(text))
	if err != nil {
		return err
	}
	return b.AppendValue(v)
}

// appendJSON appends a JSON value.
func appendJSON(b *cdc.ColumnBuilder, raw jsontext.Value) error {
	t := b.Type()
	switch raw.Kind() {
	case 'n':
		b.AppendNull()
		return nil
	case '"':
		if !t.IsNested() && t.Kind != schema.KindVariant {
			text := raw[1 : len(raw)-1]
			if bytes.IndexByte(text, '\\') >= 0 {
				var err error
				if text, err = jsontext.AppendUnquote(nil, raw); err != nil {
					return err
				}
			}
			return appendText(b, text)
		}
	case '0':
		switch t.Kind {
		case schema.KindLong, schema.KindInt:
			if !bytes.ContainsAny(raw, ".eE") {
				return appendText(b, raw)
			}
		case schema.KindDouble:
			if f, err := strconv.ParseFloat(textOf(raw), 64); err == nil {
				b.AppendFloat64(f)
				return nil
			}
		}
	}
	v, err := fromJSON(t, raw, 0)
	if err != nil {
		return err
	}
	return b.AppendValue(v)
}

// fromJSON reads a JSON value as one of a type: structs by name, maps as
// {"keys": […], "values": […]} or, with text keys, as an object.
func fromJSON(t schema.Type, raw jsontext.Value, depth int) (any, error) {
	if depth > schema.MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d", schema.MaxDepth)
	}
	kind := raw.Kind()
	switch {
	case kind == 'n':
		return nil, nil
	case t.Kind == schema.KindStruct && kind == '{':
		return structFromJSON(t, raw, depth)
	case t.Kind == schema.KindMap && kind == '{':
		return mapFromJSON(t, raw, depth)
	case t.Kind == schema.KindList && kind == '[':
		return listFromJSON(*t.Element(), raw, depth)
	case t.IsNested() || kind == '{' || kind == '[':
		return nil, fmt.Errorf("%s is not a value of type %s", jsonKind(kind), t)
	}
	switch kind {
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return nil, err
		}
		if (t.Kind == schema.KindGeometry || t.Kind == schema.KindGeography) && bytes.IndexByte(text, '(') > 0 {
			return schema.ParseWKT(string(text))
		}
		return schema.Coerce(t, string(text))
	case '0':
		return schema.Coerce(t, json.Number(raw))
	}
	if t.Kind != schema.KindBoolean {
		return nil, fmt.Errorf("%s is not a value of type %s", raw, t)
	}
	return kind == 't', nil
}

func jsonKind(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	}
	return "a boolean"
}

// eachMember visits the members of an object.
func eachMember(raw jsontext.Value, f func(name string, v jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		tok, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := f(name, v); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// eachElement visits the elements of an array.
func eachElement(raw jsontext.Value, f func(v jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

func structFromJSON(t schema.Type, raw jsontext.Value, depth int) (any, error) {
	row := make(schema.Row, len(t.Fields))
	err := eachMember(raw, func(name string, v jsontext.Value) error {
		for i := range t.Fields {
			if t.Fields[i].Name != name {
				continue
			}
			var err error
			if row[i], err = fromJSON(t.Fields[i].Type, v, depth+1); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}
		return fmt.Errorf("there is no member %q; there are %s", name, columnNames(t.Fields))
	})
	if err != nil {
		return nil, err
	}
	for i := range t.Fields {
		if t.Fields[i].Required && row[i] == nil {
			return nil, fmt.Errorf("member %s is required and missing", t.Fields[i].Name)
		}
	}
	return row, nil
}

func listFromJSON(element schema.Field, raw jsontext.Value, depth int) ([]any, error) {
	list := []any{}
	err := eachElement(raw, func(v jsontext.Value) error {
		x, err := fromJSON(element.Type, v, depth+1)
		if err == nil && x == nil && element.Required {
			err = errors.New("null among elements that are required")
		}
		list = append(list, x)
		return err
	})
	return list, err
}

func mapFromJSON(t schema.Type, raw jsontext.Value, depth int) (any, error) {
	names, values := []string(nil), []jsontext.Value(nil)
	err := eachMember(raw, func(name string, v jsontext.Value) error {
		names, values = append(names, name), append(values, v.Clone())
		return nil
	})
	if err != nil {
		return nil, err
	}
	m := schema.MapValue{Keys: []any{}, Values: []any{}}
	if len(names) == 2 && names[0] == "keys" && names[1] == "values" && values[0].Kind() == '[' && values[1].Kind() == '[' {
		if m.Keys, err = listFromJSON(*t.Key(), values[0], depth); err != nil {
			return nil, err
		}
		if m.Values, err = listFromJSON(*t.Value(), values[1], depth); err == nil && len(m.Keys) != len(m.Values) {
			err = fmt.Errorf("%d keys and %d values", len(m.Keys), len(m.Values))
		}
		return m, err
	}
	for i, name := range names {
		k, err := schema.Coerce(t.Key().Type, name)
		if err != nil {
			return nil, err
		}
		v, err := fromJSON(t.Value().Type, values[i], depth+1)
		if err == nil && v == nil && t.Value().Required {
			err = errors.New("null among values that are required")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		m.Keys, m.Values = append(m.Keys, k), append(m.Values, v)
	}
	return m, nil
}

// The types that text is guessed to have.
type guess uint8

const (
	guessNull guess = iota
	guessBool
	guessLong
	guessBig // an integer beyond long
	guessDouble
	guessDate
	guessTimestamp
	guessTimestampTz
	guessString
)

var guessTypes = map[guess]schema.Type{
	guessNull: schema.String, guessBool: schema.Boolean, guessLong: schema.Long, guessBig: schema.Decimal(38, 0),
	guessDouble: schema.Double, guessDate: schema.Date, guessTimestamp: schema.Timestamp, guessTimestampTz: schema.TimestampTz,
	guessString: schema.String,
}

// join returns the narrowest guess that holds the values of both.
func (g guess) join(o guess) guess {
	g, o = min(g, o), max(g, o)
	switch {
	case g == o || g == guessNull:
		return o
	case g >= guessLong && o <= guessDouble, g >= guessDate && o <= guessTimestamp:
		return o
	}
	return guessString
}

// guessText guesses the type of a CSV cell or JSON string; numbers tells whether
// it may be a number or boolean.
func guessText(text string, numbers bool) guess {
	if numbers {
		if g := guessNumber(text); g != guessString {
			return g
		}
		switch strings.ToLower(text) {
		case "true", "false":
			return guessBool
		}
	}
	if len(text) < 10 || text[4] != '-' || text[0] > '9' {
		return guessString
	}
	for _, g := range []guess{guessDate, guessTimestamp, guessTimestampTz} {
		if _, err := schema.ParseLiteral(guessTypes[g], text); err == nil {
			return g
		}
	}
	return guessString
}

// guessNumber guesses the type of a number. One with leading zeros is a code, no
// number.
func guessNumber(text string) guess {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || digits[0] > '9' || digits[0] < '.' || len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return guessString
	}
	if strings.Trim(digits, "0123456789") == "" {
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			return guessLong
		}
		if len(digits) <= 38 {
			return guessBig
		}
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) && !strings.ContainsAny(text, "xXpP_") {
		return guessDouble
	}
	return guessString
}

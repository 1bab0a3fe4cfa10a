package metadata

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// eachMember calls fn for every member of a JSON object; raw points into data.
func eachMember(data []byte, fn func(name string, raw jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(data))
	tok, err := d.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '{' {
		return errors.New("not a JSON object")
	}
	for d.PeekKind() != '}' {
		tok, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		end := d.InputOffset()
		if err := fn(name, jsontext.Value(data[end-int64(len(v)):end:end])); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	if len(bytes.TrimLeft(data[d.InputOffset():], " \t\r\n")) > 0 {
		return errors.New("text after the JSON object")
	}
	return nil
}

// eachElement calls fn for every element of a JSON array; null has none.
func eachElement(data []byte, fn func(raw jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(data))
	tok, err := d.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() == 'n' {
		return nil
	}
	if tok.Kind() != '[' {
		return errors.New("not a JSON array")
	}
	for i := 0; d.PeekKind() != ']'; i++ {
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		end := d.InputOffset()
		if err := fn(jsontext.Value(data[end-int64(len(v)) : end : end])); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	_, err = d.ReadToken()
	return err
}

// id64 is a snapshot id. Some writers produced unsigned ids above the largest
// signed one; they are read as the same 64 bits, which is how Avro readers see
// them too.
type id64 int64

func (v *id64) UnmarshalJSON(b []byte) error {
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		*v = id64(n)
		return nil
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("snapshot id %.40s is not a 64-bit integer", b)
	}
	*v = id64(n)
	return nil
}

// textMap is a map of strings that also accepts numbers and booleans as
// values, which some writers leave unquoted.
type textMap map[string]string

func (m *textMap) UnmarshalJSON(b []byte) error {
	plain := map[string]string{}
	if err := json.Unmarshal(b, &plain); err == nil {
		*m = plain
		return nil
	}
	*m = textMap{}
	return eachMember(b, func(name string, raw jsontext.Value) error {
		switch raw.Kind() {
		case '"':
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				return err
			}
			(*m)[name] = s
		case 'n':
		case '{', '[':
			return errors.New("neither a string nor a number")
		default:
			(*m)[name] = string(raw)
		}
		return nil
	})
}

// splitUnknown turns the unknown members of an object into a map, nil if none.
func splitUnknown(raw jsontext.Value) (map[string]stdjson.RawMessage, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var m map[string]stdjson.RawMessage
	err := eachMember(raw, func(name string, v jsontext.Value) error {
		if m == nil {
			m = map[string]stdjson.RawMessage{}
		}
		m[name] = stdjson.RawMessage(bytes.Clone(v))
		return nil
	})
	return m, err
}

// encoder appends the members of one JSON object.
type encoder struct {
	b   []byte
	err error
}

func (e *encoder) name(name string) {
	if c := e.b[len(e.b)-1]; c != '{' && c != '[' {
		e.b = append(e.b, ',')
	}
	e.b = appendString(e.b, name)
	e.b = append(e.b, ':')
}

// sep starts an element of an array.
func (e *encoder) sep() {
	if c := e.b[len(e.b)-1]; c != '[' && c != '{' {
		e.b = append(e.b, ',')
	}
}

func (e *encoder) open(name string, c byte) {
	e.name(name)
	e.b = append(e.b, c)
}

func (e *encoder) close(c byte) { e.b = append(e.b, c) }

func (e *encoder) int(name string, v int64) {
	e.name(name)
	e.b = strconv.AppendInt(e.b, v, 10)
}

func (e *encoder) optInt(name string, v *int64) {
	if v != nil {
		e.int(name, *v)
	}
}

func (e *encoder) str(name, v string) {
	e.name(name)
	e.b = appendString(e.b, v)
}

func (e *encoder) raw(name string, v []byte) {
	e.name(name)
	e.b = append(e.b, v...)
}

// value appends v by its own JSON form.
func (e *encoder) value(v any) {
	raw, err := json.Marshal(v, json.Deterministic(true))
	if err != nil && e.err == nil {
		e.err = err
	}
	e.b = append(e.b, raw...)
}

func (e *encoder) strings(name string, m map[string]string) {
	e.name(name)
	if m == nil {
		m = map[string]string{}
	}
	e.value(m)
}

func (e *encoder) extra(m map[string]stdjson.RawMessage) {
	for _, name := range sortedKeys(m) {
		e.raw(name, m[name])
	}
}

func (e *encoder) bytes() ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	return e.b, nil
}

func appendString(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil {
		// Only invalid UTF-8 is refused, and then replaced: names and values of
		// metadata are text.
		return out
	}
	return out
}

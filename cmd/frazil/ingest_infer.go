package main

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/frazildb/frazil/schema"
)

// shapeGuess is what is known of the values of a column.
type shapeGuess struct {
	scalar  guess
	members *guessedColumns // of objects
	element *shapeGuess     // of arrays
}

// guessedColumns are columns in the order they were seen.
type guessedColumns struct {
	names  []string
	shapes map[string]*shapeGuess
}

func (c *guessedColumns) of(name string) *shapeGuess {
	if c.shapes == nil {
		c.shapes = map[string]*shapeGuess{}
	}
	g := c.shapes[name]
	if g == nil {
		g = &shapeGuess{}
		c.shapes[name] = g
		c.names = append(c.names, name)
	}
	return g
}

// seeRow takes note of a row of JSON.
func (c *guessedColumns) seeRow(raw jsontext.Value, depth int) error {
	return eachMember(raw, func(name string, v jsontext.Value) error { return c.of(name).see(v, depth) })
}

// see takes note of a JSON value.
func (g *shapeGuess) see(v jsontext.Value, depth int) error {
	if depth > schema.MaxDepth {
		return fmt.Errorf("nested deeper than %d", schema.MaxDepth)
	}
	switch v.Kind() {
	case '{':
		if g.members == nil {
			g.members = &guessedColumns{}
		}
		return g.members.seeRow(v, depth+1)
	case '[':
		if g.element == nil {
			g.element = &shapeGuess{}
		}
		return eachElement(v, func(x jsontext.Value) error { return g.element.see(x, depth+1) })
	case '"':
		text, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return err
		}
		g.scalar = g.scalar.join(guessText(string(text), false))
	case '0':
		n := guessNumber(string(v))
		if n == guessString { // JSON has no codes with leading zeros: too large
			n = guessDouble
		}
		g.scalar = g.scalar.join(n)
	case 't', 'f':
		g.scalar = g.scalar.join(guessBool)
	}
	return nil
}

// typ returns the guessed type.
func (g *shapeGuess) typ(path string) (schema.Type, error) {
	kinds := 0
	for _, is := range []bool{g.scalar != guessNull, g.members != nil, g.element != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return schema.Type{}, fmt.Errorf("column %s holds objects, arrays and plain values: create the table with frazil create --schema", path)
	case g.element != nil:
		t, err := g.element.typ(path + "[]")
		return schema.List(schema.Field{Type: t}), err
	case g.members != nil:
		fields, err := g.members.fields(path + ".")
		if err == nil && len(fields) == 0 {
			return schema.String, fmt.Errorf("column %s holds empty objects only: create the table with frazil create --schema", path)
		}
		return schema.Struct(fields...), err
	}
	return guessTypes[g.scalar], nil
}

func (c *guessedColumns) fields(prefix string) ([]schema.Field, error) {
	var out []schema.Field
	for _, name := range c.names {
		t, err := c.shapes[name].typ(prefix + name)
		if err != nil {
			return nil, err
		}
		out = append(out, schema.Field{Name: name, Type: t})
	}
	return out, nil
}

// infer guesses columns from rows of text. Header is nil for JSON lines. A row
// that cannot be read is left to the ingest, which names it.
func infer(sample []record, header []string, null string) ([]schema.Field, error) {
	c := &guessedColumns{}
	for _, name := range header {
		c.of(name)
	}
	for _, r := range sample {
		if r.err != nil {
			continue
		}
		if header == nil {
			if v := jsontext.Value(r.raw); v.Kind() == '{' && v.IsValid() {
				if err := c.seeRow(v, 0); err != nil {
					return nil, err
				}
			}
			continue
		}
		for i, x := range r.cells[:min(len(header), len(r.cells))] {
			if len(x.text) > 0 && (x.quoted || string(x.text) != null) {
				g := c.of(header[i])
				g.scalar = g.scalar.join(guessText(string(x.text), true))
			}
		}
	}
	return c.fields("")
}

// without drops a column.
func without(fields []schema.Field, name string) []schema.Field {
	return slices.DeleteFunc(slices.Clone(fields), func(f schema.Field) bool { return name != "" && f.Name == name })
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/schema"
)

// textParser turns rows of text into rows of a table.
type textParser struct {
	table  string
	schema *schema.Schema
	fields []schema.Field // of the builder's columns
	b      *cdc.Builder
	index  map[string]int // name → builder column; -1 is the operation column
	header []int          // of a CSV file, cell → builder column
	null   []byte
	key    []bool // builder columns that a delete needs too: of the key, of --order-by
	order  []bool // builder columns of --order-by
	seen   []int64
	row    int64
	op     cdc.Op
	opName string
	dec    *jsontext.Decoder
	line   bytes.Reader
	name   []byte
}

func newTextParser(table string, s *schema.Schema, opColumn, null string) *textParser {
	p := &textParser{table: table, schema: s, index: map[string]int{}, null: []byte(null), opName: opColumn, dec: jsontext.NewDecoder(bytes.NewReader(nil))}
	shape := &cdc.Shape{}
	for _, f := range s.Fields {
		if f.Type.Kind == schema.KindVariant || f.Type.Kind == schema.KindUnknown {
			continue // no text has them; the table's column is null
		}
		p.index[f.Name] = len(p.fields)
		p.fields = append(p.fields, f)
		shape.Columns = append(shape.Columns, cdc.Column{Name: f.Name, Type: f.Type})
	}
	p.key = make([]bool, len(p.fields))
	for _, id := range s.IdentifierFieldIDs {
		for i, f := range p.fields {
			p.key[i] = p.key[i] || f.ID == id
		}
	}
	p.order = make([]bool, len(p.fields))
	if opColumn != "" {
		p.index[opColumn] = -1
	}
	p.b = cdc.NewBuilder(shape)
	p.seen = make([]int64, len(p.fields))
	return p
}

// orderBy makes columns ones that every row needs.
func (p *textParser) orderBy(columns []string) {
	for _, name := range columns {
		if i, ok := p.index[name]; ok && i >= 0 {
			p.key[i], p.order[i] = true, true
		}
	}
}

// setHeader matches the columns of a CSV file.
func (p *textParser) setHeader(header []string) error {
	p.header = make([]int, 0, len(header))
	if p.opName != "" && !slices.Contains(header, p.opName) {
		return fmt.Errorf("there is no column %q, which --op-column names; there are %s", p.opName, strings.Join(header, ", "))
	}
	for _, name := range header {
		i, ok := p.index[name]
		if !ok && len(header) == 1 && strings.ContainsAny(name, ";\t|,") {
			return fmt.Errorf("the one column %q looks like several: give --delimiter", name)
		}
		if !ok {
			return p.unknown(name)
		}
		p.header = append(p.header, i)
	}
	return nil
}

func (p *textParser) unknown(name string) error {
	if _, ok := p.schema.FieldByName(name); ok {
		return fmt.Errorf("column %q has a type that text cannot give", name)
	}
	return fmt.Errorf("%w; frazil alter %s --add '%s TYPE' adds it", p.schema.UnknownColumn(name), p.table, name)
}

// parse appends a row to the builder, or nothing at all.
func (p *textParser) parse(r *record) error {
	p.row++
	p.op = cdc.OpUpsert
	opSeen := p.opName == ""
	n := p.b.Len()
	err := r.err
	switch {
	case err != nil:
	case p.header != nil:
		err = p.cells(r.cells)
		opSeen = true
	default:
		opSeen, err = p.object(r.raw)
		opSeen = opSeen || p.opName == ""
	}
	if err == nil && !opSeen {
		err = fmt.Errorf("the row has no %q, which --op-column names", p.opName)
	}
	if err == nil {
		err = p.complete()
	}
	if err != nil {
		p.b.Truncate(n)
		return err
	}
	p.b.EndRow(p.op)
	return nil
}

// complete gives the columns that a row leaves out their default or null.
func (p *textParser) complete() error {
	for i := range p.fields {
		f, col := &p.fields[i], p.b.Column(i)
		absent := p.seen[i] != p.row
		needed := (f.Required || p.order[i]) && (p.op != cdc.OpDelete || p.key[i])
		switch {
		case !absent && !(needed && col.IsNull(col.Len()-1)):
		case absent && f.WriteDefault != nil:
			if err := col.AppendValue(f.WriteDefault); err != nil {
				return err
			}
		case needed && absent:
			return fmt.Errorf("column %q is required and missing", f.Name)
		case needed:
			return fmt.Errorf("column %q is required and null", f.Name)
		default:
			col.AppendNull()
		}
	}
	return nil
}

func (p *textParser) cells(cells []csvCell) error {
	if len(cells) != len(p.header) {
		return fmt.Errorf("%d cells for %d columns", len(cells), len(p.header))
	}
	for c, x := range cells {
		i := p.header[c]
		if i < 0 {
			if err := p.setOp(string(x.text)); err != nil {
				return err
			}
			continue
		}
		p.seen[i] = p.row
		col, f := p.b.Column(i), &p.fields[i]
		textual := f.Type.Kind == schema.KindString || f.Type.Kind == schema.KindBinary
		switch {
		case !x.quoted && bytes.Equal(x.text, p.null) && !(f.Required && textual && len(x.text) == 0), len(x.text) == 0 && !textual:
			col.AppendNull()
		default:
			if err := appendText(col, x.text); err != nil {
				return fmt.Errorf("column %q: %w", f.Name, err)
			}
		}
	}
	return nil
}

// object reads a row of JSON and reports whether the operation was in it.
func (p *textParser) object(raw []byte) (opSeen bool, err error) {
	p.line.Reset(raw)
	p.dec.Reset(&p.line)
	tok, err := p.dec.ReadToken()
	if err != nil {
		return false, jsonError(err)
	}
	if tok.Kind() != '{' {
		return false, fmt.Errorf("%s instead of an object", jsonKind(tok.Kind()))
	}
	for p.dec.PeekKind() == '"' {
		quoted, err := p.dec.ReadValue()
		if err != nil {
			return false, jsonError(err)
		}
		if p.name, err = jsontext.AppendUnquote(p.name[:0], quoted); err != nil {
			return false, jsonError(err)
		}
		i, ok := p.index[string(p.name)]
		if !ok {
			return false, p.unknown(string(p.name))
		}
		v, err := p.dec.ReadValue()
		if err != nil {
			return false, jsonError(err)
		}
		if i < 0 {
			opSeen = true
			text, _ := jsontext.AppendUnquote(nil, v)
			if err := p.setOp(string(text)); err != nil {
				return false, err
			}
			continue
		}
		p.seen[i] = p.row
		if err := appendJSON(p.b.Column(i), v); err != nil {
			return false, fmt.Errorf("column %q: %w", p.fields[i].Name, err)
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return false, jsonError(err)
	}
	if _, err := p.dec.ReadToken(); err != io.EOF {
		return false, errors.New("text after the object")
	}
	return opSeen, nil
}

// jsonError says what is wrong with a line, without the decoder's name.
func jsonError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return errors.New("malformed JSON: the line ends too early")
	}
	var s *jsontext.SyntacticError
	if errors.As(err, &s) {
		return fmt.Errorf("malformed JSON at byte %d: %w", s.ByteOffset+1, s.Err)
	}
	return err
}

func (p *textParser) setOp(text string) (err error) {
	p.op, err = opOf(text)
	return err
}

// opOf reads an operation: I, U or D, Debezium's c, r, u, d, or a word.
func opOf(text string) (cdc.Op, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "i", "c", "r", "insert", "create":
		return cdc.OpInsert, nil
	case "u", "update", "upsert":
		return cdc.OpUpsert, nil
	case "d", "delete":
		return cdc.OpDelete, nil
	}
	return 0, fmt.Errorf("operation %q: I, U or D is expected", text)
}

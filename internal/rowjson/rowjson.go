// Package rowjson renders rows of Arrow batches as text: the canonical form in
// which tables are compared, JSON lines, CSV, and the form in which results of
// other engines are compared.
//
// An [Encoder] is made once for a schema and appends one row after another to
// a byte slice:
//
//	e := rowjson.NewEncoder(s, rowjson.Canonical)
//	for i := range int(b.NumRows()) {
//		buf = append(e.AppendRow(buf[:0], b, i), '\n')
//	}
//
// Values by form; everything else is as in the JSON single-value serialization
// of the table format (spec: appendix D), with structs as objects by name:
//
//	            Canonical                Lines, Judge          CSV
//	order       schema                   schema, Judge: names  schema
//	float       "f32:3f800000"           1.5, "NaN"            1.5, NaN
//	timestamptz "…Z"                     "…+00:00"             …+00:00
//	map         [[k,v],…] sorted         {"keys","values"}     as Lines
//	variant     ["int8",7]               7                     as Lines
//	geometry    "hex of WKB"             "POINT (1 2)"         POINT (1 2)
//	null        null                     null                  empty
package rowjson

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/schema"
)

// Form names a text form of rows.
type Form uint8

const (
	// Canonical is one compact JSON object a row, keys in schema order, floats
	// as bit patterns: equal text is equal content.
	Canonical Form = iota
	// Lines is one JSON object a row for use by programs.
	Lines
	// Judge is Lines with keys and maps sorted: the form that other engines'
	// results are brought into for comparison.
	Judge
	// CSV is comma-separated values as in RFC 4180: nulls are empty, empty
	// strings are quoted, nested values are quoted JSON.
	CSV
)

// Encoder renders rows of one schema. It keeps buffers and is for one
// goroutine.
type Encoder struct {
	form    Form
	columns []node
	order   []int // columns in the order they are written

	err     error
	entries []entry
	scratch []byte
	fields  []int
}

// node is a field compiled for a form.
type node struct {
	key      []byte // `"name":`
	name     string
	typ      schema.Type
	children []node
	order    []int
}

// entry is a rendered map entry: dst[from:to], its key ending at mid.
type entry struct{ from, mid, to int }

// NewEncoder returns an encoder for batches with the columns of s in order.
func NewEncoder(s *schema.Schema, form Form) *Encoder {
	e := &Encoder{form: form}
	e.columns, e.order = compile(s.Fields, form)
	return e
}

func compile(fields []schema.Field, form Form) ([]node, []int) {
	nodes := make([]node, len(fields))
	order := make([]int, len(fields))
	for i, f := range fields {
		order[i] = i
		nodes[i] = node{name: f.Name, typ: f.Type, key: append(appendString(nil, []byte(f.Name), form), ':')}
		if f.Type.IsNested() {
			nodes[i].children, nodes[i].order = compile(f.Type.Fields, form)
		}
	}
	if form == Judge {
		sort.SliceStable(order, func(i, j int) bool { return fields[order[i]].Name < fields[order[j]].Name })
	}
	return nodes, order
}

// Err returns the first error met, nil if none: a value of a type that does not
// fit the schema, or a malformed variant. Such values are rendered as null.
func (e *Encoder) Err() error { return e.err }

func (e *Encoder) fail(n *node, err error) {
	if e.err == nil {
		e.err = fmt.Errorf("field %s: %w", n.name, err)
	}
}

// AppendHeader appends the first line of CSV without its newline; the other
// forms have none.
func (e *Encoder) AppendHeader(dst []byte) []byte {
	if e.form != CSV {
		return dst
	}
	for i := range e.columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCSV(dst, []byte(e.columns[i].name))
	}
	return dst
}

// AppendRow appends row i of a batch without a newline. Columns that the batch
// lacks at its end are null.
func (e *Encoder) AppendRow(dst []byte, b arrow.RecordBatch, i int) []byte {
	if e.form == CSV {
		for c := range e.columns {
			if c > 0 {
				dst = append(dst, ',')
			}
			dst = e.appendCSVCell(dst, b, c, i)
		}
		return dst
	}
	dst = append(dst, '{')
	cols := int(b.NumCols())
	for k, c := range e.order {
		if k > 0 {
			dst = append(dst, ',')
		}
		n := &e.columns[c]
		dst = append(dst, n.key...)
		if c >= cols {
			dst = append(dst, "null"...)
			continue
		}
		dst = e.value(dst, n, b.Column(c), i)
	}
	return append(dst, '}')
}

// AppendCell appends the value of column c in row i as text for people:
// strings and dates without quotes, nested values as JSON; nothing for null,
// which is reported.
func (e *Encoder) AppendCell(dst []byte, b arrow.RecordBatch, c, i int) (out []byte, null bool) {
	// Arrays of Arrow's type null do not say that their values are null.
	if c >= int(b.NumCols()) || b.Column(c).IsNull(i) || b.Column(c).DataType().ID() == arrow.NULL {
		return dst, true
	}
	n, start := &e.columns[c], len(dst)
	if n.typ.Kind == schema.KindString {
		if s, ok := stringAt(b.Column(c), i); ok {
			return append(dst, s...), false
		}
	}
	form := e.form
	if form != CSV {
		e.form = Lines
	}
	dst = e.value(dst, n, b.Column(c), i)
	e.form = form
	if !n.typ.IsNested() && n.typ.Kind != schema.KindVariant && len(dst) > start+1 && dst[start] == '"' {
		copy(dst[start:], dst[start+1:len(dst)-1]) // none of these texts has escapes
		dst = dst[:len(dst)-2]
	}
	return dst, false
}

func (e *Encoder) appendCSVCell(dst []byte, b arrow.RecordBatch, c, i int) []byte {
	start := len(dst)
	dst, null := e.AppendCell(dst, b, c, i)
	if null {
		return dst
	}
	if start == len(dst) {
		return append(dst, `""`...)
	}
	switch e.columns[c].typ.Kind {
	case schema.KindString, schema.KindStruct, schema.KindList, schema.KindMap, schema.KindVariant, schema.KindGeometry, schema.KindGeography:
		if needsQuotes(dst[start:]) {
			e.scratch = append(e.scratch[:0], dst[start:]...)
			return quoteCSV(dst[:start], e.scratch)
		}
	}
	return dst
}

// needsQuotes reports whether a CSV field must be quoted: for the characters
// that mean something there, and for spaces at its ends, which some readers
// drop.
func needsQuotes(text []byte) bool {
	if text[0] == ' ' || text[len(text)-1] == ' ' {
		return true
	}
	for _, c := range text {
		if c <= ',' && (c == '"' || c == ',' || c == '\n' || c == '\r') {
			return true
		}
	}
	return false
}

func appendCSV(dst, text []byte) []byte {
	if len(text) > 0 && !needsQuotes(text) {
		return append(dst, text...)
	}
	return quoteCSV(dst, text)
}

func quoteCSV(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func stringAt(a arrow.Array, i int) (string, bool) {
	switch a := a.(type) {
	case *array.String:
		return a.Value(i), true
	case *array.Dictionary:
		return stringAt(a.Dictionary(), a.GetValueIndex(i))
	case *array.LargeString:
		return a.Value(i), true
	case *array.StringView:
		return a.Value(i), true
	}
	return "", false
}

// AppendValues appends a row of values as described at [schema.Row].
func (e *Encoder) AppendValues(dst []byte, s *schema.Schema, row schema.Row) ([]byte, error) {
	b, err := schema.RowsToBatch(s, []schema.Row{row}, nil)
	if err != nil {
		return dst, err
	}
	defer b.Release()
	return e.AppendRow(dst, b, 0), e.err
}

// nested values

func (e *Encoder) structValue(dst []byte, n *node, a *array.Struct, i int) []byte {
	dst = append(dst, '{')
	for k, c := range n.order {
		if k > 0 {
			dst = append(dst, ',')
		}
		child := &n.children[c]
		dst = append(dst, child.key...)
		if c >= a.NumField() {
			dst = append(dst, "null"...)
			continue
		}
		dst = e.value(dst, child, a.Field(c), i)
	}
	return append(dst, '}')
}

func (e *Encoder) listValue(dst []byte, n *node, a array.ListLike, i int) []byte {
	from, to := a.ValueOffsets(i)
	values := a.ListValues()
	dst = append(dst, '[')
	for j := from; j < to; j++ {
		if j > from {
			dst = append(dst, ',')
		}
		dst = e.value(dst, &n.children[0], values, int(j))
	}
	return append(dst, ']')
}

func (e *Encoder) mapValue(dst []byte, n *node, a *array.Map, i int) []byte {
	from, to := a.ValueOffsets(i)
	keys, values := a.Keys(), a.Items()
	if e.form == Canonical || e.form == Judge {
		return e.sortedMap(dst, n, keys, values, int(from), int(to))
	}
	dst = append(dst, `{"keys":[`...)
	for j := from; j < to; j++ {
		if j > from {
			dst = append(dst, ',')
		}
		dst = e.value(dst, &n.children[0], keys, int(j))
	}
	dst = append(dst, `],"values":[`...)
	for j := from; j < to; j++ {
		if j > from {
			dst = append(dst, ',')
		}
		dst = e.value(dst, &n.children[1], values, int(j))
	}
	return append(dst, `]}`...)
}

// sortedMap renders every entry behind what is there, sorts them and puts them
// into place.
func (e *Encoder) sortedMap(dst []byte, n *node, keys, values arrow.Array, from, to int) []byte {
	start, base := len(dst), len(e.entries)
	for j := from; j < to; j++ {
		en := entry{from: len(dst)}
		if e.form == Canonical {
			dst = append(dst, '[')
		}
		dst = e.value(dst, &n.children[0], keys, j)
		en.mid = len(dst)
		if e.form == Canonical {
			dst = append(dst, ',')
		}
		dst = e.value(dst, &n.children[1], values, j)
		if e.form == Canonical {
			dst = append(dst, ']')
		}
		en.to = len(dst)
		e.entries = append(e.entries, en)
	}
	entries := e.entries[base:]
	if e.form == Canonical {
		slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(dst[a.from:a.to], dst[b.from:b.to]) })
	} else {
		slices.SortFunc(entries, func(a, b entry) int {
			if c := bytes.Compare(dst[a.from:a.mid], dst[b.from:b.mid]); c != 0 {
				return c
			}
			return bytes.Compare(dst[a.mid:a.to], dst[b.mid:b.to])
		})
	}
	e.scratch = append(e.scratch[:0], dst[start:]...)
	text := e.scratch
	dst = dst[:start]
	if e.form == Canonical {
		dst = append(dst, '[')
		for k, en := range entries {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, text[en.from-start:en.to-start]...)
		}
		dst = append(dst, ']')
	} else {
		dst = append(dst, `{"keys":[`...)
		for k, en := range entries {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, text[en.from-start:en.mid-start]...)
		}
		dst = append(dst, `],"values":[`...)
		for k, en := range entries {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, text[en.mid-start:en.to-start]...)
		}
		dst = append(dst, `]}`...)
	}
	e.entries = e.entries[:base]
	return dst
}

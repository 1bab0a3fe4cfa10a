package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// columnMatch says how the columns of a file become those of the table.
type columnMatch struct {
	file   *columnarFile
	target *schema.Schema
	from   []int // per column of the table, the file's; -1 none
	op     int   // the operation's column, -1 none
}

// match matches columns by name.
func (r *rowIngest) match(f *columnarFile) (*columnMatch, error) {
	s := r.t.Schema()
	m := &columnMatch{file: f, target: s, op: -1, from: make([]int, len(s.Fields))}
	for i := range m.from {
		m.from[i] = -1
	}
	for c := range f.schema.Fields {
		ff := &f.schema.Fields[c]
		if ff.Name == r.in.opColumn {
			m.op = c
			continue
		}
		at := -1
		for i := range s.Fields {
			if s.Fields[i].Name == ff.Name {
				at = i
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("%w; frazil alter %s --add '%s %s' adds it", s.UnknownColumn(ff.Name), r.name, ff.Name, ff.Type)
		}
		if err := canBecome(ff.Type, s.Fields[at].Type, ff.Name); err != nil {
			return nil, err
		}
		m.from[at] = c
	}
	if r.in.opColumn != "" && m.op < 0 {
		return nil, fmt.Errorf("there is no column %q, which --op-column names; there are %s", r.in.opColumn, columnNames(f.schema.Fields))
	}
	for i, f := range s.Fields {
		if m.from[i] < 0 && f.Required && f.WriteDefault == nil && m.op < 0 {
			return nil, fmt.Errorf("column %q is required and not in the file", f.Name)
		}
	}
	return m, nil
}

// canBecome tells early of types that no value can be turned over between.
func canBecome(from, to schema.Type, path string) error {
	if from.IsNested() != to.IsNested() || from.IsNested() && from.Kind != to.Kind || (from.Kind == schema.KindVariant) != (to.Kind == schema.KindVariant) {
		return fmt.Errorf("column %q is %s in the file and %s in the table", path, from, to)
	}
	switch to.Kind {
	case schema.KindStruct:
		for _, f := range from.Fields {
			t := memberOf(to, f.Name)
			if t == nil {
				return fmt.Errorf("column %q: the table has no member %q; there are %s", path, f.Name, columnNames(to.Fields))
			}
			if err := canBecome(f.Type, t.Type, path+"."+f.Name); err != nil {
				return err
			}
		}
	case schema.KindList, schema.KindMap:
		for i := range to.Fields {
			if err := canBecome(from.Fields[i].Type, to.Fields[i].Type, path+"."+to.Fields[i].Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func memberOf(t schema.Type, name string) *schema.Field {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return &t.Fields[i]
		}
	}
	return nil
}

// convert turns the rows of a file into columns of the table.
func (m *columnMatch) convert(b arrow.RecordBatch) (ops []table.Op, cols []arrow.Array, err error) {
	cols = make([]arrow.Array, len(m.target.Fields))
	defer func() {
		if err != nil {
			for _, c := range cols {
				if c != nil {
					c.Release()
				}
			}
		}
	}()
	n := int(b.NumRows())
	ops = make([]table.Op, n)
	if m.op >= 0 {
		t := m.file.schema.Fields[m.op].Type
		for i := range n {
			text, _ := schema.ValueAt(b.Column(m.op), t, i).(string)
			op, err := opOf(text)
			if err != nil {
				return nil, nil, err
			}
			if op == cdc.OpDelete {
				ops[i] = table.OpDelete
			}
		}
	}
	key := map[int]bool{}
	for _, id := range m.target.IdentifierFieldIDs {
		key[id] = true
	}
	for i := range m.target.Fields {
		f := &m.target.Fields[i]
		if m.from[i] < 0 {
			if f.WriteDefault != nil {
				cols[i], err = constant(f.Type, f.WriteDefault, n)
			} else if f.Required {
				err = requireOps(f, ops, key[f.ID], func(int) bool { return true })
			}
		} else {
			ff := &m.file.schema.Fields[m.from[i]]
			if cols[i], err = convertColumn(b.Column(m.from[i]), ff.Type, f.Type); err == nil && f.Required {
				err = requireOps(f, ops, key[f.ID], cols[i].IsNull)
			}
		}
		if err != nil {
			return nil, nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
	}
	return ops, cols, nil
}

// requireOps refuses nulls in a required column; a delete needs its key only.
func requireOps(f *schema.Field, ops []table.Op, key bool, null func(int) bool) error {
	for i, op := range ops {
		if (op != table.OpDelete || key) && null(i) {
			return errors.New("required and null")
		}
	}
	return nil
}

func constant(t schema.Type, v any, n int) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, schema.ArrowType(t))
	defer b.Release()
	for range n {
		if err := schema.AppendValue(b, t, v); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

// convertColumn turns an array of the file's type into one of the table's.
func convertColumn(a arrow.Array, from, to schema.Type) (arrow.Array, error) {
	plain, err := schema.Conform(a, from, nil)
	if err != nil {
		return nil, err
	}
	if sameValues(from, to) {
		return plain, nil
	}
	defer plain.Release()
	b := array.NewBuilder(memory.DefaultAllocator, schema.ArrowType(to))
	defer b.Release()
	b.Reserve(plain.Len())
	for i := range plain.Len() {
		v, err := become(from, to, schema.ValueAt(plain, from, i))
		if err != nil {
			return nil, err
		}
		if err := schema.AppendValue(b, to, v); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

// sameValues tells whether two types have the same Arrow layout and the same
// names of members.
func sameValues(a, b schema.Type) bool {
	if a.Kind != b.Kind || a.Precision != b.Precision || a.Scale != b.Scale || a.Length != b.Length || len(a.Fields) != len(b.Fields) {
		return false
	}
	for i := range a.Fields {
		f, g := &a.Fields[i], &b.Fields[i]
		if !sameValues(f.Type, g.Type) || a.Kind == schema.KindStruct && f.Name != g.Name || g.Required && !f.Required {
			return false
		}
	}
	return true
}

// become turns a value of one type into one of another: members by name, and
// plain values as their text reads.
func become(from, to schema.Type, v any) (any, error) {
	if v == nil || !from.IsNested() && sameValues(from, to) {
		return v, nil
	}
	switch v := v.(type) {
	case schema.Row:
		return becomeStruct(from, to, v)
	case []any:
		return becomeList(from.Fields[0], to.Fields[0], v)
	case schema.MapValue:
		keys, err := becomeList(from.Fields[0], to.Fields[0], v.Keys)
		if err != nil {
			return nil, err
		}
		values, err := becomeList(from.Fields[1], to.Fields[1], v.Values)
		return schema.MapValue{Keys: keys, Values: values}, err
	}
	text := schema.FormatValue(from, v)
	if from.Kind == schema.KindDate && to.Kind >= schema.KindTimestamp && to.Kind <= schema.KindTimestampTzNs {
		text += "T00:00:00"
	}
	return schema.ParseLiteral(to, strings.TrimSuffix(text, ".0"))
}

func becomeStruct(from, to schema.Type, v schema.Row) (any, error) {
	row := make(schema.Row, len(to.Fields))
	for i := range from.Fields {
		for j := range to.Fields {
			if to.Fields[j].Name != from.Fields[i].Name {
				continue
			}
			var err error
			if row[j], err = become(from.Fields[i].Type, to.Fields[j].Type, v[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", to.Fields[j].Name, err)
			}
		}
	}
	for j, f := range to.Fields {
		if f.Required && row[j] == nil {
			return nil, fmt.Errorf("member %s is required and null", f.Name)
		}
	}
	return row, nil
}

func becomeList(from, to schema.Field, list []any) ([]any, error) {
	out := make([]any, len(list))
	for i, x := range list {
		var err error
		if out[i], err = become(from.Type, to.Type, x); err != nil {
			return nil, err
		}
		if out[i] == nil && to.Required {
			return nil, errors.New("null among values that are required")
		}
	}
	return out, nil
}

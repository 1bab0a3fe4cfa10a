package avrodata

import (
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/schema"
)

// op is how a value is read.
type op uint8

const (
	opBool  op = iota
	op32       // int as a 32-bit value
	op64       // int or long as a 64-bit value, multiplied
	op64Div    // long, divided
	opFloat
	opDouble
	opFloatToDouble
	opDecimal      // bytes
	opDecimalFixed // fixed
	opText         // string or bytes
	opTextFixed    // fixed as binary or string
	opFixed        // fixed
	opFixedText    // string or bytes of the right length
	opUUIDText     // the text of a uuid
	opStruct
	opList
	opMap   // map with string keys
	opPairs // array of records of key and value
	opVariant
	opNull // skipped: a type that is always null, or a wanted one
)

// column is a wanted field as it is found in the file: its type there, and the
// builder of its values.
type column struct {
	op    op
	name  string
	null  int   // which branch of a union is null, -1 for a plain type
	width int   // bytes of a fixed
	by    int64 // factor or divisor
	b     array.Builder

	bools   *array.BooleanBuilder
	put32   func(int32)
	put64   func(int64)
	float   *array.Float32Builder
	double  *array.Float64Builder
	decimal *array.Decimal128Builder
	text    func([]byte)
	fixed   *array.FixedSizeBinaryBuilder
	record  *record
	strct   *array.StructBuilder
	list    *array.ListBuilder
	pairs   *array.MapBuilder
	key     *column
	elem    *column
	empty   bool  // elements may take no bytes
	skip    *node // of opNull
}

// record is how a record is read: its fields in file order, then the wanted
// ones it lacks.
type record struct {
	steps  []step
	absent []constant
}

// step reads a field into a column, or passes over it.
type step struct {
	typ *node
	col *column
}

// constant is a wanted field that the file does not have.
type constant struct {
	field schema.Field
	value any
	b     array.Builder
}

func (c *constant) append() error {
	if c.value == nil {
		c.b.AppendNull()
		return nil
	}
	if err := schema.AppendValue(c.b, c.field.Type, c.value); err != nil {
		return fmt.Errorf("default of column %s: %w", c.field.Name, err)
	}
	return nil
}

// resolver matches wanted fields to those of the file.
type resolver struct {
	f    *File
	opts *ReadOptions
}

// match reports whether field i of a record is the wanted one.
func (r *resolver) match(n *node, i int, path []string, want *schema.Field) bool {
	switch f := &n.fields[i]; {
	case r.f.hasIDs:
		return f.id == want.ID
	case r.opts.NameMapping != nil:
		id, ok := r.opts.NameMapping.ID(append(path[:len(path):len(path)], f.name)...)
		return ok && id == want.ID
	case n == r.f.root: // numbered by position (facts E11)
		return i+1 == want.ID
	default:
		return f.name == want.Name
	}
}

// record resolves wanted fields, whose values go to the builders.
func (r *resolver) record(n *node, path []string, fields []schema.Field, builder func(i int) array.Builder) (*record, error) {
	out := &record{steps: make([]step, len(n.fields))}
	for i := range n.fields {
		out.steps[i].typ = n.fields[i].typ
	}
	for k := range fields {
		want := &fields[k]
		at := -1
		for i := range n.fields {
			if r.match(n, i, path, want) {
				at = i
				break
			}
		}
		if at >= 0 && want.Type.Kind != schema.KindUnknown && !onlyNull(n.fields[at].typ) {
			if out.steps[at].col != nil {
				return nil, fmt.Errorf("column %s is wanted twice", want.Name)
			}
			c, err := r.column(n.fields[at].typ, append(path[:len(path):len(path)], n.fields[at].name), want, builder(k))
			if err != nil {
				return nil, err
			}
			out.steps[at].col = c
			continue
		}
		c := constant{field: *want, b: builder(k)}
		if at < 0 {
			v, ok := r.opts.Constants[want.ID]
			if !ok {
				v = want.InitialDefault
			}
			if v == nil && want.Required {
				return nil, fmt.Errorf("required field %s (id %d) is not in the file and has no default", want.Name, want.ID)
			}
			c.value = v
		}
		out.absent = append(out.absent, c)
	}
	out.steps = slices.DeleteFunc(out.steps, func(s step) bool { return s.col == nil && s.typ.empty })
	return out, nil
}

func onlyNull(n *node) bool {
	if n.kind == kindUnion {
		return !slices.ContainsFunc(n.branches, func(b *node) bool { return b.kind != kindNull })
	}
	return n.kind == kindNull
}

// column resolves a field to a type of the file, which may be a union with null.
func (r *resolver) column(n *node, path []string, want *schema.Field, b array.Builder) (*column, error) {
	c := &column{name: want.Name, null: -1, b: b, by: 1}
	if want.Type.Kind == schema.KindUnknown || onlyNull(n) {
		c.op, c.skip = opNull, n
		return c, nil
	}
	if n.kind == kindUnion {
		var value *node
		for i, br := range n.branches {
			if br.kind == kindNull {
				c.null = i
			} else if value != nil {
				return nil, fmt.Errorf("column %s: %w: a union of %v and %v", want.Name, ErrUnsupported, value, br)
			} else {
				value = br
			}
		}
		if len(n.branches) > 2 {
			return nil, fmt.Errorf("column %s: %w: a union of %d types", want.Name, ErrUnsupported, len(n.branches))
		}
		if c.null < 0 {
			c.null = 1 // of a union of one type: an index that does not occur
		}
		n = value
	}
	if want.Type.IsNested() || want.Type.Kind == schema.KindVariant {
		return c, r.nested(c, n, path, want)
	}
	if !c.convert(n, want.Type) {
		return nil, mismatch(n, want)
	}
	c.bind()
	return c, nil
}

func mismatch(n *node, want *schema.Field) error {
	return fmt.Errorf("column %s: avro type %v cannot be read as %v", want.Name, n, want.Type)
}

func (r *resolver) nested(c *column, n *node, path []string, want *schema.Field) (err error) {
	t := want.Type
	switch {
	case t.Kind == schema.KindStruct && n.kind == kindRecord:
		c.op, c.strct = opStruct, c.b.(*array.StructBuilder)
		c.record, err = r.record(n, path, t.Fields, c.strct.FieldBuilder)
	case t.Kind == schema.KindVariant && n.kind == kindRecord:
		c.op, c.strct = opVariant, c.b.(*array.StructBuilder)
		c.record, err = r.variant(n, c.strct)
	case t.Kind == schema.KindList && n.kind == kindArray:
		c.op, c.list, c.empty = opList, c.b.(*array.ListBuilder), n.elem.empty
		c.elem, err = r.column(n.elem, child(path, "element"), t.Element(), c.list.ValueBuilder())
	case t.Kind == schema.KindMap && n.kind == kindMap:
		c.op, c.pairs = opMap, c.b.(*array.MapBuilder)
		if c.key, err = r.column(&node{kind: kindString}, child(path, "key"), t.Key(), c.pairs.KeyBuilder()); err == nil {
			c.elem, err = r.column(n.elem, child(path, "value"), t.Value(), c.pairs.ItemBuilder())
		}
	case t.Kind == schema.KindMap && n.kind == kindArray && n.elem.kind == kindRecord && len(n.elem.fields) == 2:
		// Maps with other keys are arrays of pairs, key first.
		c.op, c.pairs, c.empty = opPairs, c.b.(*array.MapBuilder), n.elem.empty
		if c.key, err = r.column(n.elem.fields[0].typ, child(path, "key"), t.Key(), c.pairs.KeyBuilder()); err == nil {
			c.elem, err = r.column(n.elem.fields[1].typ, child(path, "value"), t.Value(), c.pairs.ItemBuilder())
		}
	default:
		return mismatch(n, want)
	}
	if err == nil && c.key != nil && c.key.null >= 0 {
		return fmt.Errorf("column %s: %w: map keys that may be null", want.Name, ErrUnsupported)
	}
	return err
}

// variant reads the two binaries of a variant by name.
func (r *resolver) variant(n *node, b *array.StructBuilder) (*record, error) {
	out := &record{steps: make([]step, len(n.fields))}
	found := 0
	for i := range n.fields {
		out.steps[i].typ = n.fields[i].typ
		for k, part := range []string{"metadata", "value"} {
			if n.fields[i].name != part {
				continue
			}
			c, err := r.column(n.fields[i].typ, nil, &schema.Field{Name: part, Type: schema.Binary}, b.FieldBuilder(k))
			if err != nil {
				return nil, err
			}
			out.steps[i].col = c
			found++
		}
	}
	if found != 2 {
		return nil, fmt.Errorf("%w: variant without metadata and value", ErrUnsupported)
	}
	return out, nil
}

func child(path []string, name string) []string { return append(path[:len(path):len(path)], name) }

const microsPerDay = 86_400_000_000

// convert finds how a type of the file is read as the one wanted: as itself, or
// by the promotions of the spec (facts E3).
func (c *column) convert(n *node, t schema.Type) bool {
	integer := n.kind == kindInt || n.kind == kindLong
	switch t.Kind {
	case schema.KindBoolean:
		c.op = opBool
		return n.kind == kindBoolean
	case schema.KindInt, schema.KindDate:
		c.op = op32
		return n.kind == kindInt && (n.logical == "" || n.logical == "date" && t.Kind == schema.KindDate)
	case schema.KindLong:
		c.op = op64
		return integer && n.logical == ""
	case schema.KindFloat:
		c.op = opFloat
		return n.kind == kindFloat
	case schema.KindDouble:
		if c.op = opDouble; n.kind == kindFloat {
			c.op = opFloatToDouble
		}
		return n.kind == kindFloat || n.kind == kindDouble
	case schema.KindTime:
		if c.op = op64; n.logical == "time-millis" {
			c.by = 1000
		}
		return integer && (n.logical == "" || n.logical == "time-millis" || n.logical == "time-micros")
	case schema.KindTimestamp, schema.KindTimestampTz:
		return c.timestamp(n, t, 1_000)
	case schema.KindTimestampNs, schema.KindTimestampTzNs:
		return c.timestamp(n, t, 1)
	case schema.KindDecimal:
		if c.op, c.width = opDecimal, n.size; n.kind == kindFixed {
			c.op = opDecimalFixed
		}
		return (n.kind == kindFixed && n.size > 0 || n.kind == kindBytes) && n.logical == "decimal" && n.scale == t.Scale
	case schema.KindString, schema.KindBinary, schema.KindGeometry, schema.KindGeography:
		if c.op, c.width = opText, n.size; n.kind == kindFixed {
			c.op = opTextFixed
		}
		return n.kind == kindString || n.kind == kindBytes || n.kind == kindFixed && n.logical == ""
	case schema.KindUUID:
		if n.kind == kindString {
			c.op = opUUIDText
			return true
		}
		return c.bytes(n, 16)
	case schema.KindFixed:
		return c.bytes(n, t.Length)
	}
	return false
}

func (c *column) bytes(n *node, width int) bool {
	if c.op, c.width = opFixedText, width; n.kind == kindFixed {
		c.op = opFixed
		return n.size == width
	}
	return n.kind == kindBytes
}

// timestamp reads into a unit of so many nanoseconds.
func (c *column) timestamp(n *node, t schema.Type, nanos int64) bool {
	c.op = op64
	if n.kind == kindInt {
		// Only the kinds without a zone are promotions of date.
		c.by = microsPerDay / nanos * 1000
		return n.logical == "date" && (t.Kind == schema.KindTimestamp || t.Kind == schema.KindTimestampNs)
	}
	from := nanos
	switch n.logical {
	case "timestamp-millis", "local-timestamp-millis":
		from = 1_000_000
	case "timestamp-micros", "local-timestamp-micros":
		from = 1_000
	case "timestamp-nanos", "local-timestamp-nanos":
		from = 1
	case "":
	default:
		return false
	}
	if c.by = from / nanos; from < nanos {
		c.op, c.by = op64Div, nanos/from
	}
	return n.kind == kindLong
}

// bind keeps the builder by its type.
func (c *column) bind() {
	switch b := c.b.(type) {
	case *array.BooleanBuilder:
		c.bools = b
	case *array.Int32Builder:
		c.put32 = b.Append
	case *array.Date32Builder:
		c.put32 = func(v int32) { b.Append(arrow.Date32(v)) }
	case *array.Int64Builder:
		c.put64 = b.Append
	case *array.Time64Builder:
		c.put64 = func(v int64) { b.Append(arrow.Time64(v)) }
	case *array.TimestampBuilder:
		c.put64 = func(v int64) { b.Append(arrow.Timestamp(v)) }
	case *array.Float32Builder:
		c.float = b
	case *array.Float64Builder:
		c.double = b
	case *array.Decimal128Builder:
		c.decimal = b
	case *array.StringBuilder:
		c.text = b.BinaryBuilder.Append
	case *array.BinaryBuilder:
		c.text = b.Append
	case *array.FixedSizeBinaryBuilder:
		c.fixed = b
	}
}

// multiply refuses what does not fit.
func multiply(v, by int64) (int64, bool) {
	limit := math.MaxInt64 / by
	return v * by, v <= limit && v >= -limit
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

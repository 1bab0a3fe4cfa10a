package parquetfile

import (
	"context"
	"fmt"

	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// OpenByName opens a file that no table wrote, together with its own schema. The
// file's field ids are not used: the schema's top-level columns are numbered from
// 1 in file order, and a Cursor that is asked for them by these ids matches what
// is below them by name. The File owns o from then on, also when it fails.
//
// Parquet types that tables lack become the next wider one: unsigned 32-bit
// integers long, unsigned 64-bit ones decimal(20, 0), half floats float, INT96
// timestamp, times and timestamps in milliseconds microseconds.
func OpenByName(ctx context.Context, o objstore.Object, opts *OpenOptions) (*File, *schema.Schema, error) {
	f, err := Open(ctx, o, opts)
	if err != nil {
		return nil, nil, err
	}
	f.hasIDs = false
	s, err := f.ownSchema()
	if err != nil {
		err = fmt.Errorf("%s: %w", o.URI(), err)
		_ = f.Close()
		return nil, nil, err
	}
	return f, s, nil
}

// ownSchema returns the schema of the file as tables have it.
func (f *File) ownSchema() (s *schema.Schema, err error) {
	defer f.guard(&err)
	last := len(f.root.children)
	next := func() int { last++; return last }
	fields := make([]schema.Field, len(f.root.children))
	for i, n := range f.root.children {
		if fields[i], err = fieldOf(n, next, 1); err != nil {
			return nil, err
		}
		fields[i].ID = i + 1
	}
	return schema.New(0, fields, nil)
}

// fieldOf describes a column. The ids of what is below it come from next.
func fieldOf(n *node, next func() int, depth int) (schema.Field, error) {
	f := schema.Field{Name: n.name, Required: n.repetition != format.Optional}
	t, err := typeOf(n, next, depth)
	if err != nil {
		return f, err
	}
	if n.repeated() { // a list of required elements without annotation
		t = schema.List(schema.Field{ID: next(), Name: "element", Type: t, Required: true})
	}
	f.Type = t
	return f, nil
}

// typeOf returns the type of a node taken as one value.
func typeOf(n *node, next func() int, depth int) (schema.Type, error) {
	if depth > schema.MaxDepth {
		return schema.Type{}, fmt.Errorf("%w: column %s nested deeper than %d", ErrUnsupported, n.path(), schema.MaxDepth)
	}
	if n.leaf >= 0 {
		return leafType(n)
	}
	one := len(n.children) == 1 && n.children[0].repeated()
	switch {
	case n.logical.kind == annotVariant:
		return schema.Variant, nil
	case n.logical.kind == annotMap && one && len(n.children[0].children) == 2:
		return mapType(n.children[0].children, next, depth)
	case n.logical.kind == annotList && one:
		return listType(n, next, depth)
	}
	fields := make([]schema.Field, len(n.children))
	for i, c := range n.children {
		f, err := fieldOf(c, next, depth+1)
		if err != nil {
			return schema.Type{}, err
		}
		f.ID = next()
		fields[i] = f
	}
	return schema.Struct(fields...), nil
}

func mapType(pair []*node, next func() int, depth int) (schema.Type, error) {
	k, err := typeOf(pair[0], next, depth+1)
	if err != nil {
		return k, err
	}
	v, err := typeOf(pair[1], next, depth+1)
	return schema.Map(schema.Field{ID: next(), Name: "key", Type: k, Required: true},
		schema.Field{ID: next(), Name: "value", Type: v, Required: pair[1].repetition == format.Required}), err
}

// listType reads the forms that resolver.list knows.
func listType(n *node, next func() int, depth int) (schema.Type, error) {
	elem := n.children[0]
	if elem.leaf < 0 && len(elem.children) == 1 && !elem.children[0].repeated() &&
		elem.name != "array" && elem.name != n.name+"_tuple" {
		elem = elem.children[0]
	}
	t, err := typeOf(elem, next, depth+1)
	return schema.List(schema.Field{ID: next(), Name: "element", Type: t, Required: elem.repetition != format.Optional}), err
}

func leafType(n *node) (schema.Type, error) {
	l := n.logical
	if l.kind == annotDecimal {
		if l.precision < 1 || l.precision > 38 || l.scale < 0 || l.scale > l.precision {
			return schema.Type{}, fmt.Errorf("%w: column %s is decimal(%d, %d)", ErrUnsupported, n.path(), l.precision, l.scale)
		}
		return schema.Decimal(l.precision, l.scale), nil
	}
	switch n.typ {
	case format.Boolean:
		return schema.Boolean, nil
	case format.Int32:
		switch {
		case l.kind == annotDate:
			return schema.Date, nil
		case l.kind == annotTime:
			return schema.Time, nil
		case l.kind == annotInt && l.unsigned && l.bits == 32:
			return schema.Long, nil
		}
		return schema.Int, nil
	case format.Int64:
		return int64Type(l), nil
	case format.Int96:
		return schema.Timestamp, nil
	case format.Float:
		return schema.Float, nil
	case format.Double:
		return schema.Double, nil
	case format.FixedLenByteArray:
		switch {
		case l.kind == annotUUID:
			return schema.UUID, nil
		case l.kind == annotFloat16:
			return schema.Float, nil
		}
		return schema.Fixed(int(n.length)), nil
	}
	if l.kind == annotString || fromConverted(n.schemaElement).kind == annotString {
		return schema.String, nil
	}
	return schema.Binary, nil
}

func int64Type(l logicalType) schema.Type {
	switch {
	case l.kind == annotTime:
		return schema.Time
	case l.kind == annotTimestamp && l.unit == annNanos && l.utc:
		return schema.TimestampTzNs
	case l.kind == annotTimestamp && l.unit == annNanos:
		return schema.TimestampNs
	case l.kind == annotTimestamp && l.utc:
		return schema.TimestampTz
	case l.kind == annotTimestamp:
		return schema.Timestamp
	case l.kind == annotInt && l.unsigned:
		return schema.Decimal(20, 0)
	}
	return schema.Long
}

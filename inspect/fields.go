package inspect

import (
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
)

// field makes a field with the next free id. The ids are the view's own: those
// of Iceberg's metadata tables clash with the table's columns.
func (v *view) field(name string, t schema.Type) schema.Field {
	v.ids++
	return schema.Field{ID: v.ids, Name: name, Type: t}
}

// list returns a list type with an element of its own id.
func (v *view) list(t schema.Type) schema.Type {
	e := v.field("element", t)
	e.Required = true
	return schema.List(e)
}

func (v *view) mapping(key, value schema.Type) schema.Type {
	k, x := v.field("key", key), v.field("value", value)
	k.Required, x.Required = true, true
	return schema.Map(k, x)
}

// renumbered returns fields with ids of the view, optional throughout except
// for the keys of maps.
func (v *view) renumbered(fields []schema.Field) []schema.Field {
	out := make([]schema.Field, len(fields))
	for i, f := range fields {
		out[i] = v.field(f.Name, v.renumberedType(f.Type))
	}
	return out
}

func (v *view) renumberedType(t schema.Type) schema.Type {
	switch t.Kind {
	case schema.KindStruct:
		return schema.Struct(v.renumbered(t.Fields)...)
	case schema.KindList:
		return schema.List(v.renumbered(t.Fields)[0])
	case schema.KindMap:
		kv := v.renumbered(t.Fields)
		kv[0].Required = true
		return schema.Map(kv[0], kv[1])
	}
	return t
}

// partition returns the column of the partition tuple; a table that never was
// partitioned has none.
func (v *view) partition() []schema.Field {
	if len(v.parts) == 0 {
		return nil
	}
	return []schema.Field{v.field("partition", schema.Struct(v.renumbered(v.parts)...))}
}

// tuple is the value of that column: the file's values at the places of its
// spec's fields.
func (v *view) tuple(f *manifest.DataFile) schema.Row {
	row := make(schema.Row, len(v.parts))
	spec, ok := v.src.Metadata.Spec(f.SpecID)
	if !ok {
		return row
	}
	for i, p := range spec.Fields {
		for j := range v.parts {
			if i < len(f.Partition) && v.parts[j].ID == p.FieldID {
				row[j] = fit(v.parts[j].Type, f.Partition[i])
			}
		}
	}
	return row
}

// fit gives a value of an old spec the type the column has by now; one that does
// not fit is null.
func fit(t schema.Type, x any) any {
	if x == nil {
		return nil
	}
	y, err := schema.Coerce(t, x)
	if err != nil {
		return nil
	}
	return y
}

func optional[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

func optionalInt(p *int) any {
	if p == nil {
		return nil
	}
	return int32(*p)
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func ints[T int | int64](in []T, convert func(T) any) any {
	if len(in) == 0 {
		return nil
	}
	out := make([]any, len(in))
	for i, x := range in {
		out[i] = convert(x)
	}
	return out
}

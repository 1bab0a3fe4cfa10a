package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/schema"
)

// A shredded variant (parquet-format VariantShredding.md) is read as the structs
// and lists it is stored as, and put together row by row.

// shredded resolves a variant group that has a typed_value.
func (r *resolver) shredded(c *fileColumn, n *node) (*fileColumn, error) {
	if n.child("metadata") == nil {
		return nil, fmt.Errorf("%w: column %s: variant without metadata", ErrCorrupt, n.path())
	}
	t, err := shreddedGroup(n)
	if err != nil {
		return nil, err
	}
	byName := r.byName
	r.byName = true
	defer func() { r.byName = byName }()
	child, err := r.value(n, &schema.Field{Name: n.name, Type: t}, schema.ArrowType(t), nil)
	if err != nil {
		return nil, err
	}
	c.kind, c.children, c.leaf, c.shreds = columnVariant, []*fileColumn{child}, child.leaf, widthsOf(n)
	return c, nil
}

// shreddedGroup is the type of a group of metadata, value and typed_value.
func shreddedGroup(n *node) (schema.Type, error) {
	if n.leaf >= 0 {
		return schema.Type{}, fmt.Errorf("%w: column %s: not a group", ErrCorrupt, n.path())
	}
	var fields []schema.Field
	for _, c := range n.children {
		switch c.name {
		case "metadata", "value":
			fields = append(fields, schema.Field{Name: c.name, Type: schema.Binary})
		case "typed_value":
			t, err := shreddedType(c)
			if err != nil {
				return schema.Type{}, err
			}
			fields = append(fields, schema.Field{Name: c.name, Type: t})
		}
	}
	return schema.Struct(fields...), nil
}

func shreddedType(n *node) (schema.Type, error) {
	if n.leaf >= 0 {
		t, ok := shreddedLeaf(n)
		if !ok {
			return t, fmt.Errorf("%w: column %s: variant shredded as %v %v", ErrUnsupported, n.path(), n.typ, n.logical)
		}
		return t, nil
	}
	if n.logical.kind == annotList {
		if len(n.children) != 1 || len(n.children[0].children) != 1 {
			return schema.Type{}, fmt.Errorf("%w: column %s: list", ErrUnsupported, n.path())
		}
		t, err := shreddedGroup(n.children[0].children[0])
		return schema.List(schema.Field{Type: t}), err
	}
	var fields []schema.Field
	for _, c := range n.children {
		t, err := shreddedGroup(c)
		if err != nil {
			return t, err
		}
		fields = append(fields, schema.Field{Name: c.name, Type: t})
	}
	return schema.Struct(fields...), nil
}

// shreddedLeaf is the type of a typed_value column.
func shreddedLeaf(n *node) (schema.Type, bool) {
	l := n.logical
	plain := l.kind == annotNone || l.kind == annotInt && !l.unsigned
	if l.kind == annotDecimal {
		return schema.Decimal(l.precision, l.scale), l.precision >= 1 && l.precision <= 38
	}
	switch n.typ {
	case format.Boolean:
		return schema.Boolean, true
	case format.Int32:
		if l.kind == annotDate {
			return schema.Date, true
		}
		return schema.Int, plain
	case format.Int64:
		switch {
		case l.kind == annotTime:
			return schema.Time, l.unit == annMicros
		case l.kind == annotTimestamp && l.unit == annMicros && l.utc:
			return schema.TimestampTz, true
		case l.kind == annotTimestamp && l.unit == annMicros:
			return schema.Timestamp, true
		case l.kind == annotTimestamp && l.unit == annNanos && l.utc:
			return schema.TimestampTzNs, true
		case l.kind == annotTimestamp && l.unit == annNanos:
			return schema.TimestampNs, true
		}
		return schema.Long, plain
	case format.Float:
		return schema.Float, true
	case format.Double:
		return schema.Double, true
	case format.ByteArray:
		if l.kind == annotString {
			return schema.String, true
		}
		return schema.Binary, l.kind == annotNone
	case format.FixedLenByteArray:
		return schema.UUID, l.kind == annotUUID && n.length == 16
	}
	return schema.Type{}, false
}

// variants builds the array of a shredded variant.
func (a *assembler) variants(c *fileColumn, n int) (arrow.Array, error) {
	child, err := a.build(c.children[0], n)
	if err != nil {
		return nil, err
	}
	defer child.Release()
	b := array.NewStructBuilder(a.mem, c.dtype.(*arrow.StructType))
	defer b.Release()
	metas, values := b.FieldBuilder(0).(*array.BinaryBuilder), b.FieldBuilder(1).(*array.BinaryBuilder)
	s := child.(*array.Struct)
	in := newShredReader(s, c.shreds)
	meta := structField(s, "metadata").(*array.Binary)
	var m *variantMeta
	for i := range n {
		if s.IsNull(i) {
			b.AppendNull()
			continue
		}
		if meta.IsNull(i) {
			return nil, fmt.Errorf("%w: variant without metadata", ErrCorrupt)
		}
		raw := meta.Value(i)
		if m == nil || string(m.raw) != string(raw) {
			if m, err = parseVariantMeta(raw); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
			}
		}
		v, present, err := in.value(m, i)
		if err != nil {
			return nil, fmt.Errorf("%w: row %d of the batch: %w", ErrCorrupt, i, err)
		}
		if !present {
			v = []byte{variantNull}
		}
		b.Append(true)
		metas.Append(raw)
		values.Append(v)
	}
	return b.NewArray(), nil
}

func structField(s *array.Struct, name string) arrow.Array {
	if i, ok := s.DataType().(*arrow.StructType).FieldIdx(name); ok {
		return s.Field(i)
	}
	return nil
}

// shredReader reads one group of value and typed_value.
type shredReader struct {
	residual *array.Binary // nil: none
	typed    arrow.Array   // nil: none
	width    int           // bits of an annotated integer
	element  *shredReader  // of a list
	list     *array.List
	names    []string // of an object's fields
	fields   []*shredReader
}

// shredWidths are the declared sizes of integers, which Arrow's types have lost.
type shredWidths struct {
	bits   int
	fields []*shredWidths
}

// widthsOf collects the sizes of integers below a group of value and
// typed_value.
func widthsOf(n *node) *shredWidths {
	w := &shredWidths{}
	t := n.child("typed_value")
	switch {
	case t == nil:
	case t.leaf >= 0:
		if t.logical.kind == annotInt {
			w.bits = t.logical.bits
		}
	case t.logical.kind == annotList:
		w.fields = []*shredWidths{widthsOf(t.children[0].children[0])}
	default:
		for _, c := range t.children {
			w.fields = append(w.fields, widthsOf(c))
		}
	}
	return w
}

func newShredReader(s *array.Struct, w *shredWidths) *shredReader {
	r := &shredReader{typed: structField(s, "typed_value"), width: w.bits}
	if v, ok := structField(s, "value").(*array.Binary); ok {
		r.residual = v
	}
	switch t := r.typed.(type) {
	case *array.List:
		r.list = t
		r.element = newShredReader(t.ListValues().(*array.Struct), w.fields[0])
	case *array.Struct:
		for i, f := range t.DataType().(*arrow.StructType).Fields() {
			r.names = append(r.names, f.Name)
			r.fields = append(r.fields, newShredReader(t.Field(i).(*array.Struct), w.fields[i]))
		}
	}
	return r
}

// value encodes row i; present is false where neither part is there.
func (r *shredReader) value(m *variantMeta, i int) (v []byte, present bool, err error) {
	var rest []byte
	if r.residual != nil && r.residual.IsValid(i) {
		rest = r.residual.Value(i)
		if _, err := variantSize(rest); err != nil {
			return nil, false, err
		}
	}
	if r.typed == nil || r.typed.IsNull(i) {
		return rest, rest != nil, nil
	}
	if _, object := r.typed.(*array.Struct); object {
		v, err = r.object(m, rest, i)
		return v, true, err
	}
	if rest != nil {
		return nil, false, errors.New("conflicting value and typed_value of a variant")
	}
	if r.list != nil {
		v, err = r.array(m, i)
	} else {
		v, err = r.primitive(i)
	}
	return v, true, err
}

// object merges shredded fields with those that were not. Where a field is in
// both, the shredded one counts.
func (r *shredReader) object(m *variantMeta, rest []byte, i int) ([]byte, error) {
	var fields []variantField
	if rest != nil {
		all, ok, err := parseVariantObject(m, rest)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, errors.New("non-object value of a variant with shredded fields")
		}
		shredded := make(map[string]bool, len(r.names))
		for _, n := range r.names {
			shredded[n] = true
		}
		for _, f := range all {
			if !shredded[f.name] {
				fields = append(fields, f)
			}
		}
	}
	for k, name := range r.names {
		v, present, err := r.fields[k].value(m, i)
		if err != nil {
			return nil, err
		}
		if !present {
			continue
		}
		id, ok := m.ids[name]
		if !ok {
			return nil, fmt.Errorf("%w: shredded field %q is not in its metadata", errVariant, name)
		}
		fields = append(fields, variantField{name, id, v})
	}
	return appendVariantObject(nil, m, fields)
}

func (r *shredReader) array(m *variantMeta, i int) ([]byte, error) {
	from, to := r.list.ValueOffsets(i)
	elements := make([][]byte, 0, to-from)
	for k := from; k < to; k++ {
		v, present, err := r.element.value(m, int(k))
		if err != nil {
			return nil, err
		}
		if !present {
			v = []byte{variantNull}
		}
		elements = append(elements, v)
	}
	return appendVariantArray(nil, elements), nil
}

func (r *shredReader) primitive(i int) ([]byte, error) {
	le := binary.LittleEndian
	switch a := r.typed.(type) {
	case *array.Boolean:
		if a.Value(i) {
			return []byte{variantTrue << 2}, nil
		}
		return []byte{variantFalse << 2}, nil
	case *array.Int32:
		switch v := a.Value(i); r.width {
		case 8:
			return []byte{variantInt8 << 2, byte(v)}, nil
		case 16:
			return le.AppendUint16([]byte{variantInt16 << 2}, uint16(v)), nil
		default:
			return le.AppendUint32([]byte{variantInt32 << 2}, uint32(v)), nil
		}
	case *array.Int64:
		return le.AppendUint64([]byte{variantInt64 << 2}, uint64(a.Value(i))), nil
	case *array.Float32:
		return le.AppendUint32([]byte{variantFloat << 2}, math.Float32bits(a.Value(i))), nil
	case *array.Float64:
		return le.AppendUint64([]byte{variantDouble << 2}, math.Float64bits(a.Value(i))), nil
	case *array.Date32:
		return le.AppendUint32([]byte{variantDate << 2}, uint32(a.Value(i))), nil
	case *array.Time64:
		return le.AppendUint64([]byte{variantTime << 2}, uint64(a.Value(i))), nil
	case *array.Timestamp:
		t := a.DataType().(*arrow.TimestampType)
		id := map[bool]map[bool]byte{
			false: {false: variantTimestampNTZ, true: variantTimestamp},
			true:  {false: variantTimestampNTZN, true: variantTimestampNs},
		}[t.Unit == arrow.Nanosecond][t.TimeZone != ""]
		return le.AppendUint64([]byte{id << 2}, uint64(a.Value(i))), nil
	case *array.Decimal128:
		t := a.DataType().(*arrow.Decimal128Type)
		v := a.Value(i)
		switch {
		case t.Precision <= 9:
			return le.AppendUint32([]byte{variantDecimal4 << 2, byte(t.Scale)}, uint32(v.LowBits())), nil
		case t.Precision <= 18:
			return le.AppendUint64([]byte{variantDecimal8 << 2, byte(t.Scale)}, v.LowBits()), nil
		}
		b := le.AppendUint64([]byte{variantDecimal16 << 2, byte(t.Scale)}, v.LowBits())
		return le.AppendUint64(b, uint64(v.HighBits())), nil
	case *array.String:
		return appendVariantString(nil, a.Value(i)), nil
	case *array.Binary:
		v := a.Value(i)
		return append(le.AppendUint32([]byte{variantBinary << 2}, uint32(len(v))), v...), nil
	case *array.FixedSizeBinary:
		return append([]byte{variantUUID << 2}, a.Value(i)...), nil
	case array.ExtensionArray:
		return nil, fmt.Errorf("%w: shredded as %v", ErrUnsupported, a.DataType())
	}
	return nil, fmt.Errorf("%w: shredded as %v", ErrUnsupported, r.typed.DataType())
}

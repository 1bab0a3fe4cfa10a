package parquetfile

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/schema"
)

// memObject is an object in memory.
type memObject struct {
	name string
	b    []byte
}

func (o *memObject) Close() error { return nil }
func (o *memObject) Size() int64  { return int64(len(o.b)) }
func (o *memObject) URI() string  { return o.name }

func (o *memObject) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(o.b)) {
		return 0, io.EOF
	}
	n := copy(p, o.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// fileObject is a local file.
type fileObject struct{ *os.File }

func (o fileObject) URI() string { return o.Name() }

func (o fileObject) Size() int64 {
	s, err := o.Stat()
	if err != nil {
		return 0
	}
	return s.Size()
}

func (o fileObject) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	return o.File.ReadAt(p, off)
}

func openBytes(t testing.TB, name string, b []byte) *File {
	t.Helper()
	f, err := Open(context.Background(), &memObject{name, b}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// fieldsOf derives the fields of a file from its own schema, after giving ids to
// nodes that have none.
func fieldsOf(f *File) ([]schema.Field, error) {
	for i := range f.meta.elements {
		if e := &f.meta.elements[i]; !e.hasID {
			e.id, e.hasID = int32(1_000_000+i), true
		}
	}
	f.hasIDs = true
	var fields []schema.Field
	for _, n := range f.root.children {
		fl, err := nodeField(n)
		if err != nil {
			return nil, err
		}
		fields = append(fields, fl)
	}
	return fields, nil
}

func nodeField(n *node) (schema.Field, error) {
	f := schema.Field{ID: int(n.id), Name: n.name, Required: n.repetition == format.Required}
	if n.repeated() {
		t, err := nodeType(n)
		f.Type = schema.List(schema.Field{Type: t, Required: true})
		f.Required = true
		return f, err
	}
	t, err := nodeType(n)
	f.Type = t
	return f, err
}

func nodeType(n *node) (schema.Type, error) {
	if n.leaf >= 0 {
		return nodeLeafType(n)
	}
	l := n.logical.kind
	if l == annotList && len(n.children) == 1 && n.children[0].repeated() {
		rep := n.children[0]
		if rep.leaf < 0 && len(rep.children) == 1 && rep.name != "array" && rep.name != n.name+"_tuple" {
			e, err := nodeField(rep.children[0])
			return schema.List(e), err
		}
		t, err := nodeType(rep)
		return schema.List(schema.Field{Type: t, Required: true}), err
	}
	if l == annotMap && len(n.children) == 1 && len(n.children[0].children) == 2 {
		k, err := nodeField(n.children[0].children[0])
		if err != nil {
			return schema.Type{}, err
		}
		v, err := nodeField(n.children[0].children[1])
		return schema.Map(k, v), err
	}
	var fields []schema.Field
	for _, c := range n.children {
		f, err := nodeField(c)
		if err != nil {
			return schema.Type{}, err
		}
		fields = append(fields, f)
	}
	return schema.Struct(fields...), nil
}

func nodeLeafType(n *node) (schema.Type, error) {
	l := n.logical
	if l.kind == annotDecimal {
		return schema.Decimal(l.precision, l.scale), nil
	}
	switch n.typ {
	case format.Boolean:
		return schema.Boolean, nil
	case format.Int32:
		switch l.kind {
		case annotDate:
			return schema.Date, nil
		case annotTime:
			return schema.Time, nil
		}
		if l.kind == annotInt && l.unsigned && l.bits == 32 {
			return schema.Long, nil
		}
		return schema.Int, nil
	case format.Int64:
		switch l.kind {
		case annotTime:
			return schema.Time, nil
		case annotTimestamp:
			kinds := [2][2]schema.Type{{schema.Timestamp, schema.TimestampTz}, {schema.TimestampNs, schema.TimestampTzNs}}
			ns, tz := 0, 0
			if l.unit == annNanos {
				ns = 1
			}
			if l.utc {
				tz = 1
			}
			return kinds[ns][tz], nil
		}
		if l.kind == annotInt && l.unsigned {
			return schema.Decimal(20, 0), nil
		}
		return schema.Long, nil
	case format.Int96:
		return schema.Timestamp, nil
	case format.Float:
		return schema.Float, nil
	case format.Double:
		return schema.Double, nil
	case format.ByteArray:
		if l.kind == annotString {
			return schema.String, nil
		}
		return schema.Binary, nil
	case format.FixedLenByteArray:
		switch {
		case l.kind == annotUUID:
			return schema.UUID, nil
		case l.kind == annotFloat16:
			return schema.Float, nil
		}
		return schema.Fixed(int(n.length)), nil
	}
	return schema.Type{}, fmt.Errorf("type %v", n.typ)
}

// readAll reads the texts of a file's columns.
func readAll(f *File, opts *ReadOptions) ([][]string, error) {
	c, err := f.Read(context.Background(), opts)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	cols := make([][]string, len(opts.Fields))
	for {
		b, err := c.Next(context.Background(), nil)
		if errors.Is(err, io.EOF) {
			return cols, nil
		}
		if err != nil {
			return nil, err
		}
		for i, a := range b.Columns() {
			for k := range a.Len() {
				cols[i] = append(cols[i], nodeText(a, k))
			}
		}
		b.Release()
	}
}

// textAt is the text of a value as testdata/dump.py has it.
func nodeText(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return "null"
	}
	switch a := a.(type) {
	case *array.Boolean:
		return strconv.FormatBool(a.Value(i))
	case *array.Int32:
		return strconv.Itoa(int(a.Value(i)))
	case *array.Int64:
		return strconv.FormatInt(a.Value(i), 10)
	case *array.Date32:
		return strconv.Itoa(int(a.Value(i)))
	case *array.Time64:
		return strconv.FormatInt(int64(a.Value(i)), 10)
	case *array.Timestamp:
		return strconv.FormatInt(int64(a.Value(i)), 10)
	case *array.Float32:
		return floatText(float64(a.Value(i)))
	case *array.Float64:
		return floatText(a.Value(i))
	case *array.Decimal128:
		return a.Value(i).BigInt().String()
	case *array.String:
		return "x" + hex.EncodeToString([]byte(a.Value(i)))
	case *array.Binary:
		return "x" + hex.EncodeToString(a.Value(i))
	case *array.FixedSizeBinary:
		return "x" + hex.EncodeToString(a.Value(i))
	case *array.Struct:
		parts := make([]string, a.NumField())
		for k := range parts {
			parts[k] = nodeText(a.Field(k), i)
		}
		return "{" + strings.Join(parts, ",") + "}"
	case *array.Map:
		from, to := a.ValueOffsets(i)
		var parts []string
		for k := from; k < to; k++ {
			parts = append(parts, nodeText(a.Keys(), int(k))+":"+nodeText(a.Items(), int(k)))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *array.List:
		from, to := a.ValueOffsets(i)
		var parts []string
		for k := from; k < to; k++ {
			parts = append(parts, nodeText(a.ListValues(), int(k)))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case array.ExtensionArray:
		return nodeText(a.Storage(), i)
	}
	return fmt.Sprintf("?%T", a)
}

func floatText(f float64) string {
	if f != f {
		return "nan"
	}
	return fmt.Sprintf("%016x", math.Float64bits(f))
}

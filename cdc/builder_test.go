package cdc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/schema"
)

// everyType is a shape with a column of every type that builders take.
func everyType() *Shape {
	types := []schema.Type{
		schema.Boolean, schema.Int, schema.Long, schema.Float, schema.Double, schema.Decimal(20, 3), schema.Date,
		schema.Time, schema.Timestamp, schema.TimestampTz, schema.TimestampNs, schema.String, schema.UUID,
		schema.Fixed(3), schema.Binary,
		schema.Struct(schema.Field{Name: "a", Type: schema.Int}, schema.Field{Name: "b", Type: schema.String}),
		schema.List(schema.Field{Type: schema.String}),
		schema.Map(schema.Field{Type: schema.String}, schema.Field{Type: schema.Long}),
	}
	s := &Shape{}
	for i, t := range types {
		s.Columns = append(s.Columns, Column{Name: fmt.Sprint("c", i), Type: t})
	}
	return s
}

func randomValue(r *rand.Rand, t schema.Type) any {
	if r.IntN(4) == 0 {
		return nil
	}
	text := func() string { return fmt.Sprint(r.IntN(1000)) }
	switch t.Kind {
	case schema.KindBoolean:
		return r.IntN(2) == 0
	case schema.KindInt, schema.KindDate:
		return int32(r.Uint32())
	case schema.KindFloat:
		return r.Float32()
	case schema.KindDouble:
		return r.Float64()
	case schema.KindDecimal:
		return decimal128.FromI64(r.Int64())
	case schema.KindString:
		return text()
	case schema.KindUUID:
		return [16]byte{byte(r.Uint32()), 15: 1}
	case schema.KindFixed:
		return []byte{byte(r.Uint32()), 0, 1}
	case schema.KindBinary:
		return []byte(text())
	case schema.KindStruct:
		return schema.Row{randomValue(r, t.Fields[0].Type), randomValue(r, t.Fields[1].Type)}
	case schema.KindList:
		out := make([]any, r.IntN(3))
		for i := range out {
			out[i] = randomValue(r, t.Fields[0].Type)
		}
		return out
	case schema.KindMap:
		m := schema.MapValue{Keys: make([]any, r.IntN(3))}
		m.Values = make([]any, len(m.Keys))
		for i := range m.Keys {
			m.Keys[i], m.Values[i] = fmt.Sprint(i), randomValue(r, t.Fields[1].Type)
		}
		return m
	}
	return r.Int64()
}

// TestBuilder appends random rows, cuts some off again, half-way through a row
// too, and compares what the builder holds with a list.
func TestBuilder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	shape := everyType()
	b := NewBuilder(shape)
	var model []schema.Row
	for step := range 2000 {
		switch r.IntN(8) {
		case 0:
			for c := range r.IntN(len(shape.Columns)) { // half a row
				if err := b.Column(c).AppendValue(randomValue(r, shape.Columns[c].Type)); err != nil {
					t.Fatal(err)
				}
			}
			n := len(model) - r.IntN(min(len(model), 20)+1)
			b.Truncate(n)
			model = model[:n]
		case 1:
			if r.IntN(50) == 0 {
				checkRows(t, b, model)
				batch := b.Batch()
				if batch.Len() != len(model) || int(batch.Rows.NumRows()) != len(model) {
					t.Fatalf("step %d: batch of %d rows, want %d", step, batch.Rows.NumRows(), len(model))
				}
				model = nil
			}
		default:
			row := make(schema.Row, len(shape.Columns))
			for c := range row {
				row[c] = randomValue(r, shape.Columns[c].Type)
				if err := b.Column(c).AppendValue(row[c]); err != nil {
					t.Fatal(err)
				}
			}
			b.EndRow(OpUpsert)
			model = append(model, row)
		}
	}
	checkRows(t, b, model)
}

func checkRows(t *testing.T, b *Builder, model []schema.Row) {
	t.Helper()
	if b.Len() != len(model) {
		t.Fatalf("%d rows, want %d", b.Len(), len(model))
	}
	for i, row := range model {
		for c := range row {
			if got := b.Column(c).Value(i); !reflect.DeepEqual(got, row[c]) {
				t.Fatalf("row %d column %d (%s): %#v, want %#v", i, c, b.Column(c).Type(), got, row[c])
			}
		}
	}
}

func TestBatchSlice(t *testing.T) {
	shape := &Shape{Columns: []Column{{Name: "a", Type: schema.Int}, {Name: "b", Type: schema.String}}}
	b := NewBuilder(shape)
	for i := range 200 {
		b.Column(0).AppendInt32(int32(i))
		if b.Column(1).AppendNull(); i%3 == 0 {
			b.MarkUnchanged(1)
		}
		b.EndRow(Op(i % 4))
	}
	all := b.Batch()
	part := all.slice(65, 130)
	for i := range part.Len() {
		if part.Ops[i] != Op((65+i)%4) || part.Unchanged[1].Get(i) != ((65+i)%3 == 0) || part.Rows.Column(0).ValueStr(i) != fmt.Sprint(65+i) {
			t.Fatalf("row %d differs", i)
		}
	}
	if all.slice(1, 3).Unchanged != nil {
		t.Error("marks of other rows")
	}
}

func TestReconcile(t *testing.T) {
	shape := func(cols ...Column) *Shape { return &Shape{Columns: cols, Key: []string{"id"}} }
	id := Column{Name: "id", Type: schema.Int}
	col := func(name string, t schema.Type) Column { return Column{Name: name, Type: t} }
	for _, c := range []struct {
		name             string
		have, prev, next *Shape
		want             string
	}{
		{"first", nil, nil, shape(id), "id:int"},
		{"wider in the table", shape(id, col("a", schema.Long)), nil, shape(id, col("a", schema.Int)), "id:int a:long"},
		{"wider in the stream", shape(id, col("a", schema.Float)), nil, shape(id, col("a", schema.Double)), "id:int a:double"},
		{"precision", shape(id, col("a", schema.Decimal(5, 2))), nil, shape(id, col("a", schema.Decimal(9, 2))), "id:int a:decimal(9,2)"},
		{"boolean stays", shape(id, col("a", schema.Boolean)), nil, shape(id, col("a", schema.Int)), "id:int a:boolean"},
		{"dropped", shape(id, col("a", schema.Int)), shape(id, col("a", schema.Int)), shape(id), "id:int"},
		{"not the stream's", shape(id, col("a", schema.Int)), shape(id), shape(id), "id:int a:int"},
		{
			"renamed", shape(id, col("a", schema.Long)), shape(id, col("a", schema.Int)),
			shape(id, Column{Name: "b", Type: schema.Int, RenamedFrom: "a"}), "id:int b:long",
		},
		{"scale", shape(id, col("a", schema.Decimal(5, 2))), nil, shape(id, col("a", schema.Decimal(9, 3))), "error"},
		{"other type", shape(id, col("a", schema.String)), nil, shape(id, col("a", schema.Int)), "error"},
	} {
		got, err := Reconcile(c.have, c.prev, c.next)
		text := "error"
		if err == nil {
			text = ""
			for i, col := range got.Columns {
				if i > 0 {
					text += " "
				}
				text += col.Name + ":" + col.Type.String()
			}
		} else if !errors.Is(err, ErrIncompatible) {
			t.Errorf("%s: %v", c.name, err)
		}
		if text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

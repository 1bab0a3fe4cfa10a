package schema

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// AppendValue appends a value as described at [Row] to a builder made for
// [ArrowType](t); nil appends a null. A value of another Go type is appended
// if [Coerce] can turn it into one. After an error inside a nested value the
// builder may hold a part of it and must not be used further.
func AppendValue(b array.Builder, t Type, v any) error {
	if v == nil {
		b.AppendNull()
		return nil
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		if x, ok := v.(bool); ok {
			b.Append(x)
			return nil
		}
	case *array.Int32Builder:
		if x, ok := v.(int32); ok {
			b.Append(x)
			return nil
		}
	case *array.Int64Builder:
		if x, ok := v.(int64); ok {
			b.Append(x)
			return nil
		}
	case *array.Float32Builder:
		if x, ok := v.(float32); ok {
			b.Append(x)
			return nil
		}
	case *array.Float64Builder:
		if x, ok := v.(float64); ok {
			b.Append(x)
			return nil
		}
	case *array.StringBuilder:
		if x, ok := v.(string); ok {
			b.Append(x)
			return nil
		}
	case *array.BinaryBuilder:
		if x, ok := v.([]byte); ok {
			b.Append(x)
			return nil
		}
	default:
		if done, err := appendOther(b, t, v); done || err != nil {
			return err
		}
	}
	return appendCoerced(b, t, v)
}

// appendCoerced makes v fit the type and tries once more.
func appendCoerced(b array.Builder, t Type, v any) error {
	c, err := Coerce(t, v)
	if err != nil {
		return err
	}
	if !hasRowType(t, c) || hasRowType(t, v) {
		return fmt.Errorf("type %s: %T does not fit the builder %T", t, v, b)
	}
	return AppendValue(b, t, c)
}

func appendOther(b array.Builder, t Type, v any) (done bool, err error) {
	switch b := b.(type) {
	case *array.Date32Builder:
		if x, ok := v.(int32); ok {
			b.Append(arrow.Date32(x))
			return true, nil
		}
	case *array.Time64Builder:
		if x, ok := v.(int64); ok {
			b.Append(arrow.Time64(x))
			return true, nil
		}
	case *array.TimestampBuilder:
		if x, ok := v.(int64); ok {
			b.Append(arrow.Timestamp(x))
			return true, nil
		}
	case *array.Decimal128Builder:
		if x, ok := v.(Unscaled); ok {
			b.Append(x)
			return true, nil
		}
	case *array.FixedSizeBinaryBuilder:
		return appendFixed(b, t, v)
	case *array.StructBuilder:
		return appendStruct(b, t, v)
	case *array.MapBuilder:
		if x, ok := v.(MapValue); ok && t.Kind == KindMap {
			return true, appendMap(b, t, x)
		}
	case *array.ListBuilder:
		if x, ok := v.([]any); ok && t.Kind == KindList {
			b.Append(true)
			return true, appendElements(b.ValueBuilder(), t.Element(), x)
		}
	}
	return false, nil
}

func appendFixed(b *array.FixedSizeBinaryBuilder, t Type, v any) (bool, error) {
	width := b.Type().(*arrow.FixedSizeBinaryType).ByteWidth
	switch x := v.(type) {
	case [16]byte:
		if t.Kind == KindUUID && width == 16 {
			b.Append(x[:])
			return true, nil
		}
	case []byte:
		if t.Kind == KindFixed && len(x) == width {
			b.Append(x)
			return true, nil
		}
	}
	return false, nil
}

func appendStruct(b *array.StructBuilder, t Type, v any) (bool, error) {
	switch x := v.(type) {
	case VariantValue:
		if t.Kind != KindVariant {
			return false, nil
		}
		b.Append(true)
		b.FieldBuilder(0).(*array.BinaryBuilder).Append(x.Metadata)
		b.FieldBuilder(1).(*array.BinaryBuilder).Append(x.Value)
		return true, nil
	case Row:
		if t.Kind != KindStruct || len(x) != len(t.Fields) {
			return false, nil
		}
		b.Append(true)
		for i := range t.Fields {
			if err := appendField(b.FieldBuilder(i), &t.Fields[i], x[i]); err != nil {
				return true, err
			}
		}
		return true, nil
	}
	return false, nil
}

var errNull = errors.New("is required, but the value is null")

func appendField(b array.Builder, f *Field, v any) error {
	if v == nil && f.Required {
		return fmt.Errorf("field %s: %w", f.Name, errNull)
	}
	if err := AppendValue(b, f.Type, v); err != nil {
		return fmt.Errorf("field %s: %w", f.Name, err)
	}
	return nil
}

func appendElements(b array.Builder, f *Field, values []any) error {
	for _, v := range values {
		if err := appendField(b, f, v); err != nil {
			return err
		}
	}
	return nil
}

func appendMap(b *array.MapBuilder, t Type, m MapValue) error {
	if len(m.Keys) != len(m.Values) {
		return fmt.Errorf("map has %d keys and %d values", len(m.Keys), len(m.Values))
	}
	b.Append(true)
	if err := appendElements(b.KeyBuilder(), t.Key(), m.Keys); err != nil {
		return err
	}
	return appendElements(b.ItemBuilder(), t.Value(), m.Values)
}

// RowsToBatch returns rows as one Arrow record batch of the schema
// [ArrowSchema](s). Every row must have a value per column, in order; values
// are appended as by [AppendValue]. An error names the row, counted from 0,
// and the field. A nil allocator is the default one. The caller releases the
// batch.
func RowsToBatch(s *Schema, rows []Row, mem memory.Allocator) (arrow.RecordBatch, error) {
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	for i, r := range rows {
		if len(r) != len(s.Fields) {
			return nil, fmt.Errorf("row %d: has %d values for %d columns", i, len(r), len(s.Fields))
		}
	}
	cols := make([]arrow.Array, 0, len(s.Fields))
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	as := ArrowSchema(s)
	for j := range s.Fields {
		f := &s.Fields[j]
		b := array.NewBuilder(mem, as.Field(j).Type)
		b.Reserve(len(rows))
		if err := appendColumn(b, f, rows, j); err != nil {
			b.Release()
			return nil, err
		}
		cols = append(cols, b.NewArray())
		b.Release()
	}
	return array.NewRecordBatch(as, cols, int64(len(rows))), nil
}

// appendColumn appends value j of every row; the builder has room for them.
// The commonest types have loops of their own, which leave what they do not
// expect to appendField.
func appendColumn(b array.Builder, f *Field, rows []Row, j int) error {
	switch b := b.(type) {
	case *array.Int64Builder:
		return appendFixedWidth[int64](b, f, rows, j)
	case *array.Int32Builder:
		return appendFixedWidth[int32](b, f, rows, j)
	case *array.Float64Builder:
		return appendFixedWidth[float64](b, f, rows, j)
	case *array.StringBuilder:
		for i, r := range rows {
			if s, ok := r[j].(string); ok {
				b.Append(s)
			} else if err := appendField(b, f, r[j]); err != nil {
				return fmt.Errorf("row %d: %w", i, err)
			}
		}
		return nil
	}
	for i, r := range rows {
		if err := appendField(b, f, r[j]); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

func appendFixedWidth[T any, B interface {
	array.Builder
	UnsafeAppend(T)
}](b B, f *Field, rows []Row, j int) error {
	for i, r := range rows {
		if v, ok := r[j].(T); ok {
			b.UnsafeAppend(v)
		} else if err := appendField(b, f, r[j]); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

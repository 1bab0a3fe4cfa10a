package parquetfile

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/schema"
)

// check compares a batch's columns with the schema.
func (w *Writer) check(b arrow.RecordBatch) error {
	if b.Schema() == w.checked {
		return nil
	}
	if int(b.NumCols()) != len(w.schema.Fields) {
		return fmt.Errorf("%w: the batch has %d columns, the schema %d", ErrColumnType, b.NumCols(), len(w.schema.Fields))
	}
	for i := range w.schema.Fields {
		f := &w.schema.Fields[i]
		if err := checkType(f.Name, f.Type, b.Column(i).DataType()); err != nil {
			return err
		}
	}
	w.checked = b.Schema()
	return nil
}

// checkType compares an Arrow type with what schema.ArrowType maps t to,
// ignoring names and nullability.
func checkType(name string, t schema.Type, a arrow.DataType) error {
	wrong := func() error {
		return fmt.Errorf("%w: column %s is %v, want an Arrow array for %v", ErrColumnType, name, a, t)
	}
	switch t.Kind {
	case schema.KindUnknown:
		return nil
	case schema.KindStruct:
		st, ok := a.(*arrow.StructType)
		if !ok || st.NumFields() != len(t.Fields) {
			return wrong()
		}
		for i := range t.Fields {
			if err := checkType(name+"."+t.Fields[i].Name, t.Fields[i].Type, st.Field(i).Type); err != nil {
				return err
			}
		}
		return nil
	case schema.KindList:
		lt, ok := a.(*arrow.ListType)
		if !ok {
			return wrong()
		}
		return checkType(name+".element", t.Element().Type, lt.Elem())
	case schema.KindMap:
		mt, ok := a.(*arrow.MapType)
		if !ok {
			return wrong()
		}
		if err := checkType(name+".key", t.Key().Type, mt.KeyType()); err != nil {
			return err
		}
		return checkType(name+".value", t.Value().Type, mt.ItemType())
	case schema.KindVariant:
		st, ok := a.(*arrow.StructType)
		if !ok || st.NumFields() != 2 || st.Field(0).Type.ID() != arrow.BINARY || st.Field(1).Type.ID() != arrow.BINARY {
			return wrong()
		}
		return nil
	}
	if !fitsPrimitive(t, a) {
		return wrong()
	}
	return nil
}

func fitsPrimitive(t schema.Type, a arrow.DataType) bool {
	stamp := func(unit arrow.TimeUnit, zoned bool) bool {
		ts, ok := a.(*arrow.TimestampType)
		return ok && ts.Unit == unit && (ts.TimeZone != "") == zoned
	}
	fixed := func(n int) bool {
		f, ok := a.(*arrow.FixedSizeBinaryType)
		return ok && f.ByteWidth == n
	}
	switch t.Kind {
	case schema.KindBoolean:
		return a.ID() == arrow.BOOL
	case schema.KindInt:
		return a.ID() == arrow.INT32
	case schema.KindLong:
		return a.ID() == arrow.INT64
	case schema.KindFloat:
		return a.ID() == arrow.FLOAT32
	case schema.KindDouble:
		return a.ID() == arrow.FLOAT64
	case schema.KindDecimal:
		d, ok := a.(*arrow.Decimal128Type)
		return ok && int(d.Precision) == t.Precision && int(d.Scale) == t.Scale
	case schema.KindDate:
		return a.ID() == arrow.DATE32
	case schema.KindTime:
		tt, ok := a.(*arrow.Time64Type)
		return ok && tt.Unit == arrow.Microsecond
	case schema.KindTimestamp:
		return stamp(arrow.Microsecond, false)
	case schema.KindTimestampTz:
		return stamp(arrow.Microsecond, true)
	case schema.KindTimestampNs:
		return stamp(arrow.Nanosecond, false)
	case schema.KindTimestampTzNs:
		return stamp(arrow.Nanosecond, true)
	case schema.KindString:
		return a.ID() == arrow.STRING
	case schema.KindUUID:
		return fixed(16)
	case schema.KindFixed:
		return fixed(t.Length)
	case schema.KindBinary, schema.KindGeometry, schema.KindGeography:
		return a.ID() == arrow.BINARY
	}
	return false
}

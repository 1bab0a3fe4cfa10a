package rowjson

import (
	"errors"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/internal/variant"
	"github.com/frazildb/frazil/schema"
)

// maxVariant bounds the text of one variant: its keys lie in a dictionary, so
// a short value can name a long key many times.
const maxVariant = 256 << 20

var errVariantSize = errors.New("a variant's text is too long")

func (e *Encoder) variantAt(dst []byte, n *node, a *array.Struct, i int) []byte {
	var metadata, value []byte
	if a.NumField() >= 2 {
		metadata, value = binaryAt(a.Field(0), i), binaryAt(a.Field(1), i)
	}
	start := len(dst)
	m, err := variant.ParseMetadata(metadata)
	if err == nil {
		var v variant.Value
		if v, err = m.Value(value); err == nil {
			if err = variant.Check(v); err == nil {
				dst, err = e.variant(dst, v, len(dst)+maxVariant)
			}
		}
	}
	if err != nil {
		e.fail(n, err)
		return append(dst[:start], "null"...)
	}
	return dst
}

func binaryAt(a arrow.Array, i int) []byte {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Binary:
		return a.Value(i)
	case *array.LargeBinary:
		return a.Value(i)
	case *array.BinaryView:
		return a.Value(i)
	}
	return nil
}

// variant appends a value that [variant.Check] accepted.
func (e *Encoder) variant(dst []byte, v variant.Value, limit int) ([]byte, error) {
	tagged := e.form == Canonical
	if tagged {
		dst = append(append(append(dst, '[', '"'), v.Kind().String()...), '"', ',')
	}
	var err error
	switch v.Kind() {
	case variant.Object:
		dst, err = e.variantObject(dst, v, limit)
	case variant.Array:
		dst = append(dst, '[')
		for i := 0; i < v.Len() && err == nil; i++ {
			if i > 0 {
				dst = append(dst, ',')
			}
			var c variant.Value
			if c, err = v.At(i); err == nil {
				dst, err = e.variant(dst, c, limit)
			}
		}
		dst = append(dst, ']')
	default:
		dst = e.variantLeaf(dst, v)
	}
	if err == nil && len(dst) > limit {
		err = errVariantSize
	}
	if tagged {
		dst = append(dst, ']')
	}
	return dst, err
}

func (e *Encoder) variantObject(dst []byte, v variant.Value, limit int) ([]byte, error) {
	base := len(e.fields)
	e.fields = v.SortedFields(e.fields)
	end := len(e.fields)
	defer func() { e.fields = e.fields[:base] }()
	dst = append(dst, '{')
	for j := base; j < end; j++ {
		i := e.fields[j]
		if j > base {
			dst = append(dst, ',')
		}
		key, err := v.Key(i)
		if err != nil {
			return dst, err
		}
		dst = append(appendString(dst, key, e.form), ':')
		if len(dst) > limit {
			return dst, errVariantSize
		}
		c, err := v.At(i)
		if err != nil {
			return dst, err
		}
		if dst, err = e.variant(dst, c, limit); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (e *Encoder) variantLeaf(dst []byte, v variant.Value) []byte {
	switch v.Kind() {
	case variant.Null:
		return append(dst, "null"...)
	case variant.True, variant.False:
		return strconv.AppendBool(dst, v.Bool())
	case variant.Int8, variant.Int16, variant.Int32, variant.Int64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case variant.Float:
		return e.float(dst, float32(v.Float()))
	case variant.Double:
		return e.double(dst, v.Float())
	case variant.String:
		return appendString(dst, v.Bytes(), e.form)
	}
	dst = append(dst, '"')
	start := len(dst)
	switch v.Kind() {
	case variant.Decimal4, variant.Decimal8, variant.Decimal16:
		unscaled, scale := v.Decimal()
		dst = schema.AppendDecimal(dst, unscaled, scale)
	case variant.Date:
		dst = e.date(dst, int32(v.Int()))
	case variant.Time:
		dst = schema.AppendTime(dst, v.Int())
	case variant.Timestamp, variant.TimestampNtz:
		dst = e.year(schema.AppendTimestamp(dst, v.Int()), start)
	case variant.TimestampNanos, variant.TimestampNtzNanos:
		dst = e.year(schema.AppendTimestampNanos(dst, v.Int()), start)
	case variant.Binary:
		dst = schema.AppendHex(dst, v.Bytes())
	case variant.UUID:
		dst = schema.AppendUUID(dst, v.Bytes())
	}
	if v.Kind() == variant.Timestamp || v.Kind() == variant.TimestampNanos {
		dst = e.zone(dst)
	}
	return append(dst, '"')
}

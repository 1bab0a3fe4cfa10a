package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/schema"
)

// testSeed returns a seed, from FRAZIL_SEED if that is set, and prints it.
func testSeed(t testing.TB) uint64 {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("FRAZIL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("FRAZIL_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("seed %d (set FRAZIL_SEED to replay)", seed)
	return seed
}

// maker makes random schemas and rows.
type maker struct {
	rnd    *rand.Rand
	nextID int
	// plain leaves out types and values that some judges cannot read or
	// compare.
	plain bool
	nulls float64
	few   bool // draw from few distinct values, so that dictionaries pay
}

func (m *maker) id() int { m.nextID++; return m.nextID }

func (m *maker) schema() *schema.Schema {
	var fields []schema.Field
	for i := range 1 + m.rnd.IntN(7) {
		fields = append(fields, m.field(fmt.Sprintf("c%d", i), 0))
	}
	return schema.MustNew(fields...)
}

func (m *maker) field(name string, depth int) schema.Field {
	f := schema.Field{ID: m.id(), Name: name, Required: m.rnd.IntN(3) == 0}
	f.Type = m.typ(depth)
	if f.Type.Kind == schema.KindUnknown {
		f.Required = false
	}
	return f
}

func (m *maker) typ(depth int) schema.Type {
	if depth < 4 && m.rnd.IntN(3) == 0 {
		switch m.rnd.IntN(3) {
		case 0:
			fields := []schema.Field{m.field("f", depth+1)}
			if fields[0].Type.Kind == schema.KindUnknown {
				fields[0].Type = schema.Int
			}
			for i := range m.rnd.IntN(3) {
				fields = append(fields, m.field(fmt.Sprintf("f%d", i), depth+1))
			}
			return schema.Struct(fields...)
		case 1:
			e := m.field("element", depth+1)
			if e.Type.Kind == schema.KindUnknown {
				e.Type = schema.Long
			}
			return schema.List(e)
		default:
			k := schema.Field{ID: m.id(), Type: []schema.Type{schema.String, schema.Long, schema.Date}[m.rnd.IntN(3)]}
			v := m.field("value", depth+1)
			if v.Type.Kind == schema.KindUnknown {
				v.Type = schema.Double
			}
			return schema.Map(k, v)
		}
	}
	primitives := []schema.Type{
		schema.Boolean, schema.Int, schema.Long, schema.Float, schema.Double, schema.Date, schema.Time,
		schema.Timestamp, schema.TimestampTz, schema.TimestampNs, schema.TimestampTzNs, schema.String,
		schema.UUID, schema.Binary, schema.Fixed(1 + m.rnd.IntN(20)), schema.String,
		schema.Decimal(1+m.rnd.IntN(9), 0), schema.Decimal(10+m.rnd.IntN(9), 3), schema.Decimal(19+m.rnd.IntN(20), 5),
	}
	if m.plain {
		primitives[9], primitives[10], primitives[12] = schema.Timestamp, schema.TimestampTz, schema.Binary
	} else {
		primitives = append(primitives, schema.Unknown, schema.Variant, schema.Type{Kind: schema.KindGeometry})
	}
	return primitives[m.rnd.IntN(len(primitives))]
}

func (m *maker) row(fields []schema.Field) schema.Row {
	r := make(schema.Row, len(fields))
	for i := range fields {
		r[i] = m.value(&fields[i])
	}
	return r
}

func (m *maker) value(f *schema.Field) any {
	if f.Type.Kind == schema.KindUnknown || !f.Required && m.rnd.Float64() < m.nulls {
		return nil
	}
	length := func() int { return int(m.rnd.ExpFloat64() * 1.5) }
	switch f.Type.Kind {
	case schema.KindStruct:
		return m.row(f.Type.Fields)
	case schema.KindList:
		l := make([]any, length())
		for i := range l {
			l[i] = m.value(f.Type.Element())
		}
		return l
	case schema.KindMap:
		var v schema.MapValue
		seen := map[any]bool{}
		for range length() {
			k := m.value(f.Type.Key())
			if seen[k] {
				continue
			}
			seen[k] = true
			v.Keys = append(v.Keys, k)
			v.Values = append(v.Values, m.value(f.Type.Value()))
		}
		return v
	}
	return m.primitive(f.Type)
}

func (m *maker) int64() int64 {
	if m.few {
		return int64(m.rnd.IntN(5)) - 2
	}
	switch m.rnd.IntN(4) {
	case 0:
		return []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 127, -128}[m.rnd.IntN(7)]
	case 1:
		return int64(m.rnd.IntN(2000)) - 1000
	}
	return int64(m.rnd.Uint64())
}

func (m *maker) float() float64 {
	switch m.rnd.IntN(5) {
	case 0:
		v := []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1)}[m.rnd.IntN(5)]
		if m.plain && math.IsNaN(v) {
			return 1
		}
		return v
	case 1:
		return float64(m.rnd.IntN(9)) - 4
	}
	return m.rnd.NormFloat64() * 1000
}

func (m *maker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.rnd.Uint32())
		if m.rnd.IntN(4) == 0 {
			b[i] = 0xFF
		}
	}
	return b
}

func (m *maker) text() string {
	if m.few {
		return []string{"", "a", "abcdefgh", "a long value of more than sixteen bytes", "日本"}[m.rnd.IntN(5)]
	}
	alphabet := []rune{'a', 'b', 'z', 0x7F, 'é', 0xD7FF, 0xE000, '日', utf8Max, utf8Max}
	n := int(m.rnd.ExpFloat64() * 12)
	if m.rnd.IntN(20) == 0 {
		n += 80
	}
	r := make([]rune, n)
	for i := range r {
		r[i] = alphabet[m.rnd.IntN(len(alphabet))]
	}
	return string(r)
}

const utf8Max = '\U0010FFFF'

func (m *maker) primitive(t schema.Type) any {
	switch t.Kind {
	case schema.KindBoolean:
		return m.rnd.IntN(2) == 0
	case schema.KindInt, schema.KindDate:
		if t.Kind == schema.KindDate && m.plain {
			return int32(m.rnd.IntN(40000) - 20000)
		}
		return int32(m.int64())
	case schema.KindTime:
		return m.rnd.Int64N(86_400_000_000)
	case schema.KindLong:
		return m.int64()
	case schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs, schema.KindTimestampTzNs:
		if m.plain {
			return m.rnd.Int64N(2e15) - 1e15
		}
		return m.int64()
	case schema.KindFloat:
		return float32(m.float())
	case schema.KindDouble:
		return m.float()
	case schema.KindDecimal:
		digits := 1 + m.rnd.IntN(t.Precision)
		v := decimal128.FromU64(0)
		for range digits {
			v = v.Mul(decimal128.FromU64(10)).Add(decimal128.FromU64(uint64(m.rnd.IntN(10))))
		}
		if m.rnd.IntN(2) == 0 {
			v = v.Negate()
		}
		return v
	case schema.KindString:
		return m.text()
	case schema.KindUUID:
		return [16]byte(m.bytes(16))
	case schema.KindFixed:
		return m.bytes(t.Length)
	case schema.KindBinary:
		if m.few {
			return m.bytes(1)[:m.rnd.IntN(2)]
		}
		return m.bytes(int(m.rnd.ExpFloat64() * 20))
	case schema.KindGeometry, schema.KindGeography:
		b := []byte{1, 1, 0, 0, 0}
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(m.rnd.Float64()))
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(m.rnd.Float64()))
	case schema.KindVariant:
		return schema.VariantValue{Metadata: []byte{1, 0, 0}, Value: []byte{0x0C, byte(m.rnd.IntN(100))}}
	}
	panic(t.String())
}

// entry is what a leaf holds for a row, one of several in lists.
type entry struct {
	rep, def uint8
	val      any // nil for none
}

// shredRow is a plain row-by-row shredder to compare with: it returns the
// entries of each leaf, in the order of the file's columns.
func shredRow(fields []schema.Field, r schema.Row) [][]entry {
	var out [][]entry
	for i := range fields {
		out = append(out, shredValue(&fields[i], r[i], false, 0, 0, 0)...)
	}
	return out
}

// shredValue shreds one value met at levels (rep, def); depth is the number of
// lists around. When missing, a parent has no value.
func shredValue(f *schema.Field, v any, missing bool, rep, def, depth uint8) [][]entry {
	t := f.Type
	if t.Kind == schema.KindUnknown {
		return nil
	}
	missing = missing || v == nil
	if !missing && !f.Required {
		def++
	}
	switch t.Kind {
	case schema.KindStruct:
		var out [][]entry
		for i := range t.Fields {
			var c any
			if !missing {
				c = v.(schema.Row)[i]
			}
			out = append(out, shredValue(&t.Fields[i], c, missing, rep, def, depth)...)
		}
		return out
	case schema.KindVariant:
		if missing {
			return [][]entry{{{rep, def, nil}}, {{rep, def, nil}}}
		}
		x := v.(schema.VariantValue)
		return [][]entry{{{rep, def, x.Metadata}}, {{rep, def, x.Value}}}
	case schema.KindList:
		var items []any
		if !missing {
			items = v.([]any)
		}
		return shredItems(t.Element(), items, rep, def, depth)
	case schema.KindMap:
		var x schema.MapValue
		if !missing {
			x = v.(schema.MapValue)
		}
		return append(shredItems(t.Key(), x.Keys, rep, def, depth), shredItems(t.Value(), x.Values, rep, def, depth)...)
	}
	if missing {
		return [][]entry{{{rep, def, nil}}}
	}
	return [][]entry{{{rep, def, v}}}
}

func shredItems(f *schema.Field, items []any, rep, def, depth uint8) [][]entry {
	if len(items) == 0 {
		return shredValue(f, nil, true, rep, def, depth+1)
	}
	var out [][]entry
	for i, x := range items {
		r := rep
		if i > 0 {
			r = depth + 1
		}
		for k, e := range shredValue(f, x, false, r, def+1, depth+1) {
			if i == 0 {
				out = append(out, nil)
			}
			out[k] = append(out[k], e...)
		}
	}
	return out
}

package schema

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// allTypes is a schema with a column of every type.
func allTypes() *Schema {
	return MustNew(
		Field{ID: 1, Name: "b", Type: Boolean, Required: true},
		Field{ID: 2, Name: "i", Type: Int}, Field{ID: 3, Name: "l", Type: Long, Doc: "a long"},
		Field{ID: 4, Name: "f", Type: Float}, Field{ID: 5, Name: "d", Type: Double},
		Field{ID: 6, Name: "dec", Type: Decimal(38, 10)}, Field{ID: 7, Name: "date", Type: Date},
		Field{ID: 8, Name: "time", Type: Time}, Field{ID: 9, Name: "ts", Type: Timestamp}, Field{ID: 10, Name: "tz", Type: TimestampTz},
		Field{ID: 11, Name: "tsn", Type: TimestampNs}, Field{ID: 12, Name: "tzn", Type: TimestampTzNs},
		Field{ID: 13, Name: "s", Type: String}, Field{ID: 14, Name: "u", Type: UUID}, Field{ID: 15, Name: "fx", Type: Fixed(16)},
		Field{ID: 16, Name: "bin", Type: Binary}, Field{ID: 17, Name: "un", Type: Unknown}, Field{ID: 18, Name: "v", Type: Variant},
		Field{ID: 19, Name: "geom", Type: Geometry("srid:1")}, Field{ID: 20, Name: "geog", Type: Geography("", "karney")},
		Field{ID: 21, Name: "st", Type: Struct(Field{ID: 22, Name: "x", Type: Int, Required: true}, Field{ID: 23, Name: "y", Type: String})},
		Field{ID: 24, Name: "li", Type: List(Field{ID: 25, Type: Struct(Field{ID: 26, Name: "z", Type: UUID})})},
		Field{ID: 27, Name: "ma", Type: Map(Field{ID: 28, Type: String}, Field{ID: 29, Type: List(Field{ID: 30, Type: Long, Required: true})})},
	)
}

// randomValue returns a value as described at Row.
func randomValue(r *rand.Rand, f *Field) any {
	if f.Type.Kind == KindUnknown || !f.Required && r.IntN(4) == 0 {
		return nil
	}
	t := f.Type
	blob := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	switch t.Kind {
	case KindBoolean:
		return r.IntN(2) == 0
	case KindInt, KindDate:
		return int32(r.Uint32())
	case KindFloat:
		return r.Float32()
	case KindDouble:
		return r.NormFloat64()
	case KindDecimal:
		return decimal128.FromI64(r.Int64() - r.Int64())
	case KindTime:
		return r.Int64N(microsPerDay)
	case KindLong, KindTimestamp, KindTimestampTz, KindTimestampNs, KindTimestampTzNs:
		return int64(r.Uint64())
	case KindString:
		return []string{"", "a", "žluť", "日本\n\"x\""}[r.IntN(4)]
	case KindUUID:
		return [16]byte(blob(16))
	case KindFixed:
		return blob(t.Length)
	case KindVariant:
		return VariantValue{Metadata: []byte{1, 0, 0}, Value: []byte{0}}
	case KindStruct:
		row := make(Row, len(t.Fields))
		for i := range row {
			row[i] = randomValue(r, &t.Fields[i])
		}
		return row
	case KindList:
		l := make([]any, r.IntN(4))
		for i := range l {
			l[i] = randomValue(r, t.Element())
		}
		return l
	case KindMap:
		m := MapValue{Keys: []any{}, Values: []any{}}
		for range r.IntN(4) {
			m.Keys = append(m.Keys, randomValue(r, t.Key()))
			m.Values = append(m.Values, randomValue(r, t.Value()))
		}
		return m
	}
	return blob(r.IntN(5))
}

func TestArrowRoundTrip(t *testing.T) {
	s := allTypes()
	back, err := FromArrow(ArrowSchema(s))
	check(t, err)
	if !back.Equal(s) {
		t.Errorf("got  %s\nwant %s", back, s)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	st := s.Struct()
	rows := make([]Row, 200)
	for i := range rows {
		rows[i] = randomValue(r, &Field{Type: st, Required: true}).(Row)
	}
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	b, err := RowsToBatch(s, rows, mem)
	check(t, err)
	defer b.Release()
	for j, f := range s.Fields {
		for i := range rows {
			if got := ValueAt(b.Column(j), f.Type, i); !reflect.DeepEqual(got, rows[i][j]) {
				t.Fatalf("row %d, column %s: got %#v, want %#v", i, f.Name, got, rows[i][j])
			}
		}
		slice := array.NewSlice(b.Column(j), 50, 150)
		for i := range 100 {
			if got := ValueAt(slice, f.Type, i); !reflect.DeepEqual(got, rows[50+i][j]) {
				t.Fatalf("slice row %d, column %s: got %#v, want %#v", i, f.Name, got, rows[50+i][j])
			}
		}
		slice.Release()
		same, err := Conform(b.Column(j), f.Type, mem)
		check(t, err)
		if same != b.Column(j) {
			t.Errorf("column %s: Conform copied an array of the right type", f.Name)
		}
		same.Release()
	}
}

func TestRowsToBatchErrors(t *testing.T) {
	s := MustNew(Field{ID: 1, Name: "a", Type: Struct(Field{ID: 2, Name: "x", Type: Int, Required: true})}, Field{ID: 3, Name: "f", Type: Fixed(2)})
	for want, row := range map[string]Row{
		"row 0: has 1 values for 2 columns":  {nil},
		"row 0: field a: field x: is requi":  {Row{nil}, nil},
		"row 0: field a: type struct<2: x: ": {Row{}, nil},
		"row 0: field a: field x: type int:": {Row{"x"}, nil},
		"row 0: field f: type fixed[2]: 3 b": {nil, []byte{1, 2, 3}},
		"row 0: field f: type fixed[2]: val": {nil, struct{}{}},
	} {
		_, err := RowsToBatch(s, []Row{row}, nil)
		if err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
			t.Errorf("got %q, want %q…", err, want)
		}
	}
	b, err := RowsToBatch(s, []Row{{map[string]any{"x": 7}, [2]byte{1, 2}}}, nil)
	check(t, err)
	if got := ValueAt(b.Column(0), s.Fields[0].Type, 0); !reflect.DeepEqual(got, Row{int32(7)}) {
		t.Error(got)
	}
}

func TestFromForeignArrow(t *testing.T) {
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int16, ValueType: arrow.BinaryTypes.String}
	cases := []struct {
		in   arrow.DataType
		want string
		json string // rows 0… as the array reads them
		vals []any
	}{
		{dict, "string", `["x","y","x",null]`, []any{"x", "y", "x", nil}},
		{arrow.BinaryTypes.LargeString, "string", `["a",null]`, []any{"a", nil}},
		{arrow.BinaryTypes.StringView, "string", `["a",null]`, []any{"a", nil}},
		{arrow.BinaryTypes.LargeBinary, "binary", `["AQ=="]`, []any{[]byte{1}}},
		{arrow.BinaryTypes.BinaryView, "binary", `["AQ=="]`, []any{[]byte{1}}},
		{arrow.PrimitiveTypes.Int8, "int", `[-5]`, []any{int32(-5)}},
		{arrow.PrimitiveTypes.Int16, "int", `[-500]`, []any{int32(-500)}},
		{arrow.PrimitiveTypes.Uint8, "int", `[200]`, []any{int32(200)}},
		{arrow.PrimitiveTypes.Uint16, "int", `[60000]`, []any{int32(60000)}},
		{arrow.PrimitiveTypes.Uint32, "long", `[4000000000]`, []any{int64(4000000000)}},
		{arrow.PrimitiveTypes.Uint64, "decimal(20,0)", `[18446744073709551615]`, []any{decimal128.FromU64(18446744073709551615)}},
		{&arrow.Decimal32Type{Precision: 5, Scale: 2}, "decimal(5,2)", `["1.50"]`, []any{decimal128.FromI64(150)}},
		{&arrow.Decimal64Type{Precision: 15, Scale: 2}, "decimal(15,2)", `["1.50"]`, []any{decimal128.FromI64(150)}},
		{&arrow.Decimal256Type{Precision: 38, Scale: 2}, "decimal(38,2)", `["-1.50"]`, []any{decimal128.FromI64(-150)}},
		{arrow.FixedWidthTypes.Float16, "float", `[1.5]`, []any{float32(1.5)}},
		{arrow.FixedWidthTypes.Date64, "date", `["1969-12-31"]`, []any{int32(-1)}},
		{arrow.FixedWidthTypes.Time32s, "time", `["00:00:01"]`, []any{int64(1000000)}},
		{arrow.FixedWidthTypes.Time64ns, "time", `["00:00:00.000001999"]`, []any{int64(1)}},
		{&arrow.TimestampType{Unit: arrow.Second}, "timestamp", `["1970-01-01 00:00:01"]`, []any{int64(1000000)}},
		{&arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "Europe/Paris"}, "timestamptz", `["1970-01-01 00:00:01Z"]`, []any{int64(1000000)}},
		{&arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}, "timestamptz_ns", `["1970-01-01 00:00:01Z"]`, []any{int64(1000000000)}},
		{arrow.LargeListOf(arrow.PrimitiveTypes.Int8), "list<int>", `[[1,null],null]`, []any{[]any{int32(1), nil}, nil}},
		{arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int8), "list<int>", `[[1,2]]`, []any{[]any{int32(1), int32(2)}}},
		{arrow.Null, "unknown", `[null]`, []any{nil}},
		{arrowVariant, "variant", `[{"metadata":"AQAA","value":"AA=="}]`, []any{VariantValue{Metadata: []byte{1, 0, 0}, Value: []byte{0}}}},
	}
	for _, c := range cases {
		s, err := FromArrow(arrow.NewSchema([]arrow.Field{{Name: "c", Type: c.in, Nullable: true}}, nil))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		typ := s.Fields[0].Type
		if typ.String() != c.want || s.Fields[0].ID != 1 {
			t.Errorf("%s = %s (id %d), want %s", c.in, typ, s.Fields[0].ID, c.want)
		}
		a, _, err := array.FromJSON(memory.DefaultAllocator, c.in, readerOf(c.json))
		if err != nil {
			t.Fatalf("%s: %v", c.in, err)
		}
		conformed, err := Conform(a, typ, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.in, err)
		}
		if !arrow.TypeEqual(conformed.DataType(), ArrowType(typ)) {
			t.Errorf("%s: conformed to %s", c.in, conformed.DataType())
		}
		for i, want := range c.vals {
			for _, arr := range []arrow.Array{a, conformed} {
				if got := ValueAt(arr, typ, i); !reflect.DeepEqual(got, want) {
					t.Errorf("%s[%d] of %s = %#v, want %#v", c.in, i, arr.DataType(), got, want)
				}
			}
		}
	}
	if _, err := FromArrow(arrow.NewSchema([]arrow.Field{{Name: "c", Type: arrow.FixedWidthTypes.MonthInterval}}, nil)); err == nil {
		t.Error("an interval was accepted")
	}
}

// Values of a file written before a promotion are read in the type of now.
func TestValueAtPromoted(t *testing.T) {
	for _, c := range []struct {
		old, now Type
		in, want any
	}{
		{Int, Long, int32(-1), int64(-1)},
		{Float, Double, float32(1.5), 1.5},
		{Decimal(9, 2), Decimal(20, 2), decimal128.FromI64(5), decimal128.FromI64(5)},
		{Date, Timestamp, int32(-1), int64(-microsPerDay)},
		{Date, TimestampNs, int32(2), int64(2 * nanosPerDay)},
	} {
		b := array.NewBuilder(memory.DefaultAllocator, ArrowType(c.old))
		check(t, AppendValue(b, c.old, c.in))
		a := b.NewArray()
		if got := ValueAt(a, c.now, 0); got != c.want {
			t.Errorf("%s under %s = %v, want %v", c.old, c.now, got, c.want)
		}
		conformed, err := Conform(a, c.now, nil)
		check(t, err)
		if got := ValueAt(conformed, c.now, 0); got != c.want {
			t.Errorf("%s conformed to %s = %v, want %v", c.old, c.now, got, c.want)
		}
	}
}

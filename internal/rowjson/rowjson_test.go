package rowjson

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/schema"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func render(t testing.TB, typ schema.Type, v any, form Form) string {
	t.Helper()
	s := schema.MustNew(schema.Field{ID: 100, Name: "c", Type: typ})
	e := NewEncoder(s, form)
	out, err := e.AppendValues(nil, s, schema.Row{v})
	check(t, err)
	return strings.TrimSuffix(strings.TrimPrefix(string(out), `{"c":`), "}")
}

var keys = []byte{1, 3, 0, 1, 2, 6, 'a', 'b', 'l', 'o', 'n', 'g'}

func variantOf(t testing.TB, h string) schema.VariantValue {
	b, err := hex.DecodeString(strings.ReplaceAll(h, " ", ""))
	check(t, err)
	return schema.VariantValue{Metadata: keys, Value: b}
}

func TestForms(t *testing.T) {
	id := func(i int, typ schema.Type) schema.Field { return schema.Field{ID: i, Type: typ} }
	point, err := schema.ParseWKT("POINT (1 2)")
	check(t, err)
	pair := schema.Struct(schema.Field{ID: 1, Name: "z", Type: schema.Int}, schema.Field{ID: 2, Name: "a", Type: schema.String})
	strmap := schema.Map(id(1, schema.String), id(2, schema.Int))
	m := schema.MapValue{Keys: []any{"b", "aa", "a"}, Values: []any{int32(1), nil, int32(3)}}
	cases := []struct {
		typ                         schema.Type
		v                           any
		canonical, lines, judge, cs string // "" judge is lines
	}{
		{schema.Boolean, true, `true`, `true`, ``, `true`},
		{schema.Int, int32(-5), `-5`, `-5`, ``, `-5`},
		{schema.Long, int64(math.MinInt64), `-9223372036854775808`, `-9223372036854775808`, ``, `-9223372036854775808`},
		{schema.Float, float32(1), `"f32:3f800000"`, `1`, ``, `1`},
		{schema.Float, float32(0.1), `"f32:3dcccccd"`, `0.1`, ``, `0.1`},
		{schema.Float, float32(math.NaN()), `"f32:7fc00000"`, `"NaN"`, ``, `NaN`},
		{schema.Double, math.Copysign(0, -1), `"f64:8000000000000000"`, `-0`, ``, `-0`},
		{schema.Double, math.Float64frombits(0xfff8000000000001), `"f64:7ff8000000000000"`, `"NaN"`, ``, `NaN`},
		{schema.Double, math.Inf(-1), `"f64:fff0000000000000"`, `"-Infinity"`, ``, `-Infinity`},
		{schema.Double, 1e-7, `"f64:3e7ad7f29abcaf48"`, `1e-7`, ``, `1e-7`},
		{schema.Double, 1e21, `"f64:444b1ae4d6e2ef50"`, `1e+21`, ``, `1e+21`},
		{schema.Decimal(9, 2), decimal128.FromI64(-1), `"-0.01"`, `"-0.01"`, ``, `-0.01`},
		{schema.Decimal(38, 0), decimal128.GetMaxValue(38), `"99999999999999999999999999999999999999"`, `"99999999999999999999999999999999999999"`, ``, `99999999999999999999999999999999999999`},
		{schema.Date, int32(-1), `"1969-12-31"`, `"1969-12-31"`, ``, `1969-12-31`},
		{schema.Date, int32(2932897), `"+10000-01-01"`, `"+10000-01-01"`, `"10000-01-01"`, `+10000-01-01`},
		{schema.Date, int32(-719528 - 365), `"-0001-01-01"`, `"-0001-01-01"`, `"-001-01-01"`, `-0001-01-01`},
		{schema.Time, int64(1), `"00:00:00.000001"`, `"00:00:00.000001"`, ``, `00:00:00.000001`},
		{schema.Timestamp, int64(-1), `"1969-12-31T23:59:59.999999"`, `"1969-12-31T23:59:59.999999"`, ``, `1969-12-31T23:59:59.999999`},
		{schema.TimestampTz, int64(0), `"1970-01-01T00:00:00.000000Z"`, `"1970-01-01T00:00:00.000000+00:00"`, ``, `1970-01-01T00:00:00.000000+00:00`},
		{schema.TimestampNs, int64(1), `"1970-01-01T00:00:00.000000001"`, `"1970-01-01T00:00:00.000000001"`, ``, `1970-01-01T00:00:00.000000001`},
		{schema.TimestampTzNs, int64(1), `"1970-01-01T00:00:00.000000001Z"`, `"1970-01-01T00:00:00.000000001+00:00"`, ``, `1970-01-01T00:00:00.000000001+00:00`},
		{schema.String, "a\"\\\n\t\b\f\r\x01\x7f<é>\u2028", `"a\"\\\u000a\u0009\u0008\u000c\u000d\u0001` + "\x7f<é>\u2028" + `"`, `"a\"\\\n\t\b\f\r\u0001` + "\x7f<é>\u2028" + `"`, `"a\"\\\n\t\b\f\r\u0001` + "\x7f<é>" + `\u2028"`, "\"a\"\"\\\n\t\b\f\r\x01\x7f<é>\u2028\""},
		{schema.String, "", `""`, `""`, ``, `""`},
		{schema.String, "bad\xffutf", "\"bad\ufffdutf\"", "\"bad\ufffdutf\"", ``, "bad\xffutf"},
		{schema.String, "a,b", `"a,b"`, `"a,b"`, ``, `"a,b"`},
		{schema.UUID, [16]byte{0xf7, 15: 1}, `"f7000000-0000-0000-0000-000000000001"`, `"f7000000-0000-0000-0000-000000000001"`, ``, `f7000000-0000-0000-0000-000000000001`},
		{schema.Fixed(2), []byte{0, 255}, `"00ff"`, `"00ff"`, ``, `00ff`},
		{schema.Binary, []byte{}, `""`, `""`, ``, `""`},
		{schema.Unknown, nil, `null`, `null`, ``, ``},
		{schema.Geometry(""), point, `"0101000000000000000000f03f0000000000000040"`, `"POINT (1 2)"`, `"0101000000000000000000f03f0000000000000040"`, `POINT (1 2)`},
		{schema.Geometry(""), []byte{1}, `"01"`, `"01"`, ``, `01`},
		{pair, schema.Row{int32(1), "x"}, `{"z":1,"a":"x"}`, `{"z":1,"a":"x"}`, `{"a":"x","z":1}`, `"{""z"":1,""a"":""x""}"`},
		{schema.List(id(1, schema.Int)), []any{int32(1), nil}, `[1,null]`, `[1,null]`, ``, `"[1,null]"`},
		{schema.List(id(1, schema.Int)), []any{}, `[]`, `[]`, ``, `[]`},
		{strmap, m, `[["a",3],["aa",null],["b",1]]`, `{"keys":["b","aa","a"],"values":[1,null,3]}`, `{"keys":["a","aa","b"],"values":[3,null,1]}`, `"{""keys"":[""b"",""aa"",""a""],""values"":[1,null,3]}"`},
		{
			schema.Map(id(3, schema.Int), id(4, strmap)),
			schema.MapValue{Keys: []any{int32(2), int32(10)}, Values: []any{m, m}}, // nested sorting
			`[[10,[["a",3],["aa",null],["b",1]]],[2,[["a",3],["aa",null],["b",1]]]]`,
			`{"keys":[2,10],"values":[{"keys":["b","aa","a"],"values":[1,null,3]},{"keys":["b","aa","a"],"values":[1,null,3]}]}`,
			`{"keys":[10,2],"values":[{"keys":["a","aa","b"],"values":[3,null,1]},{"keys":["a","aa","b"],"values":[3,null,1]}]}`,
			`"{""keys"":[2,10],""values"":[{""keys"":[""b"",""aa"",""a""],""values"":[1,null,3]},{""keys"":[""b"",""aa"",""a""],""values"":[1,null,3]}]}"`,
		},
		{schema.Variant, variantOf(t, "00"), `["null",null]`, `null`, ``, `null`},
		{schema.Variant, variantOf(t, "0c07"), `["int8",7]`, `7`, ``, `7`},
		{schema.Variant, variantOf(t, "20 01 19000000"), `["decimal4","2.5"]`, `"2.5"`, ``, `"""2.5"""`},
		{schema.Variant, variantOf(t, "38 00005040"), `["float","f32:40500000"]`, `3.25`, ``, `3.25`},
		{schema.Variant, variantOf(t, "2c ffffffff"), `["date","1969-12-31"]`, `"1969-12-31"`, ``, `"""1969-12-31"""`},
		{schema.Variant, variantOf(t, "30 0100000000000000"), `["timestamptz","1970-01-01T00:00:00.000001Z"]`, `"1970-01-01T00:00:00.000001+00:00"`, ``, `"""1970-01-01T00:00:00.000001+00:00"""`},
		{schema.Variant, variantOf(t, "4c 0100000000000000"), `["timestampntz_nanos","1970-01-01T00:00:00.000000001"]`, `"1970-01-01T00:00:00.000000001"`, ``, `"""1970-01-01T00:00:00.000000001"""`},
		{schema.Variant, variantOf(t, "3c 03000000 616263"), `["binary","616263"]`, `"616263"`, ``, `"""616263"""`},
		{schema.Variant, variantOf(t, "02 02 02 00 00 02 07 0c01 03 01 00 01 04"), // {long: 1, a: [true]}
			`["object",{"a":["array",[["boolean",true]]],"long":["int8",1]}]`, `{"a":[true],"long":1}`, ``, `"{""a"":[true],""long"":1}"`},
	}
	for _, c := range cases {
		if c.judge == "" {
			c.judge = c.lines
		}
		for form, want := range map[Form]string{Canonical: c.canonical, Lines: c.lines, Judge: c.judge, CSV: c.cs} {
			got := render(t, c.typ, c.v, form)
			if got != want {
				t.Errorf("%s %v, form %d:\ngot  %s\nwant %s", c.typ, c.v, form, got, want)
			}
			if form != CSV && !json.Valid([]byte(got)) {
				t.Errorf("%s is not JSON", got)
			}
		}
		if c.v == nil || render(t, c.typ, nil, Canonical) != "null" || render(t, c.typ, nil, CSV) != "" {
			if c.v != nil {
				t.Errorf("%s: null is not null", c.typ)
			}
		}
	}
}

func TestRowOrder(t *testing.T) {
	s := schema.MustNew(schema.Field{ID: 1, Name: "b", Type: schema.Int}, schema.Field{ID: 2, Name: "a,\"", Type: schema.Int}, schema.Field{ID: 3, Name: "B", Type: schema.Int})
	for form, want := range map[Form]string{
		Canonical: `{"b":1,"a,\"":null,"B":3}`, Lines: `{"b":1,"a,\"":null,"B":3}`, Judge: `{"B":3,"a,\"":null,"b":1}`, CSV: `1,,3`,
	} {
		got, err := NewEncoder(s, form).AppendValues([]byte("x"), s, schema.Row{int32(1), nil, int32(3)})
		if err != nil || string(got) != "x"+want {
			t.Errorf("form %d: %s, %v, want %s", form, got, err, want)
		}
	}
	if got := string(NewEncoder(s, CSV).AppendHeader(nil)); got != `b,"a,""",B` {
		t.Error(got)
	}
}

// Arrays of other engines' types render as if converted.
func TestForeignArrays(t *testing.T) {
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	for _, c := range []struct {
		typ  arrow.DataType
		in   string
		want string
	}{
		{dict, `["x",null,"x"]`, `"x" null "x"`},
		{arrow.BinaryTypes.LargeString, `["x\n"]`, `"x\n"`},
		{arrow.PrimitiveTypes.Uint16, `[7]`, `7`},
		{&arrow.TimestampType{Unit: arrow.Second, TimeZone: "UTC"}, `["1970-01-01 00:00:01Z"]`, `"1970-01-01T00:00:01.000000+00:00"`},
		{arrow.LargeListOf(arrow.PrimitiveTypes.Int8), `[[1,null]]`, `[1,null]`},
		{&arrow.Decimal64Type{Precision: 5, Scale: 2}, `["1.50"]`, `"1.50"`},
	} {
		a, _, err := array.FromJSON(memory.DefaultAllocator, c.typ, strings.NewReader(c.in))
		check(t, err)
		as := arrow.NewSchema([]arrow.Field{{Name: "c", Type: c.typ, Nullable: true}}, nil)
		s, err := schema.FromArrow(as)
		check(t, err)
		b := array.NewRecordBatch(as, []arrow.Array{a}, int64(a.Len()))
		e := NewEncoder(s, Lines)
		var got []string
		for i := range a.Len() {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(string(e.AppendRow(nil, b, i)), `{"c":`), "}"))
		}
		if strings.Join(got, " ") != c.want || e.Err() != nil {
			t.Errorf("%s: %s, %v, want %s", c.typ, got, e.Err(), c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	s := schema.MustNew(schema.Field{ID: 1, Name: "v", Type: schema.Variant}, schema.Field{ID: 2, Name: "later", Type: schema.Int})
	e := NewEncoder(s, Lines)
	out, err := e.AppendValues(nil, s, schema.Row{schema.VariantValue{Metadata: keys, Value: []byte{0xff}}, nil})
	if string(out) != `{"v":null,"later":null}` || err == nil || !strings.Contains(err.Error(), "field v") {
		t.Errorf("%s, %v", out, err)
	}
	ints := schema.MustNew(schema.Field{ID: 1, Name: "v", Type: schema.Int})
	b, err := schema.RowsToBatch(ints, []schema.Row{{int32(1)}}, nil)
	check(t, err)
	e = NewEncoder(schema.MustNew(schema.Field{ID: 1, Name: "v", Type: schema.String}, s.Fields[1]), Lines)
	if out := e.AppendRow(nil, b, 0); string(out) != `{"v":null,"later":null}` || e.Err() == nil {
		t.Errorf("%s, %v", out, e.Err())
	}
}

func TestSum(t *testing.T) {
	var a, b, c Sum
	a.Add([]byte(`{"a":1}`))
	b.Add([]byte(`{"a":2}`))
	c.Add([]byte(`{"a":2}`))
	c.Add([]byte(`{"a":1}`))
	a.Merge(b)
	if a != c || a.Rows != 2 {
		t.Error(a, c)
	}
}

func benchBatch(t testing.TB) (*schema.Schema, arrow.RecordBatch) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "name", Type: schema.String},
		schema.Field{ID: 3, Name: "price", Type: schema.Decimal(18, 2)}, schema.Field{ID: 4, Name: "at", Type: schema.TimestampTz},
		schema.Field{ID: 5, Name: "score", Type: schema.Double}, schema.Field{ID: 6, Name: "day", Type: schema.Date},
		schema.Field{ID: 7, Name: "tags", Type: schema.Map(schema.Field{ID: 8, Type: schema.String}, schema.Field{ID: 9, Type: schema.Int})})
	rows := make([]schema.Row, 1000)
	for i := range rows {
		rows[i] = schema.Row{
			int64(i), "some customer name", decimal128.FromI64(int64(i * 12345)), int64(i) * 1e12, float64(i) / 7, int32(i),
			schema.MapValue{Keys: []any{"b", "a"}, Values: []any{int32(1), nil}},
		}
	}
	b, err := schema.RowsToBatch(s, rows, nil)
	check(t, err)
	return s, b
}

func TestNoAllocations(t *testing.T) {
	s, b := benchBatch(t)
	for _, form := range []Form{Canonical, Lines, Judge, CSV} {
		e := NewEncoder(s, form)
		buf := make([]byte, 0, 4096)
		e.AppendRow(buf, b, 0)
		i := 0
		if n := testing.AllocsPerRun(500, func() { buf = e.AppendRow(buf[:0], b, i); i++ }); n > 0 {
			t.Errorf("form %d: %g allocations a row", form, n)
		}
	}
}

func BenchmarkAppendRow(b *testing.B) {
	s, batch := benchBatch(b)
	for name, form := range map[string]Form{"canonical": Canonical, "jsonl": Lines, "judge": Judge, "csv": CSV} {
		b.Run(name, func(b *testing.B) {
			e := NewEncoder(s, form)
			var buf []byte
			i, n := 0, 0
			for b.Loop() {
				buf = e.AppendRow(buf[:0], batch, i%1000)
				n += len(buf)
				i++
			}
			b.SetBytes(int64(n / i))
		})
	}
}

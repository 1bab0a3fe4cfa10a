package schema

import (
	"bytes"
	"encoding/hex"
	"math"
	"testing"
)

// The tests here are named after the numbered facts of the format checklist
// that concern this package: T types, E evolution, X metrics.

func mustType(t *testing.T, s string) Type {
	t.Helper()
	typ, err := ParseType(s)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

func dec(t *testing.T, s string, precision, scale int) Unscaled {
	t.Helper()
	d, err := parseDecimal(s, precision, scale)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return d
}

func wantBound(t *testing.T, typ Type, v any, wantHex string) {
	t.Helper()
	b, err := EncodeBound(typ, v)
	if err != nil {
		t.Fatalf("%s %v: %v", typ, v, err)
	}
	if got := hex.EncodeToString(b); got != wantHex {
		t.Errorf("EncodeBound(%s, %v) = %s, want %s", typ, v, got, wantHex)
	}
	back, err := DecodeBound(typ, b)
	if err != nil {
		t.Fatalf("%s %v: %v", typ, v, err)
	}
	if again, _ := EncodeBound(typ, back); !bytes.Equal(again, b) {
		t.Errorf("%s %v: read back as %v", typ, v, back)
	}
}

func TestT1Boolean(t *testing.T) {
	wantBound(t, Boolean, true, "01")
	wantBound(t, Boolean, false, "00")
	if v, err := DecodeBound(Boolean, []byte{0x7f}); err != nil || v != true {
		t.Errorf("0x7f = %v, %v; any byte but 0 is true", v, err)
	}
}

func TestT2Integers(t *testing.T) {
	wantBound(t, Int, int32(34), "22000000")
	wantBound(t, Int, int32(-1), "ffffffff")
	wantBound(t, Long, int64(34), "2200000000000000")
	wantBound(t, Long, int64(math.MinInt64), "0000000000000080")
}

func TestT3Floats(t *testing.T) {
	negNaN := math.Copysign(math.NaN(), -1)
	order := []float64{
		negNaN, math.Inf(-1), -math.MaxFloat64, -1, -math.SmallestNonzeroFloat64, math.Copysign(0, -1),
		0, math.SmallestNonzeroFloat64, 1, math.MaxFloat64, math.Inf(1), math.NaN(),
	}
	for i, a := range order {
		for j, b := range order {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := Compare(Double, a, b); got != want {
				t.Errorf("Compare(%g, %g) = %d, want %d", a, b, got, want)
			}
			if i == 2 || j == 2 || i == 9 || j == 9 || i == 4 || j == 4 || i == 7 || j == 7 {
				continue // beyond float32
			}
			f, g := float32(a), float32(b)
			if got := Compare(Float, f, g); got != want {
				t.Errorf("Compare(float %g, %g) = %d, want %d", f, g, got, want)
			}
		}
	}
	wantBound(t, Float, float32(1), "0000803f")
	wantBound(t, Double, 1.0, "000000000000f03f")
	wantBound(t, Double, math.Copysign(0, -1), "0000000000000080")
	for _, v := range []any{math.NaN(), negNaN} {
		if _, err := EncodeBound(Double, v); err == nil {
			t.Error("NaN was encoded as a bound")
		}
	}
	if _, err := EncodeBound(Float, float32(math.NaN())); err == nil {
		t.Error("NaN was encoded as a bound")
	}
	if _, err := DecodeBound(Double, []byte{1, 0, 0, 0, 0, 0, 0xf8, 0x7f}); err == nil {
		t.Error("NaN was read as a bound")
	}
	if _, err := DecodeBound(Float, []byte{0, 0, 0xc0, 0x7f}); err == nil {
		t.Error("NaN was read as a bound")
	}
}

func TestT4Decimal(t *testing.T) {
	typ := Decimal(38, 2)
	for text, want := range map[string]string{
		"0.00": "00", "14.20": "058c", "-0.01": "ff", "1.27": "7f", "1.28": "0080", "-1.28": "80", "-1.29": "ff7f",
		"655.36": "010000", "-327.68": "8000",
		"999999999999999999999999999999999999.99":  "4b3b4ca85a86c47a098a223fffffffff",
		"-999999999999999999999999999999999999.99": "b4c4b357a5793b85f675ddc000000001",
	} {
		wantBound(t, typ, dec(t, text, 38, 2), want)
	}
	// Sign-extended to a fixed width, as others write them.
	v, err := DecodeBound(typ, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80})
	if err != nil || FormatValue(typ, v) != "-1.28" {
		t.Errorf("sign-extended bound = %v, %v", v, err)
	}
	for _, bad := range [][]byte{nil, bytes.Repeat([]byte{1}, 17), append([]byte{0}, bytes.Repeat([]byte{0x80}, 16)...)} {
		if _, err := DecodeBound(typ, bad); err == nil {
			t.Errorf("bound %x was accepted", bad)
		}
	}
	for _, bad := range []string{"decimal(39,0)", "decimal(0,0)", "decimal(9)", "decimal(9,39)", "decimal(9,2", "decimal[9,2]", "decimal"} {
		if _, err := ParseType(bad); err == nil {
			t.Errorf("type %s was accepted", bad)
		}
	}
}

func TestT5DatePromotedBound(t *testing.T) {
	wantBound(t, Date, int32(17486), "4e440000")
	v, err := DecodeBound(Timestamp, []byte{0x4e, 0x44, 0, 0})
	if err != nil || FormatValue(Timestamp, v) != "2017-11-16T00:00:00.000000" {
		t.Errorf("date bound of a timestamp = %v, %v", v, err)
	}
	v, err = DecodeBound(TimestampNs, []byte{0xff, 0xff, 0xff, 0xff})
	if err != nil || FormatValue(TimestampNs, v) != "1969-12-31T00:00:00.000000000" {
		t.Errorf("date bound of a timestamp_ns = %v, %v", v, err)
	}
	for _, typ := range []Type{TimestampTz, TimestampTzNs} {
		if _, err := DecodeBound(typ, []byte{0, 0, 0, 0}); err == nil {
			t.Errorf("%s took a date's bound; dates are never promoted to it", typ)
		}
	}
	if _, err := DecodeBound(TimestampNs, []byte{0xff, 0xff, 0xff, 0x7f}); err == nil {
		t.Error("a date beyond the range of nanoseconds was accepted")
	}
}

func TestT6Time(t *testing.T) {
	v, err := ParseLiteral(Time, "22:31:08.123456")
	if err != nil || v != int64(81068123456) {
		t.Fatal(v, err)
	}
	wantBound(t, Time, v, "406509e012000000")
	for _, bad := range []string{"24:00:00", "12:60:00", "12:00:60", "12", "12:0:0", "12:00:00.", "12:00:00.1234567", "12:00:00Z", " 12:00:00"} {
		if v, err := ParseLiteral(Time, bad); err == nil {
			t.Errorf("time %q = %v", bad, v)
		}
	}
}

func TestT7T8Timestamps(t *testing.T) {
	cases := []struct {
		typ     Type
		in, out string
		want    int64
	}{
		{Timestamp, "2017-11-16T22:31:08.123456", "2017-11-16T22:31:08.123456", 1510871468123456},
		{Timestamp, "2017-11-16 22:31:08", "2017-11-16T22:31:08.000000", 1510871468000000},
		{Timestamp, "1969-12-31T23:59:59.999999", "1969-12-31T23:59:59.999999", -1},
		{Timestamp, "2017-11-16", "2017-11-16T00:00:00.000000", 1510790400000000},
		{TimestampTz, "2017-11-16T14:31:08.123456-08:00", "2017-11-16T22:31:08.123456+00:00", 1510871468123456},
		{TimestampTz, "2017-11-16T22:31:08.1Z", "2017-11-16T22:31:08.100000+00:00", 1510871468100000},
		{TimestampTz, "2017-11-16T22:31:08", "2017-11-16T22:31:08.000000+00:00", 1510871468000000},
		{TimestampNs, "1969-12-31T23:59:59.999999999", "1969-12-31T23:59:59.999999999", -1},
		{TimestampTzNs, "2017-11-16T22:31:08.123456789+00:00", "2017-11-16T22:31:08.123456789+00:00", 1510871468123456789},
		{TimestampNs, "1677-09-21T00:12:43.145224192", "1677-09-21T00:12:43.145224192", math.MinInt64},
		{TimestampNs, "2262-04-11T23:47:16.854775807", "2262-04-11T23:47:16.854775807", math.MaxInt64},
		{Timestamp, "-290308-12-21T19:59:05.224192", "-290308-12-21T19:59:05.224192", math.MinInt64},
		{Timestamp, "+294247-01-10T04:00:54.775807", "+294247-01-10T04:00:54.775807", math.MaxInt64},
		{Timestamp, "0000-01-01T00:00:00", "0000-01-01T00:00:00.000000", -62167219200000000},
	}
	for _, c := range cases {
		v, err := ParseLiteral(c.typ, c.in)
		if err != nil || v != c.want {
			t.Errorf("ParseLiteral(%s, %s) = %v, %v, want %d", c.typ, c.in, v, err, c.want)
			continue
		}
		if got := FormatValue(c.typ, v); got != c.out {
			t.Errorf("FormatValue(%s, %d) = %s, want %s", c.typ, c.want, got, c.out)
		}
	}
	for _, bad := range []string{
		"2017-11-16T22:31:08+00:00", "2017-11-16T22:31:08Z", "2017-02-29", "2017-13-01", "2017-00-10", "2017-01-00",
		"2017-11-16T", "2017-11-16T22", "2017-11-16T22:31:08.1234567", "17-11-16", "12017-01-01", "", "+294247-01-10T04:00:54.775808",
		"-290308-12-21T19:59:05.224191",
	} {
		if v, err := ParseLiteral(Timestamp, bad); err == nil {
			t.Errorf("timestamp %q = %v", bad, v)
		}
	}
	for _, bad := range []string{"1677-09-21T00:12:43.145224191", "2262-04-11T23:47:16.854775808"} {
		if v, err := ParseLiteral(TimestampNs, bad); err == nil {
			t.Errorf("timestamp_ns %q = %v", bad, v)
		}
	}
	wantBound(t, TimestampTz, int64(1510871468123456), "40a5282d215e0500")
}

func TestT9StringTruncation(t *testing.T) {
	cases := []struct {
		in, lower string
		upper     any
	}{
		{"abc", "abc", "abc"},
		{"abcd", "abc", "abd"},
		{"žluťoučký", "žlu", "žlv"},
		{"日本語の", "日本語", "日本誟"},
		{"a😀b😀", "a😀b", "a😀c"},
		{"😀😀😀😀", "😀😀😀", "😀😀😁"},
	}
	for _, c := range cases {
		if got := TruncateLower(String, c.in, 3); got != c.lower {
			t.Errorf("TruncateLower(%q) = %q, want %q", c.in, got, c.lower)
		}
		if got, ok := TruncateUpper(String, c.in, 3); !ok || got != c.upper {
			t.Errorf("TruncateUpper(%q) = %q, %t, want %q", c.in, got, ok, c.upper)
		}
	}
}

func TestT10UUID(t *testing.T) {
	v, err := ParseLiteral(UUID, "F79C3E09-677C-4BBD-A479-3F349CB785E7")
	if err != nil {
		t.Fatal(err)
	}
	wantBound(t, UUID, v, "f79c3e09677c4bbda4793f349cb785e7")
	if got := FormatValue(UUID, v); got != "f79c3e09-677c-4bbd-a479-3f349cb785e7" {
		t.Error(got)
	}
	for _, bad := range []string{"", "f79c3e09-677c-4bbd-a479-3f349cb785e", "f79c3e09-677c-4bbd-a4793f349cb785e7", "{f79c3e09-677c-4bbd-a479-3f349cb785e7}", "g79c3e09-677c-4bbd-a479-3f349cb785e7"} {
		if _, err := ParseLiteral(UUID, bad); err == nil {
			t.Errorf("uuid %q was accepted", bad)
		}
	}
}

func TestT11FixedAndBinary(t *testing.T) {
	raw, err := ValueToJSON(Fixed(4), []byte{0, 1, 2, 0xff})
	if err != nil || string(raw) != `"000102ff"` {
		t.Errorf("fixed as JSON = %s, %v", raw, err)
	}
	v, err := ValueFromJSON(Binary, []byte(`"000102FF"`))
	if err != nil || !bytes.Equal(v.([]byte), []byte{0, 1, 2, 0xff}) {
		t.Error(v, err)
	}
	if _, err := ValueFromJSON(Fixed(4), []byte(`"0001"`)); err == nil {
		t.Error("a fixed of the wrong length was accepted")
	}
	if _, err := ValueFromJSON(Binary, []byte(`"AAEC/w=="`)); err == nil {
		t.Error("base64 was accepted")
	}
	if v, err := DecodeBound(Fixed(20), bytes.Repeat([]byte{1}, 16)); err != nil {
		t.Error("truncated bound of a fixed:", v, err)
	}
}

func TestT12Unknown(t *testing.T) {
	s := MustNew(Field{ID: 1, Name: "u", Type: Unknown})
	if err := Validate(s, 3); err != nil {
		t.Error(err)
	}
	if err := Validate(s, 2); err == nil {
		t.Error("unknown was accepted in version 2")
	}
	if err := Validate(MustNew(Field{ID: 1, Name: "u", Type: Unknown, Required: true}), 3); err == nil {
		t.Error("a required unknown was accepted")
	}
	for _, to := range []Type{Int, String, Variant, Struct(Field{ID: 2, Name: "a", Type: Int})} {
		if !CanPromote(Unknown, to, 3) {
			t.Errorf("unknown cannot become %s", to)
		}
	}
}

func TestT13Variant(t *testing.T) {
	if Variant.IsNested() {
		t.Error("a variant is not nested")
	}
	f := Field{ID: 1, Name: "v", Type: Variant, WriteDefault: VariantValue{}}
	if err := Validate(MustNew(f), 3); err == nil {
		t.Error("a variant default was accepted")
	}
	if _, err := New(0, []Field{{ID: 1, Name: "v", Type: Variant, Required: true}}, []int{1}); err == nil {
		t.Error("a variant identifier was accepted")
	}
}

func TestT14Geo(t *testing.T) {
	for in, want := range map[string]string{
		"geometry": "geometry(OGC:CRS84)", "geometry(ogc:crs84)": "geometry(OGC:CRS84)", "geometry( srid:4326 )": "geometry(srid:4326)",
		"geography": "geography(OGC:CRS84, spherical)", "geography(srid:4326)": "geography(srid:4326, spherical)",
		"geography(srid:4326,KARNEY)": "geography(srid:4326, karney)", "geography(ogc:crs84, vincenty)": "geography(OGC:CRS84, vincenty)",
		"geometry(projjson:crs_prop)": "geometry(projjson:crs_prop)",
	} {
		if got := mustType(t, in).String(); got != want {
			t.Errorf("%s = %s, want %s", in, got, want)
		}
	}
	if _, err := ParseType("geography(srid:4326, flat)"); err == nil {
		t.Error("an unknown edge algorithm was accepted")
	}
	// x:y as little-endian doubles pass through.
	if b, err := EncodeBound(Geometry(""), bytes.Repeat([]byte{9}, 16)); err != nil || len(b) != 16 {
		t.Error(b, err)
	}
}

func TestT15NestedIDs(t *testing.T) {
	n := 0
	fields := AssignIDs([]Field{
		{Name: "id", Type: Long},
		{Name: "s", Type: Struct(Field{Name: "x", Type: Int}, Field{Name: "l", Type: List(Field{Type: Struct(Field{Name: "y", Type: Int})})})},
		{Name: "m", Type: Map(Field{Type: String}, Field{Type: List(Field{Type: Int})})},
	}, func() int { n++; return n })
	s := MustNew(fields...)
	for path, id := range map[string]int{
		"id": 1, "s": 2, "m": 3, "s.x": 4, "s.l": 5, "s.l.element": 6, "s.l.element.y": 7, "m.key": 8, "m.value": 9, "m.value.element": 10,
	} {
		f, ok := s.FieldByName(path)
		if !ok || f.ID != id {
			t.Errorf("field %s has id %v, want %d", path, f, id)
		}
		if s.Path(id) != path {
			t.Errorf("Path(%d) = %s, want %s", id, s.Path(id), path)
		}
	}
	if f, ok := s.FieldByName("s.l.y"); !ok || f.ID != 7 {
		t.Error("the short path of a list's struct member is not found")
	}
	if !fields[2].Type.Key().Required {
		t.Error("a map key is optional")
	}
	if _, err := New(0, []Field{{ID: 1, Name: "m", Type: Type{Kind: KindMap, Fields: []Field{{ID: 2, Name: "key", Type: Int}, {ID: 3, Name: "value", Type: Int}}}}}, nil); err == nil {
		t.Error("an optional map key was accepted")
	}
}

func TestT16TypeStrings(t *testing.T) {
	for in, want := range map[string]Type{
		"decimal(9,2)": Decimal(9, 2), "decimal(9, 2)": Decimal(9, 2), " decimal ( 9 , 2 ) ": Decimal(9, 2), "DECIMAL(9,2)": Decimal(9, 2),
		"fixed[16]": Fixed(16), "fixed[ 16 ]": Fixed(16), "timestamptz_ns": TimestampTzNs, "Timestamp": Timestamp,
		"variant": Variant, "unknown": Unknown, "uuid": UUID,
	} {
		if got := mustType(t, in); !got.Equal(want) {
			t.Errorf("%q = %s, want %s", in, got, want)
		}
	}
	for _, bad := range []string{"", "fixed", "fixed[-1]", "fixed(16)", "fixed[99999999999]", "int(4)", "struct", "list", "map", "invalid", "decimal(9,2)x", "(", "[", "geometry[1]", "geometry(a(b))"} {
		if typ, err := ParseType(bad); err == nil {
			t.Errorf("%q = %s", bad, typ)
		}
	}
}

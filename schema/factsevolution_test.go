package schema

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestE1HighestFieldID(t *testing.T) {
	s := MustNew(Field{ID: 1, Name: "a", Type: Int}, Field{ID: 7, Name: "b", Type: List(Field{ID: 9, Type: Int})})
	if s.HighestFieldID() != 9 {
		t.Error(s.HighestFieldID())
	}
	e := NewEvolution(s, 20, 2)
	check(t, e.Drop("b"))
	check(t, e.Add("", Field{Name: "b", Type: Int}))
	out, last, err := e.Schema()
	if err != nil || last != 21 {
		t.Fatal(last, err)
	}
	if f, _ := out.FieldByName("b"); f.ID != 21 {
		t.Errorf("a dropped column came back with id %d", f.ID)
	}
}

func TestE2EqualIgnoresSchemaID(t *testing.T) {
	a := MustNew(Field{ID: 1, Name: "a", Type: Int})
	if !a.Equal(a.WithID(7)) || a.WithID(7).ID != 7 || a.ID != 0 {
		t.Error("schemas that differ in their id alone are not equal")
	}
	for _, o := range []Field{{ID: 2, Name: "a", Type: Int}, {ID: 1, Name: "b", Type: Int}, {ID: 1, Name: "a", Type: Long}, {ID: 1, Name: "a", Type: Int, Doc: "x"}, {ID: 1, Name: "a", Type: Int, WriteDefault: int32(1)}} {
		if a.Equal(MustNew(o)) {
			t.Errorf("%+v is taken for equal", o)
		}
	}
}

func TestE3Promotions(t *testing.T) {
	types := []string{
		"boolean", "int", "long", "float", "double", "decimal(9,2)", "decimal(10,2)", "decimal(10,3)", "date", "time", "timestamp", "timestamptz",
		"timestamp_ns", "timestamptz_ns", "string", "uuid", "fixed[4]", "binary", "unknown",
	}
	allowed := map[string]int{
		"int→long": 1, "float→double": 1, "decimal(9,2)→decimal(10,2)": 1, "date→timestamp": 3, "date→timestamp_ns": 3,
	}
	for _, from := range types {
		for _, to := range types {
			since, ok := allowed[from+"→"+to]
			switch {
			case from == to:
				since, ok = 1, true
			case from == "unknown":
				since, ok = 3, true
			}
			for v := 1; v <= 3; v++ {
				if got := CanPromote(mustType(t, from), mustType(t, to), v); got != (ok && v >= since) {
					t.Errorf("CanPromote(%s, %s, %d) = %t", from, to, v, got)
				}
			}
		}
	}
}

func TestE4NarrowBounds(t *testing.T) {
	if v, err := DecodeBound(Long, []byte{0xfe, 0xff, 0xff, 0xff}); err != nil || v != int64(-2) {
		t.Error(v, err)
	}
	if v, err := DecodeBound(Double, []byte{0, 0, 0x80, 0xbf}); err != nil || v != -1.0 {
		t.Error(v, err)
	}
	if v, err := DecodeBound(Decimal(30, 2), []byte{0x7f}); err != nil || FormatValue(Decimal(30, 2), v) != "1.27" {
		t.Error(v, err)
	}
	for _, typ := range []Type{Boolean, Int, Long, Float, Double, Date, Time, Timestamp, TimestampTz, TimestampNs, TimestampTzNs, UUID} {
		for _, n := range []int{0, 2, 3, 5, 7, 9, 17} {
			if v, err := DecodeBound(typ, make([]byte, n)); err == nil {
				t.Errorf("%s: %d bytes were read as %v", typ, n, v)
			}
		}
	}
}

func TestE6E8E9Defaults(t *testing.T) {
	ok := []Field{
		{Type: Int, InitialDefault: int32(1), WriteDefault: int32(2)},
		{Type: Struct(Field{ID: 2, Name: "x", Type: Int, WriteDefault: int32(3)}), WriteDefault: Row{nil}},
		{Type: List(Field{ID: 2, Type: Int}), WriteDefault: []any{int32(1)}},
		{Type: Decimal(4, 2), WriteDefault: dec(t, "99.99", 4, 2)},
	}
	for i, f := range ok {
		f.ID, f.Name = 1, "a"
		if err := Validate(MustNew(f), 3); err != nil {
			t.Errorf("case %d: %v", i, err)
		}
		if err := Validate(MustNew(f), 2); err == nil {
			t.Errorf("case %d: accepted in version 2", i)
		}
	}
	bad := []Field{
		{Type: Int, InitialDefault: int64(1)},
		{Type: Struct(Field{ID: 2, Name: "x", Type: Int}), WriteDefault: Row{int32(1)}},
		{Type: Unknown, WriteDefault: "x"},
		{Type: Geometry(""), WriteDefault: []byte{1}},
		{Type: Variant, InitialDefault: VariantValue{}},
		{Type: Double, WriteDefault: math.NaN()},
		{Type: Float, WriteDefault: float32(math.Inf(1))},
		{Type: Decimal(4, 2), WriteDefault: dec(t, "100.00", 5, 2)},
		{Type: Fixed(2), WriteDefault: []byte{1}},
	}
	for i, f := range bad {
		f.ID, f.Name = 1, "a"
		if err := Validate(MustNew(f), 3); err == nil {
			t.Errorf("case %d: %+v was accepted", i, f)
		} else if !strings.Contains(err.Error(), "column a") {
			t.Errorf("case %d: the error does not name the column: %v", i, err)
		}
	}
	e := NewEvolution(MustNew(Field{ID: 1, Name: "a", Type: Int}), 1, 3)
	if err := e.Add("", Field{Name: "b", Type: Int, Required: true, WriteDefault: 1}); err == nil {
		t.Error("a required column with one default alone was added")
	}
	check(t, e.Add("", Field{Name: "b", Type: Int, Required: true, WriteDefault: 1, InitialDefault: 2}))
	// {} is how a struct default is written.
	raw, err := ValueToJSON(ok[1].Type, Row{nil})
	if err != nil || string(raw) != "{}" {
		t.Errorf("struct default = %s, %v", raw, err)
	}
}

func TestE12Identifiers(t *testing.T) {
	fields := []Field{
		{ID: 1, Name: "ok", Type: Long, Required: true},
		{ID: 2, Name: "opt", Type: Long},
		{ID: 3, Name: "f", Type: Float, Required: true},
		{ID: 4, Name: "d", Type: Double, Required: true},
		{ID: 5, Name: "s", Type: Struct(Field{ID: 6, Name: "in", Type: Int, Required: true}), Required: true},
		{ID: 7, Name: "o", Type: Struct(Field{ID: 8, Name: "in", Type: Int, Required: true})},
		{ID: 9, Name: "l", Type: List(Field{ID: 10, Type: Int, Required: true}), Required: true},
		{ID: 11, Name: "m", Type: Map(Field{ID: 12, Type: Int}, Field{ID: 13, Type: Int, Required: true}), Required: true},
	}
	for id, want := range map[int]bool{1: true, 2: false, 3: false, 4: false, 5: false, 6: true, 8: false, 9: false, 10: false, 12: false, 13: false, 99: false} {
		if _, err := New(0, fields, []int{id}); (err == nil) != want {
			t.Errorf("identifier %d: %v", id, err)
		}
	}
}

func TestE13ReservedIDs(t *testing.T) {
	for id, want := range map[int]int{
		IDFilePath: 646, IDPos: 645, IDDeleted: 644, IDSpecID: 643, IDPartition: 642, IDDeleteFilePath: 546, IDDeletePos: 545, IDDeleteRow: 544,
		IDChangeType: 543, IDChangeOrdinal: 542, IDCommitSnapshotID: 541, IDRowID: 540, IDLastUpdatedSequence: 539,
	} {
		if id != 2147483000+want {
			t.Errorf("id %d, want …%d", id, want)
		}
	}
	if err := Validate(MustNew(Field{ID: MaxFieldID + 1, Name: "a", Type: Int}), 3); err == nil {
		t.Error("a reserved id was accepted")
	}
	if f, ok := MetadataColumn("_row_id"); !ok || f.ID != IDRowID || f.Type.Kind != KindLong {
		t.Error(f)
	}
	if f, ok := PositionDeleteSchema().FieldByName("pos"); !ok || f.ID != 2147483545 {
		t.Error(f)
	}
}

func TestX2Truncation(t *testing.T) {
	cases := []struct {
		in string
		n  int
		up any // nil: no bound
	}{
		{"\ud7ff\ud7ffx", 2, "\ud7ff\ue000"},
		{"a\U0010ffffb", 2, "b"},
		{"\U0010ffff\U0010ffffb", 2, nil},
		{"\x7fa", 1, "\u0080"},
		{"ab", 0, "ab"},
		{"", 3, ""},
		{"a\xffb", 2, "b"},
		{"\xff\xffb", 2, nil},
	}
	for _, c := range cases {
		got, ok := TruncateUpper(String, c.in, c.n)
		if ok != (c.up != nil) || ok && got != c.up {
			t.Errorf("TruncateUpper(%q, %d) = %q, %t, want %q", c.in, c.n, got, ok, c.up)
		}
	}
	bin := []struct{ in, lower, upper string }{
		{"010203", "0102", "0103"}, {"01ffff", "01ff", "02"}, {"ffff01", "ffff", ""}, {"0102", "0102", "0102"},
	}
	for _, c := range bin {
		in, _ := hex.DecodeString(c.in)
		if got := TruncateLower(Binary, in, 2).([]byte); hex.EncodeToString(got) != c.lower {
			t.Errorf("lower of %s = %x", c.in, got)
		}
		got, ok := TruncateUpper(Binary, in, 2)
		if ok != (c.upper != "") || ok && hex.EncodeToString(got.([]byte)) != c.upper {
			t.Errorf("upper of %s = %x, %t", c.in, got, ok)
		}
		if hex.EncodeToString(in) != c.in {
			t.Errorf("%s: the value was changed", c.in)
		}
	}
	if v, ok := TruncateUpper(Long, int64(5), 1); !ok || v != int64(5) {
		t.Error(v, ok)
	}
}

// Test118JSONValues covers section 1.18, single-value serialization.
func Test118JSONValues(t *testing.T) {
	cases := []struct {
		typ  string
		v    any
		json string
	}{
		{"boolean", true, `true`},
		{"int", int32(34), `34`},
		{"long", int64(9007199254740993), `9007199254740993`},
		{"float", float32(0.1), `0.1`},
		{"double", 1.0, `1`},
		{"double", 1e21, `1e+21`},
		{"double", 1e-7, `1e-7`},
		{"double", math.Copysign(0, -1), `-0`},
		{"decimal(9,2)", dec(t, "14.20", 9, 2), `"14.20"`},
		{"decimal(9,2)", dec(t, "-0.01", 9, 2), `"-0.01"`},
		{"date", int32(17486), `"2017-11-16"`},
		{"time", int64(81068123456), `"22:31:08.123456"`},
		{"timestamp", int64(1510871468000000), `"2017-11-16T22:31:08.000000"`},
		{"timestamptz", int64(1510871468123456), `"2017-11-16T22:31:08.123456+00:00"`},
		{"timestamp_ns", int64(1510871468123456789), `"2017-11-16T22:31:08.123456789"`},
		{"timestamptz_ns", int64(1510871468000000000), `"2017-11-16T22:31:08.000000000+00:00"`},
		{"string", "ice\"\n\u0001<é>", `"ice\"\n\u0001<é>"`},
		{"uuid", [16]byte{0xf7, 0x9c, 0x3e, 0x09, 0x67, 0x7c, 0x4b, 0xbd, 0xa4, 0x79, 0x3f, 0x34, 0x9c, 0xb7, 0x85, 0xe7}, `"f79c3e09-677c-4bbd-a479-3f349cb785e7"`},
		{"fixed[4]", []byte{0, 1, 2, 255}, `"000102ff"`},
		{"binary", []byte{}, `""`},
	}
	for _, c := range cases {
		typ := mustType(t, c.typ)
		raw, err := ValueToJSON(typ, c.v)
		if err != nil || string(raw) != c.json {
			t.Errorf("ValueToJSON(%s, %v) = %s, %v, want %s", c.typ, c.v, raw, err, c.json)
			continue
		}
		if !json.Valid(raw) {
			t.Errorf("%s is not JSON", raw)
		}
		back, err := ValueFromJSON(typ, raw)
		if err != nil {
			t.Errorf("ValueFromJSON(%s, %s): %v", c.typ, raw, err)
			continue
		}
		if Compare(typ, back, c.v) != 0 {
			t.Errorf("%s %v came back as %v", c.typ, c.v, back)
		}
		if lit, err := ParseLiteral(typ, FormatValue(typ, c.v)); err != nil || Compare(typ, lit, c.v) != 0 {
			t.Errorf("%s: literal %s came back as %v, %v", c.typ, FormatValue(typ, c.v), lit, err)
		}
	}
	big := Type{Kind: KindDecimal, Precision: 9, Scale: -20}
	raw, err := ValueToJSON(big, dec(t, "2E+20", 9, -20))
	if err != nil || string(raw) != `"2E+20"` {
		t.Errorf("negative scale = %s, %v", raw, err)
	}
	nested := Struct(Field{ID: 1, Name: "a", Type: Int}, Field{ID: 2, Name: "b", Type: Map(Field{ID: 3, Type: String}, Field{ID: 4, Type: List(Field{ID: 5, Type: Date})})})
	text := `{"1":1,"2":{"keys":["a","b"],"values":[["1970-01-01",null],null]}}`
	v, err := ValueFromJSON(nested, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = ValueToJSON(nested, v); err != nil || string(raw) != text {
		t.Errorf("nested = %s, %v", raw, err)
	}
	for typ, bad := range map[string]string{
		"int": `1.5`, "long": `"1"`, "boolean": `"true"`, "date": `17486`, "decimal(9,2)": `"1.234"`, "decimal(4,2)": `"100.00"`,
		"timestamp": `"2017-11-16T22:31:08Z"`, "unknown": `1`, "double": `"x"`, "float": `"1"`, "uuid": `{}`, "fixed[1]": `"0"`,
	} {
		if v, err := ValueFromJSON(mustType(t, typ), []byte(bad)); err == nil {
			t.Errorf("%s %s = %v", typ, bad, v)
		}
	}
}

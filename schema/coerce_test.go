package schema

import (
	"encoding/json"
	"io"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
)

func readerOf(s string) io.Reader { return strings.NewReader(s) }

func TestCoerce(t *testing.T) {
	type status string
	seven := 7
	noon := time.Date(2020, 2, 29, 12, 0, 0, 1999, time.FixedZone("x", 3600))
	cases := []struct {
		typ      string
		in, want any // an untyped nil want is an error, unless in is nil
	}{
		{"boolean", true, true},
		{"boolean", "TRUE", true},
		{"boolean", 1, nil},
		{"int", 7, int32(7)},
		{"int", uint8(7), int32(7)},
		{"int", &seven, int32(7)},
		{"int", int64(math.MaxInt32) + 1, nil},
		{"int", 7.0, int32(7)},
		{"int", 7.5, nil},
		{"int", json.Number("7"), int32(7)},
		{"int", json.Number("7.0"), int32(7)},
		{"int", json.Number("7e3"), int32(7000)},
		{"int", json.Number("1e99"), nil},
		{"int", "7", int32(7)},
		{"int", true, nil},
		{"int", noon, nil},
		{"long", uint64(math.MaxUint64), nil},
		{"long", int32(5), int64(5)},
		{"long", json.Number("9007199254740993"), int64(9007199254740993)},
		{"long", math.Inf(1), nil},
		{"long", math.NaN(), nil},
		{"float", 1, float32(1)},
		{"float", 1<<24 + 1, nil},
		{"float", 0.1, float32(0.1)},
		{"float", 1e300, nil},
		{"double", float32(0.5), 0.5},
		{"double", int64(1)<<53 + 1, nil},
		{"double", json.Number("0.1"), 0.1},
		{"double", "NaN", math.NaN()},
		{"decimal(9,2)", 5, dec(t, "5.00", 9, 2)},
		{"decimal(9,2)", 0.1, dec(t, "0.10", 9, 2)},
		{"decimal(9,2)", float32(0.1), dec(t, "0.10", 9, 2)},
		{"decimal(9,2)", "1.234", nil},
		{"decimal(9,2)", "1.2300", dec(t, "1.23", 9, 2)},
		{"decimal(9,2)", "-1e3", dec(t, "-1000.00", 9, 2)},
		{"decimal(9,2)", json.Number("12345678.90"), nil},
		{"decimal(9,2)", big.NewRat(1, 4), dec(t, "0.25", 9, 2)},
		{"decimal(9,2)", big.NewInt(3), dec(t, "3.00", 9, 2)},
		{"decimal(4,2)", dec(t, "100.00", 9, 2), nil},
		{"date", "2020-02-29", int32(18321)},
		{"date", noon, int32(18321)},
		{"date", 18321, int32(18321)},
		{"time", noon, int64(43200000001)},
		{"time", time.Second, int64(1000000)},
		{"timestamp", noon, int64(1582977600000001)},
		{"timestamptz", noon, int64(1582977600000001 - 3600000000)},
		{"timestamptz_ns", noon, int64(1582977600000001999 - 3600000000000)},
		{"timestamp_ns", time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), nil},
		{"string", status("new"), "new"},
		{"string", 5, nil},
		{"uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7", [16]byte{0xf7, 0x9c, 0x3e, 0x09, 0x67, 0x7c, 0x4b, 0xbd, 0xa4, 0x79, 0x3f, 0x34, 0x9c, 0xb7, 0x85, 0xe7}},
		{"uuid", []byte("0123456789abcdef"), [16]byte([]byte("0123456789abcdef"))},
		{"uuid", []byte{1}, nil},
		{"fixed[2]", [2]byte{1, 2}, []byte{1, 2}},
		{"fixed[2]", "0102", []byte{1, 2}},
		{"fixed[2]", []byte{1}, nil},
		{"binary", json.RawMessage("x"), []byte("x")},
		{"unknown", 1, nil},
		{"variant", "x", nil},
	}
	for _, c := range cases {
		typ := mustType(t, c.typ)
		got, err := Coerce(typ, c.in)
		switch {
		case c.want == nil && err == nil:
			t.Errorf("Coerce(%s, %#v) = %#v, want an error", c.typ, c.in, got)
		case c.want != nil && err != nil:
			t.Errorf("Coerce(%s, %#v): %v", c.typ, c.in, err)
		case c.want != nil && !reflect.DeepEqual(got, c.want) && !bothNaN(got, c.want):
			t.Errorf("Coerce(%s, %#v) = %#v, want %#v", c.typ, c.in, got, c.want)
		}
	}
	for _, typ := range allTypes().Fields {
		var p *int
		if v, err := Coerce(typ.Type, p); v != nil || err != nil {
			t.Errorf("nil pointer for %s: %v, %v", typ.Type, v, err)
		}
		if v, err := Coerce(typ.Type, nil); v != nil || err != nil {
			t.Errorf("nil for %s: %v, %v", typ.Type, v, err)
		}
	}
}

func bothNaN(a, b any) bool {
	x, ok1 := a.(float64)
	y, ok2 := b.(float64)
	return ok1 && ok2 && x != x && y != y
}

func TestCoerceNested(t *testing.T) {
	typ := Struct(
		Field{ID: 1, Name: "a", Type: Int, Required: true},
		Field{ID: 2, Name: "l", Type: List(Field{ID: 3, Type: String})},
		Field{ID: 4, Name: "m", Type: Map(Field{ID: 5, Type: Int}, Field{ID: 6, Type: Double})})
	want := Row{int32(1), []any{"x", "y"}, MapValue{Keys: []any{int32(1), int32(2)}, Values: []any{0.5, nil}}}
	half := 0.5
	for _, in := range []any{
		Row{1, []string{"x", "y"}, map[int]*float64{2: nil, 1: &half}},
		[]any{int8(1), []any{"x", "y"}, MapValue{Keys: []any{1, 2}, Values: []any{0.5, nil}}},
		map[string]any{"a": json.Number("1"), "l": [2]string{"x", "y"}, "m": map[string]any{"2": nil, "1": "0.5"}},
	} {
		got, err := Coerce(typ, in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Coerce(%#v) = %#v, %v", in, got, err)
		}
	}
	for _, bad := range []any{
		Row{1},
		map[string]any{"a": 1, "zz": 2},
		map[string]any{"l": nil},
		Row{1, "x", nil},
		Row{1, []int{1}, nil},
		Row{1, nil, map[string]any{"x": 1}},
		5, "text",
		Row{1, Row{"x"}, nil},
	} {
		if got, err := Coerce(typ, bad); err == nil {
			t.Errorf("Coerce(%#v) = %#v, want an error", bad, got)
		}
	}
}

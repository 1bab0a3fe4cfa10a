package variant

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keys is the dictionary a, b, long.
const keys = "01 03 00 01 02 06 61 62 6c6f6e67"

func TestValues(t *testing.T) {
	cases := []struct {
		value string
		kind  Kind
		check func(Value) bool
	}{
		{"00", Null, func(Value) bool { return true }},
		{"04", True, Value.Bool},
		{"08", False, func(v Value) bool { return !v.Bool() }},
		{"0c ff", Int8, func(v Value) bool { return v.Int() == -1 }},
		{"10 0080", Int16, func(v Value) bool { return v.Int() == -32768 }},
		{"14 01000000", Int32, func(v Value) bool { return v.Int() == 1 }},
		{"18 ffffffffffffffff", Int64, func(v Value) bool { return v.Int() == -1 }},
		{"1c 000000000000f83f", Double, func(v Value) bool { return v.Float() == 1.5 }},
		{"38 0000c03f", Float, func(v Value) bool { return v.Float() == 1.5 }},
		{"20 01 19000000", Decimal4, func(v Value) bool { d, s := v.Decimal(); return d.ToString(int32(s)) == "2.5" }},
		{"24 02 feffffffffffffff", Decimal8, func(v Value) bool { d, s := v.Decimal(); return d.ToString(int32(s)) == "-0.02" }},
		{"28 00 ffffffffffffffffffffffffffffffff", Decimal16, func(v Value) bool { d, s := v.Decimal(); return d.ToString(int32(s)) == "-1" }},
		{"2c 01000000", Date, func(v Value) bool { return v.Int() == 1 }},
		{"30 0100000000000000", Timestamp, func(v Value) bool { return v.Int() == 1 }},
		{"3c 02000000 6869", Binary, func(v Value) bool { return string(v.Bytes()) == "hi" }},
		{"40 02000000 6869", String, func(v Value) bool { return string(v.Bytes()) == "hi" }},
		{"09 6869", String, func(v Value) bool { return string(v.Bytes()) == "hi" }},
		{"01", String, func(v Value) bool { return len(v.Bytes()) == 0 }},
		{"50 000102030405060708090a0b0c0d0e0f", UUID, func(v Value) bool { return len(v.Bytes()) == 16 && v.Bytes()[15] == 15 }},
		{"03 02 00 01 02 00 04", Array, func(v Value) bool {
			c, err := v.At(1)
			return v.Len() == 2 && err == nil && c.Kind() == True
		}},
		{"02 02 02 00 00 01 02 04 00", Object, func(v Value) bool {
			k0, _ := v.Key(0)
			c0, _ := v.At(0)
			f := v.SortedFields(nil)
			return v.Len() == 2 && string(k0) == "long" && c0.Kind() == True && f[0] == 1 && f[1] == 0
		}},
		{"13 02000000 00 01 02 00 04", Array, func(v Value) bool { return v.Len() == 2 }},
		{"02 00 00", Object, func(v Value) bool { return v.Len() == 0 }},
	}
	for _, c := range cases {
		b := unhex(t, c.value)
		v, err := Parse(unhex(t, keys), b)
		if err != nil || v.Kind() != c.kind || Check(v) != nil || !c.check(v) {
			t.Errorf("%s: kind %s, want %s, %v, %v", c.value, v.Kind(), c.kind, err, Check(v))
			continue
		}
		for n := range b { // every shorter value is malformed
			if v, err := Parse(unhex(t, keys), b[:n]); err == nil && Check(v) == nil {
				t.Errorf("%s: the first %d bytes were accepted", c.value, n)
			}
		}
	}
}

func TestMalformed(t *testing.T) {
	for name, c := range map[string][2]string{
		"no metadata":       {"", "00"},
		"version":           {"02 00 00", "00"},
		"key count":         {"01 ff 00", "00"},
		"key end":           {"01 01 00 09 61", "00"},
		"primitive type":    {keys, "fc"},
		"scale":             {keys, "20 27 00000000"},
		"key id":            {keys, "02 01 03 00 01 00"},
		"offset":            {keys, "03 01 05 01 00"},
		"count":             {keys, "13 ffffffff 00"},
		"members share":     {keys, "03 02 00 00 02 03 00 00"},
		"falling keys":      {"01 02 02 01 02 6162", "02 01 00 00 01 00"},
		"nothing":           {keys, ""},
		"empty in an array": {keys, "03 01 00 00"},
	} {
		v, err := Parse(unhex(t, c[0]), unhex(t, c[1]))
		if err == nil {
			err = Check(v)
		}
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Arrays that name one child many times would unfold to 8^40 values.
	bomb := []byte{0}
	for range 40 {
		h := []byte{3, 8, 0, 0, 0, 0, 0, 0, 0, 0, byte(min(255, len(bomb)))}
		bomb = append(h, bomb...)
	}
	if v, err := Parse(unhex(t, keys), bomb); err == nil && Check(v) == nil {
		t.Error("a bomb was accepted")
	}
	deep := []byte{0}
	for range MaxDepth + 1 {
		deep = append([]byte{0x13 | 3<<2&0x0c, 1, 0, 0, 0, 0, 0, 0, 0, byte(len(deep)), byte(len(deep) >> 8), byte(len(deep) >> 16), 0}, deep...)
	}
	v, err := Parse(unhex(t, keys), deep)
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(v); err == nil {
		t.Error("a deep value was accepted")
	}
}

func FuzzVariant(f *testing.F) {
	f.Add(unhex(f, keys), unhex(f, "02 02 02 00 00 01 02 04 00"))
	f.Add(unhex(f, keys), unhex(f, "03 02 00 01 02 00 04"))
	f.Add(unhex(f, keys), unhex(f, "28 00 ffffffffffffffffffffffffffffffff"))
	f.Fuzz(func(t *testing.T, metadata, value []byte) {
		v, err := Parse(metadata, value)
		if err != nil {
			return
		}
		if Check(v) == nil {
			walk(t, v, 0)
		}
	})
}

func walk(t *testing.T, v Value, depth int) {
	_ = v.Int()
	_ = v.Float()
	v.Decimal()
	var last []byte
	for j, i := range v.SortedFields(nil) {
		if v.Kind() == Object {
			k, err := v.Key(i)
			if err != nil || j > 0 && bytes.Compare(last, k) > 0 {
				t.Fatalf("key %d: %q after %q, %v", i, k, last, err)
			}
			last = k
		}
		c, err := v.At(i)
		if err != nil {
			t.Fatalf("checked value: %v", err)
		}
		walk(t, c, depth+1)
	}
}

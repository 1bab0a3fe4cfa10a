package schema

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzSchemaJSON(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(`{"type":"struct","fields":[{"id":1,"name":"a","required":true,"type":{"type":"struct","fields":[]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Schema
		if json.Unmarshal(data, &s) != nil {
			return
		}
		raw, err := s.MarshalJSON()
		if err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		var again Schema
		if err := json.Unmarshal(raw, &again); err != nil {
			t.Fatalf("not read back: %v\n%s", err, raw)
		}
		if raw2, err := again.MarshalJSON(); err != nil || !bytes.Equal(raw, raw2) {
			t.Fatalf("changed on the way: %v\n%s\n%s", err, raw, raw2)
		}
		_ = Validate(&s, 3)
		_ = s.String()
		ArrowSchema(&s)
	})
}

func FuzzParseType(f *testing.F) {
	for _, s := range []string{"decimal( 9 ,2)", "fixed[16]", "geography(srid:1, karney)", "geometry(x)", "timestamptz_ns", "int"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		typ, err := ParseType(s)
		if err != nil {
			return
		}
		again, err := ParseType(typ.String())
		if err != nil || !again.Equal(typ) {
			t.Fatalf("%q is %q, which is %q: %v", s, typ, again, err)
		}
	})
}

func fuzzTypes() []Type {
	var types []Type
	for _, f := range allTypes().Fields {
		if !f.Type.IsNested() && f.Type.Kind != KindVariant && f.Type.Kind != KindUnknown {
			types = append(types, f.Type)
		}
	}
	return types
}

func FuzzBounds(f *testing.F) {
	types := fuzzTypes()
	for i := range types {
		f.Add(byte(i), []byte{1, 2, 3, 4, 5, 6, 7, 8}, 2)
		f.Add(byte(i), []byte{0xff, 0xff, 0xff, 0xff}, 1)
	}
	f.Fuzz(func(t *testing.T, k byte, data []byte, n int) {
		typ := types[int(k)%len(types)]
		v, err := DecodeBound(typ, data)
		if err != nil {
			return
		}
		b, err := EncodeBound(typ, v)
		if err != nil {
			t.Fatalf("%s %x: %v", typ, data, err)
		}
		again, err := DecodeBound(typ, b)
		if err != nil || Compare(typ, v, again) != 0 {
			t.Fatalf("%s %x: %v came back as %v, %v", typ, data, v, again, err)
		}
		if len(b) == len(data) && typ.Kind != KindBoolean && !bytes.Equal(b, data) {
			t.Fatalf("%s: %x written as %x", typ, data, b)
		}
		lower := TruncateLower(typ, v, n)
		if Compare(typ, lower, v) > 0 {
			t.Fatalf("%s %x: lower bound %v is above", typ, data, lower)
		}
		if upper, ok := TruncateUpper(typ, v, n); ok && Compare(typ, upper, v) < 0 {
			t.Fatalf("%s %x: upper bound %v is below", typ, data, upper)
		}
	})
}

func FuzzLiteral(f *testing.F) {
	types := fuzzTypes()
	for i, s := range []string{"true", "1", "-1", "1.5", "1e-3", "12.5", "2020-02-29", "12:34:56.7", "2020-01-01 00:00", "-0001-01-01T00:00:00Z", "1970-01-01", "+10000-01-01", "x", "f79c3e09-677c-4bbd-a479-3f349cb785e7", "00"} {
		f.Add(byte(i), s)
	}
	f.Fuzz(func(t *testing.T, k byte, s string) {
		typ := types[int(k)%len(types)]
		v, err := ParseLiteral(typ, s)
		if err != nil {
			return
		}
		again, err := ParseLiteral(typ, FormatValue(typ, v))
		if err != nil || Compare(typ, v, again) != 0 {
			t.Fatalf("%s: %q is %v, written %q, read %v, %v", typ, s, v, FormatValue(typ, v), again, err)
		}
		if typ.Kind == KindGeometry || typ.Kind == KindGeography {
			return // JSON has well-known text, which not all bytes have
		}
		raw, err := ValueToJSON(typ, v)
		if err != nil || !json.Valid(raw) {
			t.Fatalf("%s: %q as JSON is %s, %v", typ, s, raw, err)
		}
	})
}

func FuzzNameMapping(f *testing.F) {
	f.Add([]byte(`[{"field-id":4,"names":["location"],"fields":[{"field-id":5,"names":["latitude","lat"]}]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseNameMapping(data)
		if err != nil {
			return
		}
		raw, err := m.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseNameMapping(raw)
		if err != nil {
			t.Fatalf("not read back: %v\n%s", err, raw)
		}
		for _, fld := range m.Fields {
			for _, name := range fld.Names {
				a, ok1 := m.ID(name)
				b, ok2 := again.ID(name)
				if a != b || ok1 != ok2 {
					t.Fatalf("%q: %d, then %d", name, a, b)
				}
			}
		}
	})
}

func FuzzWKB(f *testing.F) {
	for _, s := range []string{"POINT (1 2)", "MULTIPOLYGON (((30 20, 45 40, 10 40, 30 20)))", "GEOMETRYCOLLECTION (POINT Z (1 2 3), POINT EMPTY)"} {
		b, err := ParseWKT(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := AppendWKT(nil, data)
		if err != nil {
			return
		}
		if b, err := ParseWKT(string(text)); err == nil {
			if again, err := AppendWKT(nil, b); err != nil || !bytes.Equal(text, again) {
				t.Fatalf("%s came back as %s, %v", text, again, err)
			}
		}
	})
}
